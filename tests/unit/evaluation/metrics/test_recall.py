from __future__ import annotations

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.recall import recall_within


class Overlap:
    """Words in common, as a similarity that can be counted by hand."""

    def precision_recall_f1(self, pairs: Pairs) -> np.ndarray:
        scores = [
            max(len(set(text.split()) & set(one.split())) for one in given)
            for text, given in zip(pairs.candidates, pairs.references, strict=True)
        ]
        return np.array([[0, 0, score] for score in scores], dtype=float)


def make(candidates: list[str], references: list[str], film: str = "f") -> tuple[Pairs, dict[str, str]]:
    ids = tuple(f"{film}{i}" for i in range(len(candidates)))
    return Pairs(ids, tuple(candidates), tuple((text,) for text in references)), dict.fromkeys(ids, film)


def test_ranks_counted_by_hand() -> None:
    #              own 2, others 1 0   own 1, another 2    own 0
    pairs, films = make(["a b c", "d e f", "x"], ["a b", "c d", "e f"])
    found = recall_within(pairs, films, Overlap(), [(1, 3), (2, 3), (3, 3)])
    assert found[1, 3] == {"f, f0": pytest.approx(1 / 3)}
    assert found[2, 3] == {"f, f0": pytest.approx(2 / 3)}
    assert found[3, 3] == {"f, f0": 1.0}


def test_windows_move_by_half_and_stay_in_their_film() -> None:
    texts = [f"w{i}" for i in range(7)]
    first, films = make(texts, texts, "a")
    second, others = make(texts[:3], texts[:3], "b")
    both = Pairs(first.ids + second.ids, first.candidates + second.candidates, first.references + second.references)
    found = recall_within(both, {**films, **others}, Overlap(), [(1, 4)])
    assert found == {(1, 4): {"a, a0": 1.0, "a, a2": 1.0}}  # a window at 4 would be cut short, and b is too short
    assert recall_within(second, others, Overlap(), [(1, 4)]) == {(1, 4): {}}


def test_captions_that_all_say_the_same_or_nothing_score_nothing() -> None:
    references = [f"w{i} is here" for i in range(4)]
    for text in ("is here", ""):
        pairs, films = make([text] * 4, references)
        assert recall_within(pairs, films, Overlap(), [(1, 4)])[1, 4] == {"f, f0": 0.0}


def test_a_reference_with_the_same_words_does_not_count_against() -> None:
    pairs, films = make(["he nods", "he nods"], ["he nods", "he nods"])
    assert recall_within(pairs, films, Overlap(), [(1, 2)])[1, 2] == {"f, f0": 1.0}


@pytest.mark.parametrize("recall", [(0, 5), (6, 5), (1, 1)])
def test_impossible_windows_are_refused(recall: tuple[int, int]) -> None:
    pairs, films = make(["a"], ["a"])
    with pytest.raises(DataError, match="1 <= k <= N"):
        recall_within(pairs, films, Overlap(), [recall])
