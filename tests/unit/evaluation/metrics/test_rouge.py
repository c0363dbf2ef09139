from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.evaluation.metrics import RougeL, lcs_length

TOKENS = st.lists(st.sampled_from("abcde"), max_size=90)


def table_lcs(first: list[str], second: list[str]) -> int:
    row = [0] * (len(second) + 1)
    for token in first:
        before = row[:]
        for index, other in enumerate(second):
            row[index + 1] = before[index] + 1 if token == other else max(before[index + 1], row[index])
    return row[-1]


@settings(max_examples=150, deadline=None)
@given(TOKENS, TOKENS)
def test_the_bits_equal_the_table(first: list[str], second: list[str]) -> None:
    assert lcs_length(first, second) == table_lcs(first, second) == lcs_length(second, first)


def test_precision_and_recall_are_best_each_on_its_own() -> None:
    # against "a b" P = 2/3, R = 1; against "a b c d e f" P = 1, R = 1/2: both bests give a perfect score
    result = RougeL().score({"1": "a b c"}, {"1": ["a b", "a b c d e f"]})
    assert result.per_item == pytest.approx([1.0])


def test_beta_weighs_recall() -> None:
    # P = 1, R = 1/4
    for beta in (1.0, 1.2):
        expected = (1 + beta**2) * 0.25 / (0.25 + beta**2)
        assert RougeL(beta=beta).score({"1": "a"}, {"1": ["a b c d"]}).corpus == pytest.approx(expected)


def test_texts_without_tokens_score_nothing() -> None:
    assert RougeL().score({"1": "..."}, {"1": ["!", "a"]}).corpus == 0.0
