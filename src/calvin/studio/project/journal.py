"""What was done to a project, step by step, each of which can be undone and done again.

While a step is open, triggers of the database (see its fourth migration) note the state that each row had before. To
undo a step is to exchange those states for the present ones, and to redo it is the same once more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self, cast

from calvin.core.errors import StoreError
from calvin.studio.project.database import Database, trouble
from calvin.studio.project.migrations import JOURNALED


@dataclass(frozen=True, slots=True)
class Step:
    """Something done to a project, in words, and when (UTC). `undone`: it is taken back and can be done again.

    `rows` are the table and key of each row that was exchanged, where the step was just undone or done again.
    """

    what: str
    made_at: str
    undone: bool = False
    rows: tuple[tuple[str, str], ...] = ()


class Journal(Database):
    """A project's database that remembers its steps."""

    @contextmanager
    def step(self, what: str) -> Iterator[Self]:
        """Several changes as one step: all of them, or none; nothing of it remains where nothing changes."""
        with self._change() as db:
            number = db.execute("INSERT INTO step (what) VALUES (?)", (what,)).lastrowid
            yield self
            if db.execute("SELECT 1 FROM step_row WHERE step_id = ?", (number,)).fetchone():
                self._forget_undone()
            self.end_step()

    def begin_step(self, what: str) -> None:
        """Open a step, into which all changes go until it ends, also those of later processes.

        Steps that were undone can no longer be done again.
        """
        with self._change() as db:
            self._forget_undone()
            db.execute("INSERT INTO step (what) VALUES (?)", (what,))

    def _forget_undone(self) -> None:
        self._db.execute("DELETE FROM step WHERE undone")

    def end_step(self) -> None:
        """Close the step that was opened last, if there is one; one that changed nothing is forgotten."""
        with self._change() as db:
            db.execute("UPDATE step SET open = 0 WHERE id = (SELECT max(id) FROM step WHERE open)")
            db.execute(
                "DELETE FROM step WHERE NOT open AND NOT EXISTS (SELECT 1 FROM step_row WHERE step_id = step.id)"
            )

    @property
    def steps(self) -> list[Step]:
        """What was done, oldest first."""
        rows = self._db.execute("SELECT what, made_at, undone FROM step ORDER BY id")
        return [Step(what, made_at, bool(undone)) for what, made_at, undone in rows]

    @property
    def next_steps(self) -> tuple[str | None, str | None]:
        """What the next undo would take back and the next redo would do again; None: nothing."""
        last = self._db.execute("SELECT what FROM step WHERE NOT undone ORDER BY id DESC").fetchone()
        first = self._db.execute("SELECT what FROM step WHERE undone ORDER BY id").fetchone()
        return last[0] if last else None, first[0] if first else None

    def turning(self, undone: bool) -> list[tuple[str, str, dict[str, Any] | None]]:
        """The rows that the next undo would exchange, or the next redo where `undone`: table, key, and the state that
        each would get (None: away)."""
        order = "undone ORDER BY id" if undone else "NOT undone ORDER BY id DESC"
        rows = self._db.execute(
            "SELECT place, key, state FROM step_row WHERE step_id = "
            f"(SELECT id FROM step WHERE {order} LIMIT 1) ORDER BY place, key"
        )
        return [(place, key, self._state(place, state)) for place, key, state in rows]

    def undo(self) -> Step:
        """Take back the last step that stands.

        Raises:
            StoreError: there is none.
        """
        row = self._db.execute("SELECT id FROM step WHERE NOT undone ORDER BY id DESC").fetchone()
        if row is None:
            raise StoreError(f"There is nothing to undo in {self.folder}.")
        return self._turn(row[0], undone=True)

    def redo(self) -> Step:
        """Do the step again that was undone last.

        Raises:
            StoreError: there is none, or something was done since.
        """
        row = self._db.execute("SELECT id FROM step WHERE undone ORDER BY id").fetchone()
        if row is None:
            raise StoreError(f"There is nothing to do again in {self.folder}.")
        return self._turn(row[0], undone=False)

    def _turn(self, step: int, undone: bool) -> Step:
        """Exchange the states that rows had at the other side of a step for the present ones."""
        with self._change() as db:
            # Nothing of this belongs to a description that is still open.
            db.execute("UPDATE step SET open = -open")
            db.execute("PRAGMA defer_foreign_keys = ON")
            rows = db.execute("SELECT place, key, state FROM step_row WHERE step_id = ?", (step,)).fetchall()
            for place, key, state in rows:
                present = self._exchange(place, key, self._state(place, state))
                db.execute(
                    "UPDATE step_row SET state = ? WHERE step_id = ? AND place = ? AND key = ?",
                    (json.dumps(present, ensure_ascii=False) if present else None, step, place, key),
                )
            db.execute("UPDATE step SET undone = ? WHERE id = ?", (undone, step))
            db.execute("UPDATE step SET open = -open")
            changed = tuple((place, key) for place, key, _ in rows)
            self.check_rows(changed)  # states that calvin never wrote are not let in
            what, made_at = db.execute("SELECT what, made_at FROM step WHERE id = ?", (step,)).fetchone()
        return Step(what, made_at, undone, changed)

    def check_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Refuse rows, by table and key, that hold what calvin does not store; by default with all the others.

        Raises:
            StoreError: what is stored is not what calvin stores.
        """
        self.check()

    def _state(self, place: str, text: str | None) -> dict[str, Any] | None:
        """A row's state as it is kept, by column; None: away.

        Raises:
            StoreError: it is not one that calvin keeps.
        """
        state: Any = None
        with suppress(ValueError, RecursionError):
            state = json.loads(text) if text else None
        # The names of the columns become SQL.
        columns = JOURNALED.get(place, ("", ()))[1]
        plain = isinstance(state, dict) and not any(isinstance(value, list | dict) for value in state.values())
        if not columns or (text and not (plain and state.keys() <= {*columns})):
            raise StoreError(trouble(ValueError("what a step of it changed"), self.folder))
        return cast("dict[str, Any] | None", state)

    def _exchange(self, place: str, key: str, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Put a row into another state (None: away); returns the one that it had."""
        name, columns = JOURNALED[place]
        found = self._db.execute(f"SELECT {', '.join(columns)} FROM {place} WHERE {name} = ?", (key,)).fetchone()
        present = dict(zip(columns, found, strict=True)) if found else None
        if state is None:
            self._db.execute(f"DELETE FROM {place} WHERE {name} = ?", (key,))
        elif present is None:
            marks = ", ".join("?" * (len(state) + 1))
            self._db.execute(
                f"INSERT INTO {place} ({name}, {', '.join(state)}) VALUES ({marks})", (key, *state.values())
            )
        else:
            changes = ", ".join(f"{column} = ?" for column in state)
            self._db.execute(f"UPDATE {place} SET {changes} WHERE {name} = ?", (*state.values(), key))
        if place == "cue":
            before, after = ((one["text"], one["author"]) if one else None for one in (present, state))
            if before != after:
                self._note_text(key, *(after or ("", "human")))
        return present

    def _note_text(self, cue_id: str, text: str, author: str) -> None:
        self._db.execute("INSERT INTO cue_history (cue_id, text, author) VALUES (?, ?, ?)", (int(cue_id), text, author))

    def _removed(self, cue_id: int) -> dict[str, Any] | None:
        """The last state of a cue that a step removed, by column; None where no step knows it."""
        row = self._db.execute(
            "SELECT state FROM step_row WHERE place = 'cue' AND key = ? AND state IS NOT NULL ORDER BY step_id DESC",
            (str(cue_id),),
        ).fetchone()
        return self._state("cue", row[0]) if row else None
