"""Exact time.

A point in a film is an integer number of milliseconds (`*_ms`), so that reading and writing a script never drifts.
Seconds as floats appear only at the edges: data sets that store them, and frame indices. Stored features follow the
MAD convention: frame index = round(seconds * fps), clamped, at least one frame (MAD, Soldan et al. 2022).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from calvin.core.errors import DataError

_TIMECODE = re.compile(r"^(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?$")


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of a film, in milliseconds; the end is exclusive.

    Raises:
        DataError: the span starts before zero or ends before it starts.
    """

    start_ms: int
    end_ms: int

    def __post_init__(self) -> None:
        if self.start_ms < 0 or self.end_ms < self.start_ms:
            raise DataError(f"A span must have 0 <= start <= end, not {self.start_ms} to {self.end_ms} ms.")

    @classmethod
    def from_seconds(cls, start: float, end: float) -> Span:
        return cls(to_ms(start), to_ms(end))

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms

    @property
    def middle_ms(self) -> int:
        return (self.start_ms + self.end_ms) // 2

    def overlap_ms(self, other: Span) -> int:
        return max(0, min(self.end_ms, other.end_ms) - max(self.start_ms, other.start_ms))

    def frame_range(self, fps: float, num_frames: int) -> tuple[int, int]:
        """First and one-past-last stored frame of this span: at least one frame, inside [0, num_frames).

        Raises:
            DataError: there are no frames at all.
        """
        if num_frames <= 0:
            raise DataError("There are no stored frames to take a span from.")
        first = min(max(round_half_up(self.start_ms / 1000 * fps), 0), num_frames - 1)
        last = min(max(round_half_up(self.end_ms / 1000 * fps), first + 1), num_frames)
        return first, last


def to_ms(seconds: float) -> int:
    """Seconds to the nearest millisecond.

    Raises:
        DataError: not a finite number.
    """
    milliseconds = seconds * 1000
    if not math.isfinite(milliseconds):
        raise DataError(f"{seconds!r} is not a time.")
    return round_half_up(milliseconds)


def round_half_up(value: float) -> int:
    # Not floor(value + 0.5): that sum is itself rounded, which lifts the largest float below one half to 1.
    whole = math.floor(value)
    return whole + (value - whole >= 0.5)


def sample_indices(first: int, last: int, count: int) -> list[int]:
    """At most `count` frame indices spread evenly over [first, last), in order and without repeats.

    If the range holds no more than `count` frames, that is all of them. Each index is the middle of its share of the
    range, so one frame is the middle frame.
    """
    if count < 1 or last <= first:
        raise DataError(f"Cannot sample {count} frames from frames {first} to {last}.")
    length = last - first
    if length <= count:
        return list(range(first, last))
    return [first + (2 * i + 1) * length // (2 * count) for i in range(count)]


def joined(spans: Iterable[Span], apart_ms: int = 0) -> list[Span]:
    """The same time in order; as one span what overlaps, touches, or is at most `apart_ms` apart."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start_ms <= found[-1].end_ms + apart_ms:
            found[-1] = Span(found[-1].start_ms, max(found[-1].end_ms, span.end_ms))
        else:
            found.append(span)
    return found


def format_timecode(ms: int, decimal: str = ".") -> str:
    """1500 -> '00:00:01.500' (WebVTT; SRT with decimal=',')."""
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, millis = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{decimal}{millis:03d}"


def in_s(ms: int) -> str:
    """1530 -> '1.5 s'."""
    return f"{ms / 1000:.1f} s"


def parse_timecode(text: str) -> int:
    """'[hh:]mm:ss[.mmm]' with '.' or ',' to milliseconds; further digits are rounded.

    Raises:
        DataError: not a time code.
    """
    match = _TIMECODE.match(text.strip())
    if match is None or int(match[2]) > 59 or int(match[3]) > 59:
        raise DataError(f"{text!r} is not a time code such as 00:01:02.500.")
    hours, minutes, seconds, fraction = match[1] or "0", match[2], match[3], match[4] or "0"
    millis = round_half_up(int(fraction) * 1000 / 10 ** len(fraction))
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + millis
