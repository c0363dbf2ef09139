"""How sure a score is: bootstrap intervals over scenes, and paired tests of two systems on the same scenes.

The scenes are taken as independent draws; document frequencies (CIDEr) stay those of the whole set. Everything is
seeded, so the same values give the same interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError

RESAMPLES = 2000
PERMUTATIONS = 10_000
LEVEL = 0.95
_CHUNK = 2_000_000  # numbers drawn at once

Floats = NDArray[np.float64]


def bootstrap_interval(values: Floats, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The 95% percentile interval of the mean of `values` [N], scenes drawn with replacement; None below two."""
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    rows = [values[rng.integers(len(values), size=(count, len(values)))].mean(axis=1)
            for count in _chunks(resamples, len(values))]  # fmt: skip
    low, high = np.quantile(np.concatenate(rows), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """First minus second: the mean difference, its bootstrap interval, and p of a paired sign-flip permutation test."""

    difference: float
    interval: tuple[float, float] | None
    p: float
    items: int

    @property
    def significant(self) -> bool:
        return self.p < 1 - LEVEL


def paired_test(first: Floats, second: Floats, seed: int = 0, permutations: int = PERMUTATIONS) -> PairedTest:
    """Compare two systems scene by scene, [N] and [N] in one order.

    Under the null hypothesis a scene's two values could be exchanged, so the sign of each difference is free; p is the
    share of sign patterns whose mean is at least as far from 0 as the one seen (two-sided, never 0). It is not
    corrected for the number of comparisons.

    Raises:
        DataError: different numbers of scenes, or none.
    """
    if len(first) != len(second) or not len(first):
        raise DataError(f"A paired test takes the same scenes of both systems, not {len(first)} and {len(second)}.")
    gaps = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    seen, rng, extreme = abs(gaps.sum()), np.random.default_rng(seed), 0
    moved = gaps[gaps != 0]
    for count in _chunks(permutations, max(1, len(moved))):
        signs = rng.integers(0, 2, size=(count, len(moved)), dtype=np.int8) * 2 - 1
        extreme += int((np.abs(signs @ moved) >= seen * (1 - 1e-12)).sum())
    return PairedTest(float(gaps.mean()), bootstrap_interval(gaps, seed), (extreme + 1) / (permutations + 1), len(gaps))


def _chunks(total: int, width: int) -> Iterator[int]:
    size = max(1, _CHUNK // width)
    yield from (min(size, total - start) for start in range(0, total, size))
