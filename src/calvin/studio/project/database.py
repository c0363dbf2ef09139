"""The SQLite file of a project: one writer at a time, whole transactions, readers beside the writer.

Its tables stand here as numbered migrations: append to them, and never edit one that has shipped.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar, overload

from pydantic import TypeAdapter, ValidationError

from calvin.core.errors import StoreError

DATABASE = "project.sqlite"
LOCK = "project.lock"

_T = TypeVar("_T")

JOURNALED: dict[str, tuple[str, tuple[str, ...]]] = {
    "plan": (
        "id",
        (
            *("start_ms", "end_ms", "visual_start_ms", "visual_end_ms", "event_ms"),
            *("done", "choice", "reason"),
        ),
    ),
    "cue": (
        "id",
        (
            *("plan_id", "start_ms", "end_ms", "visual_start_ms", "visual_end_ms", "event_ms"),
            *("text", "author", "status", "extended", "candidates"),
        ),
    ),
    "dialogue": ("id", ("start_ms", "end_ms", "text", "speaker")),
    "film": ("id", ("language",)),
    "described": (
        "id",
        (
            *("model", "question", "context", "own_context", "names_alone", "words_per_minute", "language"),
            *("audio_language", "subtitles", "people", "plan"),
        ),
    ),
    "setting": ("name", ("value",)),
}
"""The tables whose rows the steps of a project keep, each with its key and the columns that a step brings back."""
_KEPT_SETTINGS = "('cast', 'cleaned', 'model', 'notes', 'unparsed')"


def _journal(table: str) -> str:
    """Triggers that note the state of a row before the first change to it in the step that is open."""
    key, columns = JOURNALED[table]
    state = ", ".join(f"'{column}', old.{column}" for column in columns)
    only = f" AND new.name IN {_KEPT_SETTINGS}" if table == "setting" else ""
    of = f" OF {', '.join(columns)}" if table == "film" else ""
    found = []
    for event, row, before in (
        ("INSERT", "new", "NULL"),
        (f"UPDATE{of}", "old", f"json_object({state})"),
        ("DELETE", "old", f"json_object({state})"),
    ):
        word = event.partition(" ")[0]
        # Not INSERT OR IGNORE: the statement that fires a trigger would override it.
        found.append(
            f"CREATE TRIGGER {table}_{word.lower()} AFTER {event} ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM step WHERE open > 0){only.replace('new.', f'{row}.')} BEGIN "
            f"INSERT INTO step_row SELECT max(id), '{table}', {row}.{key}, {before} FROM step WHERE open > 0 "
            f"AND NOT EXISTS (SELECT 1 FROM step_row WHERE step_id = (SELECT max(id) FROM step WHERE open > 0) "
            f"AND place = '{table}' AND key = CAST({row}.{key} AS TEXT)) HAVING max(id) IS NOT NULL; END;"
        )
    return "\n".join(found)


MIGRATIONS: tuple[str, ...] = (
    # 1: a film, what is known of it, its plan and its cues
    """
    CREATE TABLE film (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        title TEXT NOT NULL,
        path TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        duration_ms INTEGER NOT NULL CHECK (duration_ms >= 0),
        language TEXT NOT NULL DEFAULT 'en',
        facts TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
    CREATE TABLE shot (
        id INTEGER PRIMARY KEY,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms)
    ) STRICT;
    CREATE TABLE dialogue (
        id INTEGER PRIMARY KEY,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        text TEXT NOT NULL,
        speaker TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE TABLE plan (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        visual_start_ms INTEGER NOT NULL,
        visual_end_ms INTEGER NOT NULL,
        event_ms INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE cue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        plan_id INTEGER REFERENCES plan (id) ON DELETE SET NULL,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        visual_start_ms INTEGER NOT NULL,
        visual_end_ms INTEGER NOT NULL,
        event_ms INTEGER NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL CHECK (author IN ('model', 'adapter', 'human')),
        status TEXT NOT NULL CHECK (status IN ('draft', 'approved')),
        extended INTEGER NOT NULL DEFAULT 0,
        candidates TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
    CREATE INDEX cue_by_time ON cue (start_ms, end_ms);
    CREATE TABLE cue_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        cue_id INTEGER NOT NULL REFERENCES cue (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        author TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    ) STRICT;
    CREATE INDEX cue_history_by_cue ON cue_history (cue_id, id);
    CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;
    """,
    # 2: why each place got the words it has; the history of a cue outlives it
    """
    ALTER TABLE plan ADD COLUMN choice TEXT NOT NULL DEFAULT '';
    ALTER TABLE plan ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    CREATE TABLE cue_past (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        cue_id INTEGER NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    ) STRICT;
    INSERT INTO cue_past SELECT id, cue_id, text, author, written_at FROM cue_history;
    DROP TABLE cue_history;
    ALTER TABLE cue_past RENAME TO cue_history;
    CREATE INDEX cue_history_by_cue ON cue_history (cue_id, id);
    """,
    # 3: with what the film was described, in a row of its own
    """
    CREATE TABLE described (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        model TEXT NOT NULL,
        question TEXT NOT NULL,
        context INTEGER NOT NULL,
        own_context INTEGER,
        names_alone INTEGER NOT NULL,
        words_per_minute INTEGER NOT NULL,
        language TEXT,
        audio_language TEXT,
        subtitles TEXT,
        people TEXT,
        plan TEXT NOT NULL
    ) STRICT;
    INSERT INTO described SELECT
        1,
        coalesce(json_extract(value, '$.model'), ''),
        coalesce(json_extract(value, '$.question'), 'Describe this visual.'),
        coalesce(json_extract(value, '$.context'), 3),
        json_extract(value, '$.own_context'),
        coalesce(json_extract(value, '$.names_alone'), 1),
        coalesce(json_extract(value, '$.words_per_minute'), 160),
        coalesce(json_extract(value, '$.language'), 'en'),
        json_extract(value, '$.audio_language'),
        json_extract(value, '$.subtitles'),
        json_extract(value, '$.cast'),
        coalesce(json_extract(value, '$.plan'), '{}')
    FROM setting WHERE name = 'request';
    DELETE FROM setting WHERE name = 'request';
    """,
    # 4: what was done, in steps that can be undone
    f"""
    CREATE TABLE step (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        what TEXT NOT NULL,
        made_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        open INTEGER NOT NULL DEFAULT 1,
        undone INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE step_row (
        step_id INTEGER NOT NULL REFERENCES step (id) ON DELETE CASCADE,
        place TEXT NOT NULL,
        key TEXT NOT NULL,
        state TEXT,
        PRIMARY KEY (step_id, place, key)
    ) STRICT, WITHOUT ROWID;
    {"".join(map(_journal, ("plan", "cue", "dialogue", "film", "described", "setting")))}
    """,
)


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
                f"{project.folder / DATABASE} is damaged ({self._name}: {error.errors()[0]['msg']}): describe the film "
                "into another folder with -o."
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


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database up to date, each migration whole or not at all.

    Raises:
        StoreError: the database was written by a newer calvin.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError("This project was made by a newer calvin: update with `pip install -U calvin-ad`.")
    for number in range(version, len(MIGRATIONS)):
        connection.executescript(f"BEGIN; {MIGRATIONS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
