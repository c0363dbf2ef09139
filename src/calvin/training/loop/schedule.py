"""Hyper-parameters of one run of the training loop, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from calvin.core.config import FrozenConfig


class LoopConfig(FrozenConfig):
    """One optimisation: how long, how fast, how it is saved.

    "Step" is a micro-batch, the LAVIS convention that the paper's iteration counts follow; the optimiser moves every
    `gradient_accumulation_steps` of them.
    """

    steps: int = Field(gt=0, description="micro-batches in all")
    max_lr: float = Field(gt=0)
    min_lr: float = Field(default=0.0, ge=0)
    warmup_steps: int = Field(default=0, ge=0, description="micro-batches of linear warm-up")
    schedule: Literal["cosine", "constant"] = "cosine"
    gradient_accumulation_steps: int = Field(default=1, gt=0)
    rates: Mapping[str, float] = Field(
        default={}, description="share of the learning rate by the beginning of a parameter's name; else all of it"
    )
    weight_decay: float = Field(default=0.05, ge=0, description="on matrices only; paper section 4")
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16", "auto"] = Field(default="auto", description="auto: bf16 where it is fast")
    seed: int = 0
    checkpoint_every: int = Field(default=200, gt=0, description="micro-batches between checkpoints")
    log_every: int = Field(default=10, gt=0, description="micro-batches between lines of the log")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_lr > self.max_lr:
            raise ValueError(f"min_lr {self.min_lr} is above max_lr {self.max_lr}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"{self.warmup_steps} steps of warm-up do not fit into {self.steps} steps")
        return self

    def lr_at(self, step: int) -> float:
        """Learning rate of micro-batch `step` (from 0): linear warm-up to max_lr, then cosine down to min_lr."""
        if step < self.warmup_steps:
            return self.max_lr * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.max_lr
        share = (step - self.warmup_steps) / max(1, self.steps - 1 - self.warmup_steps)
        return self.min_lr + (self.max_lr - self.min_lr) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
