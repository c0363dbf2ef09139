"""Looking at a model while it is trained: its loss on held-out samples, a few of its captions, and what follows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, send_to_device
from torch import Tensor, nn

from calvin.core.files import read_record, write_text
from calvin.core.tokens import IGNORE_INDEX
from calvin.training.loop.checkpoints import save_weights
from calvin.training.loop.distributed import is_sharded, reshard
from calvin.training.loop.events import LOOKS, Events
from calvin.training.loop.log import HELD_OUT, read_log
from calvin.training.steps import Validation

BEST = "best"
"""Folder, among a stage's checkpoints, of the weights with the lowest held-out loss."""
SAMPLES = "captions.txt"


class Look:
    """A gate of the training loop: every so many steps it writes down how the model does, and may end the run.

    Every process of a run makes one and calls it at the same steps. What a run that was stopped had found counts on.

    Args:
        batches: the held-out samples in batches, each once; read anew for each look.
        captions: what the model says of a few of them, as rows of `id`, `reference` and `caption`; not asked for of a
            sharded model, whose weights are in pieces.
        folder: of the stage's checkpoints.
        bf16: whether training computes in it.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[Mapping[str, Any]]],
        captions: Callable[[nn.Module], list[dict[str, str]]],
        config: Validation,
        folder: Path,
        bf16: bool,
    ) -> None:
        self.batches, self.captions, self.config, self.folder, self.bf16 = batches, captions, config, folder, bf16
        self.rows = read_log(folder / HELD_OUT)
        self._kept: dict[str, Any] = read_record(folder / BEST / "state.json")
        self._events: Events | None = None

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The step of the lowest held-out loss so far, and the loss; of the weights that were kept, if any were."""
        found = [row for row in (*self.rows, self._kept) if "loss" in row]
        return min(found, key=lambda row: float(row["loss"]), default=None)

    def __call__(self, model: nn.Module, step: int) -> bool:
        """Look at a model after `step` steps; True where training is to end."""
        device = next(model.parameters()).device
        self.rows = [row for row in self.rows if row["step"] < step]
        model.eval()
        with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bf16):
            loss = float(broadcast(self._loss(model, device)))  # or processes might disagree on when to end
            said = [] if is_sharded(model) or not self.config.captions else self.captions(model)
        reshard(model)
        model.train()
        before = self.best
        self.rows.append({"step": step, "loss": loss, "captions": said})
        lower = before is None or loss < before["loss"]
        leads = PartialState().is_main_process
        if leads:
            self._write()
            self._events = self._events or Events(self.folder, LOOKS, step)
            self._events.add(step, loss=loss)
        if lower and self.config.keep_best:
            self._kept = {"step": step, "loss": loss}
            save_weights(self.folder / BEST, model, self._kept, write=leads)
        found = self.best
        since = sum(row["step"] > found["step"] for row in self.rows) if found is not None else 0
        return self.config.early_stop is not None and since >= self.config.early_stop

    def _loss(self, model: nn.Module, device: torch.device) -> Tensor:
        """The mean loss over held-out tokens, a scalar."""
        total, count = torch.zeros((), device=device), 0
        for batch in self.batches():
            tokens = int((batch["labels"][:, 1:] != IGNORE_INDEX).sum())
            total += model(**send_to_device(batch, device)).loss.float() * tokens
            count += tokens
        return total / max(count, 1)

    def _write(self) -> None:
        write_text(self.folder / HELD_OUT, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows))
        parts = []
        for row in self.rows:
            parts.append(f"After {row['step']:,} steps, held-out loss {row['loss']:.4f}")
            for one in row["captions"]:
                parts += [f"  {one['id']}", f"    reference: {one['reference']}", f"    the model: {one['caption']}"]
            parts.append("")
        write_text(self.folder / SAMPLES, "\n".join(parts))
