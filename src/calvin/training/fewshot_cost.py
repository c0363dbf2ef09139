"""What few-shot tuning would take: parameters, size of the adapter, memory and time, from shapes without weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from calvin.model import CalvinConfig, CalvinForConditionalGeneration
from calvin.model.tuning import add_lora, set_trainable
from calvin.training.fewshot import AdaptConfig
from calvin.training.full.cost import A100_FLOPS, BatchShape, Memory, memory, step_flops

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
    needs, flops, loop = cost.needs, adapt.loop.steps * cost.flops, adapt.loop
    return [
        f"{_number(cost.trained)} of {_number(cost.parameters)} parameters are trained; the adapter takes "
        f"{_size(2 * cost.trained)}.",
        f"A GPU needs {_size(needs.total)}: weights {_size(needs.weights)}, training {_size(needs.training)}, "
        f"activations {_size(needs.activations)}.",
        f"{loop.steps} micro-batches of {adapt.batch_size} at a rate of {loop.max_lr:g} take {_operations(flops)}, "
        f"{_time(flops / (A100_FLOPS * UTILISATION))} on an A100 (assumed: {UTILISATION:.0%} of its peak).",
    ]


def _in(value: float, units: Sequence[tuple[str, float]]) -> str:
    """A value in the largest unit of which it has one, else in the last."""
    name, size = next(((name, size) for name, size in units if value >= size), units[-1])
    return f"{value / size:,.1f} {name}"


def _number(count: float) -> str:
    return f"{count:,.0f}" if count < 1e5 else _in(count, (("billion", 1e9), ("million", 1e6)))


def _size(count: float) -> str:
    return _in(count, (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)))


def _operations(count: float) -> str:
    return _in(count, (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6)))


def _time(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    return "some " + _in(seconds, (("hours", 3600), ("minutes", 60), ("seconds", 1)))
