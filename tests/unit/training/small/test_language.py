from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from calvin.core.tokens import IGNORE_INDEX
from calvin.training.small.language import (
    LanguageStep,
    Phase,
    encode_marked,
    marked_accuracy,
    marked_loss,
    new_language_model,
    rehearsed,
    train_language_model,
    train_tokenizer,
)
from calvin.training.steps import LoopConfig, Rehearsal


@dataclass(frozen=True)
class Text:
    text: str
    marks: Sequence[tuple[int, int]] = ()


TEXTS = [Text("red Mara, blue Otto, red Mara", ((25, 29),)), Text("blue Otto sits down")]


@pytest.fixture(scope="module")
def tokenizer():  # type: ignore[no-untyped-def]
    return train_tokenizer((item.text for item in TEXTS * 20), 400)


def config(**changes: object) -> LanguageStep:
    values = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "phases": (),
    }
    return LanguageStep.load({**values, **changes})


@pytest.mark.parametrize("text", ["red Mara", "Zoë — “naïve” 東京 🎬\n\ttab", "", "  two  spaces "])
def test_any_text_round_trips(tokenizer, text: str) -> None:  # type: ignore[no-untyped-def]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text


def test_marks_fall_on_the_tokens_of_the_marked_word(tokenizer) -> None:  # type: ignore[no-untyped-def]
    batch = encode_marked(tokenizer, TEXTS)
    assert batch["input_ids"].shape == batch["labels"].shape == batch["marked"].shape
    marked = batch["input_ids"][0][batch["marked"][0]]
    assert tokenizer.decode(marked).strip() == "Mara"
    assert not batch["marked"][1].any()
    assert (batch["labels"][batch["attention_mask"] == 0] == IGNORE_INDEX).all()
    assert batch["input_ids"][0, 0] == tokenizer.bos_token_id
    assert batch["input_ids"][0, batch["attention_mask"][0].sum() - 1] == tokenizer.eos_token_id


def test_marked_words_count_once_more(tokenizer) -> None:  # type: ignore[no-untyped-def]
    model = new_language_model(config(), tokenizer, seed=0)
    batch = encode_marked(tokenizer, TEXTS)
    plain = marked_loss(model, {**batch, "mark_weight": 0.0})
    # transformers' own loss averages over the same tokens.
    reference = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss
    torch.testing.assert_close(plain, reference)
    assert marked_loss(model, {**batch, "mark_weight": 1.0}) > plain + 1


def test_a_rehearsal_brings_texts_of_its_own_into_every_micro_batch_and_adds_their_loss(tokenizer) -> None:  # type: ignore[no-untyped-def]
    stage = torch.nn.Module()
    stage.language_model = new_language_model(config(), tokenizer, seed=0)
    asked: list[tuple[str, int, int]] = []

    def texts_at(kind: str, index: int, count: int) -> list[Text]:
        asked.append((kind, index, count))
        return [TEXTS[index % 2]] * count

    batch_at, loss_of = rehearsed(
        Rehearsal(kind="naming", batch_size=3, weight=0.5, mark_weight=2.0),
        texts_at,
        tokenizer,
        lambda index: {"own": torch.tensor(float(index))},
        lambda _, batch: sum(batch.values()),  # type: ignore[arg-type]
    )
    batches = [batch_at(0), batch_at(1)]
    assert [one["own"] for one in batches] == [0, 1]
    assert [kind for kind, _, _ in asked] == ["naming"] * 2
    assert asked[1][1] == asked[0][1] + 1 > 2**41, "other texts in every micro-batch, and none of the curriculum's"
    assert len(batches[0]["rehearsal"]["input_ids"]) == 3
    alone = marked_loss(stage.language_model, {**batches[1]["rehearsal"], "mark_weight": 2.0})
    torch.testing.assert_close(loss_of(stage, batches[1]), 1 + 0.5 * alone)


def test_many_texts_of_many_lengths_cost_what_they_cost_together(tokenizer) -> None:  # type: ignore[no-untyped-def]
    texts = [Text(" ".join(["red Mara, blue Otto"] * (1 + number % 7)), ((4, 8),)) for number in range(75)]
    model = new_language_model(config(), tokenizer, seed=0)
    batch = encode_marked(tokenizer, texts)
    reference = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]).loss
    torch.testing.assert_close(marked_loss(model, {**batch, "mark_weight": 0.0}), reference)


def test_a_phase_ends_when_its_look_ups_are_right(tokenizer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    loop = LoopConfig(steps=400, max_lr=1e-2, precision="fp32", checkpoint_every=1000)
    phase = Phase(kind="only", batch_size=2, gate_accuracy=1.0, loop=loop)
    model, results = train_language_model(
        config(phases=(phase,)), tokenizer, lambda kind, index, count: TEXTS[:count] * (count // 2), tmp_path, seed=0
    )
    (_, result, accuracy) = results[0]
    assert result.steps < 400
    assert accuracy == 1.0
    assert marked_accuracy(model, encode_marked(tokenizer, TEXTS)) == 1.0
