"""How a run is laid out over processes: DDP, or FSDP2 by torch's own `fully_shard`, and activation checkpointing.

accelerate starts the processes and speaks for them; the sharding is done here, because accelerate shards on GPUs only
and silently falls back to DDP on a CPU: what the tests see on two CPU processes is what eight GPUs run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from calvin.core.errors import ConfigError
from calvin.model.modeling import adapter_of
from calvin.training.steps import Parallel


def lay_out(model: Any, parallel: Parallel, accelerator: Accelerator) -> bool:
    """Prepare `model` in place: recompute activations, and shard it over the processes (fsdp2, two or more of them).

    Returns:
        Whether it was sharded; it then lies on its device and accelerate must not wrap it again.

    Raises:
        ConfigError: a layout that does not work.
    """
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() in ("1", "true"):
        raise ConfigError(
            "accelerate is configured to shard the model itself, which calvin does: choose plain multi-GPU in "
            "`accelerate config`, or launch without --use_fsdp."
        )
    if parallel.activation_checkpointing:
        if adapter_of(model) == "prefix":
            raise ConfigError(
                "Activation checkpointing drops the keys and values that a learned prefix consists of: train a prefix "
                "without it."
            )
        model.decoder.activation_checkpointing_enable({"use_reentrant": False})
    if parallel.strategy == "ddp" or accelerator.num_processes == 1:
        return False
    shard(model, accelerator.device, bf16=accelerator.mixed_precision == "bf16")
    return True


def shard(model: Any, device: torch.device, bf16: bool) -> None:
    """Shard a CALVIN over all processes, in place: each decoder layer is a unit, the projector is one, then the rest.

    Weights keep their dtype in the shards (what is trained is float32); with `bf16` the layers compute in it and
    gradients are added up in float32. The projector computes under autocast from float32 weights, as it does on one
    GPU.
    """
    # What the projector returns is a view, which the model only ever copies from.
    warnings.filterwarnings("ignore", message=".*returned a view tensor", category=UserWarning)
    mesh = init_device_mesh(device.type, (torch.distributed.get_world_size(),))
    half = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if bf16 else None,
        reduce_dtype=torch.float32 if bf16 else None,
        cast_forward_inputs=False,  # frame vectors and masks come through the root as they are
    )
    # From the inside out: a unit holds what no unit inside it has taken. Gathering one layer at a time is what keeps a
    # 7B within a GPU's memory; the root is left with embeddings, norm and head.
    for layer in decoder_layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=half)
    fully_shard(model.projector, mesh=mesh)
    fully_shard(model, mesh=mesh, mp_policy=half)


def decoder_layers(model: Any) -> Iterator[nn.Module]:
    """The layers of the language model, of any architecture: modules that transformers never splits over devices."""
    names = set(model.decoder._no_split_modules or ())
    yield from (module for module in model.decoder.modules() if type(module).__name__ in names)


def is_sharded(model: nn.Module) -> bool:
    return isinstance(model, FSDPModule)


def reshard(model: nn.Module) -> None:
    """Split a sharded model again after a forward pass without a backward one, which leaves its root whole: what is
    trained there (a prefix) could not be saved."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def sync_gradients(model: nn.Module, wanted: bool) -> None:
    """Whether the next backward pass of a sharded model adds gradients up over the processes (accumulation)."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(wanted)


def whole(value: Tensor) -> Tensor:
    """A tensor [...] whole and on the CPU; for a sharded one, all processes must call this at the same time."""
    full = value.full_tensor() if isinstance(value, DTensor) else value
    return full.detach().to("cpu")


def like(value: Tensor, model_value: Tensor) -> Tensor:
    """A whole tensor [...], on the device of `model_value` and, where it has its shape, sharded like it."""
    value = value.to(model_value.device)
    if isinstance(model_value, DTensor) and value.shape == model_value.shape:
        return distribute_tensor(value, model_value.device_mesh, model_value.placements, src_data_rank=None)
    return value
