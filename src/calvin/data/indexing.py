"""Where indexes of large data lie, and when they are made anew.

An index is a folder of files that are read in place: made once, by one process while the others wait, whole or not
there at all, and as good as its data's sizes and times of change, the settings and the code that it was made by.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError
from calvin.core.files import atomic_folder, read_record, restore_folder, write_json

INDEXED_FROM = 2**26
"""Bytes of annotations or features from which on an index pays: some hundred thousand pairs."""
HIDDEN = ".calvin-index"
"""The folder beside the data."""
_FACTS = "index.json"


@dataclass(frozen=True)
class DataFiles:
    """The files of annotations or features: one file, or those of a folder.

    Args:
        path: the file or the folder.
        files: the files themselves, in order.
    """

    path: Path
    files: Sequence[Path]

    @classmethod
    def of(cls, path: Path, *suffixes: str) -> DataFiles:
        """A file, or a folder's finished files that end so."""
        if not path.is_dir():
            return cls(path, [path] if path.is_file() else [])
        found = [file for suffix in suffixes for file in path.glob(f"*{suffix}")]
        return cls(path, sorted(file for file in found if file.name[0] != "." and ".partial" not in file.name))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def state(self) -> list[list[Any]]:
        """Name, size and time of change of each, for JSON."""
        return [[file.name, facts.st_size, facts.st_mtime_ns] for file in self.files for facts in [file.stat()]]


@dataclass(frozen=True)
class KeptIndex:
    """An index on disk: its folder and the facts that its builder left, for JSON."""

    folder: Path
    facts: dict[str, Any]

    @property
    def key(self) -> str:
        """Equal only for indexes of the same data, made in the same way."""
        return fingerprint(self.facts)[:24]


def fingerprint(*values: Any) -> str:
    """A hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def kept_index(
    data: DataFiles,
    kind: str,
    settings: Any,
    build: Callable[[Path], dict[str, Any]],
    say: Callable[[str], None],
) -> KeptIndex:
    """The index of some data, made if there is none that fits. It lies beside the data; where that cannot be written,
    in the user's cache.

    Args:
        kind: what the index is of; part of its name.
        settings: whatever else decides what is in it, for JSON.
        build: fills an empty folder and returns the facts.
        say: takes sentences for people.

    Raises:
        DataError: it can be written nowhere, or the data changed while they were read.
    """
    state = data.state
    wanted = {"state": state, "made_with": fingerprint(_code(), settings)}
    found = [_place(data, kind, place) for place in _places(data)]
    for folder in found:
        if (kept := _sound(folder, wanted)) is not None:
            return kept
    refused: OSError | None = None
    for folder in found:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with alone(folder.with_name(f"{folder.name}.lock")):
                # Another process may have made it meanwhile.
                return _sound(folder, wanted) or _made(folder, data, wanted, build, say)
        except OSError as error:
            if error.filename is not None and Path(error.filename) in data.files:
                raise DataError(f"{error.filename} cannot be read: {error.strerror or error}.") from error
            if refused is None:
                say(f"{folder.parent} cannot be written ({error.strerror or error}): the index lies in {found[-1]}")
            refused = error
    raise DataError(
        f"The index of {data.path} can be written neither beside it nor to {found[-1].parent} ({refused}): free some "
        "space, or name a cache in XDG_CACHE_HOME."
    )


def _made(
    folder: Path,
    data: DataFiles,
    wanted: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    say: Callable[[str], None],
) -> KeptIndex:
    if folder.exists():
        before = read_record(folder / _FACTS)
        why = "was damaged" if all(before.get(name) == value for name, value in wanted.items()) else "no longer fitted"
        say(f"the index of {data.path.name} {why} and was made anew")
    with atomic_folder(folder) as temporary:
        facts = build(temporary)
        sizes = {file.name: file.stat().st_size for file in sorted(temporary.iterdir())}
        facts = {**wanted, "sizes": sizes, "facts": facts}
        write_json(temporary / _FACTS, facts)
        if data.state != wanted["state"]:
            raise DataError(f"{data.path} changed while its index was made: try again when nobody writes to it.")
    return KeptIndex(folder, facts)


def _sound(folder: Path, wanted: dict[str, Any]) -> KeptIndex | None:
    """The index in a folder, if it is whole and of the data wanted."""
    restore_folder(folder)
    facts = read_record(folder / _FACTS)
    if any(facts.get(name) != value for name, value in wanted.items()):
        return None
    try:
        whole = all((folder / name).stat().st_size == size for name, size in facts["sizes"].items())
    except (OSError, KeyError, AttributeError):
        return None
    return KeptIndex(folder, facts) if whole and isinstance(facts.get("facts"), dict) else None


def _places(data: DataFiles) -> list[Path]:
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [(data.path if data.path.is_dir() else data.path.parent) / HIDDEN, cache_home / "calvin" / "index"]


def _place(data: DataFiles, kind: str, place: Path) -> Path:
    where = "" if place.name == HIDDEN else f"{fingerprint(str(data.path.resolve()))[:12]}-"
    name = "all" if data.path.is_dir() else data.path.name  # a folder may be renamed
    return place / f"{where}{name}.{kind}"


@cache
def _code() -> str:
    """A hash of the code that reads and cleans: another one would perhaps read something else."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *(here / "readers").glob("*.py"), here.parent / "core" / "prompts.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process of this machine has the lock, where the system can; a process that ends lets go."""
    with ExitStack() as stack:
        try:
            import fcntl

            stream = stack.enter_context(open(path, "a", encoding="utf-8"))
            fcntl.flock(stream, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass  # Windows, or a folder without locks, or one that is only read: each works for itself
        yield


class RawFile:
    """Reads stretches of a file in place; what is read does not stay in the process. Good after a fork."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def read(self, offset: int, size: int) -> bytes:
        """
        Raises:
            DataError: the file ends before.
        """
        found = bytearray()
        while len(found) < size:
            data = self._at(offset + len(found), size - len(found))
            if not data:
                raise DataError(f"{self.path} is damaged: delete {self.path.parent}; it will be made anew.")
            found += data
        return bytes(found)

    def _at(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, offset)
        os.lseek(self._descriptor, offset, os.SEEK_SET)  # Windows, where nothing forks
        return os.read(self._descriptor, size)

    def __del__(self) -> None:
        if (descriptor := self.__dict__.pop("_descriptor", None)) is not None:
            os.close(descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)
