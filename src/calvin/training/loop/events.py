"""A run's curves for TensorBoard, where that is installed; beside its `log.csv`, which every run has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = "tensorboard"
TRAINING, LOOKS = "training", "heldout"
"""Folders in it: TensorBoard draws what has one name in both, as `loss`, into one picture."""


class Events:
    """Event files below a stage's checkpoints, in `tensorboard`; without tensorboard nothing is written or said.

    Args:
        folder: of the checkpoints.
        kind: `TRAINING` or `LOOKS`.
        first: the step from which a run goes on: what an earlier process wrote of that step and later ones is hidden.
    """

    def __init__(self, folder: Path, kind: str, first: int = 0) -> None:
        self._writer: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._writer = SummaryWriter(str(folder / FOLDER / kind), purge_step=first)

    def add(self, step: int, **values: float) -> None:
        """Numbers by name after `step` micro-batches, at once on their way to the disk."""
        if self._writer is None:
            return
        try:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()
        except OSError:
            self._writer = None  # a run of days does not end for want of a curve
