"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from calvin.core.files import (
    atomic_folder,
    atomic_path,
    file_sha256,
    remove_leftovers,
    restore_folder,
    sweep,
    temporary_folder,
    write_json,
    write_text,
)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_half(target: Path, error: BaseException) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error


def make_half(target: Path, error: BaseException) -> None:
    with atomic_folder(target) as temporary:
        (temporary / "weights").write_text("half")
        raise error


def test_a_block_that_ends_well_leaves_the_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "new" / "film.mp4"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mp4"
        assert not target.exists()
        temporary.write_bytes(b"film")
    assert target.read_bytes() == b"film"
    assert listing(target.parent) == ["film.mp4"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "script.vtt"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_half(target, KeyboardInterrupt())
    assert target.read_text() == "old"
    assert listing(tmp_path) == ["script.vtt"]


def test_a_failed_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oh"):
        write_half(tmp_path / "script.vtt", ValueError("oh"))
    assert listing(tmp_path) == []


@pytest.mark.parametrize("old", [None, "old"])
def test_a_process_killed_while_writing_leaves_what_was_there(tmp_path: Path, old: str | None) -> None:
    target = tmp_path / "script.vtt"
    if old is not None:
        target.write_text(old)
    program = f"""
import os, signal
from calvin.core.files import atomic_path
with atomic_path({str(target)!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (target.read_text() if target.exists() else None) == old
    write_text(target, "new")
    assert target.read_text() == "new"


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "script.vtt", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "script.vtt").stat().st_mode) == 0o640


def test_all_files_of_a_folder_get_the_modes_of_new_ones(tmp_path: Path) -> None:
    """safetensors leaves files that only their owner can read."""
    before = os.umask(0o022)
    try:
        with atomic_folder(tmp_path / "model") as temporary:
            (temporary / "part").mkdir(0o700)
            (temporary / "part" / "weights.safetensors").touch(0o600)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "model").rglob("*")}
    assert modes == {"part": 0o755, "weights.safetensors": 0o644}


def test_long_and_foreign_names_are_written_too(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".vtt", "фильм" * 24 + ".vtt", ".hidden", "no suffix"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text(encoding="utf-8") == name


def test_text_is_utf_8_with_its_line_ends_as_they_are(tmp_path: Path) -> None:
    write_text(tmp_path / "a.srt", "é\r\nb\n")
    assert (tmp_path / "a.srt").read_bytes() == b"\xc3\xa9\r\nb\n"


def test_json_reads_back_and_stays_readable(tmp_path: Path) -> None:
    value = {"title": "Amélie", "cues": [1, None, 2.5]}
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert "Amélie" in text
    assert text.endswith("}\n")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"set": {1}})
    assert json.loads((tmp_path / "a.json").read_text()) == 1
    assert listing(tmp_path) == ["a.json"]


def test_fingerprint(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("old", [False, True])
def test_a_folder_is_replaced_whole(tmp_path: Path, old: bool) -> None:
    target = tmp_path / "model"
    if old:
        target.mkdir()
        (target / "stale").write_text("old")
    with atomic_folder(target) as temporary:
        (temporary / "weights").write_text("new")
        assert listing(target) == ["stale"] if old else not target.exists()
    assert listing(tmp_path) == ["model"]
    assert listing(target) == ["weights"]


def test_a_folder_whose_making_fails_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    with pytest.raises(ValueError, match="oh"):
        make_half(target, ValueError("oh"))
    assert listing(tmp_path) == ["model"]
    assert (target / "weights").read_text() == "old"


def test_what_a_killed_process_had_begun_is_removed_and_nothing_else(tmp_path: Path) -> None:
    mine = (".hidden", ".note-to-myself.txt", ".env-template", ".vscode-insiders/settings", ".git-abcdefgh/config")
    kept = [tmp_path / name for name in (*mine, "film.vtt", "footage/.calvin-tmp-of-mine")]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from calvin.core.files import atomic_folder, atomic_path\n"
        "here = Path(sys.argv[1])\n"
        "with atomic_folder(here / 'shots') as folder, atomic_path(here / 'frames/frames.jpegs') as path:\n"
        "    (folder / 'a').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".calvin-tmp-*"))) == 3
    remove_leftovers(tmp_path, tmp_path / "frames", tmp_path / "absent")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


KILLED = (
    "import os, signal, sys\n"
    "from pathlib import Path\n"
    "from calvin.core.files import atomic_folder, atomic_path, temporary_folder\n"
    "here = Path(sys.argv[1])\n"
    "with temporary_folder(here) as a, atomic_folder(here / 'model') as b, atomic_path(here / 'mixed.mkv') as c:\n"
    "    (a / 'sound.mka').touch(), (b / 'weights').touch(), c.write_bytes(b'half')\n"
    "    print('begun', flush=True)\n"
    "    sys.stdin.read(1)\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n"
)


def test_the_next_run_removes_what_a_killed_one_had_begun_and_nobody_elses(tmp_path: Path) -> None:
    other = tmp_path / ".calvin-tmp-0123abcd-1-of-another-machine"
    other.touch()
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"begun\n"
        theirs = set(tmp_path.iterdir())
        assert len(theirs) == 4
        assert subprocess.run(command, input=b"x", check=False).returncode == -signal.SIGKILL
        assert len(listing(tmp_path)) == 7
        with temporary_folder(tmp_path) as mine:
            assert set(tmp_path.iterdir()) == theirs | {mine}
        living.communicate(b"x")
    code = "import sys; from calvin.core.files import write_text; write_text(sys.argv[1] + '/a.vtt', 'WEBVTT')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert listing(tmp_path) == [other.name, "a.vtt"]
    sweep(tmp_path / "absent")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_the_file_that_cannot_be_written_is_named_and_not_a_hidden_one(tmp_path: Path, number: int) -> None:
    def write() -> None:
        with atomic_path(tmp_path / "film.vtt") as temporary:
            raise OSError(number, os.strerror(number), *([] if number == errno.ENOSPC else [str(temporary)]))

    with pytest.raises(OSError, match=r"film\.vtt") as caught:
        write()
    assert caught.value.filename == str(tmp_path / "film.vtt")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_text(tmp_path / "file" / "film.vtt", "")


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_taken_away_by_a_killed_process_comes_back(tmp_path: Path, again: bool) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from calvin.core.files import atomic_folder\n"
        "replace = Path.replace\n"
        "def once(path, target):\n"
        "    replace(path, target)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Path.replace = once\n"
        "with atomic_folder(sys.argv[1]) as folder:\n"
        "    (folder / 'weights').write_text('new')\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -signal.SIGKILL
    assert not target.exists()
    if again:
        with pytest.raises(ValueError, match="oh"):
            make_half(target, ValueError("oh"))
    else:
        restore_folder(target)
    assert (target / "weights").read_text() == "old"
    with atomic_folder(target) as temporary:
        (temporary / "weights").write_text("newer")
    assert (target / "weights").read_text() == "newer"
    assert not list(tmp_path.glob(".calvin-old-*"))
