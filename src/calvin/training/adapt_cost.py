"""What few-shot tuning would take: parameters, size of the adapter, memory and time, from shapes without weights."""

from __future__ import annotations

import torch

from calvin.model import CalvinConfig, CalvinForConditionalGeneration
from calvin.model.tuning import add_lora, set_trainable
from calvin.training.adapt import AdaptConfig
from calvin.training.cost import A100_FLOPS, BatchShape, memory, step_flops

UTILISATION = 0.3
"""Assumed share of an A100's peak: batches of 10 are small."""
_PROMPT, _ANSWER = 8, 55


def adapt_cost(config: CalvinConfig, adapt: AdaptConfig, checkpointing: bool = False) -> list[str]:
    """The cost of tuning a model of this configuration, in sentences; lengths of text are assumed."""
    with torch.device("meta"):
        model = CalvinForConditionalGeneration(config)
        add_lora(model, adapt.lora_rank, adapt.lora_alpha, adapt.lora_dropout, adapt.lora_targets)
    trained = set_trainable(model, {"projector", "lora"})
    frames = min(config.max_frames, 32)
    shape = BatchShape(adapt.batch_size, 1 + config.num_query_tokens + _PROMPT + _ANSWER, _PROMPT + _ANSWER, frames)
    needs = memory(model, shape, 1, False, checkpointing)
    flops = adapt.loop.steps * step_flops(model, {"projector", "lora"}, shape)
    whole = sum(value.numel() for name, value in model.named_parameters() if not name.startswith("vision_tower."))
    return [
        f"{trained / 1e6:,.1f} of {whole / 1e6:,.0f} million parameters are trained; the adapter takes "
        f"{2 * trained / 2**20:,.0f} MiB.",
        f"A GPU needs {needs.total / 2**30:,.1f} GiB: weights {needs.weights / 2**30:,.1f}, training "
        f"{needs.training / 2**30:,.1f}, activations {needs.activations / 2**30:,.1f}.",
        f"{adapt.loop.steps} micro-batches of {adapt.batch_size} take {flops / 1e15:,.2f} PFLOP, some "
        f"{flops / (A100_FLOPS * UTILISATION) / 60:,.1f} minutes on an A100 (assumed: {UTILISATION:.0%} of its peak).",
    ]
