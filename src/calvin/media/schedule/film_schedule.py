"""What of a film's description is said, in which words and when: chosen for the whole film at once.

Cues are said in the order of what they describe, inside the silences of the dialogue. Each has a window in which it may
begin, and candidates that differ in length and in how likely they are. A window may reach into several silences. What
depends on the words of the cues before comes in as a cost of each candidate. Nothing here knows a model, a project or a
voice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from calvin.core.time import Span
from calvin.media.schedule.items import Candidate, Item, Left, Placed, Schedule, ScheduleSettings
from calvin.media.schedule.programme import FilmProgramme, fixed_costs
from calvin.media.schedule.wording import BANNED, Told, costs_in_turn, starving


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
    """The cheapest schedule of a film by the soft rules that keeps the hard ones, whatever the words before say.

    Args:
        items: in the order of what they describe, which is the order in which they are said.
        gaps: where the dialogue and what is kept free beside it leave silence (`media.gaps.dialogue_gaps`).
        extra: what a candidate, by item and number, costs besides; `BANNED`: it is not to be said.
    """
    settings = settings or ScheduleSettings()
    silences = free_silences(gaps, items, settings)
    programme = FilmProgramme([item for item in items if item.fixed is None], silences, settings)
    programme.solve(extra or {})
    return _found(items, silences, programme, extra or {})


def schedule_film(
    items: Sequence[Item], gaps: Iterable[Span], settings: ScheduleSettings | None = None, rounds: int = 2
) -> Schedule:
    """A schedule that also minds what the words before say: nothing again, and nobody's look twice.

    What a candidate costs for that depends on what is chosen before it. So the film is scheduled with the costs of the
    best candidates, then again with those of what was chosen, until nothing changes or the rounds are over. Around what
    then has nothing new to say, the words are chosen together, and the film is scheduled once more with these. The
    cheapest is taken, without what would still say the same as a cue shortly before it.
    """
    settings = settings or ScheduleSettings()
    search = _Search(items, free_silences(gaps, items, settings), settings)
    barred = Counter(starving(items, settings))
    best = search.found(barred, rounds)
    mended = _chosen_together(best, settings)
    if mended:
        barred.update(dict.fromkeys(mended, BANNED))
        best = min(best, search.found(barred, rounds), key=lambda found: found.cost)
    return best


_MOST, _WIDTH = 20, 24
"""Places around which words are chosen together, and how many choices are followed side by side."""


def _chosen_together(found: Schedule, settings: ScheduleSettings) -> set[tuple[str, int]]:
    """The candidates, by item and number, that are given up so that what has nothing new to say gets something."""
    items, given_up = [one.item for one in found.placed], set[tuple[str, int]]()
    wordless = [i for i, one in enumerate(found.placed) if one.left is Left.REPEATED]
    for number in wordless[:_MOST]:
        first, last = max(0, number - 2 * settings.not_again), number + settings.not_again + 1
        told = Told(settings)
        for one in found.placed[:first][-2 * settings.recent :]:
            if one.left is None and one.candidate is not None:
                told.say(one.candidate)
        beam: list[tuple[int, Told, tuple[int | None, ...]]] = [(0, told, ())]
        for item in items[first:last]:
            beam = _longer(beam, item, settings)
        for item, which in zip(items[first:last], beam[0][2], strict=True):
            if item.fixed is None and which is not None:
                given_up |= {(item.id, other) for other in range(len(item.candidates)) if other != which}
    return given_up


def _longer(
    beam: Sequence[tuple[int, Told, tuple[int | None, ...]]], item: Item, settings: ScheduleSettings
) -> list[tuple[int, Told, tuple[int | None, ...]]]:
    """The cheapest ways to go on with an item: each of its candidates, or none of them."""
    ways: list[tuple[int, Told, tuple[int | None, ...], Candidate | None]] = []
    for cost, told, chosen in beam:
        if item.fixed is None:
            ways.append((cost + settings.unsaid * (1 + item.priority), told, (*chosen, None), None))
        for which, (words, own) in enumerate(zip(item.candidates, fixed_costs(item, settings), strict=True)):
            dear = 0 if item.fixed is not None else told.cost(words) + own
            if dear < BANNED:
                ways.append((cost + dear, told, (*chosen, which), words))
    best = sorted(ways, key=lambda way: way[0])[:_WIDTH]
    return [(cost, told.after(words) if words else told, chosen) for cost, told, chosen, words in best]


class _Search:
    """Schedules of one film for several costs of its candidates."""

    def __init__(self, items: Sequence[Item], silences: Sequence[Span], settings: ScheduleSettings) -> None:
        self._items, self._silences, self._settings = items, silences, settings
        self._programme = FilmProgramme([item for item in items if item.fixed is None], silences, settings)

    def found(self, always: Mapping[tuple[str, int], int], rounds: int) -> Schedule:
        """The cheapest of some rounds, where candidates, by item and number, cost so much more than for their words."""
        firsts = {item.id: item.candidates[0] for item in self._items if item.candidates}
        now, tried = costs_in_turn(self._items, firsts, self._settings), list[Schedule]()
        for _ in range(rounds):
            extra = Counter(now)
            extra.update(always)
            self._programme.solve(extra)
            found = _found(self._items, self._silences, self._programme, extra)
            before, now = now, costs_in_turn(self._items, _words(found), self._settings)
            chosen = [(one.item.id, one.item.candidates.index(one.candidate)) for one in found.said if one.candidate]
            cost = found.cost + sum(now.get(key, 0) - extra[key] for key in chosen)
            tried.append(_without_repeats(replace(found, cost=cost), self._settings))
            if now == before:
                break
        return min(tried, key=lambda one: one.cost)


def _words(found: Schedule) -> dict[str, Candidate]:
    return {one.item.id: one.candidate for one in found.said if one.candidate is not None}


def _without_repeats(found: Schedule, settings: ScheduleSettings) -> Schedule:
    """A schedule without what says the same as a cue shortly before."""
    while True:
        costs = costs_in_turn([one.item for one in found.placed], _words(found), settings)
        again = next(
            (
                number
                for number, one in enumerate(found.placed)
                if one.left is None
                and one.candidate is not None
                and costs.get((one.item.id, one.item.candidates.index(one.candidate)), 0) >= BANNED
            ),
            None,
        )
        if again is None:
            return found
        left = replace(found.placed[again], left=Left.REPEATED)
        placed = (*found.placed[:again], left, *found.placed[again + 1 :])
        cost = found.cost - BANNED + settings.unsaid * (1 + left.item.priority)
        found = replace(found, placed=placed, cost=cost)


def _found(
    items: Sequence[Item], silences: Sequence[Span], programme: FilmProgramme, extra: Mapping[tuple[str, int], int]
) -> Schedule:
    chosen, placed = programme.chosen(), list[Placed]()
    for item in items:
        if item.fixed is not None:
            placed.append(Placed(item, item.candidates[0] if item.candidates else None, item.fixed))
        elif item.id in chosen:
            number, start_ms, silence = chosen[item.id]
            candidate = item.candidates[number]
            placed.append(Placed(item, candidate, Span(start_ms, start_ms + candidate.spoken_ms), silence))
        else:
            placed.append(_left_out(item, silences, extra))
    return Schedule(tuple(_with_pauses(placed, silences)), programme.cost, tuple(silences))


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
