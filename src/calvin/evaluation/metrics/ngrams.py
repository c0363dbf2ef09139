"""BLEU and CIDEr, and the counts of n-grams that both are made of.

BLEU as coco-caption computes it (Papineni and others, 2002): clipped precisions, closest reference length. CIDEr and
CIDEr-D (Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", 2015): what coco-caption
and most papers print as "CIDEr" is CIDEr-D, with counts clipped by the reference and a Gaussian penalty on the
difference in length. The document frequencies come from the references that are being evaluated, so a score belongs to
its set: a part scores differently alone than within the whole.

N-grams of many sentences are counted at once, as flat arrays. Tokens become integers; an n-gram is named by the pair
(its first n - 1 tokens, its last token), so that each order follows from the one before by one sort. The metrics then
need only sorted arrays and `bincount`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from calvin.evaluation.metrics.base import MetricResult, PairMetric, Pairs
from calvin.evaluation.metrics.ptb import Tokenizer, tokenize_pairs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
        """[E]: sentence and n-gram in one sorted number."""
        return self.sentence * self.grams + self.gram

    def split(self, first: int) -> tuple[NgramTable, NgramTable]:
        """The sentences before `first`, and those from it on, which are numbered from 0 again."""
        cut = int(np.searchsorted(self.sentence, first))
        return self._part(slice(cut), slice(first)), self._part(slice(cut, None), slice(first, None), first)

    def _part(self, entries: slice, sentences: slice, shift: int = 0) -> NgramTable:
        sentence, gram, order, count = (all_[entries] for all_ in (self.sentence, self.gram, self.order, self.count))
        return NgramTable(sentence - shift, gram, order, count, self.lengths[sentences], self.grams, self.max_order)


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
        # An n-gram is the pair of the (n - 1)-gram before and a token, written as one number so that one sort finds
        # the distinct ones; numbers of an order begin where those of the order before end.
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
    """The distinct ones of `values` [N], sorted, and how often each occurs, both [U].

    NumPy's own `unique` may hash, which is slower here.
    """
    ordered = np.sort(values)
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else ordered
    return ordered[first], np.diff(np.append(first, len(ordered)))


def lookup(sorted_keys: Ints, wanted: Ints) -> tuple[NDArray[np.bool_], Ints]:
    """For each wanted key [N]: whether it is among `sorted_keys` [K], and where (0 where it is not), both [N]."""
    if len(sorted_keys) == 0:
        return np.zeros(len(wanted), dtype=bool), np.zeros(len(wanted), dtype=np.int64)
    place = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    found = sorted_keys[place] == wanted
    return found, np.where(found, place, 0)


def repeat_slices(starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
    """The indices of many slices one after the other, and which slice each belongs to, both [sum of sizes].

    `starts` and `stops` are [S].
    """
    sizes = stops - starts
    owner = np.repeat(np.arange(len(sizes)), sizes)
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes - starts, sizes), owner


TINY, SMALL = 1e-15, 1e-9  # coco-caption's guards against 0 / 0; they show in the fifth digit of a score of 0


@dataclass(frozen=True)
class Bleu(PairMetric):
    """BLEU of one `order`: the geometric mean of the clipped precisions of 1 to `order`, with brevity penalty.

    The corpus value is of the summed counts, not the mean of the items.
    """

    order: int = 4
    tokenizer: Tokenizer = "ptb"

    @property
    def name(self) -> str:
        return f"BLEU-{self.order}"

    @property
    def setting(self) -> str:
        return f"corpus BLEU-{self.order}, closest reference length, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 1."""
        counts = self._counts(pairs)
        corpus = _bleu(*(count.sum(axis=0, keepdims=True) for count in counts))
        return MetricResult(self.name, float(corpus[0]), _bleu(*counts), pairs.ids, self.setting)

    def _counts(self, pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Right and proposed n-grams [N, order]; the lengths of candidate and closest reference [N]."""
        candidates, references = tokenize_pairs(pairs, self.tokenizer)
        table = count_ngrams([*candidates, *references], self.order)
        judged, given = table.split(len(candidates))
        owner = np.repeat(np.arange(len(pairs)), pairs.reference_counts)
        limit_key, limit = _largest_counts(given, owner)
        found, place = lookup(limit_key, judged.key)  # an n-gram is right as often as one reference has it, no more
        clipped = np.where(found, np.minimum(judged.count, limit[place] if len(limit) else 0), 0)
        rows = judged.sentence * self.order + judged.order
        correct = np.bincount(rows, clipped, minlength=len(pairs) * self.order).reshape(len(pairs), self.order)
        guessed = np.maximum(judged.lengths[:, None] - np.arange(self.order), 0)
        return correct, guessed, judged.lengths, _closest_lengths(judged.lengths, given.lengths, owner)


def _largest_counts(given: NgramTable, owner: Ints) -> tuple[Ints, Ints]:
    """The largest count of each n-gram in any one reference of an item, by sorted key of item and n-gram."""
    key = owner[given.sentence] * given.grams + given.gram
    by_key = np.lexsort((given.count, key))
    key, count = key[by_key], given.count[by_key]
    last = np.append(key[1:] != key[:-1], True) if len(key) else np.zeros(0, dtype=bool)
    return key[last], count[last]


def _closest_lengths(length: Ints, lengths: Ints, owner: Ints) -> Ints:
    """For each item the reference length nearest to the candidate's, the shorter one where two are as near."""
    nearest = np.lexsort((lengths, np.abs(lengths - length[owner]), owner))
    _, first = np.unique(owner[nearest], return_index=True)
    return lengths[nearest[first]]


def _bleu(correct: np.ndarray, guessed: np.ndarray, length: np.ndarray, reference_length: np.ndarray) -> np.ndarray:
    order = correct.shape[1]
    score = np.prod((correct + TINY) / (guessed + SMALL), axis=1) ** (1.0 / order)
    ratio = (length + TINY) / (reference_length + SMALL)
    with np.errstate(over="ignore"):
        penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    result: np.ndarray = score * penalty
    return result


@dataclass(frozen=True)
class Cider(PairMetric):
    """Plain CIDEr: the mean cosine of TF-IDF vectors of n-grams, times 10. No stemming, as in the authors' code."""

    max_order: int = 4
    tokenizer: Tokenizer = "ptb"

    of_the_set: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return "CIDEr"

    @property
    def setting(self) -> str:
        return f"plain CIDEr, n = 1-{self.max_order}, df from these references, x10, {self.tokenizer} tokens"

    def score_pairs(self, pairs: Pairs) -> MetricResult:
        """`per_item` [N] is between 0 and 10; 0 throughout for a single item, whose every n-gram has idf 0."""
        candidates, references = tokenize_pairs(pairs, self.tokenizer)
        counts = pairs.reference_counts
        table = count_ngrams([*candidates, *references], self.max_order)
        judged, given = table.split(len(candidates))
        owner = np.repeat(np.arange(len(pairs)), counts)  # the item of each reference
        idf = _inverse_document_frequency(given, owner, len(pairs))
        cosines = self._similarities(judged, given, owner, idf)
        per_item = 10.0 * np.bincount(owner, cosines, minlength=len(pairs)) / counts
        return MetricResult(self.name, float(np.mean(per_item)), per_item, pairs.ids, self.setting)

    def _similarities(self, judged: NgramTable, given: NgramTable, owner: Ints, idf: Floats) -> Floats:
        """The similarity of each reference [R] with the candidate of its item, the mean over the orders."""
        left, right = judged.count * idf[judged.gram], given.count * idf[given.gram]
        norms = np.sqrt(_by_order(judged, left * left))[owner] * np.sqrt(_by_order(given, right * right))
        # Pair every n-gram of a candidate with each of the item's references, and keep those that the reference holds.
        bounds = np.searchsorted(judged.sentence, np.arange(len(judged.lengths) + 1))
        entry, reference = repeat_slices(bounds[owner], bounds[owner + 1])
        found, place = lookup(given.key, reference * given.grams + judged.gram[entry])
        entry, reference, place = entry[found], reference[found], place[found]
        products = self._clip(left[entry], right[place]) * right[place]
        rows = reference * self.max_order + judged.order[entry]
        dots = np.bincount(rows, products, minlength=norms.size).astype(np.float64)  # of nothing: ints
        dots = dots.reshape(norms.shape)
        cosines = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
        result: Floats = cosines.mean(axis=1) * self._penalty(judged.lengths[owner], given.lengths)
        return result

    def _clip(self, left: Floats, right: Floats) -> Floats:
        return left

    def _penalty(self, left: Ints, right: Ints) -> Floats | float:
        return 1.0


@dataclass(frozen=True)
class CiderD(Cider):
    """CIDEr-D as coco-caption computes it: clipped counts, Gaussian penalty on length, times 10."""

    sigma: float = 6.0

    @property
    def name(self) -> str:
        return "CIDEr-D"

    @property
    def setting(self) -> str:
        return (
            f"CIDEr-D, n = 1-{self.max_order}, sigma {self.sigma:g}, df from these references, x10, "
            f"{self.tokenizer} tokens"
        )

    def _clip(self, left: Floats, right: Floats) -> Floats:
        return np.minimum(left, right)

    def _penalty(self, left: Ints, right: Ints) -> Floats:
        # coco-caption counts bigrams and calls it the length: which differs from tokens only for empty texts
        delta = np.maximum(left - 1, 0) - np.maximum(right - 1, 0)
        return np.exp(-(delta.astype(np.float64) ** 2) / (2 * self.sigma**2))


def _inverse_document_frequency(given: NgramTable, owner: Ints, items: int) -> Floats:
    """log(items / items whose references hold the n-gram) for every n-gram; unseen ones count as seen once."""
    # A document is an item: an n-gram counts once for it, in however many of its references it stands.
    seen, _ = sorted_unique(owner[given.sentence] * given.grams + given.gram)
    frequency = np.bincount(seen % given.grams, minlength=given.grams)
    result: Floats = np.log(float(items)) - np.log(np.maximum(frequency, 1.0))
    return result


def _by_order(table: NgramTable, values: Floats) -> Floats:
    """Sums of entry values for each sentence and order, [S, max_order]."""
    shape = (len(table.lengths), table.max_order)
    rows = table.sentence * table.max_order + table.order
    sums: Floats = np.bincount(rows, values, minlength=shape[0] * shape[1]).astype(np.float64)
    return sums.reshape(shape)
