from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import FeatureError
from calvin.data import FeatureStore, FeatureWriter

SUFFIXES = [".h5", ".safetensors"]


def writer(path: Path, encoder: str = "tower", resume: bool = False) -> FeatureWriter:
    return FeatureWriter(path, encoder, "a" * 64, 5, 2, resume=resume)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_left_when_writing_fails(suffix: str, tmp_path: Path) -> None:
    def fail() -> None:
        with writer(tmp_path / f"f{suffix}") as out:
            out.add("a", np.ones((3, 2)))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_older_file_stays_until_the_new_one_is_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"f{suffix}"
    with writer(path) as out:
        out.add("old", np.ones((3, 2)))
    with writer(path) as out:
        out.add("new", np.ones((3, 2)))
        assert FeatureStore.open(path).ids == ("old",)
    assert FeatureStore.open(path).ids == ("new",)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("a", np.ones((3, 5)), r"shape \(3, 5\), not \[frames, 2\]"),
        ("a", np.ones(2), "shape"),
        ("a", np.ones((0, 2)), "shape"),
        ("a", np.array([[1, np.nan]]), "not numbers"),
        ("a", np.array([[1, 1e6]]), "exceed float16"),
        ("../a", np.ones((3, 2)), "cannot name features"),
        ("/a", np.ones((3, 2)), "cannot name features"),
        ("", np.ones((3, 2)), "cannot name features"),
        ("there", np.ones((3, 2)), "already written"),
    ],
)
def test_bad_arrays_and_names_are_refused(
    suffix: str, name: str, array: np.ndarray, message: str, tmp_path: Path
) -> None:
    with writer(tmp_path / f"f{suffix}") as out:
        out.add("there", np.ones((3, 2)))
        with pytest.raises(FeatureError, match=message):
            out.add(name, array)
    assert FeatureStore.open(tmp_path / f"f{suffix}").ids == ("there",)


def test_an_id_cannot_be_a_folder_of_another(tmp_path: Path) -> None:
    with writer(tmp_path / "f.h5") as out:
        out.add("a", np.ones((3, 2)))
        with pytest.raises(FeatureError, match="clashes"):
            out.add("a/b", np.ones((3, 2)))


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"\.h5 or \.safetensors"):
        writer(tmp_path / "f.npz")


def test_a_killed_writer_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    script = (
        "import os, signal, sys, numpy as np\n"
        "from calvin.data.feature_files import FeatureWriter\n"
        "out = FeatureWriter(sys.argv[1], 'tower', 'a' * 64, 5, 2, resume=True)\n"
        "for number in range(7):\n"
        "    out.add(f'clips/{number}', np.full((3, 2), number))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    with writer(path, resume=True) as out:
        assert len(out) == 7
        for number in range(9):
            assert (f"clips/{number}" in out) == (number < 7)
            out.add(f"clips/{number}", np.full((3, 2), number))
    store = FeatureStore.open(path)
    assert len(store) == 9
    assert all((store.get(f"clips/{number}") == number).all() for number in range(9))
    assert [item.name for item in tmp_path.iterdir()] == ["f.h5"]


def test_an_unreadable_partial_file_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "f.partial.h5").write_bytes(b"half a header")
    with writer(tmp_path / "f.h5", resume=True) as out:
        assert len(out) == 0
        out.add("a", np.ones((3, 2)))
    assert FeatureStore.open(tmp_path / "f.h5").ids == ("a",)


def test_another_encoder_does_not_go_on_with_a_partial_file(tmp_path: Path) -> None:
    begun = writer(tmp_path / "f.h5", resume=True)
    begun.add("a", np.ones((3, 2)))
    begun.abort()
    with pytest.raises(FeatureError, match="begun with the encoder tower, not other"):
        writer(tmp_path / "f.h5", encoder="other", resume=True)
    with writer(tmp_path / "f.h5", encoder="other") as out:
        out.add("b", np.ones((3, 2)))
    assert FeatureStore.open(tmp_path / "f.h5").ids == ("b",)
