"""The tables of a project as numbered migrations: append to them, and never edit one that has shipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Any

from calvin.core.errors import StoreError

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
            *("text", "author", "status", "extended", "candidates", "kind", "scores"),
        ),
    ),
    "dialogue": ("id", ("start_ms", "end_ms", "text", "speaker")),
    "film": ("id", ("language",)),
    "described": (
        "id",
        (
            *("model", "question", "context", "own_context", "names_alone", "words_per_minute", "language"),
            *("audio_language", "subtitles", "people", "plan", "names", "screen_text", "introduced", "prompt"),
        ),
    ),
    "setting": ("name", ("value",)),
    "comment": ("id", ("cue_id", "text", "written_at", "event_ms", "done")),
    "recording": ("cue_id", ("text", "ms", "file", "original", "lufs", "recorded_at")),
    "event": ("cue_id", ("represents", "source", "on_screen", "descriptions")),
}
"""The tables whose rows the steps of a project keep, each with its key and the columns that a step brings back."""
_KEPT_SETTINGS = "('cast', 'cleaned', 'held', 'model', 'notes', 'sources', 'unparsed')"


def _journal(table: str, since: tuple[str, ...] = ()) -> str:
    """Triggers that note the state of a row before the first change to it in the step that is open.

    `since` are columns that came with a later migration.
    """
    key, columns = JOURNALED[table]
    columns = tuple(column for column in columns if column not in since)
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


_LATER = ("screen_text", "introduced", "prompt")
"""Columns of `described` in the order in which they came."""

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
    {_journal("plan")}{_journal("cue", since=("kind", "scores"))}
    {_journal("dialogue")}{_journal("film")}{_journal("described", since=("names", *_LATER))}
    {_journal("setting")}
    """,
    # 5: whether a cue describes the picture or reads out what stands on the screen
    f"""
    ALTER TABLE cue ADD COLUMN kind TEXT NOT NULL DEFAULT 'picture'
        CHECK (kind IN ('picture', 'text', 'title', 'credit'));
    DROP TRIGGER cue_insert;
    DROP TRIGGER cue_update;
    DROP TRIGGER cue_delete;
    {_journal("cue", since=("scores",))}
    """,
    # 6: whether those alone are named whom somebody has introduced (older drafts name anybody), and how many names were
    # held back
    f"""
    ALTER TABLE described ADD COLUMN names TEXT NOT NULL DEFAULT 'known' CHECK (names IN ('known', 'free'));
    UPDATE described SET names = 'free';
    DROP TRIGGER described_insert;
    DROP TRIGGER described_update;
    DROP TRIGGER described_delete;
    DROP TRIGGER setting_insert;
    DROP TRIGGER setting_update;
    DROP TRIGGER setting_delete;
    {_journal("described", since=_LATER)}{_journal("setting")}
    """,
    # 7: how likely the model holds each candidate for a cue
    f"""
    ALTER TABLE cue ADD COLUMN scores TEXT NOT NULL DEFAULT '[]';
    DROP TRIGGER cue_insert;
    DROP TRIGGER cue_update;
    DROP TRIGGER cue_delete;
    {_journal("cue")}
    """,
    # 8: what was read in the stills, and whether writing on the screen is to be read
    f"""
    CREATE TABLE reading (
        still INTEGER PRIMARY KEY CHECK (still >= 0),
        lines TEXT NOT NULL
    ) STRICT;
    ALTER TABLE described ADD COLUMN screen_text INTEGER NOT NULL DEFAULT 0;
    DROP TRIGGER described_insert;
    DROP TRIGGER described_update;
    DROP TRIGGER described_delete;
    {_journal("described", since=_LATER[1:])}
    """,
    # 9: whom a person's cues had introduced when the drafts were written
    f"""
    ALTER TABLE described ADD COLUMN introduced TEXT NOT NULL DEFAULT '';
    DROP TRIGGER described_insert;
    DROP TRIGGER described_update;
    DROP TRIGGER described_delete;
    {_journal("described", since=("prompt",))}
    """,
    # 10: cues that need work, and comments. SQLite cannot change a CHECK, so the table is made anew; the count of ids
    # goes on, because the history of a cue that was removed keeps its id.
    f"""
    CREATE TABLE cue_anew (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        plan_id INTEGER REFERENCES plan (id) ON DELETE SET NULL,
        start_ms INTEGER NOT NULL CHECK (start_ms >= 0),
        end_ms INTEGER NOT NULL CHECK (end_ms >= start_ms),
        visual_start_ms INTEGER NOT NULL,
        visual_end_ms INTEGER NOT NULL,
        event_ms INTEGER NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL CHECK (author IN ('model', 'adapter', 'human')),
        status TEXT NOT NULL CHECK (status IN ('draft', 'needs-work', 'approved')),
        extended INTEGER NOT NULL DEFAULT 0,
        candidates TEXT NOT NULL DEFAULT '[]',
        kind TEXT NOT NULL DEFAULT 'picture' CHECK (kind IN ('picture', 'text', 'title', 'credit')),
        scores TEXT NOT NULL DEFAULT '[]'
    ) STRICT;
    INSERT INTO cue_anew SELECT id, plan_id, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, text, author,
        status, extended, candidates, kind, scores FROM cue;
    DELETE FROM sqlite_sequence WHERE name = 'cue_anew';
    INSERT INTO sqlite_sequence (name, seq) SELECT 'cue_anew', seq FROM sqlite_sequence WHERE name = 'cue';
    DROP TABLE cue;
    ALTER TABLE cue_anew RENAME TO cue;
    CREATE INDEX cue_by_time ON cue (start_ms, end_ms);
    CREATE TABLE comment (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        cue_id INTEGER NOT NULL,
        text TEXT NOT NULL,
        written_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
        event_ms INTEGER NOT NULL,
        done INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    {_journal("cue")}{_journal("comment")}
    """,
    # 11: recordings of a person's voice. They outlive their cue, which undoing may bring back.
    f"""
    CREATE TABLE recording (
        cue_id INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        ms INTEGER NOT NULL CHECK (ms > 0),
        file TEXT NOT NULL,
        original TEXT NOT NULL,
        lufs REAL NOT NULL,
        recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    ) STRICT;
    {_journal("recording")}
    """,
    # 12: what models that are asked in words are told of a scene; drafts of before were written without most of it
    f"""
    ALTER TABLE described ADD COLUMN prompt TEXT NOT NULL DEFAULT '{{}}';
    UPDATE described SET prompt = '{{"room": false, "dialogue": false, "still_size": 224}}'
        WHERE EXISTS (SELECT 1 FROM cue WHERE author <> 'human' AND status <> 'approved' AND kind = 'picture');
    DROP TRIGGER described_insert;
    DROP TRIGGER described_update;
    DROP TRIGGER described_delete;
    {_journal("described")}
    """,
    # 13: what a script of DAPT said of a cue, to be said again. Like a recording it outlives the cue.
    f"""
    CREATE TABLE event (
        cue_id INTEGER PRIMARY KEY,
        represents TEXT NOT NULL,
        source TEXT NOT NULL,
        on_screen TEXT NOT NULL,
        descriptions TEXT NOT NULL
    ) STRICT;
    {_journal("event")}
    """,
)


Tables = Mapping[str, tuple[tuple[Any, ...], ...]]


def tables_of(connection: sqlite3.Connection) -> Tables:
    """What each table takes: whether it is strict, and its columns with their types; the triggers are one more."""
    found: dict[str, tuple[tuple[Any, ...], ...]] = {}
    for schema, name, kind, _, without_rowid, strict in connection.execute("PRAGMA table_list").fetchall():
        if schema == "main" and kind == "table" and not name.startswith("sqlite_"):
            columns = connection.execute('SELECT name, type, "notnull", pk FROM pragma_table_info(?)', (name,))
            found[name] = ((without_rowid, strict), *columns)
    triggers = connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    return {**found, "": tuple(triggers)}


@cache
def _own_tables() -> Tables:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        migrate(empty)
        return tables_of(empty)


def check_tables(connection: sqlite3.Connection) -> None:
    """Refuse a database whose tables take other values than these migrations let them take.

    Raises:
        ValueError: which one it is.
    """
    found = tables_of(connection)
    for name, own in _own_tables().items():
        if found.get(name) != own:
            raise ValueError(f"the table {name}" if name else "the triggers")


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
