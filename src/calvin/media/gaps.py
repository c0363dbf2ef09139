"""Where description can be spoken, and which stretch of film each line of it is about."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise, zip_longest

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.time import Span
from calvin.core.types import DialogueLine, Place

_SENTENCE_ENDS, _CLOSING = ".?!…:;。？！", "\"')]}»”’ "


class PlanSettings(FrozenConfig):
    """`min_gap_ms` is the shortest silence worth using once `guard_ms` is kept free beside dialogue.

    A gap is divided along its shots into cues of `min_cue_ms` to about `max_cue_ms`, `breath_ms` apart when spoken; a
    visual span may reach `beyond_ms` past the end of its gap to see a shot through, and `look_back_ms` before its cue:
    what happened longer ago in long talk is not described, because few stills spread over minutes show nothing of it.
    `trust_subtitles` leaves free what is heard but not in the subtitles.

    In talk without a gap for longer than `long_talk_ms` (0: never), a cue for which the film pauses is offered about
    as often, where the picture changes and a line has just ended. 30 s is twice what a cue looks back, so half of what
    such talk shows would otherwise never be described.
    """

    min_gap_ms: int = Field(default=2000, ge=1)
    guard_ms: int = Field(default=300, ge=0)
    min_cue_ms: int = Field(default=2500, ge=1)
    max_cue_ms: int = Field(default=8000, ge=1)
    breath_ms: int = Field(default=300, ge=0)
    beyond_ms: int = Field(default=1000, ge=0)
    look_back_ms: int = Field(default=15_000, ge=0)
    trust_subtitles: bool = False
    long_talk_ms: int = Field(default=30_000, ge=0)


def dialogue_gaps(
    dialogue: Iterable[DialogueLine | Span], duration_ms: int, min_gap_ms: int = 2000, guard_ms: int = 300
) -> list[Span]:
    """The stretches of a film without dialogue, `guard_ms` away from it, of at least `min_gap_ms`.

    A film without dialogue is one gap however short it is. Overlapping and unordered lines are fine.
    """
    spoken = sorted(line.span if isinstance(line, DialogueLine) else line for line in dialogue)
    gaps: list[Span] = []
    free_from = 0
    for line in spoken:
        if line.start_ms >= duration_ms:
            break
        end = line.start_ms - guard_ms
        if end - free_from >= min_gap_ms:
            gaps.append(Span(free_from, end))
        free_from = max(free_from, line.end_ms + guard_ms)
    if duration_ms - free_from >= min(min_gap_ms, duration_ms) and free_from < duration_ms:
        gaps.append(Span(free_from, duration_ms))
    return gaps


def plan_cues(
    duration_ms: int,
    shots: Sequence[Span],
    dialogue: Iterable[DialogueLine | Span] = (),
    settings: PlanSettings | None = None,
) -> list[Place]:
    """The cues of a film, in order.

    Cues lie in the gaps between dialogue, at most one a shot (one or more in a shot longer than `max_cue_ms`);
    without dialogue the whole film is one gap, so the cues are its shots. Each visual span begins where the one before
    it ended and so takes in the dialogue before its gap, because what happens meanwhile is not to be lost; but it
    reaches back no further than `look_back_ms`. In long talk there are places between two lines with next to no time to
    speak in.
    """
    settings = settings or PlanSettings()
    dialogue = list(dialogue)
    cuts = sorted({shot.start_ms for shot in shots} | {shot.end_ms for shot in shots})
    plans: list[Place] = []
    seen_to = 0
    gaps = dialogue_gaps(dialogue, duration_ms, settings.min_gap_ms, settings.guard_ms)
    gaps = sorted([*gaps, *_pauses(dialogue, gaps, cuts, duration_ms, settings)])
    for gap, following in zip_longest(gaps, gaps[1:]):
        # What the next cue speaks over is its own to describe.
        limit = min(gap.end_ms + settings.beyond_ms, following.start_ms if following else duration_ms)
        parts = _divide(gap, cuts, settings)
        for part in parts:
            end = part.end_ms
            if part is parts[-1]:
                end = _see_through(end, cuts, limit)
            visual = Span(max(seen_to, part.start_ms - settings.look_back_ms), end)
            plans.append(Place(part, visual, _event(visual, cuts)))
            seen_to = end
    return plans


def _pauses(
    dialogue: Sequence[DialogueLine | Span], gaps: Sequence[Span], cuts: Sequence[int], duration_ms: int,
    settings: PlanSettings,
) -> list[Span]:  # fmt: skip
    """Where between two lines of long talk the film may pause, with the little time there is to speak.

    Each lies where the picture has changed since the place before it, and of those about `long_talk_ms` after it, the
    nearest to a cut; half of that time stays between it and the next gap.
    """
    every, found = settings.long_talk_ms, []
    between = _between_lines(dialogue, settings.guard_ms) if every else []
    edges = [0, *(edge for gap in gaps for edge in (gap.start_ms, gap.end_ms)), duration_ms]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        while every and end - start > every:
            away = []
            for one in between:
                if every // 2 <= one.start_ms - start <= every * 3 // 2 and one.start_ms + every // 2 <= end:
                    changes = _inside(Span(start, one.start_ms + 1), cuts)
                    away += [(one.start_ms - changes[-1], one)] if changes else []
            start = min(away)[1].end_ms if away else start + every
            found += [min(away)[1]] if away else []
    return found


def _between_lines(dialogue: Sequence[DialogueLine | Span], guard_ms: int) -> list[Span]:
    """The time between lines when all before have ended, less what is left free after one; not within a sentence."""
    lines = [line if isinstance(line, DialogueLine) else DialogueLine(line, "") for line in dialogue]
    found: list[Span] = []
    until, said = 0, ""
    for line in sorted(lines, key=lambda line: line.span):
        free = line.span.start_ms - until
        if until and free >= 0 and (not said or said.rstrip(_CLOSING)[-1:] in _SENTENCE_ENDS):
            start = until + min(guard_ms, free // 2)
            found.append(Span(start, max(start + 1, line.span.start_ms)))
        if line.span.end_ms >= until:
            until, said = line.span.end_ms, line.text
    return found


def _divide(gap: Span, cuts: Sequence[int], settings: PlanSettings) -> list[Span]:
    """A gap along its shots: short shots joined to the next, long ones split evenly."""
    edges = [gap.start_ms]
    for cut in _inside(gap, cuts):
        if cut - edges[-1] >= settings.min_cue_ms and gap.end_ms - cut >= settings.min_cue_ms:
            edges.append(cut)
    edges.append(gap.end_ms)
    parts: list[Span] = []
    for start, end in pairwise(edges):
        # Never split below the shortest cue.
        count = max(1, min(-(-(end - start) // settings.max_cue_ms), (end - start) // settings.min_cue_ms))
        marks = [start + (end - start) * i // count for i in range(count + 1)]
        parts.extend(Span(a, b) for a, b in pairwise(marks))
    return parts


def _inside(span: Span, cuts: Sequence[int]) -> Sequence[int]:
    """The cuts strictly inside a span."""
    first = bisect_right(cuts, span.start_ms)
    last = bisect_right(cuts, span.end_ms - 1)
    return cuts[first:last]


def _see_through(end_ms: int, cuts: Sequence[int], limit_ms: int) -> int:
    """The end of the shot that runs at `end_ms` where that is no later than `limit_ms`, else `end_ms`."""
    later = bisect_right(cuts, end_ms - 1)
    if later < len(cuts) and cuts[later] <= limit_ms:
        return cuts[later]
    return end_ms


def _event(visual: Span, cuts: Sequence[int]) -> int:
    """The middle of the longest piece of a shot in what is described."""
    edges = [visual.start_ms, *_inside(visual, cuts), visual.end_ms]
    pieces = [Span(start, end) for start, end in pairwise(edges)]
    return max(pieces, key=lambda piece: piece.duration_ms).middle_ms
