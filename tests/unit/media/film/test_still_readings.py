"""Which stills are read whole, which only looked at, and that no writing is lost by it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.media.film import still_readings
from calvin.media.film.ocr import TextLine
from calvin.media.film.still_readings import read_stills

SIGN = (TextLine("Keep Out", 0.99, (0.1, 0.1, 0.4, 0.2)),)


@dataclass
class Film:
    """Stills no two of which are alike; `written` says in which there is writing, `seen` in which a look tells it."""

    written: list[bool]
    seen: bool
    read: list[int] = field(default_factory=list)
    looked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.written)

    def rgb(self, index: int) -> np.ndarray:
        rgb = np.random.default_rng(index).integers(0, 256, (16, 16, 3), np.uint8)
        rgb[0, 0, 0] = index
        return rgb

    def read_lines(self, rgb: np.ndarray) -> tuple[TextLine, ...]:
        self.read.append(int(rgb[0, 0, 0]))
        return SIGN if self.written[self.read[-1]] else ()

    def seems_written(self, rgb: np.ndarray) -> bool:
        self.looked.append(int(rgb[0, 0, 0]))
        return self.seen and self.written[self.looked[-1]]

    def lines(self, first: int = 0) -> list[bool]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(still_readings, "read_lines", self.read_lines)
            patch.setattr(still_readings, "seems_written", self.seems_written)
            return [bool(lines) for lines in read_stills(self, first)]


def test_without_writing_every_fourth_still_is_read_and_the_others_are_looked_at() -> None:
    film = Film([False] * 10, seen=True)
    assert film.lines() == [False] * 10
    assert sorted(film.read) == [0, 4, 8]
    assert sorted(film.looked) == [1, 2, 3, 5, 6, 7, 9]


def test_from_a_still_with_writing_its_neighbours_are_read_both_ways() -> None:
    film = Film([2 <= number <= 6 for number in range(12)], seen=False)
    assert film.lines() == film.written
    assert sorted(film.read) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_stills_that_are_alike_are_read_once() -> None:
    film = Film([True] * 9, seen=True)
    film.rgb = lambda index: np.full((16, 16, 3), 7 if index == 8 else 0, np.uint8)  # type: ignore[method-assign]
    assert film.lines() == [True] * 9
    assert film.read == [0, 7]


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=40), st.integers(0, 12))
def test_where_a_look_tells_it_no_writing_is_lost(written: list[bool], first: int) -> None:
    film = Film(written, seen=True)
    assert film.lines(first) == written[first:]
    assert len(set(film.read)) == len(film.read)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(4, 9)), max_size=5))
def test_where_no_look_tells_it_what_stands_for_four_seconds_is_read_all_the_same(runs: list[tuple[int, int]]) -> None:
    written = [value for gap, shown in runs for value in [False] * gap + [True] * shown]
    assert Film(written, seen=False).lines() == written
