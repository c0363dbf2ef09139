"""Reading a whole CALVIN: model and processor, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor

from calvin.core.errors import CheckpointError
from calvin.model.configuration import CalvinConfig
from calvin.model.loading import CALVIN, load_config, load_strict, quiet
from calvin.model.modeling import CalvinForConditionalGeneration
from calvin.model.processing import CalvinProcessor


def load_calvin(
    path_or_id: str | Path, device: str | torch.device | None = None, dtype: Any = None
) -> tuple[CalvinForConditionalGeneration, CalvinProcessor]:
    """The model, in evaluation mode, and its processor, from a folder or a hub id; no code from it is run.

    Args:
        path_or_id: a folder is never looked up on the network.
        device: where to put the model.
        dtype: of the language model, as transformers takes it; tower and projector stay in float32. By default
            float32, whatever the files hold, but for bfloat16 on a GPU, which stays as it is.

    Raises:
        CheckpointError: not a CALVIN, a missing tensor or one of another shape, or no processor beside it.
    """
    config = load_config(path_or_id, CALVIN, "a CALVIN")
    dtype = dtype or dtype_on(device, config)
    model = load_strict(CalvinForConditionalGeneration, path_or_id, config=config, dtype=dtype)
    try:
        with quiet():
            processor = AutoProcessor.from_pretrained(str(path_or_id), trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path_or_id} has no usable processor (tokenizer and processor_config.json).") from error
    if not isinstance(processor, CalvinProcessor):
        raise CheckpointError(f"{path_or_id} has no processor_config.json of a CALVIN.")
    check_pair(model, processor, str(path_or_id))
    return (model.to(device) if device is not None else model), processor


def dtype_on(device: str | torch.device | None, config: CalvinConfig) -> torch.dtype:
    """A 7B in float32 takes 27 GB, more than most GPUs have; one that was trained in bfloat16 loses nothing by it."""
    on_gpu = device is not None and torch.device(device).type == "cuda"
    return torch.bfloat16 if on_gpu and config.text_config.dtype == torch.bfloat16 else torch.float32


def check_pair(model: CalvinForConditionalGeneration, processor: CalvinProcessor, name: str) -> None:
    """Model and processor agree on the placeholder, or every caption would silently be blind.

    Raises:
        CheckpointError: they do not.
    """
    config = model.config
    for field in ("visual_token_id", "num_query_tokens", "max_frames"):
        ours, theirs = getattr(config, field), getattr(processor, field)
        if ours != theirs:
            raise CheckpointError(f"In {name}, {field} is {ours} in config.json but {theirs} in the processor's files.")
