"""Reading the writing in a film's stills, one a second, without reading each: to look for it is most of the work.

Writing that can be read out stands for some seconds. So every fourth still is read whole, and the others are looked at
at half their size, a quarter of the work, which finds letters from a twentieth of the picture's height on almost always
and smaller ones every other time. Where a still has writing, those beside it are read too, as far as it goes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np

from calvin.media.film.ocr import TextLine, read_lines, seems_written

_EVERY = 4
"""Writing in small letters that stands for as many seconds is never missed."""
_LIKE = 6.0
"""Two stills whose parts differ by less than this, of 255, show the same writing."""
_PART = 8

Lines = tuple[TextLine, ...]


class Stills(Protocol):
    """Stills in order, uint8 RGB [H, W, 3] each."""

    def __len__(self) -> int: ...

    def rgb(self, index: int) -> np.ndarray: ...


def read_stills(stills: Stills, first: int = 0) -> Iterator[Lines]:
    """The lines of each still from `first` on, in order.

    Raises:
        MissingExtraError: rapidocr is not installed.
    """
    reader, number = _Reader(stills), first
    while number < len(stills):
        until = min((number // _EVERY + 1) * _EVERY, len(stills))
        yield from reader.read(number, until)
        number = until


class _Reader:
    """Reads stills, each at most once, and those alike only the first time."""

    def __init__(self, stills: Stills) -> None:
        self._stills = stills
        self._known: dict[int, Lines] = {}
        self._last = deque[tuple[np.ndarray, Lines]](maxlen=2)  # before and after the stills between them

    def read(self, first: int, until: int) -> list[Lines]:
        """The lines of some stills in a row, of which the first, and the one after them, are read whole."""
        for number in (first, until):
            if number < len(self._stills):
                self._whole(number)
        for number in range(first + 1, until):
            if number not in self._known and self._seems_written(number):
                self._whole(number)
        # From every still with writing on to its neighbours, forwards and backwards.
        around = range(first, min(until + 1, len(self._stills)))
        for way in (pairwise(around), pairwise(reversed(around))):
            for number, beside in way:
                if self._known.get(number) and beside not in self._known:
                    self._whole(beside)
        return [self._known.pop(number, ()) for number in range(first, until)]

    def _whole(self, number: int) -> None:
        if number in self._known:
            return
        rgb = self._stills.rgb(number)
        lines = next((lines for still, lines in self._last if not differ(still, rgb)), None)
        if lines is None:
            lines = read_lines(rgb)
            self._last.append((rgb, lines))
        self._known[number] = lines

    def _seems_written(self, number: int) -> bool:
        return seems_written(self._stills.rgb(number))


def differ(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether two stills, uint8 [H, W, 3], differ anywhere by more than what compression does."""
    if before.shape != now.shape:
        return True
    change = np.abs(before[::2, ::2].astype(np.int16) - now[::2, ::2]).mean(axis=2)
    height, width = (side // _PART * _PART for side in change.shape)
    parts = change[:height, :width].reshape(height // _PART, _PART, width // _PART, _PART).mean(axis=(1, 3))
    return bool(parts.size == 0 or parts.max() > _LIKE)
