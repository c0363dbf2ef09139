"""Stills in which somebody may be seen, by when they speak or are called, each described in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calvin.core.time import Span
from calvin.core.types import Cue, DialogueLine
from calvin.studio.cast.portraits import Box
from calvin.studio.cast.proposals import Proposal

_SPEAKS, _CALLED, _BESIDE = 3.0, 2.0, 1.0
"""How much it speaks for a still that they speak, that they are called, or that somebody answers them in it."""
_TURN_MS = 400
"""After a call the film turns to who was called."""
_LONG_MS = 3000
_WORDS = 60


@dataclass(frozen=True, slots=True)
class CandidateStill:
    """A moment in which somebody may be seen: why, and what the description says of it. `faces` are the boxes of the
    faces in it, where somebody looked for them, from left to right."""

    at_ms: int
    why: str
    caption: str = ""
    faces: tuple[Box, ...] | None = None


def candidate_stills(
    person: Proposal, lines: Sequence[DialogueLine], shots: Sequence[Span], cues: Sequence[Cue], end_ms: int, count: int
) -> list[CandidateStill]:
    """At most `count` moments, the likeliest first, each in a shot of its own where shots are known."""
    found: list[tuple[float, int, str]] = []
    for line in person.spoken:
        weight = _SPEAKS + min(line.span.duration_ms, _LONG_MS) / _LONG_MS
        found.append((weight, _middle(line.span, shots), f'while {person.name} says "{_short(line.text)}"'))
    for line in person.called:
        by = f"{line.speaker.title() if line.speaker.isupper() else line.speaker} calls" if line.speaker else "calling"
        found.append((_CALLED, line.span.end_ms + _TURN_MS, f'just after {by}: "{_short(line.text)}"'))
    for line in person.spoken:
        following = next((other for other in lines if other.span.start_ms >= line.span.end_ms), None)
        if following is not None and following.speaker != line.speaker and _near(line, following):
            why = f'while they are answered: "{_short(following.text)}"'
            found.append((_BESIDE, _middle(following.span, shots), why))
    chosen: list[CandidateStill] = []
    taken: set[Span | int] = set()
    found.sort(key=lambda row: -row[0])
    for _, at_ms, why in (*found, *_beside(person, shots)):
        shot = next((shot for shot in shots if shot.start_ms <= at_ms < shot.end_ms), at_ms)
        if shot in taken or at_ms >= end_ms or len(chosen) == count:
            continue
        taken.add(shot)
        chosen.append(CandidateStill(at_ms, why, _caption(at_ms, cues)))
    return chosen


def _beside(person: Proposal, shots: Sequence[Span]) -> list[tuple[float, int, str]]:
    """The middles of all shots, the nearest to somebody's lines first."""
    rows = []
    for shot in shots:
        lines = [line.span for line in (*person.spoken, *person.called)]
        away = min((max(line.start_ms - shot.end_ms, shot.start_ms - line.end_ms, 0) for line in lines), default=0)
        why = f"{away / 1000:.0f} s from" if away >= 500 else "right beside"
        rows.append((-away / 1000, shot.middle_ms, f"{why} where they are heard or called"))
    return sorted(rows, reverse=True)


def _middle(span: Span, shots: Sequence[Span]) -> int:
    """The middle of the longest piece of one shot in a span."""
    pieces = [Span(max(s.start_ms, span.start_ms), min(s.end_ms, span.end_ms)) for s in shots if s.overlap_ms(span)]
    return max(pieces, key=lambda piece: piece.duration_ms, default=span).middle_ms


def _near(line: DialogueLine, following: DialogueLine) -> bool:
    return following.span.start_ms - line.span.end_ms < _LONG_MS


def _caption(at_ms: int, cues: Sequence[Cue]) -> str:
    return next((cue.text for cue in cues if cue.visual.start_ms <= at_ms < cue.visual.end_ms), "")


def _short(text: str) -> str:
    return text if len(text) <= _WORDS else f"{text[: _WORDS - 3].rstrip()}..."
