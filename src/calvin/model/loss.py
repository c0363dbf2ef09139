"""The loss on captions, computed only where something is to be learnt."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from calvin.core.tokens import IGNORE_INDEX


def label_positions(labels: Tensor) -> Tensor:
    """Positions [K] whose next token is labelled in at least one row of [B, L]; position 0 where there are none."""
    positions = (labels[:, 1:] != IGNORE_INDEX).any(dim=0).nonzero().squeeze(1)
    return positions if len(positions) else positions.new_zeros(1)


def token_loss(logits: Tensor, targets: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """Cross-entropy in float32 of [B, K, V] against [B, K], over the labelled targets or `num_items`."""
    total = functional.cross_entropy(
        logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum"
    )
    count = num_items if num_items is not None else (targets != IGNORE_INDEX).sum().clamp(min=1)
    return total / count
