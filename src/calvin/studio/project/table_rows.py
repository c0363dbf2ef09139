"""Cues and places as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, Place, Status

MAX_TEXT = 2000
"""The most characters that a cue may have; a description is a sentence or two."""
MAX_MS = 100 * 3_600_000
"""No film lasts a hundred hours, nor does any time code of subtitles say more."""

CUE = "id, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, text, author, status, extended, kind"
PLAN = "start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, id, done"


def times_of(one: Cue | Place) -> tuple[int, ...]:
    return one.span.start_ms, one.span.end_ms, one.visual.start_ms, one.visual.end_ms, one.event_ms


def place_of(row: Sequence[Any]) -> Place:
    """The place in a row of the columns `PLAN`."""
    start, end, visual_start, visual_end, event, number, done = row
    return Place(Span(start, end), Span(visual_start, visual_end), event, number, bool(done))


def cue_of(row: Sequence[Any]) -> Cue:
    """The cue in a row of the columns `CUE`."""
    number, start, end, visual_start, visual_end, event, text, author, status, extended, kind = row
    words = (text, Span(visual_start, visual_end), event, Author(author), Status(status))
    return Cue(str(number), Span(start, end), *words, extended=bool(extended), kind=CueKind(kind))


def number_of(cue_id: str) -> int:
    """The number of a cue in the database; one that none has where the id is not calvin's."""
    return int(cue_id) if cue_id.isascii() and cue_id.isdigit() and len(cue_id) < 19 else -1


def storable(text: str) -> str:
    """
    Raises:
        StoreError: the text is too long for a cue.
    """
    if len(text) > MAX_TEXT:
        raise StoreError(f"A cue of {len(text)} characters is too long to speak: keep it under {MAX_TEXT}.")
    # Half a surrogate pair cannot be stored or written as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
