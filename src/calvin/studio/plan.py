"""Where cues go, and what stretch of film each of them is about."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from calvin.core.time import Span
from calvin.studio.rows import Plan

MIN_CUE_MS = 2000
"""A shorter gap "may not be appropriate" for a description (WCAG failure F113)."""
MAX_CUE_MS = 20_000
"""A longer stretch without a cut is shared between several cues."""
LOOK_AHEAD_MS = 1000
"""How far beyond its gap a cue may look, to see its shot to the end."""
WORDS_PER_MINUTE = 160


def plan_cues(duration_ms: int, shots: Sequence[Span], gaps: Sequence[Span] | None = None) -> list[Plan]:
    """Places for cues, in time order.

    Args:
        shots: the film's shots.
        gaps: the stretches free of dialogue; None where the dialogue is not known: then whole shots.

    A gap is divided where the film cuts. What happens during dialogue is not lost: each cue is about the film from the
    end of the previous cue's span to the end of its own, and on to the end of that shot if it is at most 1 s away.
    """
    cuts = sorted({shot.start_ms for shot in shots} | {shot.end_ms for shot in shots} | {duration_ms})
    plans: list[Plan] = []
    seen_ms = 0
    for gap in [Span(0, duration_ms)] if gaps is None else sorted(gaps):
        for span in _divide(gap, cuts):
            ends = [cut for cut in cuts if span.end_ms <= cut <= span.end_ms + LOOK_AHEAD_MS]
            visual = Span(min(seen_ms, span.start_ms), min([*ends, duration_ms]) if ends else span.end_ms)
            plans.append(Plan(span, visual, visual.middle_ms))
            seen_ms = span.end_ms
    return plans


def _divide(gap: Span, cuts: Sequence[int]) -> list[Span]:
    """Pieces of a gap between cuts, none shorter than a cue needs; a gap too short for one gives none."""
    if gap.duration_ms < MIN_CUE_MS:
        return []
    edges = [gap.start_ms]
    for cut in cuts:
        if cut - edges[-1] >= MIN_CUE_MS and gap.end_ms - cut >= MIN_CUE_MS:
            edges.append(cut)
    edges.append(gap.end_ms)
    pieces = []
    for start, end in pairwise(edges):
        count = -(-(end - start) // MAX_CUE_MS)
        marks = [start + (end - start) * i // count for i in range(count + 1)]
        pieces += [Span(a, b) for a, b in pairwise(marks)]
    return pieces


def spoken_span(plan: Plan, text: str) -> Span:
    """The part of a plan's span that a voice at 160 words a minute takes to say `text`; all of it, if that is less.

    A description starts with the visual or just before it, never after (W3C WAI), hence at the start of the gap.
    """
    needed_ms = max(len(text.split()), 2) * 60_000 // WORDS_PER_MINUTE
    return Span(plan.span.start_ms, min(plan.span.end_ms, plan.span.start_ms + needed_ms))


def is_crowded(plan: Plan, text: str) -> bool:
    """Whether saying `text` at 160 words a minute takes longer than the gap lasts."""
    return len(text.split()) * 60_000 // WORDS_PER_MINUTE > plan.span.duration_ms
