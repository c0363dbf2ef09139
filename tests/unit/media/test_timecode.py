"""SMPTE time codes: values by hand from SMPTE ST 12-1, every frame there and back, and codes that do not exist."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.errors import DataError, UsageError
from calvin.core.time import round_half_up
from calvin.media.timecode import FrameCount, Programme, counting, start_ms

NAMES = ("23.976", "24", "25", "29.97", "29.97df", "30", "50", "59.94", "59.94df", "60", "10")


@pytest.mark.parametrize(
    ("name", "code", "ms"),
    [
        ("25", "00:00:05:12", 5480),
        ("24", "01:00:00:23", 3_600_958),
        ("23.976", "01:00:00:00", 3_603_600),  # 86,400 frames, each 1001/24 ms
        ("29.97", "00:10:00:00", 600_600),
        ("29.97df", "00:10:00;00", 599_999),  # 17,982 frames, each 1001/30 ms
        ("29.97df", "00:01:00;02", 60_060),  # the frame after 00:00:59;29
        ("29.97df", "00:00:59;29", 60_027),
        ("29.97", "01:00:00;00", 3_599_996),  # the semicolon means drop-frame: 107,892 frames
        ("59.94df", "00:01:00;04", 60_060),
        ("25", "00:00:05;12", 5480),  # some write it so at every rate
        ("25", "10;00;00;01", 36_000_040),
        ("10", "00:00:01:09", 1900),
    ],
)
def test_codes_and_their_times(name: str, code: str, ms: int) -> None:
    assert FrameCount.named(name).ms(code) == ms


@given(st.sampled_from(NAMES), st.integers(0, 24 * 3600 * 24 - 1))
def test_every_frame_has_a_code_of_its_own(name: str, number: int) -> None:
    count = FrameCount.named(name)
    ms = round_half_up(float(number * 1000 / count.rate))
    code = count.code(ms)
    assert count.ms(code) == ms
    assert code < count.code(ms + round(1000 / count.rate))


@pytest.mark.parametrize(
    ("name", "code", "problem"),
    [
        ("29.97df", "00:01:00;00", "minutes begin with frame 02"),
        ("29.97df", "00:11:00:01", "minutes begin with frame 02"),
        ("59.94df", "00:01:00;03", "minutes begin with frame 04"),
        ("25", "00:00:05:25", "does not exist at 25 frames a second"),
        ("25", "00:60:05:00", "does not exist"),
        ("25", "00:00:05.12", "is not a time code"),
    ],
)
def test_codes_that_do_not_exist(name: str, code: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        FrameCount.named(name).ms(code)


def test_rates_by_name() -> None:
    assert FrameCount.named("23.98") == FrameCount.named("24000/1001") == FrameCount.of(23.976023976)
    assert FrameCount.named("29.97 drop").drop
    assert FrameCount.named("29.97ndf") == FrameCount.of(29.97)
    for name in NAMES:
        assert FrameCount.named(FrameCount.named(name).name) == FrameCount.named(name)
    for wrong in ("", "x", "0", "25df", "1/0", "-25", "1e3", "120"):
        with pytest.raises(UsageError):
            FrameCount.named(wrong)


def test_a_mean_rate_keeps_to_the_clock() -> None:
    """A film whose rate varies has no codes of its own; whoever reads them off a player reads the clock."""
    count = FrameCount.of(24.37)
    assert count.ms("01:00:00:00") == 3_600_000
    assert [count.code(count.ms(f"00:00:01:{frame:02d}")) for frame in range(24)] == [
        f"00:00:01:{frame:02d}" for frame in range(24)
    ]


def test_what_a_text_counts_in() -> None:
    assert counting("00:00:01:12", FrameCount.of(25)) == FrameCount.of(25)
    assert counting("00:00:01:24", FrameCount.of(10)) == FrameCount.of(25)
    assert counting("00:00:01;12", FrameCount.of(29.97)).drop
    assert not counting("00:00:01;12", FrameCount.of(25)).drop


def test_a_programme_starts_at_its_code() -> None:
    programme = Programme(FrameCount.named("25"), "10:00:00:00")
    assert programme.code(5480) == "10:00:05:12"
    dropping = Programme(FrameCount.named("29.97df"), "01:00:00;00")
    assert [dropping.code(ms) for ms in (0, 60_060)] == ["01:00:00;00", "01:01:00;02"]
    assert start_ms("09:59:30.5", None) == 35_970_500
    assert start_ms("10:00:00:00", None) == 36_000_000
    for wrong in ("ten", "10:00:00:12", "10:61:00:00"):
        with pytest.raises(UsageError, match="A programme cannot start at"):
            start_ms(wrong, None)


def test_the_nominal_rate() -> None:
    assert [FrameCount.named(name).nominal for name in ("23.976", "25", "59.94")] == [24, 25, 60]
    assert FrameCount.of(29.97).rate == Fraction(30000, 1001)
