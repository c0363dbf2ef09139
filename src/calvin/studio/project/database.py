"""The SQLite file of a project: one writer at a time, whole transactions, readers beside the writer.

Where nothing can be written, as on a read-only or full disk, a project can still be looked at: in a copy in memory.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Generic, Self, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from calvin.core.errors import ConfigError, DataError, StoreError
from calvin.studio.project.migrations import MIGRATIONS, check_tables, migrate

DATABASE = "project.sqlite"
LOCK = "project.lock"

_T = TypeVar("_T")


def is_project(folder: Path) -> bool:
    """Whether a folder holds a project, of whatever state; not every folder does."""
    return (folder / DATABASE).is_file()


def project_folder(film: Path, out_dir: Path | None = None, several: bool = False) -> Path:
    """Where a film's project lies: `<film stem>.calvin` in the current folder, or `out_dir` (in it, for several films).

    Raises:
        StoreError: the place is a file.
    """
    folder = Path(f"{film.stem}.calvin")
    if out_dir is not None:
        folder = out_dir / folder if several else out_dir
    if folder.is_file():
        raise StoreError(f"{folder} is a file, so it cannot hold a project: name another folder with -o.")
    return folder


def held_elsewhere(folder: Path) -> bool:
    """Whether somebody works on the project of a folder just now, in this process or another."""
    if not (folder / LOCK).is_file():
        return False
    with closing(sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            return _cause(error, None) == "locked"
    return False


class Database:
    """Opens the database of the project in `folder`, and holds it until closed.

    Every change is one transaction on disk when its method returns, so a project survives being killed at any moment.

    Args:
        create: begin a project where the folder holds none; else such a folder is refused and left as it is.
        read_only: only look, also while another process is at work on the project.
        or_look: where the project cannot be written, open what it holds; what is changed then is not kept.

    Raises:
        StoreError: another process has the project open, the folder holds none or something else, or its place cannot
            be written; the sentence says which.
    """

    def __init__(
        self, folder: str | Path, create: bool = False, read_only: bool = False, or_look: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.is_copy = False
        self._lock: sqlite3.Connection | None = None
        if not (create or is_project(self.folder)):
            raise StoreError(f"{self.folder} is not a calvin project: make one with `calvin describe FILM -o FOLDER`.")
        try:
            if create:
                self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"The project folder {self.folder} cannot be used: {error.strerror or error}.") from error
        try:
            self._open(read_only)
            if or_look and shutil.disk_usage(self.folder).free < _ROOM:
                raise OSError(errno.ENOSPC, "No space left on device")
        except (OSError, sqlite3.Error) as error:
            self.close()
            if not ((read_only or or_look) and _cause(error, self.folder) in _UNWRITABLE):
                raise StoreError(trouble(error, self.folder)) from error
            self._db, self.is_copy = self._copied(), True
        except BaseException:
            self.close()
            raise
        try:
            if read_only:
                self._db.execute("PRAGMA query_only = ON")
            self.check()
        except BaseException:
            self.close()
            raise

    def _open(self, read_only: bool) -> None:
        if not read_only:
            self._hold_lock()
        self._db = _connected(self.folder / DATABASE)
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if read_only and version < len(MIGRATIONS):
            self._hold_lock()
        self._db.execute("PRAGMA journal_mode = WAL")
        migrate(self._db)

    def _copied(self) -> sqlite3.Connection:
        """The project in memory, brought up to date; what is changed there is gone when it is closed."""
        # SQLite cannot read a database with an unfinished log where it may not write beside it.
        made = [self.folder / f"{DATABASE}{end}" for end in ("", "-wal", "-journal")]
        made = [path for path in made if path.is_file() and path.stat().st_size]
        memory = _connected(":memory:")
        try:
            with TemporaryDirectory(ignore_cleanup_errors=True) as elsewhere:
                alone = f"{(self.folder / DATABASE).resolve().as_uri()}?immutable=1"
                if len(made) > 1:
                    alone = Path(shutil.copy(made[0], elsewhere)).as_uri()
                    for path in made[1:]:
                        shutil.copy(path, elsewhere)
                with closing(sqlite3.connect(alone, uri=True)) as found:
                    found.backup(memory)
            migrate(memory)
        except (OSError, sqlite3.Error) as error:
            memory.close()
            raise StoreError(trouble(error, self.folder)) from error
        return memory

    def check(self) -> None:
        """Refuse what is damaged before anything is done with it.

        Raises:
            StoreError: what is stored is not what calvin stores.
        """
        with self._as_stored():
            self._check()

    @contextmanager
    def _as_stored(self) -> Iterator[None]:
        """
        Raises:
            StoreError: what is read is not what calvin stores.
        """
        try:
            yield
        except _DAMAGED as error:
            raise StoreError(trouble(error, self.folder)) from error

    def _check(self) -> None:
        [found] = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise ValueError(found)
        check_tables(self._db)

    @classmethod
    def _settings(cls) -> list[str]:
        """The names of all settings of a class."""
        return [name for one in cls.__mro__ for name, value in vars(one).items() if isinstance(value, Setting)]

    def _hold_lock(self) -> None:
        # SQLite's own file lock is let go by the system when a process dies, on every platform.
        self._lock = sqlite3.connect(self.folder / LOCK, timeout=0, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def close(self) -> None:
        for name in ("_db", "_lock"):
            connection = getattr(self, name, None)
            if connection is not None:
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """
        Raises:
            StoreError: reading met trouble, of which only the project knows whose it is.
        """
        self.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(trouble(error, self.folder)) from error

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; inside another, part of it."""
        if self._db.in_transaction:
            yield self._db
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as error:
            # Where the disk is full or cannot be read, SQLite itself has rolled back already.
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise StoreError(trouble(error, self.folder)) from error
            raise


_DAMAGED = (sqlite3.Error, DataError, ConfigError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""How reading goes wrong where what is stored is not what calvin stores."""
_MAX_VALUE = 1 << 24
"""Bytes that a value may have: a film's facts and notes have thousands."""
_ROOM = 1 << 20
"""Bytes free below which a disk counts as full."""
_UNWRITABLE = ("read-only", "full")


def _connected(database: str | Path) -> sqlite3.Connection:
    db = sqlite3.connect(database, timeout=10, isolation_level=None)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _cause(error: BaseException, folder: Path | None) -> str:
    """What an error of SQLite or of the system is about: "read-only", "full", "locked", "disk" or "damaged"."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest is detail
    cannot_open = code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR) or isinstance(error, OSError)
    there = folder if cannot_open and folder is not None and folder.is_dir() else None
    full = code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC
    if full or (there and shutil.disk_usage(there).free < _ROOM):
        return "full"
    denied = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM) or getattr(error, "errno", 0) == errno.EROFS
    if denied or (there and not os.access(there, os.W_OK)):
        return "read-only"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "locked"
    return "disk" if cannot_open else "damaged"


_CURE = (
    "keep it, and bring a copy of it back; without one, describe the film into another folder with -o and import what "
    "was exported from this project"
)


def trouble(error: BaseException, folder: Path | None = None) -> str:
    """What is wrong with a project (None: it is not known which), and what to do about it without losing it."""
    why = " ".join(str(error).split())[:200] or type(error).__name__
    project = f"The project {folder}" if folder else "The project"
    return {
        "read-only": f"{project} cannot be written ({why}): its place is read-only, so copy the folder to where you "
        "may write. `calvin status`, `lint`, `pick`, `export -o FOLDER` and `mix -o FILE` read it where it is.",
        "full": f"{project} cannot be written ({why}): see that its disk has room, then give the same command again; "
        "what was there before is kept.",
        "locked": f"{project} is open in another calvin process ({why}): wait for it to end, or close it.",
        "disk": f"{project} cannot be read or written ({why}): see that its disk is there and that you may use it; the "
        "project itself may be whole.",
        "damaged": f"{folder / DATABASE if folder else DATABASE} is damaged or is not a calvin project ({why}): "
        f"{_CURE}.",
    }[_cause(error, folder)]


class Setting(Generic[_T]):
    """A value that a project keeps as JSON under a name of its own, checked whenever it is read.

    As an attribute of a class of `Database` it is read and written like any other; `default` is what a project has
    that has not been given one.
    """

    def __init__(self, name: str, kind: TypeAdapter[_T], default: _T) -> None:
        self._name = name
        self._kind = kind
        self._default = default

    @overload
    def __get__(self, project: None, owner: type) -> Self: ...
    @overload
    def __get__(self, project: Database, owner: type) -> _T: ...
    def __get__(self, project: Database | None, owner: type) -> Self | _T:
        if project is None:
            return self
        row = project._db.execute("SELECT value FROM setting WHERE name = ?", (self._name,)).fetchone()
        try:
            return self._default if row is None else self._kind.validate_json(row[0])
        except ValidationError as error:
            raise StoreError(
                f"{project.folder / DATABASE} is damaged ({self._name}: {error.errors()[0]['msg']}): {_CURE}."
            ) from error

    def __set__(self, project: Database, value: _T) -> None:
        # In the order of names, so that what is written from it to files is the same whoever gave it.
        text = json.dumps(self._kind.dump_python(value, mode="json"), ensure_ascii=False, sort_keys=True)
        with project._change() as db:
            db.execute(
                "INSERT INTO setting (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (self._name, text),
            )
