"""Agreement between raters, by hand and by the worked example of its author."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.evaluation.raters import agreement_words, cohen_kappa, krippendorff_alpha, read_ratings, summarised

N = float("nan")


def test_alpha_of_two_raters_by_hand() -> None:
    ratings = np.array([[1.0, 1.0, 2.0], [1.0, 2.0, 2.0]])
    # Numbers given: 1 three times, 2 three times, six in all. Pairs within items that differ: 2 of 6 (1-2 and 2-1).
    # Seen 2 / 6. By chance 2 * 3 * 3 / (6 * 5) = 18 / 30. Alpha = 1 - (1/3) / (3/5) = 1 - 5/9.
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(4 / 9, abs=1e-12)
    assert krippendorff_alpha(ratings, "interval") == pytest.approx(4 / 9, abs=1e-12)  # the only step is one of 1


def test_alpha_by_the_worked_example_with_gaps() -> None:
    """Four observers, twelve units (Krippendorff 2011, section D): nominal .743, interval .849."""
    ratings = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
            [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
        ]
    )
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(ratings, "interval") == pytest.approx(0.849, abs=5e-4)


def test_where_nothing_can_be_said_of_agreement() -> None:
    assert krippendorff_alpha(np.array([[3.0, N], [N, 4.0]])) is None
    assert krippendorff_alpha(np.array([[3.0, 3.0], [3.0, 3.0]])) is None
    assert cohen_kappa([2, 2], [2, 2]) is None


def test_weighted_kappa_by_hand() -> None:
    # Squared steps seen: 0, 1, 0: a third. By chance, all nine pairs of {1, 2, 3} and {1, 3, 3}:
    # 1: 0 4 4; 2: 1 1 1; 3: 4 0 0. 15 / 9. Kappa = 1 - (1/3) / (5/3) = 0.8.
    assert cohen_kappa([1, 2, 3], [1, 3, 3]) == pytest.approx(0.8, abs=1e-12)
    assert agreement_words(np.array([[1.0, 2, 3], [1.0, 3, 3]])).startswith(
        "the same in 67% of 3, Krippendorff's alpha"
    )
    assert agreement_words(np.array([[1.0, 2, 3]])) == ""


def test_ratings_by_people(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("id,rater,accuracy,wording\na,Eva,5,4\nb,Eva,4,\na,Jo,5,2\nb,Jo,2,3\n")
    found = {one.dimension: one for one in summarised(read_ratings(path))}
    assert (found["accuracy"].mean, found["accuracy"].ratings) == (4.0, 4)
    # 5 5 | 4 2: seen (0 + 0 + 4 + 4) / 4 = 2. By chance, ordered pairs of 5, 5, 4, 2: 2 * (0 + 1 + 9 + 1 + 9 + 4) / 12
    # = 4. Alpha = 1 - 2 / 4.
    assert found["accuracy"].alpha == pytest.approx(0.5, abs=1e-12)
    assert (found["wording"].mean, found["wording"].ratings) == (3.0, 3)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("id,rater,beauty\na,Eva,5\n", "has no ratings: columns are id, rater and accuracy"),
        ("id,rater,accuracy\na,Eva,6\n", "row 2: accuracy is '6'"),
        ("id,rater,accuracy\na,Eva,5\na,Eva,5\n", "Eva rated a twice"),
    ],
)
def test_ratings_that_are_none_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(rows)
    with pytest.raises(DataError, match=said):
        read_ratings(path)
