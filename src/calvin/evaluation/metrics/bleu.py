"""BLEU as coco-caption computes it (Papineni and others, 2002): clipped precisions, closest reference length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs
from calvin.evaluation.metrics.ngrams import NgramTable, count_ngrams, lookup
from calvin.evaluation.metrics.tokens import Tokenizer, tokenize_pairs

TINY, SMALL = 1e-15, 1e-9  # coco-caption's guards against 0 / 0; they show in the fifth digit of a score of 0


@dataclass(frozen=True)
class Bleu(PairMetric):
    """BLEU of one `order`: the geometric mean of the clipped precisions of 1 to `order`, with brevity penalty.

    The corpus value is of the summed counts, not the mean of the items.
    """

    order: int = 4
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return f"BLEU-{self.order}"

    @property
    def setting(self) -> str:
        return f"corpus BLEU-{self.order}, closest reference length, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 1."""
        correct, guessed, length, reference_length = self._counts(pairs)
        per_item = _bleu(correct, guessed, length, reference_length)
        corpus = _bleu(
            correct.sum(axis=0, keepdims=True),
            guessed.sum(axis=0, keepdims=True),
            length.sum(keepdims=True),
            reference_length.sum(keepdims=True),
        )
        return MetricResult(self.name, float(corpus[0]), per_item, pairs.ids, self.setting)

    def _counts(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Right and proposed n-grams [N, order]; the lengths of candidate and closest reference [N]."""
        candidates, references = tokenize_pairs(pairs, self.tokenizer)
        table = count_ngrams([*candidates, *references], self.order)
        judged, given = table.split(len(candidates))
        owner = np.repeat(np.arange(len(pairs)), pairs.reference_counts)
        limit_key, limit = _largest_counts(given, owner)
        found, place = lookup(limit_key, judged.key)
        clipped = np.where(found, np.minimum(judged.count, limit[place] if len(limit) else 0), 0)
        rows = judged.sentence * self.order + judged.order
        correct = np.bincount(rows, clipped, minlength=len(pairs) * self.order).reshape(len(pairs), self.order)
        guessed = np.maximum(judged.lengths[:, None] - np.arange(self.order), 0)
        return correct, guessed, judged.lengths, _closest_lengths(judged.lengths, given.lengths, owner)


def _largest_counts(given: NgramTable, owner: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The largest count of each n-gram in any one reference of an item, by sorted key of item and n-gram."""
    key = owner[given.sentence] * given.grams + given.gram
    by_key = np.lexsort((given.count, key))
    key, count = key[by_key], given.count[by_key]
    last = np.append(key[1:] != key[:-1], True) if len(key) else np.zeros(0, dtype=bool)
    return key[last], count[last]


def _closest_lengths(
    length: NDArray[np.int64], lengths: NDArray[np.int64], owner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each item the reference length nearest to the candidate's, the shorter one where two are as near."""
    nearest = np.lexsort((lengths, np.abs(lengths - length[owner]), owner))
    _, first = np.unique(owner[nearest], return_index=True)
    return lengths[nearest[first]]


def _bleu(correct: np.ndarray, guessed: np.ndarray, length: np.ndarray, reference_length: np.ndarray) -> np.ndarray:
    order = correct.shape[1]
    score = np.prod((correct + TINY) / (guessed + SMALL), axis=1) ** (1.0 / order)
    ratio = (length + TINY) / (reference_length + SMALL)
    with np.errstate(over="ignore"):
        penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    result: np.ndarray = score * penalty
    return result
