"""CIDEr and CIDEr-D (Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", 2015).

What coco-caption and most papers print as "CIDEr" is CIDEr-D: counts clipped by the reference and a Gaussian penalty
on the difference in length. The document frequencies come from the references that are being evaluated, so a score
belongs to its set: part of a set scores differently than inside the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs
from calvin.evaluation.metrics.ngrams import NgramTable, count_ngrams, lookup, repeat_slices, sorted_unique
from calvin.evaluation.metrics.tokens import Tokenizer, tokenize_pairs

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cider(PairMetric):
    """Plain CIDEr: the mean cosine of TF-IDF vectors of n-grams, times 10. No stemming, as in the authors' code."""

    max_order: int = 4
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return "CIDEr"

    @property
    def setting(self) -> str:
        return f"plain CIDEr, n = 1-{self.max_order}, df from these references, x10, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 10; 0 throughout for a single item, whose every n-gram has idf 0."""
        candidates, references = tokenize_pairs(pairs, self.tokenizer)
        counts = pairs.reference_counts
        table = count_ngrams([*candidates, *references], self.max_order)
        judged, given = table.split(len(candidates))
        owner = np.repeat(np.arange(len(pairs)), counts)  # the item of each reference
        idf = _inverse_document_frequency(given, owner, len(pairs))
        cosines = self._similarities(judged, given, owner, idf)
        per_item = 10.0 * np.bincount(owner, cosines, minlength=len(pairs)) / counts
        return MetricResult(self.name, float(np.mean(per_item)), per_item, pairs.ids, self.setting)

    def _similarities(self, judged: NgramTable, given: NgramTable, owner: NDArray[np.int64], idf: Floats) -> Floats:
        """The similarity of each reference [R] with the candidate of its item, the mean over the orders."""
        left, right = judged.count * idf[judged.gram], given.count * idf[given.gram]
        norms = np.sqrt(_by_order(judged, left * left))[owner] * np.sqrt(_by_order(given, right * right))
        bounds = np.searchsorted(judged.sentence, np.arange(len(judged.lengths) + 1))
        entry, reference = repeat_slices(bounds[owner], bounds[owner + 1])
        found, place = lookup(given.key, reference * given.grams + judged.gram[entry])
        entry, reference, place = entry[found], reference[found], place[found]
        products = self._clip(left[entry], right[place]) * right[place]
        rows = reference * self.max_order + judged.order[entry]
        dots = (
            np.bincount(rows, products, minlength=norms.size).astype(np.float64).reshape(norms.shape)
        )  # ints if empty
        cosines = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
        result: Floats = cosines.mean(axis=1) * self._penalty(judged.lengths[owner], given.lengths)
        return result

    def _clip(self, left: Floats, right: Floats) -> Floats:
        return left

    def _penalty(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats | float:
        return 1.0


@dataclass(frozen=True)
class CiderD(Cider):
    """CIDEr-D as coco-caption computes it: clipped counts, Gaussian penalty on length, times 10."""

    sigma: float = 6.0

    @property
    def name(self) -> str:
        return "CIDEr-D"

    @property
    def setting(self) -> str:
        return (
            f"CIDEr-D, n = 1-{self.max_order}, sigma {self.sigma:g}, df from these references, x10, "
            f"{self.tokenizer} tokens"
        )

    def _clip(self, left: Floats, right: Floats) -> Floats:
        return np.minimum(left, right)

    def _penalty(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> Floats:
        # coco-caption counts bigrams and calls it the length: no difference from tokens but for empty texts
        delta = np.maximum(left - 1, 0) - np.maximum(right - 1, 0)
        return np.exp(-(delta.astype(np.float64) ** 2) / (2 * self.sigma**2))


def _inverse_document_frequency(given: NgramTable, owner: NDArray[np.int64], items: int) -> Floats:
    """log(items / items whose references hold the n-gram) for every n-gram; unseen ones count as seen once."""
    seen, _ = sorted_unique(owner[given.sentence] * given.grams + given.gram)
    frequency = np.bincount(seen % given.grams, minlength=given.grams)
    result: Floats = np.log(float(items)) - np.log(np.maximum(frequency, 1.0))
    return result


def _by_order(table: NgramTable, values: Floats) -> Floats:
    """Sums of entry values for each sentence and order, [S, max_order]."""
    shape = (len(table.lengths), table.max_order)
    rows = table.sentence * table.max_order + table.order
    sums: Floats = np.bincount(rows, values, minlength=shape[0] * shape[1]).astype(np.float64)
    return sums.reshape(shape)
