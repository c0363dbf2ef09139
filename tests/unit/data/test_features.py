from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.core.errors import FeatureError, MissingExtraError
from calvin.core.time import Span
from calvin.data import CachedFeatures, FeatureStore, FeatureWriter, MemoryFeatures, open_features

ENCODER = ("tower", "a" * 64)
SUFFIXES = [".h5", ".safetensors"]


def ramp(frames: int, dim: int = 4) -> np.ndarray:
    """Frame n is full of n, so that a vector tells which frame it is."""
    return np.repeat(np.arange(frames, dtype=np.float32)[:, None], dim, axis=1)


def write(path: Path, arrays: dict[str, np.ndarray], fps: float = 5.0, encoder: tuple[str, str] = ENCODER) -> Path:
    with FeatureWriter(path, *encoder, fps=fps, dim=4) as writer:
        for name, array in arrays.items():
            writer.add(name, array)
    return path


def mad_file(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read(suffix: str, tmp_path: Path) -> None:
    arrays = {"0001_A_Film": ramp(50), "000001_000050/4012": ramp(3)}
    path = write(tmp_path / f"features{suffix}", arrays, fps=3.0)
    with FeatureStore.open(path, expect_encoder=ENCODER, expect_dim=4, fps=3.0) as store:
        assert (store.fps, store.encoder_id, store.encoder_hash, store.dim) == (3.0, *ENCODER, 4)
        assert sorted(store.ids) == sorted(arrays)
        assert len(store) == 2
        assert "0001_A_Film" in store
        assert "000001_000050" not in store
        assert store.notes == ()
        for name, array in arrays.items():
            assert store.get(name).dtype == np.float32
            np.testing.assert_array_equal(store.get(name), array)
            assert store.frames(name) == len(array)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_float32_is_kept_to_the_bit(suffix: str, tmp_path: Path) -> None:
    exact = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    path = tmp_path / f"features{suffix}"
    with FeatureWriter(path, *ENCODER, 5, 4, dtype="float32") as writer:
        writer.add("a", exact)
    np.testing.assert_array_equal(FeatureStore.open(path).get("a"), exact)


def test_ours_reads_as_mad_s(tmp_path: Path) -> None:
    path = write(tmp_path / "features.h5", {"0001_A_Film": ramp(9)})
    with h5py.File(path) as file:
        assert list(file.keys()) == ["0001_A_Film"]
        assert file["0001_A_Film"].shape == (9, 4)
        assert file.attrs["fps"] == 5.0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scenes_are_cut_by_time_and_sampled_evenly(suffix: str, tmp_path: Path) -> None:
    store = FeatureStore.open(write(tmp_path / f"f{suffix}", {"m": ramp(100)}))
    assert store.scene("m", Span(2000, 5000))[:, 0].tolist() == list(range(10, 25))
    assert store.scene("m", Span(2000, 5000), max_frames=3)[:, 0].tolist() == [12, 17, 22]
    assert store.scene("m", Span(2000, 2000))[:, 0].tolist() == [10]
    assert store.scene("m", Span(900_000, 910_000))[:, 0].tolist() == [99]
    assert store.scene("m", None, max_frames=4).shape == (4, 4)
    assert store.scene("m", None, max_frames=1)[0, 0] == 50


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.integers(1, 40), start=st.integers(0, 12_000), length=st.integers(0, 12_000), limit=st.integers(1, 32))
def test_store_and_memory_give_the_same_scenes(
    frames: int, start: int, length: int, limit: int, tmp_path: Path
) -> None:
    arrays = {"m": ramp(frames)}
    span = Span(start, start + length)
    with FeatureStore.open(write(tmp_path / "f.safetensors", arrays)) as store:
        scene = store.scene("m", span, limit)
    np.testing.assert_array_equal(scene, MemoryFeatures(arrays).scene("m", span, limit))
    assert 1 <= len(scene) <= limit
    assert (np.diff(scene[:, 0]) > 0).all()


def test_mad_s_own_files_need_the_caller_s_word(tmp_path: Path) -> None:
    path = mad_file(tmp_path / "mad.h5", film=ramp(10))
    store = FeatureStore.open(path)
    assert store.fps == 5.0
    assert store.dim == 4
    assert "5 frames per second" in store.notes[0]
    assert FeatureStore.open(path, fps=3).fps == 3
    assert FeatureStore.open(path, fps=3).notes == ()
    with pytest.raises(FeatureError, match="does not say which encoder"):
        FeatureStore.open(path, expect_encoder=ENCODER)
    assert FeatureStore.open(path, expect_encoder=ENCODER, stated_encoder=ENCODER).encoder_id == "tower"
    with pytest.raises(FeatureError, match="needs tower"):
        FeatureStore.open(path, expect_encoder=ENCODER, stated_encoder=("other", "b"))
    with pytest.raises(FeatureError, match="width 4, but 512"):
        FeatureStore.open(path, expect_dim=512)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_encoder_s_features_are_refused_with_both_named(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"f{suffix}", {"m": ramp(3)}, encoder=("clip-b32", "b" * 64))
    with pytest.raises(FeatureError, match=r"clip-b32 \(bbbbbbbbbbbb\).*tower \(aaaaaaaaaaaa\).*calvin data features"):
        FeatureStore.open(path, expect_encoder=ENCODER)


def test_the_hash_decides_and_a_moved_encoder_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", {"m": ramp(3)}, encoder=("old/folder", "a" * 64))
    assert FeatureStore.open(path, expect_encoder=ENCODER).encoder_id == "old/folder"
    with pytest.raises(FeatureError, match="needs old/folder"):
        FeatureStore.open(path, expect_encoder=("old/folder", "c" * 64))


def test_another_frame_rate_or_width_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5", {"m": ramp(3)}, fps=3)
    with pytest.raises(FeatureError, match="made at 3 frames per second, not 5"):
        FeatureStore.open(path, fps=5)
    with pytest.raises(FeatureError, match="width 4, but 8"):
        FeatureStore.open(path, expect_dim=8)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_unknown_ids_name_the_nearest(suffix: str, tmp_path: Path) -> None:
    store = FeatureStore.open(write(tmp_path / f"f{suffix}", {"0001_A_Film": ramp(3), "0002_B_Film": ramp(3)}))
    with pytest.raises(FeatureError, match="'0001_Film' among its 2 ids; the nearest are '0001_A_Film'"):
        store.get("0001_Film")
    with pytest.raises(FeatureError, match="among its 2 ids"):
        store.scene("zzzzzzzzzzzzzzzz", None)


def test_values_that_are_not_numbers_are_reported_when_read(tmp_path: Path) -> None:
    bad = ramp(10)
    bad[3, 1] = np.nan
    store = FeatureStore.open(mad_file(tmp_path / "mad.h5", film=bad, flat=np.zeros(5), thin=np.zeros((5, 2))))
    with pytest.raises(FeatureError, match="1 of 10 frames with values that are not numbers"):
        store.get("film")
    assert store.scene("film", Span(1000, 2000)).shape == (5, 4)
    for name in ("flat", "thin"):
        with pytest.raises(FeatureError, match=r"not \[frames, 4\]"):
            store.get(name)


@pytest.mark.parametrize("content", [b"", b"not a feature file", b"\x89HDF\r\n\x1a\n" + bytes(40)])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_files_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(content)
    with pytest.raises(FeatureError, match="not a feature file"):
        FeatureStore.open(path)
    with pytest.raises(FeatureError, match="does not exist"):
        FeatureStore.open(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncated_files_are_refused(suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"f{suffix}", {"m": ramp(3000)})
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(FeatureError, match="cut short"):
        FeatureStore.open(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_store_survives_pickling_and_reopens(suffix: str, tmp_path: Path) -> None:
    store = FeatureStore.open(write(tmp_path / f"f{suffix}", {"m": ramp(3)}))
    again = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(again.get("m"), store.get("m"))
    store.close()
    np.testing.assert_array_equal(store.get("m"), ramp(3))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_each_process_opens_its_own_file(suffix: str, tmp_path: Path) -> None:
    store = FeatureStore.open(write(tmp_path / f"f{suffix}", {"m": ramp(3)}))
    handle = store._file()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(store.get, ("m",)), ramp(3))
    store._owner = -2  # as it looks in a child that inherited the open file
    np.testing.assert_array_equal(store.get("m"), ramp(3))
    assert store._file() is not handle


class Counting(MemoryFeatures):
    reads = 0

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        self.reads += 1
        return super().scene(media_id, span, max_frames)


def test_cached_features_are_the_same_and_read_once() -> None:
    rng = np.random.default_rng(0)
    exact = rng.normal(size=(40, 8)).astype(np.float32)
    features = Counting({"exact": exact, "half": exact.astype(np.float16)})
    cached = CachedFeatures(features)
    assert "exact" in cached
    assert "absent" not in cached
    for media_id in ("exact", "half"):
        expected = MemoryFeatures(features.arrays).scene(media_id, Span(0, 3000), 8)
        for _ in range(3):
            scene = cached.scene(media_id, Span(0, 3000), 8)
            assert scene.dtype == np.float32
            np.testing.assert_array_equal(scene, expected)
            scene[:] = 0  # the caller may write into what it got
    assert features.reads == 2
    assert cached.held_bytes == 8 * 8 * 4 + 8 * 8 * 2


def test_cached_features_stay_within_their_memory() -> None:
    features = Counting({str(number): np.ones((10, 8), dtype=np.float32) for number in range(20)})
    cached = CachedFeatures(features, max_bytes=500)
    for number in range(20):
        cached.scene(str(number), None)
        assert cached.held_bytes <= 500
    cached.scene("19", None)
    assert features.reads == 20
    cached.scene("0", None)
    assert features.reads == 21


def test_without_h5py_safetensors_work_and_an_h5_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write(tmp_path / "mad.h5", {"film": ramp(10)})
    monkeypatch.setitem(sys.modules, "h5py", None)
    write(tmp_path / "film.safetensors", {"film": ramp(10)})
    with FeatureStore.open(tmp_path / "film.safetensors", expect_encoder=ENCODER) as store:
        assert store.scene("film", Span(0, 1000))[:, 0].tolist() == [0, 1, 2, 3, 4]
    needed = r"mad\.h5 needs optional packages \(h5py is not installed\): run `pip install 'calvin-ad\[train\]'`"
    with pytest.raises(MissingExtraError, match=needed):
        FeatureStore.open(made)
    with pytest.raises(MissingExtraError, match=needed):
        write(tmp_path / "new/mad.h5", {"film": ramp(10)})
    with pytest.raises(MissingExtraError, match=needed):
        open_features(tmp_path)


def test_reading_features_loads_nothing_heavy(tmp_path: Path) -> None:
    write(tmp_path / "film.safetensors", {"film": ramp(10)})
    code = (
        "import sys\n"
        "from calvin.data import FeatureStore\n"
        f"with FeatureStore.open({str(tmp_path / 'film.safetensors')!r}) as store:\n"
        "    assert store.get('film').shape == (10, 4)\n"
        "print(sorted({'torch', 'cv2', 'scenedetect', 'h5py', 'av', 'PIL', 'transformers'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
