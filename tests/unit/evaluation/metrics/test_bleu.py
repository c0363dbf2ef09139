from __future__ import annotations

import math

import pytest

from calvin.evaluation.metrics import Bleu


def test_counts_are_clipped_by_the_reference_that_has_most() -> None:
    # "the" occurs twice in the better reference, so 2 of 4 are right
    result = Bleu(1).score({"1": "the the the the"}, {"1": ["the cat sat down", "the cat and the dog"]})
    assert result.corpus == pytest.approx(0.5, abs=1e-8)


def test_a_short_candidate_is_punished_by_the_closest_length() -> None:
    result = Bleu(1).score({"1": "a b c"}, {"1": ["a b c d", "a b c d e f g h"]})
    assert result.corpus == pytest.approx(math.exp(1 - 4 / 3), abs=1e-8)


def test_the_shorter_of_two_equally_close_lengths_counts() -> None:
    result = Bleu(1).score({"1": "a b c"}, {"1": ["a b c d", "a b"]})
    assert result.corpus == pytest.approx(1.0, abs=1e-8)


def test_the_corpus_pools_counts_instead_of_averaging() -> None:
    result = Bleu(1).score({"1": "a", "2": "x y z"}, {"1": ["a"], "2": ["p q r"]})
    assert result.per_item == pytest.approx([1.0, 0.0], abs=1e-8)
    assert result.corpus == pytest.approx(0.25, abs=1e-8)


def test_higher_orders_are_geometric_means() -> None:
    result = Bleu(2).score({"1": "a b x d"}, {"1": ["a b c d"]})
    assert result.corpus == pytest.approx(math.sqrt(3 / 4 * 1 / 3), abs=1e-8)
    assert result.name == "BLEU-2"


def test_no_tokens_at_all() -> None:
    result = Bleu(4).score({"1": "...", "2": "a b"}, {"1": ["a"], "2": ["a b"]})
    assert result.per_item[0] == pytest.approx(0.0)
