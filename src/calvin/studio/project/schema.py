"""Tables of a project, as numbered migrations: append, never edit one that has shipped."""

from __future__ import annotations

import sqlite3

from calvin.core.errors import StoreError

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
