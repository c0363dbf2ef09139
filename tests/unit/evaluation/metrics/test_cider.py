from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.evaluation.metrics import Cider, CiderD

WORDS = st.lists(st.sampled_from(["man", "dog", "runs", "a", "the"]), min_size=1, max_size=7).map(" ".join)


def test_a_copy_of_the_reference_scores_ten_and_a_stranger_nothing() -> None:
    references = {"1": ["a red car stops at dawn"], "2": ["two dogs bark all night long"]}
    result = CiderD().score({"1": "a red car stops at dawn", "2": "she reads"}, references)
    assert result.per_item == pytest.approx([10.0, 0.0])
    assert result.corpus == pytest.approx(5.0)


def test_the_unigram_part_by_hand() -> None:
    """Two items, unigrams only: idf is log 2 for words of one item, so the cosine of equal weights is 1 / sqrt(2)."""
    result = Cider(max_order=1).score({"1": "cat", "2": "sun"}, {"1": ["cat house"], "2": ["sun"]})
    assert result.per_item == pytest.approx([10 / math.sqrt(2), 10.0])


def test_words_in_every_item_weigh_nothing() -> None:
    result = CiderD().score({"1": "the", "2": "the"}, {"1": ["the cat"], "2": ["the sun"]})
    assert result.per_item == pytest.approx([0.0, 0.0])


def test_repeating_a_word_pays_in_plain_cider_only() -> None:
    references = {"1": ["cat sleeps"], "2": ["sun shines"]}
    once, often = {"1": "cat", "2": "x"}, {"1": "cat cat cat cat", "2": "x"}
    plain = Cider(max_order=1)
    assert plain.score(often, references).per_item[0] == pytest.approx(plain.score(once, references).per_item[0])
    strict = CiderD(max_order=1)
    assert strict.score(often, references).per_item[0] < 0.5 * strict.score(once, references).per_item[0]


def test_the_length_penalty_is_gaussian() -> None:
    references = {"1": ["cat"], "2": ["sun"]}
    long = {"1": "cat" + " x" * 6, "2": "sun"}
    ratio = (
        CiderD(max_order=1).score(long, references).per_item[0] / Cider(max_order=1).score(long, references).per_item[0]
    )
    assert ratio == pytest.approx(math.exp(-(6**2) / (2 * 6.0**2)))


def test_one_item_alone_scores_zero() -> None:
    assert CiderD().score({"1": "a man"}, {"1": ["a man"]}).corpus == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=2, max_size=6), st.randoms())
def test_order_does_not_matter_and_scores_stay_in_range(rows, rng) -> None:  # type: ignore[no-untyped-def]
    candidates = {str(index): text for index, (text, _) in enumerate(rows)}
    references = {str(index): texts for index, (_, texts) in enumerate(rows)}
    ids = list(references)
    rng.shuffle(ids)
    shuffled = {identity: references[identity] for identity in ids}
    for metric in (Cider(), CiderD()):
        straight, mixed = metric.score(candidates, references), metric.score(candidates, shuffled)
        assert np.all((straight.per_item >= 0) & (straight.per_item <= 10 + 1e-9))
        by_id = dict(zip(mixed.ids, mixed.per_item, strict=True))
        assert straight.per_item == pytest.approx([by_id[identity] for identity in straight.ids])


def test_the_setting_tells_which_cider_and_which_scale() -> None:
    assert "CIDEr-D" in CiderD().setting
    assert "sigma 6" in CiderD().setting
    assert "plain" in Cider().setting
    assert "x10" in Cider().setting
