"""Whether an ordering of the paper comes out: a paired test over films and seeds.

Films are what a result has to hold beyond, so they are the units of the test: a film's value is the mean over its
seeds, and the sign of each film's difference is free under the null hypothesis. Three seeds are too few for a test of
their own; what one of them contradicts does not count as sure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calvin.core.text_tables import counted
from calvin.evaluation.scoring import PairedTest, paired_test
from calvin.lab.reproduce.orderings import Contrast, Ordering

FilmScores = Mapping[int, Mapping[str, float]]
"""Of one row by one measure: seed -> film -> points."""
Kind = Literal["holds", "holds, not surely", "does not hold", "not run"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of an ordering. Difference, interval and p are those of its weakest contrast, in points."""

    ordering: Ordering
    kind: Kind
    weakest: str = ""
    difference: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    films: int = 0
    seeds: int = 0
    why: str = ""

    @property
    def words(self) -> str:
        """The verdict with its figures, in one line."""
        if self.difference is None or self.p is None:
            return f"{self.kind}: {self.why}" if self.why else self.kind
        spread = f", 95% {self.interval[0]:+.1f} to {self.interval[1]:+.1f}" if self.interval else ""
        told = f"{self.weakest}: {self.difference:+.1f} {self.ordering.measure}{spread}, {_said(self.p)}"
        units = f"{counted(self.films, 'film')}, {counted(self.seeds, 'seed')}"
        return f"{self.kind} ({told}; {units}{'; ' + self.why if self.why else ''})"


def _said(p: float) -> str:
    return f"p {p:.3f}" if p >= 0.001 else "p below 0.001"


@dataclass(frozen=True, slots=True)
class _Tested:
    contrast: Contrast
    test: PairedTest
    by_seed: Mapping[int, float]

    @property
    def sure(self) -> bool:
        return self.test.significant and all(value > 0 for value in self.by_seed.values())


def verdict_on(ordering: Ordering, scores: Mapping[str, FilmScores]) -> Verdict:
    """Judge an ordering by the scores of its rows, of which some may be missing or not a number.

    Only films that every row of a contrast has scores of, by the same seed, are compared. Of several contrasts each has
    to hold, and the weakest tells how sure all are.
    """
    missing = [row for row in ordering.rows if not any(_finite(scores.get(row, {})))]
    if missing:
        return Verdict(ordering, "not run", why=f"no {ordering.measure} of {', '.join(missing)}")
    tested = [_test(contrast, scores) for contrast in ordering.contrasts]
    alone = [contrast.words for contrast, found in zip(ordering.contrasts, tested, strict=True) if found is None]
    if alone:
        return Verdict(ordering, "not run", why=f"no film with the same seed in all rows of: {alone[0]}")
    found = [one for one in tested if one is not None]
    failing = [one for one in found if one.test.difference <= 0]
    # Of those that fail, the one that fails by most; else the one of which least is known.
    weakest = min(failing, key=lambda one: one.test.difference) if failing else max(found, key=lambda one: one.test.p)
    kind: Kind = "does not hold" if failing else "holds" if all(one.sure for one in found) else "holds, not surely"
    against = sorted(seed for one in found for seed, value in one.by_seed.items() if value <= 0)
    why = f"not with seed {against[0]}" if against and not failing else ""
    test = weakest.test
    return Verdict(
        ordering, kind, weakest.contrast.words, test.difference, test.interval, test.p, test.items,
        len(weakest.by_seed), why,
    )  # fmt: skip


def _finite(rows: FilmScores) -> Iterable[bool]:
    return (math.isfinite(value) for films in rows.values() for value in films.values())


def _test(contrast: Contrast, scores: Mapping[str, FilmScores]) -> _Tested | None:
    """The contrast's value by film, tested against 0; None where no film is scored in all rows by one seed."""
    rows = [(scores[row], weight) for row, weight in contrast.weights.items()]
    by_film: dict[str, list[float]] = {}
    by_seed: dict[int, float] = {}
    for seed in sorted(set.intersection(*(set(row) for row, _ in rows))):
        values = []
        for film in sorted(set.intersection(*(set(row[seed]) for row, _ in rows))):
            value = sum(weight * row[seed][film] for row, weight in rows)
            if math.isfinite(value):
                by_film.setdefault(film, []).append(value)
                values.append(value)
        if values:
            by_seed[seed] = float(np.mean(values))
    if not by_film:
        return None
    means = np.array([np.mean(values) for values in by_film.values()])
    return _Tested(contrast, paired_test(means, np.zeros(len(means))), by_seed)


def summary(verdicts: Sequence[Verdict]) -> str:
    """How many of the paper's orderings came out how, in one sentence; those that are not counted left out."""
    kinds: list[Kind] = ["holds", "holds, not surely", "does not hold", "not run"]
    held = [verdict for verdict in verdicts if verdict.ordering.counted]
    parts = [f"{sum(one.kind == kind for one in held)} {kind}" for kind in kinds]
    return f"Of {counted(len(held), 'ordering')} of the paper: {'; '.join(parts)}."
