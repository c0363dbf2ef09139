from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

from calvin.core.errors import UsageError
from calvin.evaluation.metrics import BertScore, align
from calvin.evaluation.metrics.bertscore import ROBERTA_LARGE_17, Baseline, _load, is_cached

WORDS = ["a", "the", "man", "woman", "dog", "runs", "walks", "sits", "in", "on", "street", "room", "slowly"]


def save_tokenizer(folder: Path) -> None:
    vocabulary = {token: index for index, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> BertScore:
    """A random BERT of three small layers, whose vectors point in all directions."""
    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS) + 4, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16
    )
    model = BertModel(config)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.normal_(0, 1)
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return BertScore(str(folder), 2, None, "tiny")


REFERENCES = {
    "1": ["a man runs in the street", "the dog"],
    "2": ["the woman walks slowly"],
    "3": ["a dog sits on the man in the room slowly"],
}
CANDIDATES = {"1": "a man runs", "2": "the woman walks slowly", "3": "dog"}


def test_the_same_text_scores_one(tiny: BertScore) -> None:
    result = tiny.score(CANDIDATES, REFERENCES)
    assert result.per_item[1] == pytest.approx(1.0, abs=1e-6)
    assert np.all(result.per_item <= 1.0 + 1e-6)
    assert result.corpus == pytest.approx(result.per_item.mean())


def test_a_score_does_not_depend_on_what_shares_the_batch(tiny: BertScore) -> None:
    """The random vectors are often opposed, so that padding of similarity 0 would win."""
    together = tiny.precision_recall_f1(align(CANDIDATES, REFERENCES))
    for index, identity in enumerate(REFERENCES):
        alone = tiny.precision_recall_f1(align({identity: CANDIDATES[identity]}, {identity: REFERENCES[identity]}))
        assert alone[0] == pytest.approx(together[index], abs=1e-5)


def test_the_numbers_by_the_definition(tiny: BertScore) -> None:
    """One pair computed token by token from the model's own hidden states."""
    tokenizer, model = _load(tiny.path, tiny.layer, tiny.device)

    def vectors(text: str) -> torch.Tensor:
        with torch.inference_mode():
            return torch.nn.functional.normalize(
                model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0], dim=-1
            )

    similar = vectors(CANDIDATES["3"]) @ vectors(REFERENCES["3"][0]).T
    precision = similar.amax(1)[1:-1].mean()  # the special tokens have no weight, but may be what is nearest
    recall = similar.amax(0)[1:-1].mean()
    f1 = 2 * precision * recall / (precision + recall)
    found = tiny.precision_recall_f1(align({"3": CANDIDATES["3"]}, {"3": REFERENCES["3"]}))
    assert found[0] == pytest.approx([float(precision), float(recall), float(f1)], abs=1e-5)


def test_several_references_give_the_best_of_each(tiny: BertScore) -> None:
    both = tiny.precision_recall_f1(align({"1": "a man runs"}, {"1": REFERENCES["1"]}))[0]
    single = [tiny.precision_recall_f1(align({"1": "a man runs"}, {"1": [text]}))[0] for text in REFERENCES["1"]]
    assert both == pytest.approx(np.max(single, axis=0), abs=1e-6)


def test_an_empty_candidate_scores_zero_rescaled_or_not(tiny: BertScore) -> None:
    candidates = CANDIDATES | {"2": "  "}
    for metric in (tiny, dataclasses.replace(tiny, baseline=Baseline(0.8, 0.8, 0.8))):
        assert metric.score(candidates, REFERENCES, allow_empty=True).per_item[1] == 0.0


def test_rescaling_is_linear(tiny: BertScore) -> None:
    pairs = align(CANDIDATES, REFERENCES)
    raw = tiny.precision_recall_f1(pairs)
    zero = np.array([0.1, 0.2, 0.3])
    rescaled = dataclasses.replace(tiny, baseline=Baseline(*zero)).precision_recall_f1(pairs)
    assert rescaled == pytest.approx((raw - zero) / (1 - zero), abs=1e-6)


def test_the_setting_says_what_was_done() -> None:
    stated = BertScore()
    assert stated.setting == "BERTScore F1, roberta-large layer 17, no idf, rescaled with baseline"
    assert stated.baseline == ROBERTA_LARGE_17
    offline = BertScore.offline()
    assert "not comparable with the paper" in offline.setting
    assert "not rescaled" in offline.setting
    assert not offline.comparable


def test_a_model_that_is_not_there_and_a_layer_that_is_not_there(tiny: BertScore, tmp_path: Path) -> None:
    assert not is_cached(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="neither a folder nor in the local cache"):
        BertScore(str(tmp_path / "none")).score(CANDIDATES, REFERENCES)
    with pytest.raises(UsageError, match="has 3 layers"):
        dataclasses.replace(tiny, layer=4).score(CANDIDATES, REFERENCES)


def test_roberta_reads_the_first_word_like_the_others(tmp_path: Path) -> None:
    """Byte-level tokenizers mark a word by the space before it; the first one gets that space too."""
    tokens = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        *"amnrsu",
        "\u0120",
        "ma",
        "man",
        "\u0120man",
        "ru",
        "run",
        "runs",
        "\u0120runs",
    ]
    (tmp_path / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (tmp_path / "merges.txt").write_text(
        "#version: 0.2\nm a\nma n\n\u0120 man\nr u\nru n\nrun s\n\u0120 runs\n", encoding="utf-8"
    )
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer", "model_max_length": 512}')
    config = RobertaConfig(
        vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    tokenizer, _ = _load(str(tmp_path), 1, "cpu")
    assert tokenizer("man").input_ids[1] == tokenizer("runs man").input_ids[2] == tokens.index("\u0120man")
