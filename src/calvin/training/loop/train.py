"""The training loop: short, resumable, and the same on one CPU or many GPUs (accelerate underneath).

Everything random is a function of (seed, step), so a run killed at any step and started again gives the same losses
as one that was never stopped, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import send_to_device
from torch import Tensor, nn

from calvin.core.errors import CalvinError, UsageError
from calvin.core.prefetch import ahead
from calvin.core.progress import Listener, Stage, silent
from calvin.training.loop.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from calvin.training.loop.distributed import lay_out, sync_gradients
from calvin.training.loop.log import TrainingLog, draw_curve, write_csv
from calvin.training.loop.packing import pack, packed_losses, passes
from calvin.training.steps import LoopConfig, Parallel

Batch = Mapping[str, Any]
BatchAt = Callable[[int], Batch]
LossOf = Callable[[nn.Module, Batch], Tensor]
Gate = Callable[[nn.Module, int], bool]
ALONE = Parallel()


@dataclass(frozen=True)
class TrainResult:
    """What a run of the loop did: the last step reached, and its smoothed loss."""

    steps: int
    loss: float


def fast_bf16(device: torch.device) -> bool:
    """Whether bf16 autocast pays on this device: GPUs, and CPUs with bf16 dot products."""
    if device.type != "cpu":
        return True
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and "avx512_bf16" in cpuinfo.read_text()


def computes_in_bf16(config: LoopConfig) -> bool:
    """Whether a loop computes in bf16 on this machine."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return config.precision == "bf16" or (config.precision == "auto" and fast_bf16(device))


def make_optimizer(model: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """AdamW over what is trained; weight decay on matrices, not on biases, norms and other vectors. Each group's
    `share` says how much of the learning rate it takes (`LoopConfig.rates`)."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if value.requires_grad:
            share = next((rate for start, rate in config.rates.items() if name.startswith(start)), 1.0)
            groups.setdefault((share, value.ndim >= 2), []).append(value)
    if not groups:
        raise CalvinError("Nothing in the model is set to be trained.")
    settings = []
    for (share, matrices), values in groups.items():
        decay = config.weight_decay if matrices else 0.0
        settings.append({"params": values, "weight_decay": decay, "share": share, "lr": config.max_lr * share})
    return torch.optim.AdamW(settings, betas=config.betas, fused=True)


def fingerprint_of(*settings: Any) -> str:
    """A short hash of everything that must be equal for a checkpoint to be resumed."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


def model_loss(model: nn.Module, batch: Batch) -> Tensor:
    """The loss that a transformers model returns for a batch with labels [B, L]."""
    return model(**batch).loss


def train(
    model: nn.Module,
    batch_at: BatchAt,
    config: LoopConfig,
    folder: Path,
    *,
    name: str = "train",
    identity: Any = None,
    loss_of: LossOf = model_loss,
    gate: Gate | None = None,
    gate_every: int = 100,
    listener: Listener = silent,
    parallel: Parallel = ALONE,
    events: bool = False,
) -> TrainResult:
    """Train what requires gradients in `model`, in place.

    Args:
        batch_at: the micro-batch of a global index (step * processes + rank), a pure function, tensors by name.
        folder: checkpoints, `log.jsonl` and `loss.png`; a checkpoint found there is resumed.
        identity: what else must be equal for a resume (data, recipe), anything that JSON can hold.
        gate: called every `gate_every` steps; True ends the run early (a curriculum moves on by accuracy, not time, and
            a run may end where the loss on held-out samples no longer falls).
        parallel: how the model is laid out over several processes; a sharded one stays sharded, and what it learnt is
            in the last checkpoint. Micro-batches are read several in one pass where it says so; that needs `model_loss`
            and batches as `calvin.data.collate` makes them.
        events: show the curve in TensorBoard, too, where that is installed.

    Raises:
        CalvinError: nothing to train, or the loss is not a number.
        UsageError: several micro-batches in one pass with another loss than the model's own.
        CheckpointError: the checkpoint in `folder` is damaged or of another run, or the disk is full.
    """
    if parallel.packed > 1 and loss_of is not model_loss:
        raise UsageError("Only the model's own loss can be told apart for micro-batches in one pass: pack none.")
    # accelerate keeps its state per process; another precision in the same process needs a fresh one.
    AcceleratorState._reset_state()
    accelerator = Accelerator(
        mixed_precision="bf16" if computes_in_bf16(config) else "no",
        gradient_accumulation_steps=config.gradient_accumulation_steps,
    )
    sharded = lay_out(model, parallel, accelerator)
    optimizer = make_optimizer(model, config)  # over the shards, where there are any
    fingerprint = fingerprint_of(name, config.model_dump(), identity)
    stage = Stage(name, listener, config.steps, "steps")
    run = _Run(
        accelerator, config, folder, fingerprint, stage, batch_at, loss_of, gate, gate_every, events, parallel.packed
    )
    found = latest_checkpoint(folder)
    first, finished = 0, False
    if not sharded:
        model.to(accelerator.device)
    if found is not None:
        facts = load_checkpoint(found, model, optimizer, fingerprint)
        first, finished, run.smoothed = facts["step"], facts["finished"], facts["loss"]
    if finished:
        return TrainResult(first, run.smoothed)
    run.stage.kept = first
    wrapped = accelerator.prepare(optimizer)
    prepared = model if sharded else accelerator.prepare(model)
    model.train()
    last = run.steps(prepared, wrapped, first)
    model.eval()
    accelerator.wait_for_everyone()
    run.save(last, accelerator.unwrap_model(prepared), wrapped.optimizer, finished=True)
    if accelerator.is_main_process:
        draw_curve([(name, folder / "log.jsonl")], folder / "loss.png")
    # accelerate replaced `forward` on the instance by an autocast wrapper; the model is left as it was given.
    for name in ("forward", "_original_forward"):
        model.__dict__.pop(name, None)
    return TrainResult(last, run.smoothed)


@dataclass
class _Run:
    accelerator: Accelerator
    config: LoopConfig
    folder: Path
    fingerprint: str
    stage: Stage
    batch_at: BatchAt
    loss_of: LossOf
    gate: Gate | None
    gate_every: int
    events: bool = False
    packed: int = 1
    smoothed: float = math.nan

    def save(self, step: int, model: nn.Module, optimizer: torch.optim.Optimizer, finished: bool = False) -> None:
        if self.accelerator.is_main_process:
            with suppress(OSError):  # of a full disk the checkpoint tells
                write_csv(self.folder)
        facts = {"fingerprint": self.fingerprint, "finished": finished, "loss": self.smoothed}
        save_checkpoint(self.folder, step, model, optimizer, facts, write=self.accelerator.is_main_process)

    def steps(self, model: nn.Module, optimizer: Any, first: int) -> int:
        """Steps from `first` to the end or the gate; returns the number of steps done in all."""
        config, accelerator = self.config, self.accelerator
        log = TrainingLog(self.folder, first, self.events) if accelerator.is_main_process else None
        tokens, started = 0, self.stage.started
        looks = self.gate_every if self.gate is not None else None
        spans = list(passes(first, config.steps, self.packed, config.gradient_accumulation_steps, looks))
        # The next batches are made while the model works on this one.
        for span, made in zip(spans, ahead(map(self._made, spans)), strict=True):
            losses, batch = self._pass(model, optimizer, span, made)
            tokens += int(batch["attention_mask"].sum()) if "attention_mask" in batch else 0
            for step, value in zip(span, losses, strict=True):
                self._note(step, value)
                if step % config.log_every == 0 or step + 1 == config.steps:
                    counted = torch.tensor(tokens, device=accelerator.device)
                    everywhere = int(accelerator.reduce(counted, reduction="sum"))  # each process saw others
                    if log is not None:
                        log.add(step=step, loss=value, lr=config.lr_at(step))
                        self.stage.update(step + 1, self._detail(value, everywhere, started))
            done = span.stop
            gate = self.gate if done % self.gate_every == 0 else None
            if gate is not None and gate(accelerator.unwrap_model(model), done):
                return done
            if done < config.steps and self._checkpoint_due(done):
                self.save(done, accelerator.unwrap_model(model), optimizer.optimizer)
        return config.steps

    def _index(self, step: int) -> int:
        """Which micro-batch of all this process takes at a step."""
        return step * self.accelerator.num_processes + self.accelerator.process_index

    def _made(self, span: range) -> tuple[Batch, list[int]]:
        """The batch of a pass, and the rows of each of its micro-batches if there are several."""
        batches = [self.batch_at(self._index(step)) for step in span]
        if len(batches) == 1:
            return batches[0], []
        return pack(batches), [len(batch["input_ids"]) for batch in batches]

    def _pass(
        self, model: nn.Module, optimizer: Any, span: range, made: tuple[Batch, list[int]]
    ) -> tuple[list[float], Batch]:
        """One pass forward and backward and, where one is due, a move of the optimiser. Returns the loss of each step,
        and the batch on the model's device."""
        config, accelerator = self.config, self.accelerator
        # Dropout too depends on seed and step alone; a large prime keeps the streams of two seeds apart.
        torch.manual_seed(config.seed * 1_000_003 + self._index(span.start))
        batch, rows = send_to_device(made[0], accelerator.device), made[1]
        for group in optimizer.param_groups:
            group["lr"] = config.lr_at(span[-1]) * group["share"]
        accelerator.step += len(span) - 1  # `accumulate` counts passes, of which this one stands for several
        with accelerator.accumulate(model):
            sync_gradients(model, accelerator.sync_gradients)
            with accelerator.autocast():
                losses = packed_losses(model, batch, rows) if rows else self.loss_of(model, batch).reshape(1)
            # Divided by the number of micro-batches that are accumulated: each counts alike, whatever its length.
            accelerator.backward(losses.sum())
            if accelerator.sync_gradients and config.max_grad_norm:
                accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        return accelerator.reduce(losses.detach(), reduction="mean").tolist(), batch  # over the processes

    def _note(self, step: int, loss: float) -> None:
        """Add a step's loss to the mean; one that is no number ends the run."""
        if not math.isfinite(loss):
            raise CalvinError(f"The loss of step {step} is {loss}; lower max_lr or look at that batch.")
        self.smoothed = loss if math.isnan(self.smoothed) else 0.98 * self.smoothed + 0.02 * loss

    def _checkpoint_due(self, done: int) -> bool:
        # Only when the optimiser has just moved: half-accumulated gradients are not saved.
        accumulation = self.config.gradient_accumulation_steps
        every = math.ceil(self.config.checkpoint_every / accumulation) * accumulation
        return done % every == 0

    def _detail(self, loss: float, tokens: int, started: float) -> str:
        rate = tokens / max(time.monotonic() - started, 1e-6)
        return f"loss {loss:.3f} (mean {self.smoothed:.3f})" + (f", {rate:,.0f} tokens/s" if tokens else "")
