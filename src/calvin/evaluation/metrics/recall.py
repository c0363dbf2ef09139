"""Recall@k/N (Han and others, "AutoAD II: The Sequel", 2023): can a caption be told from its neighbours' captions?

In each window of N consecutive scenes of a film (windows move on by N // 2), every caption is compared by BERTScore
with the references of all N scenes; it is a hit where its own is among the k most alike. The mean is over windows.

A tie counts against the caption, unless the tied reference has the very same words; so captions that all say the
same, or nothing, score low.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError
from calvin.evaluation.metrics.base import FilmMetric, FilmResult, Pairs, scenes_by_film
from calvin.evaluation.names import NameList

RECALLS = ((1, 5), (5, 16))
"""(k, N): AutoAD-II prints 5/16; 1/5 also suits short films."""


class Similarity(Protocol):
    """BERTScore, or what stands in for it in tests."""

    @property
    def setting(self) -> str: ...

    @property
    def comparable(self) -> bool: ...

    def precision_recall_f1(self, pairs: Pairs) -> NDArray[np.float64]:
        """[N, 3]: P, R and F1 of each pair."""
        ...


@dataclass(frozen=True)
class Recall(FilmMetric):
    """Recall@k/N by a similarity of texts."""

    similarity: Similarity

    @classmethod
    def best_available(cls, device: str | None = None) -> Self:
        from calvin.evaluation.metrics.bertscore import BertScore

        return cls(BertScore.best_available(device))

    def score_films(self, pairs: Pairs, films: Mapping[str, str], names: NameList | None = None) -> list[FilmResult]:
        """A measure for each (k, N) for which a film is long enough; its values are those of windows."""
        alike = self.similarity
        setting = f"share of captions whose own reference is among the k most alike of N neighbours; {alike.setting}"
        return [
            FilmResult(f"R@{k}/{n}", windows, {w: w.split(", ", 1)[0] for w in windows}, setting, alike.comparable)
            for (k, n), windows in recall_within(pairs, films, alike).items()
            if windows
        ]


def recall_within(
    pairs: Pairs, movies: Mapping[str, str], similarity: Similarity, recalls: Sequence[tuple[int, int]] = RECALLS
) -> dict[tuple[int, int], dict[str, float]]:
    """For each (k, N) the share of hits by window, a window being named by its film and first scene.

    Args:
        pairs: in time order within each film.
        movies: the film of each id.

    A film shorter than N scenes has no window, as in the authors' code; where none has, the answer is empty.

    Raises:
        DataError: k is not between 1 and N.
    """
    if any(not 1 <= k <= n or n < 2 for k, n in recalls):
        raise DataError(f"Recall@k/N takes 1 <= k <= N and N of at least 2, not {recalls}.")
    films = scenes_by_film(pairs, movies)
    windows = {
        n: [
            (film, scenes[at : at + n])
            for film, scenes in films.items()
            for at in range(0, len(scenes) - n + 1, max(1, n // 2))
        ]
        for _, n in recalls
    }
    alike = _compare(pairs, [scenes for group in windows.values() for _, scenes in group], similarity)
    return {
        (k, n): {
            f"{film}, {pairs.ids[scenes[0]]}": float(np.mean([_rank(pairs, alike, i, scenes) <= k for i in scenes]))
            for film, scenes in windows[n]
        }
        for k, n in recalls
    }


def _rank(pairs: Pairs, alike: Mapping[tuple[int, int], float], index: int, scenes: Sequence[int]) -> int:
    """1 where the caption's own reference is more like it than any other of the window."""
    own = alike[index, index]
    better = (other for other in scenes if pairs.references[other] != pairs.references[index])
    return 1 + sum(alike[index, other] >= own for other in better)


def _compare(pairs: Pairs, windows: Sequence[Sequence[int]], similarity: Similarity) -> dict[tuple[int, int], float]:
    asked = sorted({(index, other) for scenes in windows for index in scenes for other in scenes})
    if not asked:
        return {}
    crossed = Pairs(
        tuple(f"{index}/{other}" for index, other in asked),
        tuple(pairs.candidates[index] for index, _ in asked),
        tuple(pairs.references[other] for _, other in asked),
    )
    return dict(zip(asked, similarity.precision_recall_f1(crossed)[:, 2].tolist(), strict=True))
