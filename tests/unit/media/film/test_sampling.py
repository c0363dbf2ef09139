"""The pictures at a steady rate, against the definition of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.media.film.sampling import FrameSampler, fit


@dataclass
class Counting:
    """Stands for a scaler: turns a frame's number into a picture, counting conversions."""

    conversions: int = 0

    def rgb(self, frame: int) -> np.ndarray:
        self.conversions += 1
        return np.array(frame)


@settings(deadline=None, max_examples=300)
@given(
    st.integers(0, 900_000),
    st.lists(st.integers(1_000, 900_000), min_size=1, max_size=30),
    st.sampled_from([1, 2.5, 5, 24, 25, Fraction(30_000, 1001)]),
)
def test_picture_i_is_the_last_frame_not_after_i_over_fps(start: int, steps: list[int], fps: float) -> None:
    times = list(accumulate([start, *steps]))
    end = times.pop()
    counting = Counting()
    sampler = FrameSampler(fps, counting)  # type: ignore[arg-type]
    kept = [int(p) for index, time in enumerate(times) for p in sampler.feed(index, time)]  # type: ignore[arg-type]
    kept += [int(p) for p in sampler.finish(end)]
    exact = Fraction(fps).limit_denominator(1001)
    count = max(1, int(end * exact / 1_000_000 + Fraction(1, 2)))
    expected = [
        max((k for k, time in enumerate(times) if time * exact <= i * 1_000_000), default=0) for i in range(count)
    ]
    assert kept == expected
    assert counting.conversions <= len(set(kept)) + 1


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, (1280, 720)), (224, (398, 224)), (2000, (1280, 720)), ((64, 112), (112, 64)), (1, (2, 1))],
)
def test_fit(size: int | tuple[int, int] | None, expected: tuple[int, int]) -> None:
    assert fit(1280, 720, size) == expected
    assert fit(720, 1280, size) == (expected if isinstance(size, tuple) else expected[::-1])
