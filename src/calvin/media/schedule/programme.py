"""The dynamic programme of a schedule: exact over item, candidate and start, silence by silence, on a grid of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from calvin.core.time import Span
from calvin.media.schedule.items import Item, ScheduleSettings
from calvin.media.schedule.wording import BANNED

_NEVER = BANNED
"""More than any schedule costs."""


def fixed_costs(item: Item, settings: ScheduleSettings) -> list[int]:
    """What each candidate costs for its words alone: less likely, or shorter, than the best."""
    if not item.candidates:
        return []
    best = max(item.candidates, key=lambda one: one.score)
    found = []
    for one in item.candidates:
        less = 1 - one.spoken_ms / best.spoken_ms if best.spoken_ms else 0.0
        found.append(round(settings.score * (best.score - one.score) + settings.shorter * max(0.0, less)))
    return found


class _Starts:
    """What it costs to begin an item at each step of a silence from `first` on [N], and with which candidate."""

    def __init__(self, item: int, first: int, costs: np.ndarray, which: np.ndarray, rules: _Rules) -> None:
        self.item, self.first, self.costs, self.which, self.rules = item, first, costs, which, rules
        self.last = first + len(costs) - 1
        self.best = int(costs.min())
        self._onwards = np.append(np.minimum.accumulate(costs[::-1])[::-1], _NEVER)

    def soon(self, low: int, high: int) -> np.ndarray:
        """The cheapest beginning, with its breath, where the cue before ends at a step from `low` to `high`."""
        rules = self.rules
        ends = np.arange(low - self.first, high - self.first + 1)
        rested = self._onwards.take(ends + rules.breath, mode="clip")
        hasty = self._onwards.take(ends + rules.least, mode="clip")
        return np.minimum(rested, hasty + rules.hasty)

    def within(self, low: int, high: int) -> np.ndarray:
        """The same for beginnings within a long silence's length of the end of the cue before."""
        rules, count = self.rules, len(self.costs)
        if count > rules.long - rules.breath:
            rested = _least_of(self.costs, low + rules.breath - self.first, high - low + 1, rules.long - rules.breath)
            hasty = _least_of(self.costs, low + rules.least - self.first, high - low + 1, rules.long - rules.least)
            return np.minimum(rested, hasty + rules.hasty)
        # It may begin so late that all these are reached after a full breath.
        until = np.append(_NEVER, np.minimum.accumulate(self.costs))
        ends = np.arange(low + rules.long - self.first + 1, high + rules.long - self.first + 2)
        return until.take(ends, mode="clip")

    def costs_after(self, end: int | None, left_out: bool) -> np.ndarray:
        """What each beginning costs [N] where the cue before ended at `end` (None: it is the first of the silence)."""
        rules, begins = self.rules, np.arange(self.first, self.last + 1)
        costs = self.costs + rules.silence * (left_out & (begins - (end or 0) > rules.long))
        if end is None:
            return costs
        costs = costs + rules.hasty * (begins - end < rules.breath)
        return np.where(begins - end < rules.least, _NEVER, costs)


def _least_of(values: np.ndarray, first: int, count: int, reach: int) -> np.ndarray:
    """The least of `values` from each of `count` places on, the first at `first`, to `reach` places further."""
    padded = np.full(count + max(reach, 0), _NEVER, np.int64)
    start, end = max(0, first), min(len(values), first + len(padded))
    if start < end:
        padded[start - first : end - first] = values[start:end]
    size = 1
    while 2 * size <= reach + 1:
        padded = np.minimum(padded[: len(padded) - size], padded[size:])
        size *= 2
    rest = reach + 1 - size
    return np.minimum(padded[:count], padded[rest : rest + count]) if reach >= 0 else np.full(count, _NEVER)


class _Later:
    """What the rest of a silence and of the film costs where something was left out since the step `e`, for every e.

    It is the same for all steps long before the first cue that may still come, so only the others are held.
    """

    def __init__(self, steps: int, rules: _Rules) -> None:
        self._rules = rules
        self._values = np.full(steps + 1, _NEVER, np.int64)
        self._low, self._below = steps + 1, _NEVER
        self.first = _NEVER
        """The same where nothing was said in the silence yet."""

    def at(self, low: int, high: int) -> np.ndarray:
        """For the steps from `low` to `high`."""
        self._hold(low)
        return self._values[low : high + 1]

    def may_say(self, starts: _Starts) -> None:
        """An item may be said."""
        rules = self._rules
        silent, last = starts.best + rules.silence, starts.last - rules.least
        low = max(0, starts.first - rules.long)
        middle = min(max(low, starts.last - rules.long), last + 1)
        self._hold(low)
        self._lower(self._low, low, silent)
        if low < middle:
            quiet = starts.soon(low, middle - 1) + rules.silence
            self._lower(low, middle, np.minimum(quiet, starts.within(low, middle - 1)))
        if middle <= last:
            self._lower(middle, last + 1, starts.soon(middle, last))
        if low:
            self._below = min(self._below, silent)
        near = starts.costs[: max(0, rules.long - starts.first + 1)]
        self.first = min(self.first, silent, int(near.min()) if len(near) else _NEVER)

    def _hold(self, low: int) -> None:
        if low < self._low:
            self._values[low : self._low] = self._below
            self._low = low

    def _lower(self, start: int, end: int, value: int | np.ndarray) -> None:
        if start < end:
            part = self._values[start:end]
            np.minimum(part, value, out=part)


class _Rules:
    """Limits in steps, and weights."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self.step = settings.step_ms
        self.least = self.up(settings.least_breath_ms)
        self.breath = max(self.least, self.up(settings.breath_ms))
        self.long = max(self.breath, settings.long_silence_ms // self.step)
        self.hasty, self.silence, self.late, self.far = settings.breath, settings.silence, settings.late, settings.far

    def up(self, ms: int) -> int:
        """A time in steps, rounded up."""
        return -(-ms // self.step)


class _Option(NamedTuple):
    """A candidate that fits into a silence: the first and last step to begin at, and its length."""

    candidate: int
    first: int
    last: int
    steps: int


class FilmProgramme:
    """The dynamic programme over a film.

    Backwards over the silences, and in each over the items that may be said in it:

        say(k, s) = cost of beginning k at step s + next(k, its end)         with the best candidate for each s
        next(k, e) = the least of say(j, s) for all later j that may be said in this silence and all s a breath after e,
                     and of what follows if this silence is over

    A long silence costs where an item was left out in it, by order, that no later silence can take. All values are less
    by what it costs to leave out everything that is still to come, so to leave an item out changes nothing. `next` is
    needed only where the item before may end. The part of it that knows something was left out since e is held for the
    whole silence, but changes only where an item may begin or, before that, within a long silence.
    """

    def __init__(self, items: Sequence[Item], silences: Sequence[Span], settings: ScheduleSettings) -> None:
        self._items, self._silences, self._rules = items, silences, _Rules(settings)
        self._unsaid = [settings.unsaid * (1 + item.priority) for item in items]
        self._words = [fixed_costs(item, settings) for item in items]
        self._fitting = self._everything_that_fits()
        self._places: dict[tuple[int, int], np.ndarray] = {}
        self._last: dict[int, int] = {}
        self._costs: list[list[int]] = []
        self._after: list[np.ndarray] = []
        """What each silence and all that follows costs, by the first item that is not decided yet [K + 1]."""
        self._starts: list[list[_Starts]] = []

    def solve(self, extra: Mapping[tuple[str, int], int]) -> None:
        """Find what is best where candidates, by item and number, cost so much more."""
        self._costs = [
            [cost + extra.get((item.id, number), 0) for number, cost in enumerate(words)]
            for item, words in zip(self._items, self._words, strict=True)
        ]
        banned = {(i, n) for i, costs in enumerate(self._costs) for n, cost in enumerate(costs) if cost >= BANNED}
        fitting = self._fitting
        if banned:
            kept = [
                {item: [one for one in ones if (item, one.candidate) not in banned] for item, ones in found.items()}
                for found in fitting
            ]
            fitting = [{item: ones for item, ones in found.items() if ones} for found in kept]
        self._last = {item: number for number, found in enumerate(fitting) for item in found}
        after = np.zeros(len(self._items) + 1, np.int64)
        self._after, self._starts = [after], []
        for number in range(len(self._silences) - 1, -1, -1):
            after, starts = self._back(number, fitting[number], after)
            self._after.append(after)
            self._starts.append(starts)
        self._after.reverse()
        self._starts.reverse()

    @property
    def cost(self) -> int:
        return int(self._after[0][0]) + sum(self._unsaid)

    def chosen(self) -> dict[str, tuple[int, int, Span]]:
        """For each item that is said, by id: the number of its candidate, when it begins, and in which silence."""
        found: dict[str, tuple[int, int, Span]] = {}
        undecided = 0
        for number, silence in enumerate(self._silences):
            said, undecided = self._forward(number, undecided)
            for item, which, at in said:
                found[self._items[item].id] = (which, silence.start_ms + at * self._rules.step, silence)
        return found

    def _forward(self, number: int, undecided: int) -> tuple[list[tuple[int, int, int]], int]:
        """What is said in a silence, as item, candidate and step, and the first item that is then not decided.

        Each choice is one that accounts for the whole of the value, which is exact because costs are whole numbers.
        """
        said = list[tuple[int, int, int]]()
        worth, end, left_out = int(self._after[number][undecided]), None, False
        for one in self._starts[number]:
            if one.item < undecided:
                continue
            costs = one.costs_after(end, left_out)
            best = int(costs.argmin())
            if int(costs[best]) != worth:
                left_out = left_out or self._last[one.item] == number
                continue
            which, at = int(one.which[best]), one.first + best
            spent = int(self._place(one.item, number)[best]) + self._costs[one.item][which] - self._unsaid[one.item]
            worth = int(one.costs[best]) - spent
            end, left_out = at + self._rules.up(self._items[one.item].candidates[which].spoken_ms), False
            said.append((one.item, which, at))
            undecided = one.item + 1
        return said, undecided

    def _everything_that_fits(self) -> list[dict[int, list[_Option]]]:
        """What fits into each silence, by item, in order."""
        found: list[dict[int, list[_Option]]] = [{} for _ in self._silences]
        starts = [silence.start_ms for silence in self._silences]
        for number, item in enumerate(self._items):
            at = max(0, bisect_right(starts, item.window.start_ms) - 1)
            while at < len(starts) and starts[at] <= item.window.end_ms:
                fitting = self._options(item, self._silences[at])
                if fitting:
                    found[at][number] = fitting
                at += 1
        return found

    def _options(self, item: Item, silence: Span) -> list[_Option]:
        rules, found = self._rules, []
        latest = (item.window.end_ms - silence.start_ms) // rules.step
        for number, one in enumerate(item.candidates):
            steps = rules.up(one.spoken_ms)
            first = max(0, rules.up(max(item.window.start_ms, one.not_before_ms) - silence.start_ms))
            last = min(latest, silence.duration_ms // rules.step - steps)
            if first <= last:
                found.append(_Option(number, first, last, steps))
        return found

    def _back(
        self, number: int, options: Mapping[int, list[_Option]], after: np.ndarray
    ) -> tuple[np.ndarray, list[_Starts]]:
        """What a silence and all that follows costs, by the first item that is not decided yet [K + 1]."""
        if not options:
            return after, []
        rules, steps = self._rules, self._silences[number].duration_ms // self._rules.step
        later, before, starts = _Later(steps, rules), after.copy(), list[_Starts]()
        soon: list[_Starts] = []  # what may come next with nothing left out that no later silence can take
        missed = False
        items = list(options)
        for place in range(len(items) - 1, -1, -1):
            item, found = items[place], options[items[place]]
            low, high = min(one.first + one.steps for one in found), max(one.last + one.steps for one in found)
            quiet = (np.arange(low, high + 1) < steps - rules.long) & missed
            now = np.minimum(later.at(low, high), int(after[item + 1]) + rules.silence * quiet)
            for one in soon:
                now = np.minimum(now, one.soon(low, high))
            starts.append(self._starting(item, number, found, now, low))
            later.may_say(starts[-1])
            if self._last[item] == number:
                soon, missed = [starts[-1]], True
            else:
                soon = [*soon, starts[-1]]
            those = slice(items[place - 1] + 1 if place else 0, item + 1)
            untouched = after[those] + rules.silence * (missed and steps > rules.long)
            before[those] = np.minimum(untouched, min(later.first, *(one.best for one in soon)))
        return before, starts[::-1]

    def _starting(self, item: int, number: int, options: Sequence[_Option], now: np.ndarray, low: int) -> _Starts:
        """`say` of an item in a silence; `now` [E] is what follows its end, from the step `low` on."""
        first, last = self._first_and_last(item, number)
        costs, which = np.full(last - first + 1, _NEVER, np.int64), np.zeros(last - first + 1, np.int16)
        for one in options:
            there = slice(one.first - first, one.last - first + 1)
            found = now[one.first + one.steps - low : one.last + one.steps - low + 1] + self._costs[item][one.candidate]
            better = found < costs[there]
            costs[there][better], which[there][better] = found[better], one.candidate
        costs += self._place(item, number) - self._unsaid[item]
        return _Starts(item, first, costs, which, self._rules)

    def _first_and_last(self, item: int, number: int) -> tuple[int, int]:
        options = self._fitting[number][item]
        return min(one.first for one in options), max(one.last for one in options)

    def _place(self, number: int, silence: int) -> np.ndarray:
        """What it costs to begin an item at each step of a silence at which it may [N]: after its event, or outside its
        shot."""
        if (number, silence) not in self._places:
            item, rules, (first, last) = self._items[number], self._rules, self._first_and_last(number, silence)
            at = self._silences[silence].start_ms + np.arange(first, last + 1) * rules.step
            outside = np.maximum(item.shot.start_ms - at, 0) + np.maximum(at - item.shot.end_ms, 0)
            self._places[number, silence] = rules.late * np.maximum(at - item.event_ms, 0) + rules.far * outside
        return self._places[number, silence]
