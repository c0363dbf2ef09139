"""The clock that turns a stream's own times into film time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.media.film.reader import FilmReader, PresentationClock
from calvin.media.film.source import MediaLimits

MS = Fraction(1, 1000)


def times(*stamps: int | None, **options: int | None) -> list[int]:
    clock = PresentationClock(options.get("origin", 0), 40_000, options.get("end", 0) or 0, MS)
    return [clock.film_time(stamp) // 1000 for stamp in stamps]


def test_times_are_taken_from_the_origin() -> None:
    assert times(500, 540, 700, origin=500_000) == [0, 40, 200]
    assert times(500, 540, origin=None) == [0, 40]


def test_missing_and_backward_times_follow_on() -> None:
    assert times(0, None, 80, 60, 120) == [0, 40, 80, 120, 160]
    assert times(None, 40, 80) == [0, 40, 80]
    assert times(-20, 20) == [0, 20]


def test_a_jump_back_or_far_ahead_joins_the_parts() -> None:
    assert times(60_000, 60_040, 0, 40, origin=60_000_000) == [0, 40, 80, 120]
    assert times(0, 40, 90_000_000, 90_000_040) == [0, 40, 80, 120]


def test_a_still_shown_long_is_no_jump() -> None:
    assert times(0, 60_000, end=70_000_000) == [0, 60_000]


def test_rounding_is_to_the_nearest_microsecond() -> None:
    clock = PresentationClock(0, 1, time_base=Fraction(1, 3))
    assert [clock.film_time(pts) for pts in (0, 1, 2, 3)] == [0, 333_333, 666_667, 1_000_000]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1), st.integers(0, 10**9))
def test_time_always_runs_forward_by_bounded_steps(stamps: list[int | None], end: int) -> None:
    clock = PresentationClock(None, 40_000, end, MS)
    seen = [clock.film_time(stamp) for stamp in stamps]
    assert seen[0] >= 0
    assert all(a < b for a, b in pairwise(seen))
    assert all(b <= max(a, end) + 10_000_000 for a, b in pairwise(seen))


def test_streams_that_begin_midway_do_not_end_the_pass() -> None:
    """PyAV's demuxer may ask, at the end, for a stream that it did not know when it began."""

    def demuxed() -> Iterator[str]:
        yield "packet"
        raise IndexError("list index out of range")

    reader = FilmReader(Path("film.ts"), MediaLimits())
    assert list(reader._packets(demuxed())) == ["packet", None]  # type: ignore[arg-type]
    assert "begins midway" in reader.notes[0]
