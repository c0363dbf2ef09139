"""What was read in the stills of a film, so that no still is read twice, whenever a run is stopped; and its places."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pydantic import TypeAdapter

from calvin.core.types import Place
from calvin.media.film.ocr import TextLine
from calvin.studio.project.contents import Decision
from calvin.studio.project.database import Setting
from calvin.studio.project.journal import Journal

_LINES = TypeAdapter(list[tuple[str, float, tuple[float, float, float, float]]])


class Readings(Journal):
    """A project's database that keeps readings; they belong to the film and to no step."""

    readable = Setting("readable", TypeAdapter(int | None), None)
    """How many stills there are to read; None where none were kept for it."""

    def add_readings(self, first: int, readings: Sequence[Sequence[TextLine]]) -> None:
        """Keep the lines of consecutive stills, the first of them still `first`."""
        rows = [
            (first + number, json.dumps([[line.text, round(line.score, 4), line.box] for line in lines]))
            for number, lines in enumerate(readings)
        ]
        with self._change() as db:
            db.executemany("INSERT OR REPLACE INTO reading (still, lines) VALUES (?, ?)", rows)

    def begin_readings(self, stills: int | None) -> None:
        """Forget what was read: there are so many new stills, or none."""
        with self._change() as db:
            db.execute("DELETE FROM reading")
            self.readable = stills

    @property
    def readings(self) -> list[tuple[TextLine, ...]]:
        """The lines of each still that was read, in order."""
        rows = self._db.execute("SELECT lines FROM reading ORDER BY still")
        return [tuple(TextLine(*line) for line in _LINES.validate_json(lines)) for (lines,) in rows]

    @property
    def stills_read(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM reading").fetchone()[0])

    def add_place(self, place: Place, decision: Decision) -> int:
        """Store a place that is decided, such as one where something is read out; its number."""
        span, visual = place.span, place.visual
        with self._change() as db:
            number = db.execute(
                "INSERT INTO plan (start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, done, choice, reason) "
                "VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
                (
                    *(span.start_ms, span.end_ms, visual.start_ms, visual.end_ms, place.event_ms),
                    *(decision.choice, decision.reason),
                ),
            ).lastrowid
        assert number is not None
        return number

    def drop_places(self, numbers: Iterable[int]) -> None:
        """Leave places out of the plan."""
        with self._change() as db:
            db.executemany("DELETE FROM plan WHERE id = ?", [(number,) for number in numbers])
