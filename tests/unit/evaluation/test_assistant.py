"""The best of several candidates, by hand."""

from __future__ import annotations

import pytest

from calvin.core.errors import UsageError
from calvin.evaluation.assistant import best_of
from calvin.evaluation.metrics.base import Pairs

PAIRS = Pairs(("a", "b"), ("a man waves", "she sits"), (("a man runs",), ("she stands up",)))
FILMS = {"a": "f", "b": "g"}


def test_each_scene_has_the_candidate_that_its_measure_likes_best() -> None:
    candidates = {"a": ("a man waves", "a dog", "a man runs"), "b": ("she sits",)}
    [two] = best_of(PAIRS, candidates, 2, FILMS, ["rouge-l"])
    [three] = best_of(PAIRS, candidates, 3, FILMS, ["rouge"])
    # "a man waves" shares 2 of 3 words with its reference: P = R = F = 2/3. "she sits": P 1/2, R 1/3,
    # F = (1 + 1.44) / 6 / (1/3 + 1.44 / 2) = 0.406667 / 1.053333.
    kept = (2.44 / 6) / (1 / 3 + 1.44 / 2)
    assert two.values == {"a": pytest.approx(2 / 3), "b": pytest.approx(kept)}
    assert three.values == {"a": pytest.approx(1.0), "b": pytest.approx(kept)}
    assert three.name == "ROUGE-L, best of 3"
    assert three.movie_mean == pytest.approx((1 + kept) / 2)


def test_measures_of_a_whole_set_and_captions_without_candidates_are_refused() -> None:
    candidates = {"a": ("a man waves", "a dog")}
    with pytest.raises(UsageError, match="None of these metrics scores caption by caption"):
        best_of(PAIRS, candidates, 2, FILMS, ["bleu", "repetition"])
    with pytest.raises(UsageError, match="no candidates to choose from"):
        best_of(PAIRS, {"a": ("a man waves",)}, 2, FILMS)
