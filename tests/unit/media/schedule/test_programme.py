"""The dynamic programme against every schedule there is, on small films."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.media.schedule.film_schedule import schedule
from calvin.media.schedule.items import Candidate, Item, Schedule, ScheduleSettings
from calvin.media.schedule.programme import fixed_costs

Choice = tuple[int, int, int] | None
"""Of an item: candidate, start and silence; None: it is left out."""


def steps_of(ms: int, rules: ScheduleSettings) -> int:
    """Rounded up to the grid."""
    return -(-ms // rules.step_ms) * rules.step_ms


def end_of(silence: Span, rules: ScheduleSettings) -> int:
    return silence.start_ms + silence.duration_ms // rules.step_ms * rules.step_ms


def open_to(item: Item, silence: Span, rules: ScheduleSettings) -> list[tuple[int, int]]:
    """Every candidate and start of an item in a silence, by the hard rules that concern it alone."""
    return [
        (number, at)
        for number, one in enumerate(item.candidates)
        for at in range(silence.start_ms, silence.end_ms + 1, rules.step_ms)
        if item.window.start_ms <= at <= item.window.end_ms
        and at >= one.not_before_ms
        and at + steps_of(one.spoken_ms, rules) <= end_of(silence, rules)
    ]


def every(items: Sequence[Item], silences: Sequence[Span], rules: ScheduleSettings) -> Iterator[tuple[Choice, ...]]:
    """Every schedule: items are said in their order, and none begins before the one before it has ended."""
    ways: list[list[Choice]] = [
        [None, *((which, at, n) for n, silence in enumerate(silences) for which, at in open_to(item, silence, rules))]
        for item in items
    ]
    breath = steps_of(rules.least_breath_ms, rules)
    for chosen in product(*ways):
        said = [(c, item.candidates[c[0]]) for c, item in zip(chosen, items, strict=True) if c is not None]
        if all(
            b[2] > a[2] or (b[2] == a[2] and b[1] >= a[1] + steps_of(one.spoken_ms, rules) + breath)
            for (a, one), (b, _) in pairwise(said)
        ):
            yield chosen


def price(items: Sequence[Item], silences: Sequence[Span], chosen: Sequence[Choice], rules: ScheduleSettings) -> int:
    """What a schedule costs, by the words of `ScheduleSettings`."""
    total = 0
    for item, choice in zip(items, chosen, strict=True):
        if choice is None:
            total += rules.unsaid * (1 + item.priority)
            continue
        which, at, _ = choice
        outside = max(item.shot.start_ms - at, 0) + max(at - item.shot.end_ms, 0)
        total += fixed_costs(item, rules)[which]
        total += rules.late * max(0, at - item.event_ms) + rules.far * outside
    full = max(steps_of(rules.least_breath_ms, rules), steps_of(rules.breath_ms, rules))
    for number, silence in enumerate(silences):
        end, left_out, breathing = silence.start_ms, False, False
        for place, (item, choice) in enumerate(zip(items, chosen, strict=True)):
            if choice is None:
                there = [n for n, other in enumerate(silences) if open_to(item, other, rules)]
                passed_by = any(later is not None and later[2] < number for later in chosen[place + 1 :])
                left_out = left_out or (there[-1:] == [number] and not passed_by)
            elif choice[2] == number:
                which, at, _ = choice
                total += rules.breath if breathing and at - end < full else 0
                total += rules.silence if left_out and at - end > rules.long_silence_ms else 0
                end = at + steps_of(item.candidates[which].spoken_ms, rules)
                left_out, breathing = False, True
        total += rules.silence if left_out and end_of(silence, rules) - end > rules.long_silence_ms else 0
    return total


def choices(found: Schedule) -> list[Choice]:
    """A schedule in the form of `every`."""
    return [
        (one.item.candidates.index(one.candidate), one.span.start_ms, found.silences.index(one.silence))
        if one.left is None and one.silence is not None and one.candidate is not None
        else None
        for one in found.placed
    ]


@st.composite
def films(draw: st.DrawFn) -> tuple[list[Item], list[Span], ScheduleSettings]:
    at, silences, short = 0, [], st.integers(1, 5)
    for _ in range(draw(st.integers(1, 3))):
        start = at + draw(st.integers(0, 3))
        at = start + draw(st.integers(1, 9))
        silences.append(Span(start, at))
        at += 1
    items = []
    for number in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, at))
        shot = Span(start, start + draw(st.integers(0, 4)))
        first = draw(st.integers(0, at))
        window = Span(first, first + draw(st.integers(0, 9)))
        candidates = tuple(
            Candidate(f"{number}{which}", draw(short), -draw(short) / 4, draw(short))
            for which in range(draw(st.integers(0, 2)))
        )
        event = shot.start_ms + draw(st.integers(0, shot.duration_ms))
        items.append(Item(str(number), candidates, shot, event, window, priority=draw(st.integers(0, 1))))
    values = {"unsaid": 40, "late": 3, "far": 5, "score": 7, "shorter": 6, "breath": 4, "silence": 30}
    weights = {name: draw(st.integers(0, most)) for name, most in values.items()}
    limits = {"breath_ms": draw(st.integers(0, 2)), "least_breath_ms": draw(st.integers(0, 1))}
    return (
        items,
        silences,
        ScheduleSettings(
            **weights, **limits, long_silence_ms=draw(st.integers(2, 8)), step_ms=draw(st.sampled_from([1, 1, 1, 2]))
        ),
    )


@given(films())
@settings(max_examples=400, deadline=None)
def test_no_schedule_is_cheaper(film: tuple[list[Item], list[Span], ScheduleSettings]) -> None:
    items, silences, rules = film
    found = schedule(items, silences, rules)
    possible = list(every(items, found.silences, rules))
    cheapest = min(price(items, found.silences, chosen, rules) for chosen in possible)
    assert tuple(choices(found)) in possible
    assert (found.cost, price(items, found.silences, choices(found), rules)) == (cheapest, cheapest)
