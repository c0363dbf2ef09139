"""How far raters agree, and ratings of captions by people: six dimensions, from 1 (bad) to 5 (good), in a CSV file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError
from calvin.data.readers.text_files import read_table
from calvin.data.samples import DropReport

DIMENSIONS: Mapping[str, str] = {
    "accuracy": "what it says is what happens",
    "choice": "it tells what matters for the story, and leaves out what does not",
    "people": "it says who is meant, and is right about them",
    "wording": "it is clear, vivid and easy to follow when heard once",
    "neutrality": "it tells what is to be seen, and does not interpret or judge",
    "continuity": "it fits what was said before, and does not say it again",
}
"""What captions are rated by, and what 5 means. Ours: guidelines of describers agree on these, each in other words."""
LOWEST, HIGHEST = 1, 5

Level = Literal["nominal", "interval"]


def krippendorff_alpha(ratings: NDArray[np.float64], level: Level = "interval") -> float | None:
    """Krippendorff's alpha (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).

    Args:
        ratings: [raters, items]; nan where a rater said nothing of an item. Items with fewer than two ratings say
            nothing of agreement and are left out.
        level: whether numbers are names (`nominal`) or have equal steps (`interval`).

    Returns: 1 for agreement, 0 for what chance gives; None where nothing can be said: no item with two ratings, or all
    of them the same number.
    """
    kept = ratings[:, (~np.isnan(ratings)).sum(axis=0) >= 2]
    values, codes = np.unique(kept[~np.isnan(kept)], return_inverse=True)
    if len(values) < 2:
        return None
    filled = np.full(kept.shape, -1)
    filled[~np.isnan(kept)] = codes
    counts = np.stack([(filled == code).sum(axis=0) for code in range(len(values))])  # [values, items]
    of_item = counts.sum(axis=0)
    pairs = (counts / (of_item - 1)) @ counts.T - np.diag((counts / (of_item - 1)).sum(axis=1))
    totals = pairs.sum(axis=1)
    gaps = (values[:, None] != values).astype(float) if level == "nominal" else (values[:, None] - values) ** 2
    seen = float((pairs * gaps).sum()) / totals.sum()
    chance = float((np.outer(totals, totals) * gaps).sum()) / (totals.sum() * (totals.sum() - 1))
    return 1.0 - seen / chance


def cohen_kappa(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Cohen's kappa of two raters with quadratic weights (Cohen, "Weighted kappa", 1968): a step of two counts four
    times as much as a step of one. None where each gave one and the same number to everything."""
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    chance = float(((one[:, None] - two) ** 2).mean())
    return 1.0 - float(((one - two) ** 2).mean()) / chance if chance else None


@dataclass(frozen=True, slots=True)
class Rated:
    """A dimension: its mean over all ratings, how many there are, and how far raters agree (None: not to be said)."""

    dimension: str
    mean: float
    ratings: int
    alpha: float | None


def read_ratings(path: Path) -> dict[str, NDArray[np.float64]]:
    """Ratings by dimension, [raters, items], from a CSV with the columns `id`, `rater` and some of `DIMENSIONS`.

    Raises:
        DataError: a column is missing, a rating is no number from 1 to 5, or a rater rated an item twice.
    """
    rows = list(read_table(path, (("id",), ("rater",)), DropReport()))
    found = [name for name in DIMENSIONS if rows and name in rows[0]]
    if not found:
        raise DataError(f"{path} has no ratings: columns are id, rater and {', '.join(DIMENSIONS)}.")
    raters = {name: place for place, name in enumerate(dict.fromkeys(row["rater"].strip() for row in rows))}
    items = {name: place for place, name in enumerate(dict.fromkeys(row["id"].strip() for row in rows))}
    tables = {name: np.full((len(raters), len(items)), np.nan) for name in found}
    for number, row in enumerate(rows, 2):
        place = raters[row["rater"].strip()], items[row["id"].strip()]
        for name in found:
            cell = (row[name] or "").strip()
            if not cell:
                continue
            if not np.isnan(tables[name][place]):
                raise DataError(f"{path}: {row['rater']} rated {row['id']} twice: keep one row of each.")
            if cell not in {str(n) for n in range(LOWEST, HIGHEST + 1)}:
                raise DataError(f"{path}, row {number}: {name} is {cell!r}; a rating is a whole number from 1 to 5.")
            tables[name][place] = float(cell)
    return {name: table for name, table in tables.items() if not np.isnan(table).all()}


def summarised(ratings: Mapping[str, NDArray[np.float64]]) -> list[Rated]:
    """Mean and agreement of each dimension."""
    return [
        Rated(name, float(np.nanmean(table)), int((~np.isnan(table)).sum()), krippendorff_alpha(table))
        for name, table in ratings.items()
    ]


def agreement_words(ratings: NDArray[np.float64]) -> str:
    """How far raters [raters, items] agree, as half a sentence; nothing of a single one."""
    if len(ratings) < 2:
        return ""
    both = ratings[:, ~np.isnan(ratings).any(axis=0)]
    if not both.shape[1]:
        return "no item was rated by all"
    same = float((both == both[0]).all(axis=0).mean())
    alpha, kappa = krippendorff_alpha(ratings), cohen_kappa(both[0], both[1]) if len(both) == 2 else None
    words = [f"the same in {100 * same:.0f}% of {both.shape[1]}"]
    words += [f"Krippendorff's alpha {alpha:.3f}"] if alpha is not None else []
    words += [f"weighted kappa {kappa:.3f}"] if kappa is not None else []
    return ", ".join(words)
