"""When to describe, against when people did: cue by cue, and gap by gap of the dialogue.

Finding the moments is a task of its own since AutoAD-II ("Who, When, and What", 2023), where each gap of the dialogue
is told apart by whether it holds description. That is the count by gap; its bounds, and the count by cue, are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from calvin.core.time import Span

LEAST_MS = 500
"""A cue lies in a gap of which it takes up as much; a shorter cue, half of itself."""
GAP_MS = 1000
"""Shorter pauses of the dialogue are no gaps."""
LENGTHS = ((GAP_MS, 3000), (3000, 6000), (6000, None))
"""Gaps by length, from and to below."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are of both (`hits`), and in all by the system (`predicted`) and by people (`given`)."""

    name: str
    hits: int
    predicted: int
    given: int

    @property
    def precision(self) -> float | None:
        return self.hits / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        return self.hits / self.given if self.given else None

    @property
    def f1(self) -> float | None:
        return 2 * self.hits / (self.predicted + self.given) if self.predicted + self.given else None


def by_cue(predicted: Sequence[Span], given: Sequence[Span]) -> Counts:
    """Cues that fall together, each with at most one of the other's: they share at least half of the shorter one."""
    left, right = sorted(predicted, key=_end), sorted(given, key=_end)
    taken: set[int] = set()
    for cue in left:
        # Of those that fit, the one that ends first: a later cue can do least with it.
        free = (n for n, other in enumerate(right) if n not in taken and _together(cue, other))
        taken.update([found] if (found := next(free, None)) is not None else [])
    return Counts("cues", len(taken), len(left), len(right))


def by_gap(predicted: Sequence[Span], given: Sequence[Span], gaps: Sequence[Span], name: str = "gaps") -> Counts:
    """Gaps with a cue of either, and of both."""
    ours, theirs = ([any(_lies_in(cue, gap) for cue in cues) for gap in gaps] for cues in (predicted, given))
    return Counts(name, sum(a and b for a, b in zip(ours, theirs, strict=True)), sum(ours), sum(theirs))


def detection(
    predicted: Sequence[Span], given: Sequence[Span], dialogue: Sequence[Span] = (), length_ms: int | None = None
) -> list[Counts]:
    """By cue; where there is dialogue, by gap too, of all gaps and of those of each length.

    Args:
        length_ms: of the film; None: it ends with the last cue or line.
    """
    found = [by_cue(predicted, given)]
    if not dialogue:
        return found
    end = length_ms or max(span.end_ms for span in (*predicted, *given, *dialogue))
    gaps = gaps_between(dialogue, end)
    found.append(by_gap(predicted, given, gaps))
    for low, high in LENGTHS:
        some = [gap for gap in gaps if low <= gap.duration_ms and (high is None or gap.duration_ms < high)]
        words = f"gaps from {low // 1000} s" + (f" to {high // 1000} s" if high else "")
        found.append(by_gap(predicted, given, some, words))
    return found


def gaps_between(dialogue: Sequence[Span], end_ms: int) -> list[Span]:
    """Pauses of at least `GAP_MS` between lines, before the first and after the last."""
    covered, reach = [Span(0, 0)], 0
    for span in sorted(dialogue, key=lambda span: span.start_ms):
        covered.append(Span(max(span.start_ms, reach), max(span.end_ms, reach)))
        reach = max(reach, span.end_ms)
    covered.append(Span(max(end_ms, reach), max(end_ms, reach)))
    gaps = (Span(before.end_ms, after.start_ms) for before, after in pairwise(covered))
    return [gap for gap in gaps if gap.duration_ms >= GAP_MS]


def _end(span: Span) -> tuple[int, int]:
    return span.end_ms, span.start_ms


def _together(first: Span, second: Span) -> bool:
    shorter = min(first.duration_ms, second.duration_ms)
    return shorter > 0 and 2 * first.overlap_ms(second) >= shorter


def _lies_in(cue: Span, gap: Span) -> bool:
    return cue.overlap_ms(gap) > 0 and cue.overlap_ms(gap) >= min(LEAST_MS, cue.duration_ms / 2)
