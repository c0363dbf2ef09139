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

TEMPORARY = ".calvin-tmp-"
"""How the name of anything unfinished begins."""
_RETIRED = ".calvin-old-"


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
        temporary.chmod(0o666 & ~_umask())
        # On disk before it has its name: after a power cut there must not be a whole name for half a file.
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """Which rights a new file does not get: those of a temporary one are its owner's alone."""
    umask = os.umask(0)  # it cannot be read without being set
    os.umask(umask)
    return umask


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
        temporary.chmod(0o777 & ~_umask())
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
