from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.studio.plan import LOOK_AHEAD_MS, MAX_CUE_MS, MIN_CUE_MS, is_crowded, plan_cues, spoken_span
from calvin.studio.rows import Plan


def spans(plans: list[Plan]) -> list[tuple[int, int]]:
    return [(plan.span.start_ms, plan.span.end_ms) for plan in plans]


def visuals(plans: list[Plan]) -> list[tuple[int, int]]:
    return [(plan.visual.start_ms, plan.visual.end_ms) for plan in plans]


SHOTS = [Span(0, 6000), Span(6000, 12_000), Span(12_000, 20_000)]


def test_without_dialogue_each_shot_has_a_cue() -> None:
    plans = plan_cues(20_000, SHOTS)
    assert spans(plans) == visuals(plans) == [(0, 6000), (6000, 12_000), (12_000, 20_000)]
    assert [plan.event_ms for plan in plans] == [3000, 9000, 16_000]


def test_shots_too_short_to_speak_in_are_taken_together() -> None:
    shots = [Span(0, 900), Span(900, 5000), Span(5000, 6500), Span(6500, 7000)]
    assert spans(plan_cues(7000, shots)) == [(0, 5000), (5000, 7000)]


def test_what_happens_during_dialogue_belongs_to_the_next_cue() -> None:
    plans = plan_cues(20_000, SHOTS, [Span(1000, 4000), Span(9000, 11_500)])
    assert spans(plans) == [(1000, 4000), (9000, 11_500)]
    # The second looks on to the end of its shot, half a second away; the first's shot ends too far away.
    assert visuals(plans) == [(0, 4000), (4000, 12_000)]


def test_a_gap_is_divided_where_the_film_cuts() -> None:
    plans = plan_cues(20_000, SHOTS, [Span(3000, 15_000)])
    assert spans(plans) == [(3000, 6000), (6000, 12_000), (12_000, 15_000)]
    assert visuals(plans) == [(0, 6000), (6000, 12_000), (12_000, 15_000)]


def test_a_film_without_gaps_or_too_short_has_no_cue() -> None:
    assert plan_cues(20_000, SHOTS, []) == []
    assert plan_cues(20_000, SHOTS, [Span(1000, 2999)]) == []
    assert plan_cues(1000, [Span(0, 1000)]) == []


def test_a_long_shot_is_shared_between_cues() -> None:
    assert spans(plan_cues(45_000, [Span(0, 45_000)])) == [(0, 15_000), (15_000, 30_000), (30_000, 45_000)]


@settings(deadline=None, max_examples=80)
@given(
    duration=st.integers(0, 200_000),
    cuts=st.lists(st.integers(0, 200_000), max_size=12),
    edges=st.lists(st.integers(0, 200_000), max_size=12),
)
def test_any_plan_keeps_its_promises(duration: int, cuts: list[int], edges: list[int]) -> None:
    inside = sorted({0, duration, *(c for c in cuts if c < duration)})
    shots = [Span(a, b) for a, b in pairwise(inside)]
    marks = sorted({e for e in edges if e <= duration})
    gaps = [Span(a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    plans = plan_cues(duration, shots, gaps)
    previous_end = 0
    for plan in plans:
        assert any(g.start_ms <= plan.span.start_ms and plan.span.end_ms <= g.end_ms for g in gaps)
        assert MIN_CUE_MS <= plan.span.duration_ms <= MAX_CUE_MS + MIN_CUE_MS
        assert plan.span.start_ms >= previous_end
        assert plan.visual.start_ms == previous_end
        assert plan.span.end_ms <= plan.visual.end_ms <= min(plan.span.end_ms + LOOK_AHEAD_MS, duration)
        assert plan.visual.start_ms <= plan.event_ms <= plan.visual.end_ms
        previous_end = plan.span.end_ms


def test_a_cue_lasts_as_long_as_its_words_but_not_longer_than_its_gap() -> None:
    plan = Plan(Span(1000, 5000), Span(0, 5000), 2000)
    assert spoken_span(plan, "She sits down slowly now.") == Span(1000, 2875)
    assert spoken_span(plan, "word " * 40) == plan.span
    assert spoken_span(plan, "Rain.") == Span(1000, 1750)
    assert is_crowded(plan, "word " * 11)
    assert not is_crowded(plan, "word " * 10)
