"""ROUGE-L as coco-caption computes it (Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004).

The longest common subsequence is found bit-parallel: one machine word (a Python int, so of any length) holds a row of
the table (Hyyro, "Bit-parallel LCS-length computation revisited", 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs
from calvin.evaluation.metrics.ptb import Tokenizer, tokenize_pairs


@dataclass(frozen=True)
class RougeL(PairMetric):
    """F of the longest common subsequence. The best precision and the best recall are taken each on its own, and may
    come from different references."""

    beta: float = 1.2
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return "ROUGE-L"

    @property
    def setting(self) -> str:
        return f"ROUGE-L, beta {self.beta:g}, max P and max R over references, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 1; 0 for a text without tokens."""
        precision, recall = self.precision_recall(pairs)
        weight = self.beta**2
        below = recall + weight * precision
        scores = np.divide((1 + weight) * precision * recall, below, out=np.zeros_like(below), where=below > 0)
        return MetricResult(self.name, float(np.mean(scores)), scores, pairs.ids, self.setting)

    def precision_recall(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """The best precision and the best recall of each item, [N] and [N]."""
        candidates, references = tokenize_pairs(pairs, self.tokenizer)
        remaining = iter(references)
        precision, recall = [], []
        for words, texts in zip(candidates, pairs.references, strict=True):
            best_precision = best_recall = 0.0
            for _ in texts:
                reference = next(remaining)
                common = lcs_length(words, reference)
                if common:
                    best_precision = max(best_precision, common / len(words))
                    best_recall = max(best_recall, common / len(reference))
            precision.append(best_precision)
            recall.append(best_recall)
        return np.array(precision), np.array(recall)


def lcs_length(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence of two lists of tokens."""
    places: dict[str, int] = {}
    for index, token in enumerate(second):
        places[token] = places.get(token, 0) | 1 << index
    row = full = (1 << len(second)) - 1
    for token in first:
        if token in places:
            hits = row & places[token]
            row = (row + hits) | (row ^ hits)  # carries above `full` are cut off at the end
    return len(second) - (row & full).bit_count()
