from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
