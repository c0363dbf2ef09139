"""The project of one film: a folder with a small SQLite store, and everything calvin knows of the film in it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, Script, Status
from calvin.studio.rows import FilmRow, Line, Plan, Revision
from calvin.studio.schema import migrate

DATABASE = "project.sqlite"
LOCK = "project.lock"
MAX_TEXT = 2000
"""Characters a cue holds at most; a description is a sentence or two."""

_CUE = "id, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, text, author, status, extended"


class ProjectStore:
    """Opens or creates the project in `folder`, and holds it until closed. Ids are given by the store.

    Every change is one transaction on disk when its method returns, so a project survives being killed at any moment.

    Raises:
        StoreError: another process has the project open, or the folder holds something else.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._hold_lock()
        except OSError as error:
            raise StoreError(f"The project folder {self.folder} cannot be used: {error.strerror or error}.") from error
        try:
            self._db = sqlite3.connect(self.folder / DATABASE, timeout=10, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            migrate(self._db)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error):
                raise StoreError(
                    f"{self.folder / DATABASE} is not a calvin project ({error}): name another folder with -o, "
                    "or move that file away."
                ) from error
            raise

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
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # The film

    def bind_film(self, film: FilmRow) -> None:
        """Make this the project of `film`; the same film may have moved or been renamed.

        Raises:
            StoreError: the project belongs to another film.
        """
        known = self.film
        if known is not None and known.sha256 != film.sha256:
            raise StoreError(
                f"{self.folder} is the project of {known.title}, whose content is not that of {film.path}: "
                "name another folder with -o."
            )
        with self._change() as db:
            db.execute(
                "INSERT INTO film (id, title, path, sha256, duration_ms, facts, language) VALUES (1, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET path = excluded.path, duration_ms = excluded.duration_ms, "
                "facts = excluded.facts",
                (film.title, film.path, film.sha256, film.duration_ms, json.dumps(film.facts), film.language),
            )

    @property
    def film(self) -> FilmRow | None:
        row = self._db.execute("SELECT title, path, sha256, duration_ms, facts, language FROM film").fetchone()
        if row is None:
            return None
        title, path, sha256, duration_ms, facts, language = row
        return FilmRow(title, path, sha256, duration_ms, json.loads(facts), language)

    def set_shots(self, shots: Iterable[Span]) -> None:
        with self._change() as db:
            db.execute("DELETE FROM shot")
            db.executemany("INSERT INTO shot (start_ms, end_ms) VALUES (?, ?)", [(s.start_ms, s.end_ms) for s in shots])

    @property
    def shots(self) -> list[Span]:
        return [Span(*row) for row in self._db.execute("SELECT start_ms, end_ms FROM shot ORDER BY start_ms")]

    def set_dialogue(self, lines: Iterable[Line]) -> None:
        rows = [(line.span.start_ms, line.span.end_ms, line.text, line.speaker) for line in lines]
        with self._change() as db:
            db.execute("DELETE FROM dialogue")
            db.executemany("INSERT INTO dialogue (start_ms, end_ms, text, speaker) VALUES (?, ?, ?, ?)", rows)

    @property
    def dialogue(self) -> list[Line]:
        rows = self._db.execute("SELECT start_ms, end_ms, text, speaker FROM dialogue ORDER BY start_ms, id")
        return [Line(Span(start, end), text, speaker) for start, end, text, speaker in rows]

    # The plan

    def set_plan(self, plans: Sequence[Plan]) -> None:
        """Replace the plan and the model's drafts; what a person wrote or approved stays, and its place is not planned.

        A new plan that overlaps a cue that stays is left out.
        """
        with self._change() as db:
            db.execute("DELETE FROM cue WHERE author = ? AND status = ?", (Author.MODEL, Status.DRAFT))
            db.execute("DELETE FROM plan")
            kept = [cue.span for cue in self.cues]
            db.executemany(
                "INSERT INTO plan (start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms) VALUES (?, ?, ?, ?, ?)",
                [
                    (p.span.start_ms, p.span.end_ms, p.visual.start_ms, p.visual.end_ms, p.event_ms)
                    for p in plans
                    if not any(p.span.overlap_ms(span) for span in kept)
                ],
            )

    @property
    def plans(self) -> list[Plan]:
        rows = self._db.execute(
            "SELECT start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, id, done FROM plan "
            "ORDER BY start_ms, end_ms, id"
        )
        return [Plan(Span(r[0], r[1]), Span(r[2], r[3]), r[4], r[5], bool(r[6])) for r in rows]

    def finish_plan(self, plan: Plan, text: str, span: Span, candidates: Sequence[str] = ()) -> Cue | None:
        """Store what a model wrote for a plan, and mark the plan done; blank text makes no cue."""
        with self._change() as db:
            db.execute("UPDATE plan SET done = 1 WHERE id = ?", (plan.id,))
            if not text.strip():
                return None
            draft = Cue("", span, text, plan.visual, plan.event_ms)
            return self.add_cue(draft, plan_id=plan.id, candidates=candidates)

    # The cues

    @property
    def cues(self) -> list[Cue]:
        return [_cue(row) for row in self._db.execute(f"SELECT {_CUE} FROM cue ORDER BY start_ms, end_ms, id")]

    def cues_before(self, time_ms: int, count: int) -> list[Cue]:
        """The last `count` cues that start before a time, oldest first."""
        rows = self._db.execute(
            f"SELECT {_CUE} FROM cue WHERE start_ms < ? ORDER BY start_ms DESC, end_ms DESC, id DESC LIMIT ?",
            (time_ms, count),
        )
        return [_cue(row) for row in rows][::-1]

    def cue(self, cue_id: str) -> Cue:
        """
        Raises:
            StoreError: no cue has this id.
        """
        number = int(cue_id) if cue_id.isascii() and cue_id.isdigit() and len(cue_id) < 19 else -1
        row = self._db.execute(f"SELECT {_CUE} FROM cue WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise StoreError(f"There is no cue {cue_id!r} in this project.")
        return _cue(row)

    def add_cue(self, cue: Cue, plan_id: int | None = None, candidates: Sequence[str] = ()) -> Cue:
        """Store a cue; the id it came with is not used. Returns it with its own."""
        text = _checked(cue.text)
        with self._change() as db:
            number = db.execute(
                "INSERT INTO cue (plan_id, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, text, author, "
                "status, extended, candidates) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(plan_id, cue.span.start_ms, cue.span.end_ms, cue.visual.start_ms, cue.visual.end_ms),
                    *(cue.event_ms, text, cue.author, cue.status, int(cue.extended), json.dumps(list(candidates))),
                ),
            ).lastrowid
            self._remember(str(number), text, cue.author)
        return self.cue(str(number))

    def edit_cue(self, cue: Cue) -> Cue:
        """Store another state of a cue; a new text or author is kept in its history.

        Raises:
            StoreError: no cue has this id, or the text is too long.
        """
        before, text = self.cue(cue.id), _checked(cue.text)
        with self._change() as db:
            db.execute(
                "UPDATE cue SET start_ms = ?, end_ms = ?, visual_start_ms = ?, visual_end_ms = ?, event_ms = ?, "
                "text = ?, author = ?, status = ?, extended = ? WHERE id = ?",
                (
                    *(cue.span.start_ms, cue.span.end_ms, cue.visual.start_ms, cue.visual.end_ms, cue.event_ms),
                    *(text, cue.author, cue.status, int(cue.extended), int(cue.id)),
                ),
            )
            if (before.text, before.author) != (text, cue.author):
                self._remember(cue.id, text, cue.author)
        return self.cue(cue.id)

    def delete_cue(self, cue_id: str) -> None:
        number = int(self.cue(cue_id).id)
        with self._change() as db:
            db.execute("DELETE FROM cue WHERE id = ?", (number,))

    def history(self, cue_id: str) -> list[Revision]:
        """Every text a cue has had, oldest first."""
        number = int(self.cue(cue_id).id)
        rows = self._db.execute(
            "SELECT text, author, written_at FROM cue_history WHERE cue_id = ? ORDER BY id", (number,)
        )
        return [Revision(text, Author(author), written_at) for text, author, written_at in rows]

    def candidates(self, cue_id: str) -> list[str]:
        """What else the model offered for a cue, best first."""
        number = int(self.cue(cue_id).id)
        stored = self._db.execute("SELECT candidates FROM cue WHERE id = ?", (number,)).fetchone()[0]
        return [str(text) for text in json.loads(stored)]

    def _remember(self, cue_id: str, text: str, author: Author) -> None:
        self._db.execute("INSERT INTO cue_history (cue_id, text, author) VALUES (?, ?, ?)", (int(cue_id), text, author))

    def script(self) -> Script:
        """The script as it stands.

        Raises:
            StoreError: the project has no film yet.
        """
        film = self.film
        if film is None:
            raise StoreError(f"{self.folder} holds no film yet: run `calvin describe FILM -o {self.folder}`.")
        return Script(film.title, tuple(self.cues), film.language, duration_ms=film.duration_ms)

    # Settings

    def get(self, name: str, default: Any = None) -> Any:
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return default if row is None else json.loads(row[0])

    def put(self, name: str, value: Any) -> None:
        with self._change() as db:
            db.execute(
                "INSERT INTO setting (name, value) VALUES (?, ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (name, json.dumps(value, ensure_ascii=False, sort_keys=True)),
            )

    @contextmanager
    def together(self) -> Iterator[Self]:
        """Several changes as one: all of them, or none."""
        with self._change():
            yield self


def _cue(row: tuple[Any, ...]) -> Cue:
    number, start, end, visual_start, visual_end, event, text, author, status, extended = row
    visual = Span(visual_start, visual_end)
    return Cue(
        str(number), Span(start, end), text, visual, event, Author(author), Status(status), extended=bool(extended)
    )


def _checked(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise StoreError(f"A cue of {len(text)} characters is too long to speak: keep it under {MAX_TEXT}.")
    # Half a surrogate pair cannot be stored or written as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
