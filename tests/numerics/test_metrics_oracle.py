"""Our n-gram metrics against pycocoevalcap, sentence by sentence."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu as Oracle
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from calvin.evaluation.metrics import Bleu, CiderD, RougeL, align
from calvin.evaluation.metrics.base import Pairs

COMMON = ["a", "the", "man", "woman", "dog", "in", "on", "with", "and", "walks", "runs", "looks", "at", "his", "room"]
RARE = [f"word{index}" for index in range(400)]


def sentence(rng: random.Random, longest: int = 18) -> str:
    return " ".join(rng.choice(COMMON if rng.random() < 0.7 else RARE) for _ in range(rng.randint(1, longest)))


def changed(rng: random.Random, text: str) -> str:
    words = text.split()
    for _ in range(rng.randint(0, 3)):
        place = rng.randrange(len(words))
        words[place : place + rng.randint(0, 2)] = sentence(rng, 2).split()
    return " ".join(words) or "a"


def make_pairs(seed: int, items: int, most_references: int) -> Pairs:
    rng = random.Random(seed)
    candidates, references = {}, {}
    for index in range(items):
        text = sentence(rng)
        candidates[str(index)] = text
        references[str(index)] = [
            changed(rng, text) if rng.random() < 0.6 else sentence(rng) for _ in range(rng.randint(1, most_references))
        ]
    candidates["0"], references["0"] = "a", ["a"]  # one token: no bigram, so coco-caption's "length" is 0
    candidates["1"] = " ".join(RARE[:100])  # longer than a machine word has bits
    references["2"] = [candidates["2"]] * most_references  # the same text twice
    return align(candidates, references)


@pytest.fixture(params=[(0, 300, 1), (1, 300, 5), (2, 7, 3)], ids=str)
def pairs(request: pytest.FixtureRequest) -> Pairs:
    return make_pairs(*request.param)


def as_coco(pairs: Pairs) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    references = {identity: list(texts) for identity, texts in zip(pairs.ids, pairs.references, strict=True)}
    return references, {identity: [text] for identity, text in zip(pairs.ids, pairs.candidates, strict=True)}


def test_cider_d(pairs: Pairs) -> None:
    corpus, per_item = Cider().compute_score(*as_coco(pairs))
    found = CiderD(tokenizer="whitespace").score_pairs(pairs)
    assert np.abs(found.per_item - per_item).max() < 1e-9
    assert found.corpus == pytest.approx(corpus, abs=1e-9)


def test_rouge_l(pairs: Pairs) -> None:
    corpus, per_item = Rouge().compute_score(*as_coco(pairs))
    found = RougeL(tokenizer="whitespace").score_pairs(pairs)
    assert np.abs(found.per_item - per_item).max() < 1e-9
    assert found.corpus == pytest.approx(corpus, abs=1e-9)


def test_bleu(pairs: Pairs) -> None:
    corpus, per_item = Oracle(4).compute_score(*as_coco(pairs), verbose=0)
    for order in (1, 2, 3, 4):
        found = Bleu(order, "whitespace").score_pairs(pairs)
        assert np.abs(found.per_item - per_item[order - 1]).max() < 1e-9
        assert found.corpus == pytest.approx(corpus[order - 1], abs=1e-9)
