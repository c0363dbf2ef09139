"""What of a film's description is said, in which words and when: chosen for the whole film at once.

Cues are said in the order of what they describe, inside the silences of the dialogue. Each has a window in which it may
begin, and candidates that differ in length and in how likely they are. A window may reach into several silences. What
depends on the words of the cues before comes in as a cost of each candidate. Nothing here knows a model, a project or a
voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from calvin.core.time import Span
from calvin.media.schedule.items import Item, Left, Placed, Schedule, ScheduleSettings
from calvin.media.schedule.programme import BANNED, FilmProgramme, Wish


def free_silences(gaps: Iterable[Span], items: Iterable[Item], settings: ScheduleSettings) -> list[Span]:
    """The stretches of the gaps in which no fixed cue is spoken, a breath away from each."""
    taken = sorted(item.fixed for item in items if item.fixed is not None)
    free = []
    for gap in sorted(gaps):
        at = gap.start_ms
        for span in taken:
            if span.end_ms + settings.breath_ms <= at or span.start_ms - settings.breath_ms >= gap.end_ms:
                continue
            if span.start_ms - settings.breath_ms > at:
                free.append(Span(at, span.start_ms - settings.breath_ms))
            at = max(at, span.end_ms + settings.breath_ms)
        if at < gap.end_ms:
            free.append(Span(at, gap.end_ms))
    return free


def schedule(
    items: Sequence[Item],
    gaps: Iterable[Span],
    settings: ScheduleSettings | None = None,
    extra: Mapping[tuple[str, int], int] | None = None,
) -> Schedule:
    """The cheapest schedule of a film by the soft rules that keeps the hard ones.

    Args:
        items: in the order of what they describe, which is the order in which they are said.
        gaps: where the dialogue and what is kept free beside it leave silence (`media.gaps.dialogue_gaps`).
        extra: what a candidate, by item and number, costs besides, or `BANNED`.
    """
    settings = settings or ScheduleSettings()
    silences = free_silences(gaps, items, settings)
    extra = extra or {}
    wanted = [Wish.of(item, settings, extra) for item in items if item.fixed is None]
    film = FilmProgramme(wanted, silences, settings)
    chosen = film.chosen()
    placed = []
    for item in items:
        if item.fixed is not None:
            placed.append(Placed(item, item.candidates[0] if item.candidates else None, item.fixed))
        elif item.id in chosen:
            number, start_ms, silence = chosen[item.id]
            candidate = item.candidates[number]
            placed.append(Placed(item, candidate, Span(start_ms, start_ms + candidate.spoken_ms), silence))
        else:
            placed.append(_left_out(item, silences, extra))
    return Schedule(tuple(_with_pauses(placed, silences)), film.cost, tuple(silences))


def _left_out(item: Item, silences: Sequence[Span], extra: Mapping[tuple[str, int], int]) -> Placed:
    """Why an item is not said; where it would pause is found later."""
    there = [i for i in range(len(item.candidates)) if extra.get((item.id, i), 0) < BANNED]
    first = item.candidates[there[0] if there else 0] if item.candidates else None
    at = Span(item.window.start_ms, item.window.start_ms)
    if not item.candidates:
        return Placed(item, None, at, left=Left.NO_WORDS)
    if not there:
        return Placed(item, first, at, left=Left.REPEATED)
    reached = [gap for gap in silences if gap.start_ms <= item.window.end_ms and item.window.start_ms < gap.end_ms]
    shortest = min(item.candidates[i].spoken_ms for i in there)
    if not reached:
        return Placed(item, first, at, left=Left.NO_SILENCE)
    longest = max(reached, key=lambda gap: gap.end_ms - max(gap.start_ms, item.window.start_ms))
    room = longest.end_ms - max(longest.start_ms, item.window.start_ms)
    return Placed(item, first, at, longest, Left.TOO_LONG if shortest > room else Left.FULL)


def _with_pauses(placed: Sequence[Placed], silences: Sequence[Span]) -> list[Placed]:
    """Where the film would pause for what is not said: from the beginning of its shot on, between cues that are said.

    Its span lasts until the next cue or line, at most as long as its words.
    """
    spoken = sorted(one.span for one in placed if one.left is None)
    found = []
    for one in placed:
        if one.left is None:
            found.append(one)
            continue
        at = one.item.pause_ms
        inside = next((span for span in spoken if span.start_ms < at < span.end_ms), None)
        if inside is not None:
            at = inside.end_ms
        free = next((gap.end_ms for gap in silences if gap.start_ms <= at < gap.end_ms), at)
        end = min([free, *(span.start_ms for span in spoken if span.start_ms >= at)])
        length = one.candidate.spoken_ms if one.candidate else 0
        found.append(replace(one, span=Span(at, max(at, min(end, at + length)))))
    return found
