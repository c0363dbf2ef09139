"""Counted operations and bytes against what torch itself counts on a small model."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from calvin.core.tokens import IGNORE_INDEX
from calvin.model import CalvinConfig, CalvinForConditionalGeneration
from calvin.model.tuning import LoraSettings, add_lora, set_trainable
from calvin.training.full.cost import BatchShape, activation_bytes, memory, step_flops

ROWS, LENGTH, CAPTION, FRAMES, QUERIES = 3, 40, 10, 6, 8
SHAPE = BatchShape(ROWS, LENGTH, CAPTION, FRAMES)


def small(attention: str = "eager") -> CalvinForConditionalGeneration:
    text = {
        "model_type": "llama", "vocab_size": 300, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    }  # fmt: skip
    qformer = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96,
               "vocab_size": 10}  # fmt: skip
    config = CalvinConfig(
        text_config=text, qformer_config=qformer, num_query_tokens=QUERIES, image_embed_dim=24, visual_token_id=300
    )
    torch.manual_seed(0)
    model = CalvinForConditionalGeneration(config).train()
    model.decoder.set_attn_implementation(attention)  # torch does not count the fused one on a CPU
    return model


def batch() -> dict[str, torch.Tensor]:
    ids = torch.randint(0, 300, (ROWS, LENGTH))
    ids[:, 1 : 1 + QUERIES] = 300
    labels = ids.clone()
    labels[:, :-CAPTION] = IGNORE_INDEX
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels,
            "image_embeds": torch.randn(ROWS, FRAMES, 24)}  # fmt: skip


@pytest.mark.parametrize("trains", [("projector",), ("projector", "lora"), ("lora",), ("projector", "language_model")])
def test_operations_are_those_that_torch_counts(trains: tuple[str, ...]) -> None:
    """To 6%: products of the first and last layer whose gradients nobody needs are left out of our count or not."""
    model = small()
    if "lora" in trains:
        add_lora(model, LoraSettings(lora_rank=4))
    set_trainable(model, set(trains))
    with FlopCounterMode(display=False) as counter:
        model(**batch()).loss.backward()
    assert step_flops(model, trains, SHAPE) == pytest.approx(counter.get_total_flops(), rel=0.06)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_are_about_what_torch_keeps(checkpointing: bool) -> None:
    """To a third: kernels differ in what they keep, and ours is meant to tell 2 GiB from 20."""
    model = small("sdpa")
    set_trainable(model, {"projector"})
    if checkpointing:
        model.decoder.activation_checkpointing_enable({"use_reentrant": False})
    kept: dict[int, int] = {}
    weights = {value.data_ptr() for value in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if tensor.data_ptr() not in weights and storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    given = batch()
    inputs = model.embed_inputs(given["input_ids"], given["image_embeds"])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # the projector's own are left out
        output = model(inputs_embeds=inputs, attention_mask=given["attention_mask"], labels=given["labels"])
    assert output.loss is not None
    expected = activation_bytes(model, SHAPE, checkpointing, width=4)
    layer = SHAPE.tokens * 4 * (8 * 64 + 4 * 160)
    # While it runs forward, a checkpointed model keeps no layer whole.
    assert sum(kept.values()) == pytest.approx(expected - (layer if checkpointing else 0), rel=0.34)


def test_sharding_divides_what_is_kept_and_checkpointing_saves() -> None:
    model = small()
    add_lora(model, LoraSettings(lora_rank=4))
    set_trainable(model, {"projector", "lora"})
    alone, together = memory(model, SHAPE, 1, False, False), memory(model, SHAPE, 8, True, False)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    assert alone.training == 16 * trained
    assert together.training == 2 * trained
    assert memory(model, SHAPE, 8, False, False).training == 20 * trained
    assert memory(model, SHAPE, 8, True, True).activations < together.activations / 2
