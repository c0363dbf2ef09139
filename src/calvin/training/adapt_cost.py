"""What few-shot tuning would take: parameters, size of the adapter, memory and time, from shapes without weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from calvin.model import CalvinConfig, CalvinForConditionalGeneration
from calvin.model.tuning import add_lora, set_trainable
from calvin.training.adapt import AdaptConfig
from calvin.training.cost import A100_FLOPS, BatchShape, Memory, memory, step_flops

UTILISATION = 0.3
"""Assumed share of an A100's peak: batches of 10 are small."""
_PROMPT, _ANSWER = 8, 55


@dataclass(frozen=True, slots=True)
class AdaptCost:
    """Parameters trained and all, bytes of memory, operations of a micro-batch; lengths of text are assumed."""

    trained: int
    parameters: int
    needs: Memory
    flops: float

    @classmethod
    def of(cls, config: CalvinConfig, adapt: AdaptConfig, checkpointing: bool = False) -> AdaptCost:
        with torch.device("meta"):
            model = CalvinForConditionalGeneration(config)
            add_lora(model, adapt.lora_rank, adapt.lora_alpha, adapt.lora_dropout, adapt.lora_targets)
        trained = set_trainable(model, {"projector", "lora"})
        frames = min(config.max_frames, 32)
        length = 1 + config.num_query_tokens + _PROMPT + _ANSWER
        shape = BatchShape(adapt.batch_size, length, _PROMPT + _ANSWER, frames)
        whole = sum(value.numel() for name, value in model.named_parameters() if not name.startswith("vision_tower."))
        needs = memory(model, shape, 1, False, checkpointing)
        return cls(trained, whole, needs, step_flops(model, {"projector", "lora"}, shape))


def adapt_cost(config: CalvinConfig, adapt: AdaptConfig, checkpointing: bool = False) -> list[str]:
    """The cost of tuning a model of this configuration, in sentences."""
    cost = AdaptCost.of(config, adapt, checkpointing)
    needs, flops = cost.needs, adapt.loop.steps * cost.flops
    return [
        f"{cost.trained / 1e6:,.1f} of {cost.parameters / 1e6:,.0f} million parameters are trained; the adapter takes "
        f"{2 * cost.trained / 2**20:,.0f} MiB.",
        f"A GPU needs {needs.total / 2**30:,.1f} GiB: weights {needs.weights / 2**30:,.1f}, training "
        f"{needs.training / 2**30:,.1f}, activations {needs.activations / 2**30:,.1f}.",
        f"{adapt.loop.steps} micro-batches of {adapt.batch_size} take {flops / 1e15:,.2f} PFLOP, some "
        f"{flops / (A100_FLOPS * UTILISATION) / 60:,.1f} minutes on an A100 (assumed: {UTILISATION:.0%} of its peak).",
    ]
