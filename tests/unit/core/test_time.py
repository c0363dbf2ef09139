"""Exact time: what is written is what is read, spans stay inside their film, samples stay inside their span."""

from __future__ import annotations

import contextlib
import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError
from calvin.core.time import Span, format_timecode, parse_timecode, round_half_up, sample_indices, to_ms

quick = settings(deadline=None, max_examples=150)
times = st.integers(0, 99 * 3_600_000)


@quick
@given(st.integers(0, 999 * 3_600_000 + 3_599_999), st.sampled_from(".,"))
def test_time_codes_read_back_as_written(ms: int, decimal: str) -> None:
    assert parse_timecode(format_timecode(ms, decimal)) == ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("00:00:00.000", 0),
        ("00:01:02.500", 62_500),
        ("01:02.5", 62_500),
        ("1:2:3", 3_723_000),
        ("100:00:00,001", 360_000_001),
        (" 00:00:01.0 ", 1000),
        ("00:00:00.0005", 1),
        ("00:00:00.000499999", 0),
        ("00:59:59.9999", 3_600_000),
    ],
)
def test_time_codes_of_many_kinds(text: str, ms: int) -> None:
    assert parse_timecode(text) == ms


@pytest.mark.parametrize(
    "text", ["", "12", "00:60:00", "00:00:60", "1:2:3:4", "-1:00:00", "00:00:01.", "a:b:c", "1:02.5.5", "00:00:1e3"]
)
def test_what_is_not_a_time_code_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="is not a time code such as"):
        parse_timecode(text)


@quick
@given(st.text(max_size=20))
def test_any_text_is_a_time_code_or_refused(text: str) -> None:
    with contextlib.suppress(DataError):
        assert parse_timecode(text) >= 0


def test_format_pads() -> None:
    assert format_timecode(1500) == "00:00:01.500"
    assert format_timecode(360_000_001, ",") == "100:00:00,001"


@quick
@given(st.floats(-1e12, 1e12))
def test_rounding_agrees_with_exact_arithmetic(value: float) -> None:
    assert round_half_up(value) == math.floor(Fraction(value) + Fraction(1, 2))


def test_rounding_near_one_half() -> None:
    assert round_half_up(0.49999999999999994) == 0
    assert round_half_up(0.5) == 1
    assert round_half_up(-0.5) == 0
    assert round_half_up(2.0**53 + 2) == 2**53 + 2


@quick
@given(times)
def test_seconds_and_milliseconds_do_not_drift(ms: int) -> None:
    assert to_ms(ms / 1000) == ms


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 1e308])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(DataError, match="is not a time"):
        to_ms(seconds)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4)])
def test_spans_run_forward_from_zero(start: int, end: int) -> None:
    with pytest.raises(DataError, match="0 <= start <= end"):
        Span(start, end)


def test_span_measures() -> None:
    span = Span.from_seconds(1.0, 2.5)
    assert (span.start_ms, span.end_ms, span.duration_ms, span.middle_ms) == (1000, 2500, 1500, 1750)
    assert span.overlap_ms(Span(2000, 9000)) == 500
    assert span.overlap_ms(Span(2500, 9000)) == 0
    assert sorted([Span(5, 9), Span(1, 9), Span(1, 2)]) == [Span(1, 2), Span(1, 9), Span(5, 9)]


spans = st.tuples(times, times).map(lambda pair: Span(min(pair), max(pair)))


@quick
@given(spans, spans)
def test_overlap_is_symmetric_and_bounded(one: Span, other: Span) -> None:
    assert one.overlap_ms(other) == other.overlap_ms(one)
    assert 0 <= one.overlap_ms(other) <= min(one.duration_ms, other.duration_ms)
    assert one.overlap_ms(one) == one.duration_ms


@quick
@given(spans, st.floats(0.1, 240), st.integers(1, 100_000))
def test_frame_range_is_inside_and_never_empty(span: Span, fps: float, num_frames: int) -> None:
    first, last = span.frame_range(fps, num_frames)
    assert 0 <= first < last <= num_frames


@pytest.mark.parametrize(
    ("span", "num_frames", "expected"),
    [
        (Span(0, 2000), 100, (0, 10)),
        (Span(2000, 2000), 100, (10, 11)),  # nothing long still has one frame
        (Span(99, 301), 100, (0, 2)),
        (Span(100, 300), 100, (1, 2)),  # halves go up
        (Span(5000, 60_000), 30, (25, 30)),  # the film ends first
        (Span(60_000, 70_000), 30, (29, 30)),  # after the film: its last frame
    ],
)
def test_frame_range_follows_the_mad_convention(span: Span, num_frames: int, expected: tuple[int, int]) -> None:
    assert span.frame_range(5.0, num_frames) == expected


def test_frame_range_of_neighbours_meets_without_overlap() -> None:
    assert Span(0, 1000).frame_range(5, 100)[1] == Span(1000, 2000).frame_range(5, 100)[0]


@pytest.mark.parametrize("num_frames", [0, -3])
def test_frame_range_of_nothing_is_refused(num_frames: int) -> None:
    with pytest.raises(DataError, match="no stored frames"):
        Span(0, 1000).frame_range(5, num_frames)


@quick
@given(st.integers(0, 10_000), st.integers(1, 5000), st.integers(1, 64))
def test_samples_are_even_in_order_and_never_double(first: int, length: int, count: int) -> None:
    indices = sample_indices(first, first + length, count)
    assert len(indices) == min(length, count)
    assert all(first <= index < first + length for index in indices)
    steps = {later - earlier for earlier, later in itertools.pairwise(indices)}
    assert all(step >= 1 for step in steps)
    assert not steps or max(steps) - min(steps) <= 1
    # As far from one end as from the other, within a frame.
    assert abs((indices[0] - first) - (first + length - 1 - indices[-1])) <= 1


def test_one_sample_is_the_middle_frame() -> None:
    assert sample_indices(10, 21, 1) == [15]
    assert sample_indices(0, 32, 32) == list(range(32))
    assert sample_indices(0, 64, 4) == [8, 24, 40, 56]


@pytest.mark.parametrize(("first", "last", "count"), [(0, 10, 0), (5, 5, 3), (6, 5, 3)])
def test_sampling_nothing_is_refused(first: int, last: int, count: int) -> None:
    with pytest.raises(DataError, match="Cannot sample"):
        sample_indices(first, last, count)
