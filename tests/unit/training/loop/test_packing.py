"""Several micro-batches in one pass teach what they teach one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calvin.core.errors import CalvinError, DataError, UsageError
from calvin.core.tokens import IGNORE_INDEX, Encoded
from calvin.data import collate
from calvin.model import CalvinConfig, CalvinForConditionalGeneration
from calvin.model.tuning import LoraSettings, add_lora, set_trainable
from calvin.training.loop.checkpoints import latest_checkpoint
from calvin.training.loop.log import read_log
from calvin.training.loop.packing import pack, packed_losses, passes
from calvin.training.loop.train import train
from calvin.training.steps import LoopConfig, Parallel

VISUAL, QUERIES, DIM, VOCABULARY = 60, 3, 8, 60


def tiny() -> CalvinForConditionalGeneration:
    """A CALVIN with a LoRA and without dropout, whose masks would differ from pass to pass."""
    text = {
        "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2,
    }  # fmt: skip
    qformer = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 10,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    }  # fmt: skip
    torch.manual_seed(0)
    model = CalvinForConditionalGeneration(
        CalvinConfig(
            text_config=text,
            qformer_config=qformer,
            num_query_tokens=QUERIES,
            image_embed_dim=DIM,
            visual_token_id=VISUAL,
        )
    )
    add_lora(model, LoraSettings(lora_rank=2, lora_alpha=4, lora_dropout=0.0))
    set_trainable(model, {"projector", "lora"})
    return model


def micro_batch(index: int) -> dict[str, torch.Tensor]:
    """Films, images and text in turn, of other numbers of rows, lengths, frames and labelled tokens."""
    rng = np.random.default_rng(index)
    kind = index % 3
    encoded, embeds = [], []
    for row in range(2 + kind):
        ids = [
            1,
            *([VISUAL] * QUERIES if kind != 2 else []),
            *rng.integers(3, VOCABULARY, 4 + index % 5 + row).tolist(),
        ]
        learnt = 1 + (index + row) % 4
        encoded.append(Encoded(ids, [IGNORE_INDEX] * (len(ids) - learnt) + ids[-learnt:]))
        embeds.append(rng.normal(size=(1 if kind else 2 + row, DIM)).astype(np.float32))
    return collate(encoded, embeds if kind != 2 else None)


def learn(folder: Path, packed: int, steps: int = 22, **options: Any) -> tuple[dict[str, torch.Tensor], list[float]]:
    """What is trained, after so many steps of which the last two move nothing, and the loss of each step."""
    loop = LoopConfig(
        steps=steps,
        max_lr=1e-3,
        warmup_steps=5,
        gradient_accumulation_steps=4,
        precision="fp32",
        log_every=1,
        checkpoint_every=8,
    )
    model = options.pop("model", None) or tiny()
    train(model, options.pop("batch_at", micro_batch), loop, folder, parallel=Parallel(packed=packed), **options)
    learnt = {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}
    return learnt, [row["loss"] for row in read_log(folder / "log.jsonl")]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], list[float]]:
    return learn(tmp_path_factory.mktemp("packing"), 1)


@pytest.mark.parametrize("packed", [2, 3, 4, 64])
def test_parameters_and_losses_are_those_of_one_by_one(
    one_by_one: tuple[dict[str, torch.Tensor], list[float]], tmp_path: Path, packed: int
) -> None:
    expected, told = one_by_one
    learnt, losses = learn(tmp_path, packed)
    assert losses == pytest.approx(told, abs=1e-5)
    fresh = dict(tiny().named_parameters())
    assert any((value - fresh[name]).abs().max() > 1e-3 for name, value in expected.items()), "something is learnt"
    for name, value in learnt.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-6, msg=name)


def test_a_short_micro_batch_counts_as_much_as_a_long_one() -> None:
    model, batches = tiny().eval(), [micro_batch(index) for index in (0, 1, 2, 7)]
    alone = torch.stack([model(**batch).loss for batch in batches])
    together = packed_losses(model, pack(batches), [len(batch["input_ids"]) for batch in batches])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    counts = [int((batch["labels"] != IGNORE_INDEX).sum()) for batch in batches]
    assert len(set(counts)) > 1, "the mean over all tokens would be another one"


def test_a_batch_of_text_needs_no_frames() -> None:
    text = pack([micro_batch(2), micro_batch(5)])
    assert "image_embeds" not in text
    assert text["num_items_in_batch"].shape == (len(text["input_ids"]),)
    mixed = pack([micro_batch(2), micro_batch(0)])
    rows = len(micro_batch(2)["input_ids"])
    assert not mixed["frame_mask"][:rows].any()
    assert torch.equal(mixed["image_embeds"][rows:], micro_batch(0)["image_embeds"])


def test_a_stopped_run_goes_on_with_another_number_in_a_pass(
    one_by_one: tuple[dict[str, torch.Tensor], list[float]], tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stopping(index: int) -> dict[str, torch.Tensor]:
        if index == 13:
            raise Stopped
        return micro_batch(index)

    with pytest.raises(Stopped):
        learn(tmp_path, 4, batch_at=stopping)
    assert latest_checkpoint(tmp_path) is not None
    learnt, losses = learn(tmp_path, 2)
    assert losses == pytest.approx(one_by_one[1], abs=1e-5)
    for name, value in learnt.items():
        torch.testing.assert_close(value, one_by_one[0][name], rtol=0, atol=1e-6, msg=name)


def test_a_look_sees_the_weights_that_it_would_have_seen(tmp_path: Path) -> None:
    seen: dict[int, list[tuple[int, float]]] = {}
    for packed in (1, 4):
        looks = seen.setdefault(packed, [])

        def look(model: Any, step: int, looks: list[tuple[int, float]] = looks) -> bool:
            looks.append((step, model.projector.query_tokens.abs().sum().item()))
            return step == 15

        learn(tmp_path / str(packed), packed, gate=look, gate_every=5)
    assert [step for step, _ in seen[4]] == [5, 10, 15]
    for (_, one), (_, other) in zip(seen[1], seen[4], strict=True):
        assert other == pytest.approx(one, abs=1e-5)


def test_passes_end_where_the_optimiser_moves_and_where_somebody_looks() -> None:
    def cut(*given: Any) -> list[tuple[int, int]]:
        return [(span.start, span.stop) for span in passes(*given)]

    assert cut(0, 10, 4, 4) == [(0, 4), (4, 8), (8, 10)]
    assert cut(0, 8, 3, 4) == [(0, 3), (3, 4), (4, 7), (7, 8)]
    assert cut(4, 12, 64, 4, 6) == [(4, 6), (6, 8), (8, 12)]
    assert cut(0, 3, 5, 1) == [(0, 1), (1, 2), (2, 3)]
    assert cut(7, 7, 4, 4) == []


def test_a_loss_that_is_no_number_names_its_step(tmp_path: Path) -> None:
    def broken(index: int) -> dict[str, torch.Tensor]:
        batch = micro_batch(index)
        if index == 6:
            batch["image_embeds"] = batch["image_embeds"] * float("nan")
        return batch

    with pytest.raises(CalvinError, match="loss of step 6"):
        learn(tmp_path, 4, batch_at=broken)


def test_what_cannot_be_packed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pack none"):
        learn(tmp_path, 4, loss_of=lambda model, batch: model(**batch).loss)
    with pytest.raises(DataError, match="pixel_values"):
        pack([{**micro_batch(0), "pixel_values": torch.zeros(2, 1, 3, 4, 4)}])
