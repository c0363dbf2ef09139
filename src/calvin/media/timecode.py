"""SMPTE time codes: hours, minutes, seconds and the number of a frame, with or without drop-frame (SMPTE ST 12-1).

Beside 24, 25 or 30 frames a second, television counts 30000/1001 (29.97) as if it were 30, so that such codes fall
behind the clock by 3.6 s in an hour. Drop-frame passes over two numbers a minute, but not in every tenth, to keep up;
it is written with a semicolon before the frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Self

from calvin.core.errors import DataError, UsageError
from calvin.core.time import parse_timecode, round_half_up

FRAME_CODE = re.compile(r"(\d{1,3})[:;](\d\d)[:;](\d\d)[:;](\d\d)")
_IN_TEXT = re.compile(rf"(?<!\d)(?<!\d:){FRAME_CODE.pattern}(?!\d)(?!:\d)")
"""A code among other things, such as cells that semicolons part."""
_NTSC = [Fraction(whole * 1000, 1001) for whole in (24, 30, 48, 60)]
_RATES: list[Fraction] = [*_NTSC, *(Fraction(whole) for whole in (24, 25, 30, 48, 50, 60))]
MAX_RATE = 100
_ENOUGH = 10
"""So many codes tell how they count."""
_NEAR = Fraction(1, 2500)
"""23.976 and 23.98 are one rate, 24 another."""
_NAMED = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(?:/(\d{1,4}))?\s*(?:fps)?\s*(df|ndf|drop)?", re.IGNORECASE)


@dataclass(frozen=True)
class FrameCount:
    """How time codes count: `rate` frames in a second of playing, with numbers passed over where `drop`."""

    rate: Fraction
    drop: bool = False

    @classmethod
    def of(cls, rate: float | Fraction) -> Self:
        """The count of films with about so many frames a second: 23.976 is 24000/1001."""
        exact = Fraction(rate)
        return cls(next((known for known in _RATES if abs(known - exact) < known * _NEAR), exact))

    @classmethod
    def named(cls, words: str) -> Self:
        """What people write: "25", "29.97", "30000/1001", "29.97df" with drop-frame.

        Raises:
            UsageError: it is none of these, or drop-frame is asked of a rate that has none.
        """
        match = _NAMED.fullmatch(words.strip())
        rate = Fraction(match[1]) / int(match[2] or 1) if match and int(match[2] or 1) else Fraction(0)
        if match is None or not 1 <= rate <= MAX_RATE:
            raise UsageError(
                f"{words!r} is no frame rate of time codes, whose frames have two digits: write it as 25, 23.976, "
                "30000/1001 or 29.97df."
            )
        found = cls.of(rate)
        if (match[3] or "").lower() in ("", "ndf"):
            return found
        if not found.may_drop:
            raise UsageError(f"There is no drop-frame at {found}: name 29.97df or 59.94df, or the rate without df.")
        return replace(found, drop=True)

    @property
    def name(self) -> str:
        """What `named` reads."""
        return f"{self.rate.numerator}/{self.rate.denominator}{'df' if self.drop else ''}"

    def __str__(self) -> str:
        return f"{float(self.rate):.5g}{' drop-frame' if self.drop else ''}"

    @property
    def may_drop(self) -> bool:
        """Whether there is drop-frame at this rate: that of NTSC and its double alone."""
        return self.rate in (Fraction(30000, 1001), Fraction(60000, 1001))

    @property
    def nominal(self) -> int:
        """How many frames a second of the code has."""
        return -int(-self.rate // 1)

    @cached_property
    def _counted(self) -> bool:
        """Whether codes at this rate count frames alone. Of a rate between those that exist, such as the mean of a
        film whose rate varies, they keep to the clock."""
        return self.rate in _RATES or self.rate.denominator == 1

    def ms(self, code: str) -> int:
        """The ms of playing until the frame of a code.

        Raises:
            DataError: it is no such code, or there is no such frame.
        """
        match = FRAME_CODE.fullmatch(code.strip())
        if match is None:
            raise DataError(f"{code!r} is not a time code such as 00:01:02:12")
        hours, minutes, seconds, frame = (int(part) for part in match.groups())
        if minutes > 59 or seconds > 59 or frame >= self.rate:
            raise DataError(f"{code!r} does not exist at {self} frames a second")
        if not self._counted:
            return ((hours * 60 + minutes) * 60 + seconds) * 1000 + round_half_up(float(frame * 1000 / self.rate))
        count = replace(self, drop=True) if ";" in code and self.may_drop else self
        number = count._number(f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frame:02d}")
        if count.drop and count._code(number)[-5:] != f"{seconds:02d};{frame:02d}":
            first = 2 * self.nominal // 30
            raise DataError(
                f"{code!r} does not exist: with drop-frame, minutes begin with frame {first:02d}, but for each tenth"
            )
        return round_half_up(float(number * 1000 / self.rate))

    def code(self, ms: int) -> str:
        """The code of the frame nearest to a time of playing."""
        if not self._counted:
            seconds, rest = divmod(ms, 1000)
            frame = min(round_half_up(float(rest * self.rate / 1000)), self.nominal - 1)
            return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}"
        return self._code(round_half_up(float(ms * self.rate / 1000)))

    def _number(self, code: str) -> int:
        """The number of a frame, counted from 0."""
        return int(self._of_library(code=code).frames) - 1

    def _code(self, number: int) -> str:
        found = self._of_library(frames=number + 1)
        hours, minutes, seconds, frame = found.frames_to_tc(number + 1, skip_rollover=True)
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}{';' if self.drop else ':'}{frame:02d}"

    def _of_library(self, code: str | None = None, frames: int | None = None):  # type: ignore[no-untyped-def]
        # Lazy: few scripts count frames. The library takes 29.97 and its double for drop-frame unless told otherwise,
        # and of a fraction its two first decimals, which is enough for it to know a rate again.
        from timecode import Timecode

        rate = f"{self.rate.numerator}/{self.rate.denominator}"
        return Timecode(rate, start_timecode=code, frames=frames, force_non_drop_frame=not self.drop)


@dataclass(frozen=True, slots=True)
class Programme:
    """A programme's own time: how its codes count, and the code of the film's first frame."""

    count: FrameCount
    starts_at: str = "00:00:00:00"

    def code(self, ms: int) -> str:
        """The code of a time of the film."""
        return self.count.code(ms + start_ms(self.starts_at, self.count))


def start_ms(starts_at: str, count: FrameCount | None) -> int:
    """The ms that a programme's first frame stands at.

    Args:
        starts_at: a time code, with frames or without: 10:00:00:00, 01:00:00;00, 09:59:30.000, 10:00.

    Raises:
        UsageError: it is none, or counts frames where no rate is known.
    """
    words = starts_at.strip()
    try:
        if FRAME_CODE.fullmatch(words) is None:
            return parse_timecode(words)
        if count is not None:
            return count.ms(words)
        if words.endswith("00"):
            return parse_timecode(words[:-3].replace(";", ":"))
        raise DataError(f"{words!r} counts frames, and their rate is not known: name it by --frame-rate")
    except DataError as error:
        raise UsageError(f"A programme cannot start at {starts_at!r}: {str(error).rstrip('.')}.") from error


def drop_and_not(text: str) -> tuple[str, str] | None:
    """Two codes of a text of which one counts with drop-frame and the other without; None where all are alike."""
    codes = [code[0] for code in _IN_TEXT.finditer(text)]
    dropped, whole = (next((code for code in codes if (";" in code) is drop), "") for drop in (True, False))
    return (dropped, whole) if dropped and whole else None


def counting(text: str, film: FrameCount) -> FrameCount:
    """By which count the codes in a text are meant, of a film that has another: the film's, unless they count frames
    that it has not. Then the film is a copy with fewer frames than the one that the text was written for, and the
    lowest rate of films and television that has them all is taken, if as many codes as it would have speak for it; from
    25, 24 is at most 40 ms away."""
    codes = list(_IN_TEXT.finditer(text))
    top = max((int(code[4]) for code in codes), default=-1)
    rates = (Fraction(25), Fraction(30), Fraction(50), Fraction(60))
    count = film if top < film.rate else next((FrameCount(rate) for rate in rates if top < rate), film)
    odd = sum(int(code[4]) >= film.rate for code in codes)
    expected = len(codes) * (count.rate - film.rate) / count.rate
    if len(codes) >= _ENOUGH and 4 * odd < expected:
        count = film  # a slip in a few codes says nothing of the others
    return replace(count, drop=count.may_drop and any(";" in code[0] for code in codes))
