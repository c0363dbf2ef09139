"""Our BERTScore against the authors' bert-score, with the MiniLM that a package carries (no network)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator

import bert_score
import numpy as np
import pytest
import torch

from calvin.evaluation.metrics import BertScore, align
from calvin.evaluation.metrics.base import Pairs

TEXT = "a the man woman in on with blue unbelievably shirt walks across street Mary's and looks at him surprise , . !"
WORDS = TEXT.split(" ")


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 16)))


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    rng = random.Random(0)
    candidates = {str(index): sentence(rng) for index in range(40)}
    references = {identity: [sentence(rng) for _ in range(rng.randint(1, 3))] for identity in candidates}
    candidates["3"] = references["3"][0]
    return align(candidates, references)


def theirs(metric: BertScore, pairs: Pairs, batch_size: int) -> np.ndarray:
    columns = bert_score.score(
        list(pairs.candidates),
        [list(texts) for texts in pairs.references],
        model_type=metric.path,
        num_layers=metric.layer,
        device="cpu",
        batch_size=batch_size,
        use_fast_tokenizer=True,
    )
    return np.stack([column.numpy() for column in columns], axis=1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are tiny
    yield
    torch.set_num_threads(threads)


def test_the_stated_offline_setting_is_equal(pairs: Pairs) -> None:
    metric = BertScore.offline()
    ours = metric.precision_recall_f1(pairs)
    for batch_size in (1, 64):
        assert np.abs(ours - theirs(metric, pairs, batch_size)).max() < 2e-6


def test_the_last_layer_is_equal_where_bert_score_pads_nothing_and_its_defect_is_the_known_one(pairs: Pairs) -> None:
    """Here some tokens resemble none of the other text's; padding, which bert-score gives 0, then wins."""
    metric = dataclasses.replace(BertScore.offline(), layer=6)
    ours, alone, batched = metric.precision_recall_f1(pairs), theirs(metric, pairs, 1), theirs(metric, pairs, 64)
    assert np.abs(ours - alone).max() < 2e-6
    assert np.abs(batched - alone).max() > 1e-4
    assert np.all(batched >= ours - 2e-6)
