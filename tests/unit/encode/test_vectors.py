from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calvin.core.errors import DataError, FeatureError, MediaError, UsageError
from calvin.data import FeatureStore
from calvin.encode.vectors import VectorMaker, find_media, make_features, pictures_of
from calvin.model import encode_images, encoder_identity, load_vision_tower


def image(path: Path, seed: int, size: tuple[int, int] = (40, 24)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(rgb).save(path)
    return rgb


def test_images_of_several_sizes_each_become_one_vector(tmp_path: Path, tiny_tower: Path) -> None:
    source = tmp_path / "images"
    pictures = {
        f"{i // 2:02d}/{i:03d}": image(source / f"{i // 2:02d}/{i:03d}.png", i, (40, 24 + i % 2)) for i in range(5)
    }
    (source / "00" / "broken.png").write_bytes(b"no image")
    report = make_features(source, tiny_tower, tmp_path / "out.h5", kind="images")
    assert (report.ids, report.frames, report.kept) == (5, 5, 0)
    assert report.drops.dropped == {"unreadable": 1}
    tower, processor = load_vision_tower(tiny_tower)
    with FeatureStore.open(tmp_path / "out.h5", expect_encoder=encoder_identity(tiny_tower)) as store:
        assert set(store.ids) == set(pictures)
        for name, rgb in pictures.items():
            np.testing.assert_allclose(store.get(name), encode_images(tower, processor, rgb[None]), atol=2e-3)


def test_gifs_are_encoded_and_forms_that_are_not_read_are_named(tmp_path: Path, tiny_tower: Path) -> None:
    """Among the images of OCR-VQA some are GIFs."""
    image(tmp_path / "in/144.jpg", 0)
    Image.fromarray(image(tmp_path / "still.png", 1)).save(tmp_path / "in/143.gif")
    (tmp_path / "in/drawing.svg").write_text("<svg/>")
    (tmp_path / "in/144.json").write_text("{}")
    report = make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5", kind="images")
    assert FeatureStore.open(tmp_path / "out.h5").ids == ("143", "144")
    assert report.drops.dropped == {"images of a form that is not read": 1}
    assert (report.drops.read, report.drops.examples) == (
        3, {"images of a form that is not read": [str(tmp_path / "in/drawing.svg")]},
    )  # fmt: skip


def test_films_are_sampled_and_named_by_their_path(
    tmp_path: Path, tiny_tower: Path, make_film: Callable[..., Path]
) -> None:
    make_film(tmp_path / "in/a/one.mp4", (2.0, 1.0))
    make_film(tmp_path / "in/two.mkv", (1.0,), audio=False)
    (tmp_path / "in/three.mp4").write_bytes(b"#EXTM3U\nhttp://example.org/x.ts\n")
    report = make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5")
    with FeatureStore.open(tmp_path / "out.h5") as store:
        assert {name: store.frames(name) for name in store.ids} == {"a/one": 15, "two": 5}
        assert store.fps == 5
    assert report.drops.dropped == {"unreadable": 1}


def test_frame_folders_keep_their_own_rate(tmp_path: Path, tiny_tower: Path) -> None:
    for i in range(6):
        image(tmp_path / "in/clip_a" / f"{i:05d}.jpg", i)
    for i in range(2):
        image(tmp_path / "in/clip_b" / f"{i:05d}.jpg", i)
    (tmp_path / "in/clip_a/done").touch()
    make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5", kind="frames", fps=3)
    with FeatureStore.open(tmp_path / "out.h5") as store:
        assert {name: store.frames(name) for name in store.ids} == {"clip_a": 6, "clip_b": 2}
        assert store.fps == 3
    make_features(tmp_path / "in/clip_a", tiny_tower, tmp_path / "one.h5", kind="frames", fps=5, folder_fps=3)
    with FeatureStore.open(tmp_path / "one.h5") as store:
        assert {name: store.frames(name) for name in store.ids} == {"clip_a": 10}


def test_an_interrupted_run_goes_on(tmp_path: Path, tiny_tower: Path) -> None:
    for i in range(4):
        image(tmp_path / "in" / f"{i}.png", i, (40, 24 + i))
    seen: list[str] = []

    def stop_at_two(event) -> None:
        seen.append(event.detail)
        if event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5", kind="images", listener=stop_at_two)
    assert not (tmp_path / "out.h5").exists()
    report = make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5", kind="images")
    assert (report.kept, report.frames, report.ids) == (2, 2, 4)


def test_nothing_usable_writes_nothing(tmp_path: Path, tiny_tower: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no films in"):
        make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5")
    (tmp_path / "in/bad.mp4").write_bytes(b"nothing")
    with pytest.raises(DataError, match="Not one of the 1 films"):
        make_features(tmp_path / "in", tiny_tower, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    with pytest.raises(DataError, match="does not exist"):
        make_features(tmp_path / "absent", tiny_tower, tmp_path / "out.h5")
    with pytest.raises(UsageError, match="not from sounds"):
        make_features(tmp_path / "in", tiny_tower, tmp_path / "out.h5", kind="sounds")  # type: ignore[arg-type]
    with pytest.raises(FeatureError, match=r"\.h5 or \.safetensors"):
        make_features(tmp_path / "in", tiny_tower, tmp_path / "out.npy")


def test_two_files_of_one_id_are_refused(tmp_path: Path) -> None:
    image(tmp_path / "a.jpg", 0)
    image(tmp_path / "a.png", 0)
    with pytest.raises(DataError, match="would share the id 'a'"):
        find_media(tmp_path, "images")
    assert [item.media_id for item in find_media(tmp_path / "a.png", "images")] == ["a"]


def test_batches_are_filled_across_ids_and_what_breaks_off_is_left_out() -> None:
    sizes: list[int] = []

    def encode(pictures: Sequence[np.ndarray]) -> np.ndarray:
        sizes.append(len(pictures))
        return np.array([[picture[0, 0, 0], picture.shape[0]] for picture in pictures], dtype=np.float32)

    def pictures(first: int, count: int, height: int, broken: bool = False) -> Iterator[np.ndarray]:
        for number in range(first, first + count):
            yield np.full((height, 4, 3), number, np.uint8)
        if broken:
            raise MediaError("b ends too early.")

    stream = [*pictures_of("a", pictures(0, 5, 2)), *pictures_of("b", pictures(5, 2, 3, broken=True)),
              *pictures_of("none", iter(())), *pictures_of("c", pictures(7, 4, 4))]  # fmt: skip
    found = list(VectorMaker(encode, batch=4).run(stream))
    assert sizes == [4, 4, 3]
    assert [(name, len(array), problem) for name, array, problem in found] == [
        ("a", 5, ""), ("b", 2, "b ends too early."), ("none", 0, ""), ("c", 4, "")
    ]  # fmt: skip
    np.testing.assert_array_equal(found[0].array, [[0, 2], [1, 2], [2, 2], [3, 2], [4, 2]])
    np.testing.assert_array_equal(found[3].array, [[7, 4], [8, 4], [9, 4], [10, 4]])
    assert found[0].array.dtype == np.float16


def test_a_picture_that_stays_is_encoded_once() -> None:
    still, other = np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 3), np.uint8)
    encoded = 0

    def encode(pictures: Sequence[np.ndarray]) -> np.ndarray:
        nonlocal encoded
        encoded += len(pictures)
        return np.array([[float(picture.mean())] for picture in pictures])

    maker = VectorMaker(encode, batch=2)
    maker.extend([still] * 1000 + [other] * 3 + [still])
    (vectors,) = [*maker.end("film"), *maker.finish()]
    assert vectors.array[:, 0].tolist() == [0] * 1000 + [1] * 3 + [0]
    assert encoded <= 5
