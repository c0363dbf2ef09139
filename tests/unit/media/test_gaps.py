"""Gaps and cue plans: what must hold for any film, and a few worked by hand."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import ConfigError
from calvin.core.time import Span
from calvin.core.types import DialogueLine, Place
from calvin.media.film.cuts import shots_between
from calvin.media.gaps import PlanSettings, dialogue_gaps, plan_cues


def test_gaps_keep_clear_of_dialogue() -> None:
    dialogue = [Span(4000, 6000), DialogueLine(Span(5000, 7000), "Hi."), Span(12_000, 13_000), Span(14_000, 15_000)]
    assert dialogue_gaps(dialogue, 20_000) == [Span(0, 3700), Span(7300, 11_700), Span(15_300, 20_000)]
    assert dialogue_gaps(dialogue, 17_000) == [Span(0, 3700), Span(7300, 11_700)]
    assert dialogue_gaps(dialogue, 20_000, min_gap_ms=4400, guard_ms=0) == [Span(7000, 12_000), Span(15_000, 20_000)]


def test_gaps_at_the_edges() -> None:
    assert dialogue_gaps([], 700) == [Span(0, 700)]
    assert dialogue_gaps([Span(0, 5000)], 5000) == []
    assert dialogue_gaps([Span(9000, 9500)], 5000) == [Span(0, 5000)]
    assert dialogue_gaps([Span(100, 200)], 1000) == []


def test_without_dialogue_the_cues_are_the_shots() -> None:
    shots = shots_between([3000, 4000, 9000], 12_000)
    plans = plan_cues(12_000, shots)
    assert [plan.span for plan in plans] == [Span(0, 3000), Span(3000, 9000), Span(9000, 12_000)]
    assert [plan.visual for plan in plans] == [plan.span for plan in plans]
    assert [plan.event_ms for plan in plans] == [1500, 6500, 10_500]


def test_a_long_shot_is_split_no_more_than_needed() -> None:
    spans = [plan.span for plan in plan_cues(17_000, [Span(0, 17_000)])]
    assert [span.duration_ms for span in spans] == [5666, 5667, 5667]


def test_what_happens_during_dialogue_belongs_to_the_next_cue() -> None:
    shots = shots_between([5000, 12_500, 14_000], 20_000)
    plans = plan_cues(20_000, shots, [Span(3300, 8000), Span(12_200, 20_000)])
    assert plans == [
        Place(Span(0, 3000), Span(0, 3000), 1500),
        Place(Span(8300, 11_900), Span(3000, 12_500), 8750),
    ]


def test_the_event_of_what_passes_in_dialogue_keeps_its_time() -> None:
    [plan] = plan_cues(12_000, shots_between([6000, 9000], 12_000), [Span(0, 8000)])
    assert (plan.span, plan.visual, plan.event_ms) == (Span(8300, 12_000), Span(0, 12_000), 3000)


def test_after_long_talk_a_cue_is_about_its_end() -> None:
    [plan] = plan_cues(306_000, [Span(0, 306_000)], [Span(0, 300_000)])
    assert plan.visual == Span(285_300, 306_000)


def test_a_shot_that_ends_too_late_is_not_waited_for() -> None:
    plans = plan_cues(20_000, shots_between([13_000], 20_000), [Span(12_200, 20_000)])
    assert plans[-1].visual.end_ms == plans[-1].span.end_ms == 11_900


def test_a_cue_never_sees_into_the_next_gap() -> None:
    chosen = PlanSettings(min_gap_ms=1, guard_ms=0, min_cue_ms=1)
    plans = plan_cues(9000, shots_between([5500], 9000), [Span(5000, 5010), Span(5020, 9000)], chosen)
    assert [plan.visual for plan in plans] == [Span(0, 5000), Span(5000, 5500)]
    assert [plan.span for plan in plans] == [Span(0, 5000), Span(5010, 5020)]


def test_in_long_talk_the_film_may_pause_where_the_picture_changed() -> None:
    lines = [DialogueLine(Span(at, at + 4600), "Hm." if at % 10_000 else "And") for at in range(0, 120_000, 5000)]
    shots = shots_between([20_000, 34_500, 71_000], 130_000)
    plans = plan_cues(130_000, shots, lines)
    after = plan_cues(130_000, shots, lines, PlanSettings(long_talk_ms=0))
    assert plans == [
        Place(Span(39_800, 40_000), Span(24_800, 40_000), 29_650),
        Place(Span(79_800, 80_000), Span(64_800, 80_000), 75_500),
        *after,
    ]
    assert after[0].span.start_ms == 119_900
    assert plan_cues(130_000, [Span(0, 130_000)], lines) == after, "one shot all along shows nothing new"
    assert all(plan.span.start_ms > 120_000 for plan in plan_cues(130_000, shots, [Span(0, 120_000)]))


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="min_gap_ms"):
        PlanSettings.load({"min_gap_ms": 0})


_TIMES = st.integers(0, 60_000)
_SPANS = st.builds(lambda start, length: Span(start, start + length), _TIMES, st.integers(0, 9000))
_SETTINGS = st.builds(
    PlanSettings,
    min_gap_ms=st.integers(1, 5000),
    guard_ms=st.integers(0, 800),
    min_cue_ms=st.integers(1, 4000),
    max_cue_ms=st.integers(1, 12_000),
    beyond_ms=st.integers(0, 2000),
    look_back_ms=st.integers(0, 20_000),
    long_talk_ms=st.just(0),
)


@settings(deadline=None, max_examples=250)
@given(st.integers(1, 60_000), st.lists(_TIMES, max_size=25), st.lists(_SPANS, max_size=12), _SETTINGS)
def test_what_holds_for_any_film(duration: int, cuts: list[int], dialogue: list[Span], chosen: PlanSettings) -> None:
    shots = shots_between(cuts, duration)
    gaps = dialogue_gaps(dialogue, duration, chosen.min_gap_ms, chosen.guard_ms)
    plans = plan_cues(duration, shots, dialogue, chosen)
    spoken = [line for line in dialogue if line.start_ms < duration]
    for gap in gaps:
        assert gap.duration_ms >= min(chosen.min_gap_ms, duration)
        assert gap.end_ms <= duration
        assert all(gap.overlap_ms(line) == 0 for line in spoken)
        assert all(abs(gap.start_ms - line.end_ms) >= chosen.guard_ms for line in spoken if line.end_ms <= gap.start_ms)
        inside = [plan.span for plan in plans if gap.start_ms <= plan.span.start_ms < gap.end_ms]
        assert inside[0].start_ms == gap.start_ms
        assert inside[-1].end_ms == gap.end_ms
        assert all(before.end_ms == after.start_ms for before, after in pairwise(inside))
        assert all(span.duration_ms >= min(chosen.min_cue_ms, gap.duration_ms) for span in inside)
    assert bool(plans) == bool(gaps)
    assert [plan.span for plan in plans] == sorted(plan.span for plan in plans)
    for plan in plans:
        assert plan.visual.start_ms <= plan.event_ms <= plan.visual.end_ms
        assert plan.visual.start_ms <= plan.span.start_ms
        assert plan.span.end_ms <= plan.visual.end_ms <= min(plan.span.end_ms + chosen.beyond_ms, duration)
        assert plan.visual.duration_ms > 0
    seen_to = 0
    for plan in plans:
        assert plan.visual.start_ms == max(seen_to, plan.span.start_ms - chosen.look_back_ms)
        seen_to = plan.visual.end_ms


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(300, 7000)), min_size=10, max_size=60),
    st.lists(st.integers(0, 200_000), max_size=40),
    st.integers(1000, 40_000),
)
def test_pauses_lie_between_lines(steps: list[tuple[int, int]], cuts: list[int], every: int) -> None:
    lines, at = [], 0
    for pause, length in steps:
        lines.append(Span(at + pause, at + pause + length))
        at += pause + length
    chosen = PlanSettings(long_talk_ms=every)
    plans = plan_cues(at, shots_between(cuts, at), lines, chosen)
    assert dialogue_gaps(lines, at) == []
    assert all(plan.span.overlap_ms(line) <= 1 for plan in plans for line in lines)
    for before, after in pairwise([0, *(plan.span.start_ms for plan in plans)]):
        assert after - before >= every // 2
        assert any(before < cut <= after for cut in cuts)
    if plans:
        assert at - plans[-1].span.start_ms >= every // 2
        assert all(plan.visual.duration_ms <= chosen.look_back_ms + chosen.beyond_ms + 900 for plan in plans)


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 120_000), st.lists(st.integers(0, 120_000), max_size=40))
def test_at_most_one_cue_a_shot_unless_it_is_long(duration: int, cuts: list[int]) -> None:
    shots = shots_between(cuts, duration)
    plans = plan_cues(duration, shots)
    for shot in shots:
        inside = [plan for plan in plans if plan.span.start_ms >= shot.start_ms and plan.span.end_ms <= shot.end_ms]
        assert len(inside) <= max(1, -(-shot.duration_ms // 8000))
    assert all(plan.span.duration_ms <= 8000 + 2 * 2500 for plan in plans)


@settings(deadline=None, max_examples=200)
@given(st.lists(_SPANS, max_size=15), st.randoms())
def test_the_order_of_dialogue_does_not_matter(dialogue: list[Span], random: object) -> None:
    shuffled = list(dialogue)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert dialogue_gaps(dialogue, 50_000) == dialogue_gaps(shuffled, 50_000)
