"""N-grams of many sentences at once, as flat arrays.

Tokens become integers; an n-gram is named by the pair (its first n - 1 tokens, its last token), so that each order
follows from the one before by one sort. The metrics then need only sorted arrays and `bincount`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class NgramTable:
    """How often each n-gram occurs in each sentence.

    The entries [E] are sorted by sentence, then by n-gram. `order` is n - 1. `lengths` [S] counts tokens.
    An n-gram keeps its number across sentences; numbers are below `grams`.
    """

    sentence: Ints
    gram: Ints
    order: Ints
    count: Ints
    lengths: Ints
    grams: int
    max_order: int

    @property
    def key(self) -> Ints:
        """Sentence and n-gram in one sorted number."""
        return self.sentence * self.grams + self.gram

    def split(self, first: int) -> tuple[NgramTable, NgramTable]:
        """The sentences before `first`, and those from it on, which are numbered from 0 again."""
        cut = int(np.searchsorted(self.sentence, first))
        return self._part(slice(None, cut), slice(None, first), 0), self._part(
            slice(cut, None), slice(first, None), first
        )

    def _part(self, entries: slice, sentences: slice, shift: int) -> NgramTable:
        return NgramTable(
            self.sentence[entries] - shift,
            self.gram[entries],
            self.order[entries],
            self.count[entries],
            self.lengths[sentences],
            self.grams,
            self.max_order,
        )


def count_ngrams(sentences: Sequence[Sequence[str]], max_order: int = 4) -> NgramTable:
    """Count the n-grams of every order from 1 to `max_order` in each tokenised sentence."""
    vocabulary: dict[str, int] = {}
    number = vocabulary.setdefault
    tokens = np.array([number(token, len(vocabulary)) for words in sentences for token in words], dtype=np.int64)
    lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    owner = np.repeat(np.arange(len(sentences)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))  # tokens from here to the end, itself too

    starts = np.arange(len(tokens))
    names, known = tokens, len(vocabulary)  # the n-gram that starts at each of `starts`
    base, parts, owners, orders = 0, [names], [owner], [0]
    for order in range(1, max_order):
        base += known
        keep = left[starts] > order
        starts = starts[keep]
        distinct, names = np.unique(names[keep] * len(vocabulary) + tokens[starts + order], return_inverse=True)
        known = len(distinct)
        parts.append(names + base)
        owners.append(owner[starts])
        orders.append(base)
    grams = max(base + known, 1)
    key, count = sorted_unique(np.concatenate(owners) * grams + np.concatenate(parts))
    sentence, gram = np.divmod(key, grams)
    order_of = np.searchsorted(np.array(orders), gram, side="right") - 1
    return NgramTable(sentence, gram, order_of, count, lengths, grams, max_order)


def sorted_unique(values: Ints) -> tuple[Ints, Ints]:
    """The distinct values, sorted, and how often each occurs. (NumPy's own `unique` may hash, which is slower here.)"""
    ordered = np.sort(values)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else ordered
    return ordered[first], np.diff(np.append(first, len(ordered)))


def lookup(sorted_keys: Ints, wanted: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """For each wanted key: whether it is there, and where (0 where it is not)."""
    if len(sorted_keys) == 0:
        return np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=np.int64)
    place = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    found = sorted_keys[place] == wanted
    return found, np.where(found, place, 0)


def repeat_slices(starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
    """The indices of many slices one after the other, and which slice each belongs to."""
    sizes = stops - starts
    owner = np.repeat(np.arange(len(sizes)), sizes)
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes - starts, sizes), owner
