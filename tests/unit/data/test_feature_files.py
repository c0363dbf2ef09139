from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.core.errors import CalvinError, FeatureError
from calvin.core.time import Span
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


FULL = """
import resource, sys
import numpy as np
from calvin.core.errors import CalvinError
from calvin.data import FeatureWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with FeatureWriter(sys.argv[1], "tower", "a" * 64, 5, 64, resume=True) as writer:
        print(len(writer), end=" ")
        for number in range(40):
            writer.add(str(number), np.full((200, 64), number))
except CalvinError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_refuses_is_one_sentence_and_keeps_what_it_took(suffix: str, tmp_path: Path) -> None:
    """The limit of a file's size stands for a full disk; HDF5 alone ends the interpreter with a signal there."""
    path = tmp_path / f"f{suffix}"

    def run(limit: int) -> str:
        done = subprocess.run(
            [sys.executable, "-c", FULL, path, str(limit)], capture_output=True, text=True, check=True
        )
        assert not done.stderr
        return done.stdout

    assert "could not be written" in run(300_000)
    assert not path.exists()
    kept, _, said = run(10_000_000).partition(" ")
    assert not said
    assert int(kept) == (11 if suffix == ".h5" else 0)
    with FeatureStore.open(path) as store:
        assert all((store.get(str(number)) == number).all() for number in range(40))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_room_is_checked_before_anything_is_written(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> None:
        with writer(tmp_path / f"f{suffix}") as out:
            out.add("a", np.ones((3, 2)))

    monkeypatch.setattr("calvin.core.files.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1 << 19))
    with pytest.raises(CalvinError, match=r"no room for .*: 1 MiB are needed and 0 are free\. Free some space"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_another_process_writes_is_called_so(tmp_path: Path) -> None:
    code = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1], 'w', locking=True) as file:\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "f.h5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(FeatureError, match="being written by another process: wait"):
            FeatureStore.open(tmp_path / "f.h5")
        other.communicate()
    with writer(tmp_path / "g.h5"), pytest.raises(CalvinError, match="being written by another process: wait"):
        writer(tmp_path / "g.h5")


def damaged_h5(path: Path, **facts: object) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("huge", shape=(10**7, 2), dtype="f4", chunks=(1000, 2))
        file.create_dataset("words", data=[[b"a", b"b"]])
        file.create_dataset("mixed", data=np.zeros((3, 2), dtype=[("x", "f4"), ("y", "S2")]))
        file.create_dataset("elsewhere", (3, 2), "f4", external=[("/etc/hostname", 0, 24)])
        file.create_dataset("good", data=np.ones((3, 2)))
        known = {"calvin_format": "features-1", "fps": 5.0, "encoder_id": "a", "encoder_hash": "b", "dim": 2}
        file.attrs.update({**known, **facts})
    return path


def test_arrays_that_are_no_vectors_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    with FeatureStore.open(damaged_h5(tmp_path / "f.h5")) as store:
        assert store.scene("good", None).shape == (3, 2)
        for name in ("huge", "words", "mixed", "elsewhere"):
            with pytest.raises(FeatureError, match=f"'{name}'.* are not numbers that lie in their file"):
                store.scene(name, None)
            assert store.problem(name, Span(0, 10))


@pytest.mark.parametrize(
    "facts",
    [{"fps": "often"}, {"fps": [1, 2]}, {"fps": np.nan}, {"fps": -5}, {"dim": 0}, {"dim": 10**9}, {"dim": "two"}],
)
def test_facts_of_another_kind_are_refused(facts: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="make the features again"):
        FeatureStore.open(damaged_h5(tmp_path / "f.h5", **facts))


def test_an_id_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with writer(path) as out:
        out.add("name-of-a-film", np.ones((3, 2)))
    content = path.read_bytes()
    assert content.count(b"name-of-a-film") == 1
    path.write_bytes(content.replace(b"name-of-a-film", b"name-of-\xff-film"))
    with pytest.raises(FeatureError, match="an id in it is not text"):
        FeatureStore.open(path)


# Always the same damage: at some bytes of its strings (in the global heap) HDF5 itself reads on for ever.
@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damage_is_refused_or_harmless(suffix: str, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / f"f{suffix}"
    with writer(path) as out:
        out.add("a", np.ones((30, 2)))
        out.add("b/c", np.ones((3, 2)))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        with FeatureStore.open(path) as store:
            for name in store.ids:
                store.problem(name, Span(0, 1000))
                store.get(name)
    except FeatureError:
        pass
