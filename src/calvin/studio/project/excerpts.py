"""What a project holds around a time of its film, read at once: an edit of one cue need not read all the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from calvin.core.time import Span
from calvin.core.types import Cue, Place
from calvin.studio.project.comments import Comments
from calvin.studio.project.contents import Choice
from calvin.studio.project.table_rows import CUE, MAX_MS, PLAN, cue_of, place_of

_CUES_BESIDE = 6
"""So many cues on either side are read too, so that what stands beside an edit is known with its neighbours."""


_WITHOUT_WORDS = (Choice.SILENT, Choice.REPEATED, Choice.WANTED)


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Cues in time order, and what lies beside them.

    `place_ids` are the places that cues were written for, and `candidates` what was offered for them, both by the
    cue's id; `reasons` are why places were left without words, by the place's id, and `wanted` those that a person made
    to write in.
    """

    cues: Sequence[Cue]
    place_ids: Mapping[str, int]
    candidates: Mapping[str, Sequence[str]]
    places: Sequence[Place]
    reasons: Mapping[int, str]
    wanted: frozenset[int]
    dialogue: Sequence[Span]


class Excerpts(Comments):
    """A project's database of which a part can be read."""

    def excerpt(self, around: Span | None = None) -> Excerpt:
        """What touches a stretch of the film and the cues nearest to it on either side; None: everything.

        What describes a moment of the stretch is in it too, wherever it is spoken.
        """
        span = around or Span(0, MAX_MS)
        low, high = self._reach("cue", span, _CUES_BESIDE)
        whole = Span(low, high)
        near = "start_ms <= :end AND end_ms >= :start OR visual_start_ms <= :end AND visual_end_ms >= :start"
        times = {"start": whole.start_ms, "end": whole.end_ms}
        cues = self._db.execute(
            f"SELECT plan_id, candidates, {CUE} FROM cue WHERE {near} ORDER BY start_ms, end_ms, id", times
        ).fetchall()
        places = self._db.execute(
            f"SELECT reason, choice, {PLAN} FROM plan WHERE {near} ORDER BY start_ms, end_ms, id", times
        ).fetchall()
        first, last = self._reach("dialogue", whole, 1)
        lines = self._db.execute(
            "SELECT start_ms, end_ms FROM dialogue WHERE start_ms <= ? AND end_ms >= ? OR start_ms BETWEEN ? AND ? "
            "ORDER BY start_ms, end_ms",
            (whole.end_ms, whole.start_ms, first, last),
        ).fetchall()
        found = [(place_id, offered, cue_of(row)) for place_id, offered, *row in cues]
        plans = [(reason, choice, place_of(row)) for reason, choice, *row in places]
        return Excerpt(
            [cue for _, _, cue in found],
            {cue.id: place_id for place_id, _, cue in found if place_id is not None},
            {cue.id: tuple(map(str, json.loads(offered))) for _, offered, cue in found},
            [place for _, _, place in plans],
            {place.id: reason for reason, choice, place in plans if choice in _WITHOUT_WORDS},
            frozenset(place.id for _, choice, place in plans if choice == Choice.WANTED),
            [Span(*row) for row in lines],
        )

    def _reach(self, table: str, span: Span, count: int) -> tuple[int, int]:
        """A stretch made longer up to the starts of so many rows before it and after it."""
        row = f"SELECT start_ms FROM {table} WHERE start_ms"
        before = f"{row} < ? ORDER BY start_ms DESC LIMIT 1 OFFSET ?"
        after = f"{row} > ? ORDER BY start_ms LIMIT 1 OFFSET ?"
        low = self._db.execute(before, (span.start_ms, count - 1)).fetchone()
        high = self._db.execute(after, (span.end_ms, count - 1)).fetchone()
        return (low[0] if low else 0), (high[0] if high else MAX_MS)

    def times_of_row(self, table: str, key: str) -> list[Span]:
        """When a cue or a place of the plan is spoken and what it shows; nothing where there is none."""
        query = f"SELECT start_ms, end_ms, visual_start_ms, visual_end_ms FROM {table} WHERE id = ?"
        row = self._db.execute(query, (key,)).fetchone()
        return [Span(*row[:2]), Span(*row[2:])] if row else []

    def next_unapproved(self, cue: Cue) -> str | None:
        """The id of the first cue after one, in time, that is not approved."""
        row = self._db.execute(
            "SELECT id FROM cue WHERE status <> 'approved' AND (start_ms, end_ms, id) > (?, ?, ?) "
            "ORDER BY start_ms, end_ms, id LIMIT 1",
            (cue.span.start_ms, cue.span.end_ms, int(cue.id)),
        ).fetchone()
        return str(row[0]) if row else None

    @property
    def spoken_ms(self) -> Mapping[str, int]:
        """How long the project's voice takes for each text that it has said, as `voice` holds it by cue."""
        row = self._db.execute("SELECT value FROM setting WHERE name = 'voice'").fetchone()
        return _lengths(row[0]) if row else {}

    @property
    def cue_ids(self) -> set[str]:
        """The ids of all cues."""
        return {str(number) for (number,) in self._db.execute("SELECT id FROM cue")}


@lru_cache(maxsize=4)
def _lengths(voice: str) -> Mapping[str, int]:
    """Read once as long as nothing else is spoken: an edit asks several times, and a film has thousands."""
    found = json.loads(voice)
    return {one["text"]: one["ms"] for one in found["cues"].values()} if found else {}
