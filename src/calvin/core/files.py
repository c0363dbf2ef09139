"""Files that are either whole or absent, and their fingerprints."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError

TEMPORARY = ".calvin-tmp-"
"""How the name of anything unfinished begins."""
_RETIRED = ".calvin-old-"
_SPARE = 1 << 20


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and is removed when it does not.

    The temporary name keeps the suffix, because writers such as FFmpeg choose the format by it.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=TEMPORARY, suffix=target.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        give_usual_modes(temporary)
        # On disk before it has its name: after a power cut there must not be a whole name for half a file.
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def give_usual_modes(*paths: Path) -> None:
    """Give files and folders the modes that the umask gives to new ones.

    Libraries that write through temporary files of their own, such as safetensors, leave files that only their owner
    can read.
    """
    umask = os.umask(0)  # it cannot be read without being set
    os.umask(umask)
    for path in paths:
        if not path.is_symlink():
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)


def lock(descriptor: int, name: str | Path) -> None:
    """Keep an open file or folder for this process until it is closed, where the system can.

    Raises:
        CalvinError: another process has it.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise CalvinError(f"{name} is being written by another process: wait until that has ended.") from error
    except OSError:
        pass  # a network folder without locks


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """A folder, made if need be, that no other process may work in meanwhile.

    Raises:
        CalvinError: another process does.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    if os.name == "nt":  # where folders cannot be opened
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def check_room(path: str | Path, size: int) -> None:
    """
    Raises:
        CalvinError: the disk of a file to write has less room than its `size` in bytes, and a little.
    """
    free = shutil.disk_usage(Path(path).parent).free
    if free < size + _SPARE:
        raise CalvinError(
            f"There is no room for {path}: {(size + _SPARE) / 2**20:,.0f} MiB are needed and {free / 2**20:,.0f} are "
            "free. Free some space, or name a place on another disk, and try again."
        )


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with the line ends as they are, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def file_sha256(path: str | Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` that becomes `path` when the block ends well; an old `path` is replaced.

    If a process is killed between taking the old folder away and putting the new one there, the old one comes back
    with the next call, or with `restore_folder`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    restore_folder(target)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=TEMPORARY))
    try:
        yield temporary
        give_usual_modes(temporary, *temporary.rglob("*"))
        # A folder cannot be replaced in one step while it holds files: the old one steps aside first.
        if target.exists():
            target.replace(_retired(target))
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        restore_folder(target)


def restore_folder(path: str | Path) -> None:
    """Bring back the folder that an `atomic_folder` had taken away when it was stopped before its last step."""
    target, retired = Path(path), _retired(Path(path))
    if retired.is_dir():
        if target.exists():
            shutil.rmtree(retired, ignore_errors=True)
        else:
            retired.replace(target)


def _retired(target: Path) -> Path:
    return target.parent / (_RETIRED + target.name)


def remove_leftovers(*folders: str | Path) -> None:
    """Remove what `atomic_path` and `atomic_folder` had begun in these folders when their process was killed.

    Only for folders that nobody else is writing to.
    """
    for folder in folders:
        for path in Path(folder).glob(f"{TEMPORARY}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
