"""Portraits from the film itself: a still, by its time, and the box that somebody fills in it.

portraits = [{at = "0:12.4", box = [0.3, 0.1, 0.2, 0.8]}]   # left, top, width and height, as shares of the picture
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from calvin.core.config import FrozenConfig
from calvin.core.errors import DataError, UsageError
from calvin.core.time import format_timecode, parse_timecode, round_half_up
from calvin.media.film.frames import FrameStore

Box = tuple[float, float, float, float]
"""Left, top, width and height, as shares of a picture's width and height."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
_ONE_PERSON = 0.8
"""Boxes of one still that share as much of their area (intersection over union) show one and the same person."""
_SLACK = 0.002
"""What rounding may put outside of the picture."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """Where somebody is seen in the film; without a box, the whole still is theirs."""

    at_ms: int
    box: Box = WHOLE


class PortraitRow(FrozenConfig):
    """A portrait as a cast file holds it."""

    at: str
    box: tuple[float, ...] = WHOLE


def portrait_of(row: PortraitRow, where: str) -> Portrait:
    """
    Raises:
        UsageError: not a time, or a box that is empty or lies outside of the picture.
    """
    try:
        at_ms = parse_timecode(row.at)
    except DataError as error:
        raise UsageError(f"{where}: a portrait is at {row.at!r}, which is not a time such as 0:12.4.") from error
    left, top, width, height = row.box if len(row.box) == 4 else (math.nan,) * 4
    inside = left >= 0 and top >= 0 and left + width <= 1 + _SLACK and top + height <= 1 + _SLACK
    if not (inside and width > 0 and height > 0):
        raise UsageError(
            f"{where}: the box {list(row.box)} of the portrait at {row.at} lies outside of the picture: give left, "
            "top, width and height as shares of it, each from 0 to 1."
        )
    return Portrait(at_ms, (left, top, min(width, 1 - left), min(height, 1 - top)))


def check_apart(portraits: Mapping[str, Sequence[Portrait]], source: str) -> None:
    """
    Raises:
        UsageError: one portrait is that of two people.
    """
    everybody = [(name, portrait) for name, rows in portraits.items() for portrait in rows]
    for (one, mine), (other, theirs) in combinations(everybody, 2):
        if one != other and mine.at_ms == theirs.at_ms and shared(mine.box, theirs.box) >= _ONE_PERSON:
            raise UsageError(
                f"{source}: the portrait at {format_timecode(mine.at_ms)} is that of both {one} and {other}: give each "
                f'a box of their own or, if they are one person, keep one entry with aliases = ["{other}"].'
            )


def shared(one: Box, other: Box) -> float:
    """Intersection over union."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0.0, across) * max(0.0, down)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def check_within(portraits: Mapping[str, Sequence[Portrait]], duration_ms: int) -> None:
    """
    Raises:
        UsageError: a portrait from after the end of the film.
    """
    for name, rows in portraits.items():
        late = next((row for row in rows if row.at_ms >= duration_ms), None)
        if late is not None:
            raise UsageError(
                f"The portrait of {name} at {format_timecode(late.at_ms)} lies beyond the end of the film, which is at "
                f"{format_timecode(duration_ms)}: check that the cast is this film's."
            )


def still_at(frames: FrameStore, at_ms: int) -> np.ndarray:
    """The still shown at a time, uint8 [H, W, 3]; the last one for times after it."""
    return frames.rgb(min(max(round_half_up(at_ms * frames.fps / 1000), 0), len(frames) - 1))


def cut_out(picture: np.ndarray, box: Box) -> np.ndarray:
    """The part of a picture [H, W, 3] within a box, at least one pixel."""
    height, width = picture.shape[:2]
    left, top = min(int(box[0] * width), width - 1), min(int(box[1] * height), height - 1)
    right, bottom = round((box[0] + box[2]) * width), round((box[1] + box[3]) * height)
    return picture[top : max(bottom, top + 1), left : max(right, left + 1)]


def stills_of(
    frames: FrameStore, portraits: Mapping[str, Sequence[Portrait]]
) -> Iterator[tuple[str, Portrait, np.ndarray]]:
    """Each portrait with the still [H, W, 3] that it is taken from."""
    for name, rows in portraits.items():
        for portrait in rows:
            yield name, portrait, still_at(frames, portrait.at_ms)
