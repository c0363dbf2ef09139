"""Files that are either whole or absent, and their fingerprints."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError

TEMPORARY = ".calvin-tmp-"
"""How the name of anything unfinished begins."""
_RETIRED = ".calvin-old-"
_SPARE = 1 << 20
_swept: set[str] = set()


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well, and is removed when it does not.

    The temporary name keeps the suffix, because writers such as FFmpeg choose the format by it.

    Raises:
        OSError: the file cannot be written; it is the one named, and not the temporary one.
    """
    target = Path(path)
    with _named(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_prefix(), suffix=target.suffix)
        os.close(handle)
        with _moved_there(Path(name), target) as temporary:
            yield temporary


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Errors of the system about a temporary file, or about none in particular, are about the target."""
    try:
        yield
    except OSError as error:
        nameless = error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
        if nameless or TEMPORARY in str(error.filename):
            with suppress(AttributeError):  # PyAV's cannot be changed, and its callers name the file
                error.filename = str(target)
        raise


@contextmanager
def _moved_there(temporary: Path, target: Path) -> Iterator[Path]:
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


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text with the line ends as they are, atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_record(path: str | Path) -> dict[str, Any]:
    """What `write_json` left in a file, by name; empty where there is no such file or it holds something else."""
    with suppress(OSError, ValueError, RecursionError):
        found = json.loads(Path(path).read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


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
    sweep(target.parent)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=_prefix()))
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


@contextmanager
def temporary_folder(parent: str | Path) -> Iterator[Path]:
    """A folder in `parent` for what is needed only inside the block."""
    sweep(parent)
    with tempfile.TemporaryDirectory(dir=parent, prefix=_prefix(), ignore_cleanup_errors=True) as name:
        yield Path(name)


def sweep(folder: str | Path) -> None:
    """Remove what processes of this machine had begun right in this folder when they were killed.

    Other processes may be writing there: theirs stays, as does what comes from another machine. A process looks once.
    """
    place = os.path.abspath(folder)  # noqa: PTH100  a link to the folder may be turned elsewhere
    if place in _swept:
        return
    _swept.add(place)
    import psutil  # only here: most commands write nothing

    with suppress(OSError):  # a folder that cannot be listed has other troubles
        for path in Path(place).glob(f"{TEMPORARY}{_machine()}-*"):
            number = path.name.split("-")[3]
            if number.isdigit() and not psutil.pid_exists(int(number)):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _prefix() -> str:
    return f"{TEMPORARY}{_machine()}-{os.getpid()}-"


@cache
def _machine() -> str:
    """A mark of where a process id means one process: this machine or, in it, this container."""
    space = ""
    with suppress(OSError):
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  not the path of a file
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def remove_leftovers(*folders: str | Path) -> None:
    """Remove what `atomic_path` and `atomic_folder` had begun in these folders when their process was killed.

    Only for folders that nobody else is writing to.
    """
    for folder in folders:
        for path in Path(folder).glob(f"{TEMPORARY}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def model_fingerprint(folder: Path) -> str:
    """SHA-256 over what decides a model's words: configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".model", ".txt") and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
