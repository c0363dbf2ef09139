"""What a project keeps besides cues: the film, its dialogue, the plan, and former texts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from calvin.core.time import Span
from calvin.core.types import Author, Cue


@dataclass(frozen=True, slots=True)
class FilmRow:
    """The film a project belongs to; `facts` is what probing it found, as plain values."""

    title: str
    path: str
    sha256: str
    duration_ms: int
    facts: dict[str, Any]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Plan:
    """A place for a cue: `span` is the time free to speak in, `visual` the film to describe, `event_ms` when."""

    span: Span
    visual: Span
    event_ms: int
    id: int = 0
    done: bool = False

    def taken_by(self, cue: Cue) -> bool:
        """Whether a cue fills this place or tells what it is about; one that only runs on into it does not."""
        begins_here = self.span.start_ms <= cue.span.start_ms < self.span.end_ms
        covers = 2 * self.span.overlap_ms(cue.span) > self.span.duration_ms
        return begins_here or covers or 2 * self.visual.overlap_ms(cue.visual) > self.visual.duration_ms


class Choice(StrEnum):
    """How the words for a place were found, or why there are none."""

    BEST = "best"
    CANDIDATE = "candidate"
    SHORTER = "shorter"
    EXTENDED = "extended"
    REPEATED = "repeated"
    SILENT = "silent"
    HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a planned place, with the reason in words; `cue_id` where a cue stands there."""

    choice: Choice
    reason: str
    span: Span | None = None
    cue_id: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """A text that a cue had; blank where it was removed. `written_at` is UTC."""

    text: str
    author: Author
    written_at: str
