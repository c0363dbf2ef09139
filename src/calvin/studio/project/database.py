"""The SQLite file of a project: one writer at a time, whole transactions, readers beside the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from calvin.core.errors import StoreError
from calvin.studio.project.schema import MIGRATIONS, migrate

DATABASE = "project.sqlite"
LOCK = "project.lock"


def is_project(folder: Path) -> bool:
    """Whether a folder holds a project, of whatever state; not every folder does."""
    return (folder / DATABASE).is_file()


class Database:
    """Opens the database of the project in `folder`, and holds it until closed.

    Every change is one transaction on disk when its method returns, so a project survives being killed at any moment.

    Args:
        create: begin a project where the folder holds none; else such a folder is refused and left as it is.
        read_only: only look, also while another process is at work on the project.

    Raises:
        StoreError: another process has the project open, or the folder holds none or something else.
    """

    def __init__(self, folder: str | Path, create: bool = False, read_only: bool = False) -> None:
        self.folder = Path(folder)
        if not (create or is_project(self.folder)):
            raise StoreError(f"{self.folder} is not a calvin project: make one with `calvin describe FILM -o FOLDER`.")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = None if read_only else self._hold_lock()
        except OSError as error:
            raise StoreError(f"The project folder {self.folder} cannot be used: {error.strerror or error}.") from error
        try:
            self._db = sqlite3.connect(self.folder / DATABASE, timeout=10, isolation_level=None)
            if read_only and self._version() < len(MIGRATIONS):
                self._lock = self._hold_lock()
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            migrate(self._db)
            if read_only:
                self._db.execute("PRAGMA query_only = ON")
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise StoreError(
                    f"{self.folder / DATABASE} is not a calvin project ({error}): name another folder with -o, "
                    "or move that file away."
                ) from error
            raise

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _hold_lock(self) -> sqlite3.Connection:
        # SQLite's own file lock is let go by the system when a process dies, on every platform.
        lock = sqlite3.connect(self.folder / LOCK, timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            lock.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise StoreError(
                    f"The project {self.folder} is open in another calvin process: wait for it to end, or close it."
                ) from error
            raise StoreError(f"The project folder {self.folder} cannot be used: {error}.") from error
        return lock

    def close(self) -> None:
        for name in ("_db", "_lock"):
            connection = getattr(self, name, None)
            if connection is not None:
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

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
                raise StoreError(
                    f"The project {self.folder} cannot be written ({error}): see that its disk has room and may be "
                    "written to; what was there before is kept."
                ) from error
            raise
