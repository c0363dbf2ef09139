from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.evaluation.metrics import Bleu, Cider, CiderD
from calvin.evaluation.metrics.ngrams import count_ngrams, lookup, repeat_slices, sorted_unique

SENTENCES = st.lists(st.lists(st.sampled_from("abcd"), max_size=9), min_size=1, max_size=6)


@settings(max_examples=80, deadline=None)
@given(SENTENCES, st.integers(1, 4))
def test_counts_equal_those_of_tuples(sentences: list[list[str]], max_order: int) -> None:
    table = count_ngrams(sentences, max_order)
    expected = [
        Counter(
            tuple(words[start : start + order + 1]) for order in range(max_order) for start in range(len(words) - order)
        )
        for words in sentences
    ]
    assert table.lengths.tolist() == [len(words) for words in sentences]
    for index, counts in enumerate(expected):
        mine = table.sentence == index
        found = sorted(zip(table.order[mine].tolist(), table.count[mine].tolist(), strict=True))
        assert found == sorted((len(gram) - 1, count) for gram, count in counts.items())
    # the same n-gram has the same number everywhere, different ones have different numbers
    total = Counter(gram for counts in expected for gram in counts)
    assert sorted(Counter(table.gram.tolist()).values()) == sorted(total.values())
    assert np.all(np.diff(table.key) > 0)


def test_split_numbers_the_second_part_from_zero() -> None:
    left, right = count_ngrams([["a", "b"], ["b"], ["a", "a"]], 2).split(2)
    assert set(left.sentence.tolist()) == {0, 1}
    assert set(right.sentence.tolist()) == {0}
    assert right.lengths.tolist() == [2]
    assert right.count.tolist() == [2, 1]  # "a" twice, "a a" once


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 20), max_size=20), st.lists(st.integers(0, 20), max_size=20))
def test_lookup_finds_what_is_there(held: list[int], wanted: list[int]) -> None:
    keys, counts = sorted_unique(np.array(held, dtype=np.int64))
    assert dict(zip(keys.tolist(), counts.tolist(), strict=True)) == Counter(held)
    found, place = lookup(keys, np.array(wanted, dtype=np.int64))
    assert found.tolist() == [value in held for value in wanted]
    assert all(keys[at] == value for value, at, ok in zip(wanted, place, found, strict=True) if ok)


def test_repeat_slices() -> None:
    index, owner = repeat_slices(np.array([3, 0, 5]), np.array([5, 0, 6]))
    assert index.tolist() == [3, 4, 5]
    assert owner.tolist() == [0, 0, 2]


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
