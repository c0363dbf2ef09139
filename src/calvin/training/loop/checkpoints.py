"""Training checkpoints: whole or absent, refused when they belong to another run.

A checkpoint is a folder `checkpoint-<step>` with the trained weights and the optimiser's state as safetensors and
`state.json`. It gets this name only when all three are on disk, so a kill at any moment leaves the previous one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from calvin.core.errors import CheckpointError
from calvin.core.files import atomic_folder, remove_leftovers, write_json
from calvin.training.loop.distributed import like, whole

_NAME = re.compile(r"^checkpoint-(\d+)$")
WEIGHTS = "weights.safetensors"


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained and buffers that move with them (running statistics), of any shape [...], by name."""
    state = {name: value for name, value in model.named_parameters() if value.requires_grad}
    persistent = model.state_dict().keys()
    return {**state, **{name: value for name, value in model.named_buffers() if name in persistent}}


def save_checkpoint(
    folder: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    facts: Mapping[str, Any],
    keep: int = 2,
    write: bool = True,
) -> Path:
    """Write `folder/checkpoint-<step>` atomically and remove all but the newest `keep`.

    The file holds whole tensors, so it can be resumed on another number of processes. Of a sharded model every process
    must call this, and one of them with `write`.

    Raises:
        CheckpointError: the disk is full or read-only; earlier checkpoints are untouched.
    """
    target = folder / f"checkpoint-{step:08d}"
    # Before one process goes its own way: shards are gathered from all of them.
    weights, moments = _plain(trained_state(model)), _plain(_optimizer_state(model, optimizer))
    if not write:
        return target
    try:
        remove_leftovers(folder)
        with atomic_folder(target) as temporary:
            save_file(weights, temporary / WEIGHTS)
            save_file(moments, temporary / "optimizer.safetensors")
            write_json(temporary / "state.json", {"step": step, **facts})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"Could not write the checkpoint of step {step} to {folder} ({error}); free some space and run the same "
            "command again: it goes on from the last whole checkpoint."
        ) from error
    for _, old in _checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def save_weights(target: Path, model: nn.Module, facts: Mapping[str, Any], write: bool = True) -> None:
    """Write what is trained, and `state.json`, to a folder that is whole or as it was; as `save_checkpoint`, without
    the optimiser's state.

    Raises:
        CheckpointError: as there.
    """
    weights = _plain(trained_state(model))
    if not write:
        return
    try:
        with atomic_folder(target) as temporary:
            save_file(weights, temporary / WEIGHTS)
            write_json(temporary / "state.json", dict(facts))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"Could not write {target} ({error}); free some space and run it again.") from error


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run, or None."""
    found = _checkpoints(folder)
    return found[-1][1] if found else None


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, fingerprint: str) -> dict[str, Any]:
    """Put a checkpoint back into model and optimiser; returns its `state.json`.

    Raises:
        CheckpointError: damaged, of other shapes, or written by a run with another fingerprint.
    """
    try:
        facts = json.loads((path / "state.json").read_text())
        moments = load_file(path / "optimizer.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it to go on from the one before.") from error
    if facts.get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"{path} was written by a run with other settings or data; choose another output folder, or remove it."
        )
    load_weights(path, model)
    _load_optimizer_state(model, optimizer, moments)
    return facts


def load_weights(path: Path, model: nn.Module) -> None:
    """Put the trained weights of a checkpoint into a model of which the same parts are set to be trained.

    Raises:
        CheckpointError: damaged, or another model's.
    """
    try:
        weights = load_file(path / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); remove it to go on from the one before.") from error
    own = trained_state(model)
    # Older runs kept the statistics of their frozen tower too.
    weights = {name: value for name, value in weights.items() if name in own or not name.startswith("vision_tower.")}
    if weights.keys() != own.keys() or any(weights[name].shape != own[name].shape for name in own):
        odd = sorted(weights.keys() ^ own.keys())[:3]
        raise CheckpointError(f"{path} holds another model's weights (first differences: {odd or 'shapes'}).")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(like(weights[name], value))


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    return sorted(found)


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # safetensors refuses shared storage, and tied weights share theirs.
    return {name: whole(value).clone().contiguous() for name, value in state.items()}


def _optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    names = {id(value): name for name, value in model.named_parameters()}
    return {
        f"{names[id(parameter)]}:{key}": torch.as_tensor(value)
        for parameter, state in optimizer.state.items()
        for key, value in state.items()
    }


def _load_optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    parameters = dict(model.named_parameters())
    for full_name, value in moments.items():
        name, _, key = full_name.rpartition(":")
        parameter = parameters[name]
        moment = like(value, parameter).clone()
        if moment.shape == parameter.shape and not isinstance(moment, DTensor):
            # In the parameter's own order in memory: fused AdamW pairs the two by place, not by index, so a tower of
            # channels-last weights would go on with moments that are other weights'.
            moment = torch.empty_like(parameter, dtype=moment.dtype).copy_(moment)
        optimizer.state[parameter][key] = moment
