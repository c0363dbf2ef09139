from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds
from PIL import Image

from calvin.core.errors import CalvinError, DataError, UsageError
from calvin.core.files import TEMPORARY, locked
from calvin.data import FeatureStore, Sample, SourceConfig, load_source
from calvin.data.features import FeatureFolder
from calvin.encode.prepare import Part, Plan, Worker, prepare
from calvin.model import encode_images, encoder_identity, load_vision_tower


def pixels(seed: int, size: tuple[int, int] = (40, 24)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)


def image(path: Path, seed: int, size: tuple[int, int] = (40, 24)) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = pixels(seed, size)
    Image.fromarray(rgb).save(path)
    return rgb


def jpeg(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels(seed)).save(stream, "PNG")
    return stream.getvalue()


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.suffix in (".h5", ".tar")
    }


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(7):
        image(tmp_path / f"in/{i // 4}/{i}.png", i, (40, 24 + i % 3))
    (tmp_path / "in/0/broken.png").write_bytes(b"no image")
    return tmp_path / "in"


def test_images_become_the_tower_s_vectors_in_parts(pictures: Path, tiny_tower: Path, tmp_path: Path) -> None:
    report = prepare(pictures, tiny_tower, tmp_path / "out", "images", workers=0, part_size=3, batch=2)
    assert (report.parts, report.ids, report.frames, report.kept) == (3, 7, 7, 0)
    assert report.drops.dropped == {"unreadable": 1}
    assert "broken.png" in report.drops.examples["unreadable"][0]
    tower, processor = load_vision_tower(tiny_tower)
    store = FeatureFolder.open(tmp_path / "out", expect_encoder=encoder_identity(tiny_tower), expect_dim=24)
    assert len(store) == 7
    for i in range(7):
        expected = encode_images(tower, processor, pixels(i, (40, 24 + i % 3))[None])
        np.testing.assert_allclose(store.scene(f"{i // 4}/{i}", None), expected, atol=2e-3)
    assert json.loads((tmp_path / "out/prepared.json").read_text())["dropped"] == {"unreadable": 1}


def test_films_and_frame_folders(tmp_path: Path, tiny_tower: Path, make_film: Callable[..., Path]) -> None:
    make_film(tmp_path / "films/a/one.mp4", (2.0, 1.0))
    (tmp_path / "films/bad.mp4").write_bytes(b"nothing")
    prepare(tmp_path / "films", tiny_tower, tmp_path / "f", "films", workers=0)
    for i in range(5):
        image(tmp_path / f"frames/clip/{i}.jpg", i)
    prepare(tmp_path / "frames", tiny_tower, tmp_path / "t", "frames", fps=3, workers=0)
    with (
        FeatureStore.open(tmp_path / "f/part-00000.h5") as films,
        FeatureStore.open(tmp_path / "t/part-00000.h5") as tv,
    ):
        assert (films.ids, films.frames("a/one"), films.fps) == (("a/one",), 15, 5)
        assert (tv.ids, tv.frames("clip"), tv.fps) == (("clip",), 5, 3)


def test_what_is_there_is_kept_and_what_is_spoilt_is_made_again(
    pictures: Path, tiny_tower: Path, tmp_path: Path
) -> None:
    def go() -> int:
        return prepare(pictures, tiny_tower, tmp_path / "out", "images", workers=0, part_size=3).kept

    go()
    first = digests(tmp_path / "out")
    (tmp_path / "out/part-00001.h5").write_bytes(b"cut")
    (tmp_path / "out/part-00002.json").unlink()
    (tmp_path / f"out/{TEMPORARY}x.tar").write_bytes(b"half")  # a killed worker's
    assert go() == 1
    assert digests(tmp_path / "out") == first
    image(pictures / "0/0.png", 99)
    assert go() == 2
    assert digests(tmp_path / "out") != first
    with pytest.raises(UsageError, match="prepared from other things"):
        prepare(pictures, tiny_tower, tmp_path / "out", "images", workers=0, batch=2)


class _Killed:
    """A worker that is killed the first time it meets the second part."""

    def __init__(self, plan: Plan) -> None:
        self.worker, self.mark = Worker(plan), plan.out / "killed"

    def __call__(self, part: Part) -> str:
        if part.name == "part-00001" and not self.mark.exists():
            self.mark.touch()
            (self.mark.parent / f"{TEMPORARY}x.tar").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        return self.worker(part)


def _start_killed(plan: Plan) -> None:
    from calvin.encode import prepare as module

    module._worker = _Killed(plan)  # type: ignore[assignment]


@pytest.fixture
def plain_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes get this process's search path, but not the operators that tests define for torchvision."""
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder).name != "videollm"])


@pytest.mark.slow
@pytest.mark.usefixtures("plain_path")
def test_killing_a_worker_of_the_pool_loses_nothing(
    pictures: Path, tiny_tower: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(pictures, tiny_tower, tmp_path / "here", "images", workers=0, part_size=3, batch=2)
    monkeypatch.setattr("calvin.encode.prepare._start", _start_killed)
    report = prepare(pictures, tiny_tower, tmp_path / "pool", "images", workers=2, part_size=3, batch=2)
    assert (tmp_path / "pool/killed").exists()
    assert not list((tmp_path / "pool").glob(f"{TEMPORARY}*"))
    assert report.ids == 7
    assert digests(tmp_path / "pool") == digests(tmp_path / "here")


def test_two_runs_do_not_prepare_into_one_folder(pictures: Path, tiny_tower: Path, tmp_path: Path) -> None:
    with locked(tmp_path / "out"), pytest.raises(CalvinError, match="being written by another process"):
        prepare(pictures, tiny_tower, tmp_path / "out", "images", workers=0)


def shard(path: Path, count: int, start: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wds.TarWriter(str(path)) as tar:
        for i in range(start, start + count):
            tar.write({"__key__": f"{i:09d}", "png": jpeg(i), "txt": f"picture {i}", "json": b'{"width": 40}'})
    return path


def test_shards_become_tars_that_train_and_that_webdataset_reads(tmp_path: Path, tiny_tower: Path) -> None:
    shard(tmp_path / "in/00000.tar", 4)
    whole = shard(tmp_path / "in/00001.tar", 4, start=4).read_bytes()
    with tarfile.open(tmp_path / "in/00001.tar") as tar:
        third = tar.getmembers()[8].offset_data
    (tmp_path / "in/00001.tar").write_bytes(whole[: third + 4])
    with wds.TarWriter(str(tmp_path / "in/00002.tar")) as tar:
        tar.write({"__key__": "a", "png": b"no image", "txt": "nothing to see"})
        tar.write({"__key__": "b", "png": jpeg(1), "txt": "  "})
    report = prepare(tmp_path / "in", tiny_tower, tmp_path / "out", "shards", form="tar", workers=0, batch=3)
    assert report.ids == 6
    assert set(report.drops.dropped) == {
        "unreadable",
        "no picture or no caption",
        "shard cut short or damaged, its rest is lost",
    }
    assert report.drops.examples["unreadable"] == ["00002/a.png is not an image that can be read."]
    config = SourceConfig(
        name="pairs", format="webdataset", annotations=tmp_path / "out", features=tmp_path / "out", cache_mb=0
    )
    source = load_source(config, expect_encoder=encoder_identity(tiny_tower), expect_dim=24)
    assert source.kind == "image"
    assert [sample.caption for sample in source.samples] == [f"picture {i}" for i in range(6)]
    tower, processor = load_vision_tower(tiny_tower)
    for i, sample in enumerate(source.samples):
        expected = encode_images(tower, processor, pixels(i)[None])
        np.testing.assert_allclose(source.features.scene(sample.media_id, sample.span), expected, atol=2e-3)
    with open(tmp_path / "out/00000.tar", "rb") as stream:
        files = wds.tariterators.tar_file_expander([{"url": "out/00000.tar", "stream": stream}])
        theirs = list(wds.tariterators.group_by_keys(files))
    assert [json.loads(item["json"])["caption"] for item in theirs] == [f"picture {i}" for i in range(4)]
    assert np.load(io.BytesIO(theirs[0]["npy"])).shape == (1, 24)


def test_annotations_go_into_the_tars(pictures: Path, tiny_tower: Path, tmp_path: Path) -> None:
    said = [Sample(f"{i // 4}/{i}", "cc3m", f"{i // 4}/{i}", "image", f"picture {i}") for i in (0, 5, 8)]
    report = prepare(pictures, tiny_tower, tmp_path / "out", "images", form="tar", samples=said, workers=0)
    assert report.ids == 2
    assert report.drops.examples["described, but not in the folder"] == ["2/8"]
    config = SourceConfig(name="cc", format="webdataset", annotations=tmp_path / "out", features=tmp_path / "out")
    assert [sample.caption for sample in load_source(config).samples] == ["picture 0", "picture 5"]
    with pytest.raises(UsageError, match="say where the annotations are"):
        prepare(pictures, tiny_tower, tmp_path / "x", "images", form="tar", workers=0)
    with pytest.raises(UsageError, match="described more than once"):
        prepare(pictures, tiny_tower, tmp_path / "x", "images", form="tar", samples=said * 2, workers=0)
    with pytest.raises(DataError, match="described by the annotations"):
        prepare(pictures, tiny_tower, tmp_path / "x", "images", samples=said[2:], workers=0)


def test_nothing_that_can_be_used_is_an_error_that_says_why(tmp_path: Path, tiny_tower: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/x.png").write_bytes(b"no")
    with pytest.raises(DataError, match=r"(?s)Not one item.*not an image"):
        prepare(tmp_path / "in", tiny_tower, tmp_path / "out", "images", workers=0)
    with pytest.raises(UsageError, match="not sounds as h5"):
        prepare(tmp_path / "in", tiny_tower, tmp_path / "out", "sounds")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="above 0 frames per second, not 0"):
        prepare(tmp_path / "in", tiny_tower, tmp_path / "out", "images", fps=0)
    with pytest.raises(UsageError, match="at least 1 picture, not 0"):
        prepare(tmp_path / "in", tiny_tower, tmp_path / "out", "images", batch=0)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_path")
@pytest.mark.filterwarnings("default")
def test_a_ray_cluster_gives_the_same_files(pictures: Path, tiny_tower: Path, tmp_path: Path) -> None:
    prepare(pictures, tiny_tower, tmp_path / "here", "images", workers=0, part_size=2, batch=2)
    report = prepare(pictures, tiny_tower, tmp_path / "ray", "images", workers=2, part_size=2, batch=2, ray=True)
    assert (report.ids, report.parts) == (7, 4)
    assert digests(tmp_path / "ray") == digests(tmp_path / "here")
