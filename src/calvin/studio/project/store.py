"""The project of one film: a folder with a small SQLite store, and everything calvin knows of the film in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Place, Script, Status
from calvin.studio.project.contents import Choice, Decision, FilmRow, Revision
from calvin.studio.project.database import DATABASE
from calvin.studio.project.describe_settings import DescribeRecord
from calvin.studio.project.remembered import Remembered
from calvin.studio.project.table_rows import (
    CUE,
    MAX_MS,
    MAX_TEXT,
    PLAN,
    cue_of,
    number_of,
    place_of,
    storable,
    times_of,
)

_FEW = 50
"""Rows that are checked one by one; of more, the whole project is."""
_EDITED = ("cue", "plan", "comment", "recording", "event")
_DESCRIBED = {name: name for name in DescribeRecord.model_fields} | {"cast": "people"}
"""The column of each field of a record; `cast` is a word of SQL."""
_AS_JSON = ("plan", "prompt")


class ProjectStore(Remembered):
    """What a project knows: the film, its shots and dialogue, the plan, cues and their history. It gives the ids."""

    def _check(self) -> None:
        """Every row is read once, so that no command meets half of a damaged one after it has begun."""
        super()._check()
        film = self.film
        if film is not None and (not isinstance(film.facts, dict) or "\0" in film.path or not film.path):
            raise ValueError("the row of its film")
        rows: list[DialogueLine | Place | Cue | Decision] = [*self.dialogue, *self.plans, *self.cues, *self.decisions]
        spans = [row.span for row in rows]
        last = max((span.end_ms for span in (*self.shots, *spans) if span), default=0)
        if last > MAX_MS:
            raise ValueError(f"a time of {last} ms")
        for author in self._db.execute("SELECT DISTINCT author FROM cue_history"):
            Author(*author)
        self._check_offered("")
        list(self.comments), list(self.recordings), list(self.events)
        if self.described is not None and "\0" in (self.described.language or ""):
            raise ValueError("the language it was described in")
        for name in self._settings():
            getattr(self, name)

    def _check_offered(self, which: str) -> None:
        for candidates, scores in self._db.execute(f"SELECT candidates, scores FROM cue {which}"):
            if not isinstance(json.loads(candidates), list) or not isinstance(json.loads(scores), list):
                raise ValueError("the candidates of a cue")

    def check_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        if len(rows) > _FEW or any(table not in _EDITED for table, _ in rows):
            return super().check_rows(rows)
        keys = {table: ", ".join(str(int(key)) for name, key in rows if name == table) for table, _ in rows}
        with self._as_stored():
            cues = self._db.execute(f"SELECT {CUE} FROM cue WHERE id IN ({keys.get('cue', '')})")
            plans = self._db.execute(f"SELECT choice, {PLAN} FROM plan WHERE id IN ({keys.get('plan', '')})").fetchall()
            [Choice(choice) for choice, *_ in plans if choice]
            spans = [*(cue_of(row).span for row in cues), *(place_of(row).span for _, *row in plans)]
            if any(span.end_ms > MAX_MS for span in spans):
                raise ValueError("a time of a row")
            self._check_offered(f"WHERE id IN ({keys.get('cue', '')})")
            list(self.comments), list(self.recordings), list(self.events)

    # The film

    def bind_film(self, film: FilmRow) -> None:
        """Make this the project of `film`; the same film may have moved or been renamed.

        Raises:
            StoreError: the project belongs to another film.
        """
        known = self.film
        if known is not None and known.sha256 != film.sha256:
            if known.path == film.path:
                raise StoreError(
                    f"{film.path} has changed since the project {self.folder} began, so what is stored no longer fits "
                    "it: describe it into another folder with -o, or bring the former film back."
                )
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

    def set_language(self, language: str) -> None:
        """Keep the language of the description."""
        with self._change() as db:
            db.execute("UPDATE film SET language = ?", (language,))

    @property
    def film(self) -> FilmRow | None:
        row = self._db.execute("SELECT title, path, sha256, duration_ms, facts, language FROM film").fetchone()
        if row is None:
            return None
        title, path, sha256, duration_ms, facts, language = row
        return FilmRow(title, path, sha256, duration_ms, json.loads(facts), language)

    def bound_film(self) -> FilmRow:
        """The film.

        Raises:
            StoreError: the project has none yet.
        """
        film = self.film
        if film is None:
            raise StoreError(f"{self.folder} holds no film yet: run `calvin describe FILM -o {self.folder}`.")
        return film

    def set_shots(self, shots: Iterable[Span]) -> None:
        with self._change() as db:
            db.execute("DELETE FROM shot")
            db.executemany("INSERT INTO shot (start_ms, end_ms) VALUES (?, ?)", [(s.start_ms, s.end_ms) for s in shots])

    @property
    def shots(self) -> list[Span]:
        return [Span(*row) for row in self._db.execute("SELECT start_ms, end_ms FROM shot ORDER BY start_ms")]

    def set_dialogue(self, lines: Iterable[DialogueLine]) -> None:
        rows = [(line.span.start_ms, line.span.end_ms, line.text, line.speaker) for line in lines]
        with self._change() as db:
            db.execute("DELETE FROM dialogue")
            db.executemany("INSERT INTO dialogue (start_ms, end_ms, text, speaker) VALUES (?, ?, ?, ?)", rows)

    @property
    def dialogue(self) -> list[DialogueLine]:
        rows = self._db.execute("SELECT start_ms, end_ms, text, speaker FROM dialogue ORDER BY start_ms, id")
        return [DialogueLine(Span(start, end), text, speaker) for start, end, text, speaker in rows]

    # The plan

    def set_plan(self, plans: Sequence[Place]) -> None:
        """Replace the plan and the drafts of models. What a person wrote or approved stays, its place unplanned.

        A new plan that is taken by a cue that stays is left out. Places that a person made to write in stay too.
        """
        with self._change() as db:
            for draft in self.cues:
                if not draft.settled:
                    self.delete_cue(draft.id, draft.author)
            db.execute("DELETE FROM plan WHERE choice <> ?", (Choice.WANTED,))
            kept = [cue for cue in self.cues if cue.kind is CueKind.PICTURE]
            db.executemany(
                "INSERT INTO plan (start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms) VALUES (?, ?, ?, ?, ?)",
                [times_of(plan) for plan in plans if not plan.taken(kept)],
            )

    @property
    def plans(self) -> list[Place]:
        return [place_of(row) for row in self._db.execute(f"SELECT {PLAN} FROM plan ORDER BY start_ms, end_ms, id")]

    def finish_plan(
        self, plan: Place, text: str, span: Span, candidates: Sequence[str] = (), decision: Decision | None = None,
        author: Author = Author.MODEL, scores: Sequence[float] = (),
    ) -> Cue | None:  # fmt: skip
        """Store what a model wrote for a plan and why, and mark the plan done; blank text makes no cue.

        `scores` are those of the candidates, where they are known.
        """
        choice = decision.choice if decision else Choice.BEST if text.strip() else Choice.SILENT
        with self._change() as db:
            db.execute(
                "UPDATE plan SET done = 1, choice = ?, reason = ? WHERE id = ?",
                (choice, decision.reason if decision else "", plan.id),
            )
            if not text.strip():
                return None
            draft = Cue("", span, text, plan.visual, plan.event_ms, author, extended=choice is Choice.EXTENDED)
            return self.add_cue(draft, plan_id=plan.id, candidates=candidates, scores=scores)

    def decide(self, cue_id: str, decision: Decision) -> None:
        """Put another decision, with its reason, on the place of a cue."""
        with self._change() as db:
            db.execute(
                "UPDATE plan SET choice = ?, reason = ? WHERE id = (SELECT plan_id FROM cue WHERE id = ?)",
                (decision.choice, decision.reason, number_of(cue_id)),
            )

    def reopen_plans(self, reason: str) -> None:
        """Open those silent places again whose reason begins so."""
        with self._change() as db:
            db.execute(
                "UPDATE plan SET done = 0, choice = '', reason = '' WHERE done AND choice = ? AND instr(reason, ?) = 1",
                (Choice.SILENT, reason),
            )

    def close_plans(self, span: Span, reason: str) -> None:
        """Leave open plans that a person's cue at `span` takes the place of."""
        with self._change() as db:
            db.execute(
                "UPDATE plan SET done = 1, choice = ?, reason = ? WHERE NOT done AND start_ms < ? AND end_ms > ?",
                (Choice.HUMAN, reason, span.end_ms, span.start_ms),
            )

    @property
    def decisions(self) -> list[Decision]:
        """What was decided for each place that is done, in time order."""
        rows = self._db.execute(
            "SELECT plan.choice, plan.reason, plan.start_ms, plan.end_ms, cue.id FROM plan "
            "LEFT JOIN cue ON cue.plan_id = plan.id WHERE done AND choice <> '' ORDER BY plan.start_ms, plan.id"
        )
        return [Decision(Choice(c), why, Span(s, e), str(cue) if cue else None) for c, why, s, e, cue in rows]

    # The cues

    @property
    def cues(self) -> list[Cue]:
        return [cue_of(row) for row in self._db.execute(f"SELECT {CUE} FROM cue ORDER BY start_ms, end_ms, id")]

    def cues_before(self, time_ms: int, count: int) -> list[Cue]:
        """The last `count` cues about the picture that start before a time, oldest first.

        What stands on the screen is left out: it is no description, and has no business in what a model is told.
        """
        rows = self._db.execute(
            f"SELECT {CUE} FROM cue WHERE start_ms < ? AND kind = 'picture' "
            "ORDER BY start_ms DESC, end_ms DESC, id DESC LIMIT ?",
            (time_ms, count),
        )
        return [cue_of(row) for row in rows][::-1]

    def cue(self, cue_id: str) -> Cue:
        """
        Raises:
            StoreError: no cue has this id.
        """
        row = self._db.execute(f"SELECT {CUE} FROM cue WHERE id = ?", (number_of(cue_id),)).fetchone()
        if row is None:
            raise StoreError(f"There is no cue {cue_id!r} in this project.")
        return cue_of(row)

    def add_cue(
        self, cue: Cue, plan_id: int | None = None, candidates: Sequence[str] = (), scores: Sequence[float] = ()
    ) -> Cue:
        """Store a cue; the id it came with is not used. Returns it with its own."""
        text = storable(cue.text)
        with self._change() as db:
            number = db.execute(
                "INSERT INTO cue (plan_id, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, text, author, "
                "status, extended, kind, candidates, scores) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(plan_id, *times_of(cue), text, cue.author, cue.status, int(cue.extended)),
                    *(cue.kind, json.dumps(list(candidates)), json.dumps(list(scores))),
                ),
            ).lastrowid
            self._note_text(str(number), text, cue.author)
        return self.cue(str(number))

    def edit_cue(self, cue: Cue) -> Cue:
        """Store another state of a cue; a new text or author is kept in its history.

        Raises:
            StoreError: no cue has this id, or the text is too long.
        """
        before, text = self.cue(cue.id), storable(cue.text)
        with self._change() as db:
            db.execute(
                "UPDATE cue SET start_ms = ?, end_ms = ?, visual_start_ms = ?, visual_end_ms = ?, event_ms = ?, "
                "text = ?, author = ?, status = ?, extended = ?, kind = ? WHERE id = ?",
                (*times_of(cue), text, cue.author, cue.status, int(cue.extended), cue.kind, int(cue.id)),
            )
            if (before.text, before.author) != (text, cue.author):
                self._note_text(cue.id, text, cue.author)
        return self.cue(cue.id)

    def restore_cue(self, cue_id: str, revision: Revision) -> Cue:
        """Give a cue a text again that it had, approved; one that was removed comes back where it was.

        Raises:
            StoreError: the cue was removed before steps were kept, so that nothing says where it was.
        """
        number = number_of(cue_id)
        with self._change() as db:
            if db.execute("SELECT 1 FROM cue WHERE id = ?", (number,)).fetchone() is None:
                state = self._removed(number)
                if state is None:
                    raise StoreError(f"Nothing says where cue-{cue_id} was: import its text with times instead.")
                known = db.execute("SELECT id FROM plan WHERE id = ?", (state["plan_id"],)).fetchone()
                self._exchange("cue", cue_id, state | {"plan_id": known[0] if known else None})
            cue = self.cue(cue_id)
            marked = cue.extended and cue.text == revision.text
            text, author = revision.text, revision.author
            return self.edit_cue(replace(cue, text=text, author=author, status=Status.APPROVED, extended=marked))

    def delete_cue(self, cue_id: str, author: Author = Author.HUMAN) -> None:
        """Remove a cue; its history stays, and ends with a blank text."""
        number = int(self.cue(cue_id).id)
        with self._change() as db:
            db.execute("DELETE FROM cue WHERE id = ?", (number,))
            self._note_text(cue_id, "", author)

    def history(self, cue_id: str) -> list[Revision]:
        """Every text a cue has had, oldest first; also of one that was removed.

        Raises:
            StoreError: there never was such a cue.
        """
        rows = self._db.execute(
            "SELECT text, author, written_at FROM cue_history WHERE cue_id = ? ORDER BY id", (number_of(cue_id),)
        ).fetchall()
        if not rows:
            raise StoreError(f"There is no cue {cue_id!r} in this project.")
        return [Revision(text, Author(author), written_at) for text, author, written_at in rows]

    @property
    def histories(self) -> dict[str, list[Revision]]:
        """Every text of every cue there ever was, by id, oldest first."""
        found: dict[str, list[Revision]] = {}
        rows = self._db.execute("SELECT cue_id, text, author, written_at FROM cue_history ORDER BY cue_id, id")
        for number, text, author, written_at in rows:
            found.setdefault(str(number), []).append(Revision(text, Author(author), written_at))
        return found

    def candidates(self, cue_id: str) -> list[str]:
        """What else the model offered for a cue, best first."""
        number = int(self.cue(cue_id).id)
        stored = self._db.execute("SELECT candidates FROM cue WHERE id = ?", (number,)).fetchone()[0]
        return [str(text) for text in json.loads(stored)]

    def scored_candidates(self, ids: Iterable[str] | None = None) -> dict[str, list[tuple[str, float | None]]]:
        """What the model offered for each cue, by id, best first, with the scores that are known.

        Args:
            ids: the cues to ask for; None: all.
        """
        found, query = {}, "SELECT id, candidates, scores FROM cue"
        rows: Iterable[tuple[int, str, str]] = self._db.execute(query)
        if ids is not None:
            rows = [row for one in ids for row in self._db.execute(f"{query} WHERE id = ?", (number_of(one),))]
        for number, texts, scores in rows:
            words, known = json.loads(texts), json.loads(scores)
            given = [float(score) for score in known] if len(known) == len(words) else [None] * len(words)
            found[str(number)] = list(zip(map(str, words), given, strict=True))
        return found

    def offer(self, cue_id: str, candidates: Sequence[tuple[str, float | None]]) -> None:
        """Keep what a model offers for a cue, best first, with the scores that are known of all or of none."""
        scores = [score for _, score in candidates if score is not None]
        with self._change() as db:
            db.execute(
                "UPDATE cue SET candidates = ?, scores = ? WHERE id = ?",
                (json.dumps([text for text, _ in candidates]), json.dumps(scores), number_of(cue_id)),
            )

    def places_of_cues(self) -> dict[str, Place]:
        """The place that each cue was written for, by the cue's id; not for those without one."""
        columns = ", ".join(f"plan.{column}" for column in PLAN.split(", "))
        rows = self._db.execute(f"SELECT cue.id, {columns} FROM cue JOIN plan ON plan.id = cue.plan_id")
        return {str(number): place_of(row) for number, *row in rows}

    def script(self) -> Script:
        """The script as it stands.

        Raises:
            StoreError: the project has no film yet.
        """
        film = self.bound_film()
        return Script(film.title, tuple(self.cues), film.language, self.characters, film.duration_ms)

    # How it was described

    @property
    def described(self) -> DescribeRecord | None:
        """With what the drafts were written, or are being written; None before that."""
        row = self._db.execute(f"SELECT {', '.join(_DESCRIBED.values())} FROM described").fetchone()
        if row is None:
            return None
        values = dict(zip(_DESCRIBED, row, strict=True))
        told = {name: json.loads(values[name]) for name in _AS_JSON}
        return DescribeRecord.load(values | told, str(self.folder / DATABASE))

    def begin_description(self, record: DescribeRecord) -> None:
        """Keep with what the drafts are written from here on; what is counted of the answers begins anew."""
        values = record.model_dump() | {name: getattr(record, name).model_dump_json() for name in _AS_JSON}
        columns, marks = ", ".join(_DESCRIBED.values()), ", ".join("?" for _ in _DESCRIBED)
        with self._change() as db:
            # Not INSERT OR REPLACE, which no trigger of the journal sees.
            db.execute(
                f"INSERT INTO described (id, {columns}) VALUES (1, {marks}) ON CONFLICT (id) DO UPDATE SET "
                + ", ".join(f"{column} = excluded.{column}" for column in _DESCRIBED.values()),
                [values[name] for name in _DESCRIBED],
            )
            self.cleaned, self.unparsed, self.held = {}, 0, {}

    @contextmanager
    def together(self) -> Iterator[Self]:
        """Several changes as one: all of them, or none."""
        with self._change():
            yield self


__all__ = ["DATABASE", "MAX_MS", "MAX_TEXT", "ProjectStore"]
