from __future__ import annotations

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.recall import Recall, recall_within


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


class Table:
    """A likeness of each caption (its row) to each reference (its column), typed by hand."""

    setting, comparable = "a table", False

    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows

    def precision_recall_f1(self, pairs: Pairs) -> np.ndarray:
        scores = [self.rows[int(c)][int(r[0])] for c, r in zip(pairs.candidates, pairs.references, strict=True)]
        return np.array([[0, 0, score] for score in scores])


def test_windows_as_in_the_authors_code() -> None:
    """Six captions, N = 4: windows at 0 and at 2; the share of hits in each, then the mean of the two."""
    table = Table(
        [
            [0.9, 0.1, 0.2, 0.3, 0.0, 0.0],  # its own is the best: rank 1
            [0.5, 0.4, 0.3, 0.2, 0.9, 0.9],  # 2 in the first window; 4 and 5 are not in it
            [0.1, 0.2, 0.3, 0.4, 0.5, 0.2],  # 2 in the first (after 3), 3 in the second (after 3 and 4)
            [0.9, 0.8, 0.7, 0.6, 0.1, 0.2],  # 4 in the first, 2 in the second
            [0.0, 0.0, 0.1, 0.2, 0.3, 0.4],  # 2 in the second
            [0.9, 0.9, 0.1, 0.2, 0.3, 0.4],  # 1 in the second
        ]
    )
    pairs, films = make(list("012345"), list("012345"))
    found = recall_within(pairs, films, table, [(1, 4), (2, 4), (3, 4)])
    assert found[1, 4] == {"f, f0": 0.25, "f, f2": 0.25}  # 0; 5
    assert found[2, 4] == {"f, f0": 0.75, "f, f2": 0.75}  # 0, 1, 2; 3, 4, 5
    assert found[3, 4] == {"f, f0": 0.75, "f, f2": 1.0}
    # Of the first five, 0 and 4 have their own as the best; a second window, at 2, would be cut short.
    measures = {m.name: m.values for m in Recall(table).score_films(pairs, films)}
    assert measures == {"R@1/5": {"f, f0": pytest.approx(0.4, abs=1e-9)}}
