"""Reading a whole CALVIN: model and processor, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor

from calvin.core.errors import CheckpointError
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
        dtype: of the language model and tower, as transformers takes it; the projector stays in float32. By default
            float32, whatever the files hold.

    Raises:
        CheckpointError: not a CALVIN, a missing tensor or one of another shape, or no processor beside it.
    """
    config = load_config(path_or_id, CALVIN, "a CALVIN")
    model = load_strict(CalvinForConditionalGeneration, path_or_id, config=config, dtype=dtype or torch.float32)
    try:
        with quiet():
            processor = AutoProcessor.from_pretrained(str(path_or_id), trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path_or_id} has no usable processor (tokenizer and processor_config.json).") from error
    if not isinstance(processor, CalvinProcessor):
        raise CheckpointError(f"{path_or_id} has no processor_config.json of a CALVIN.")
    check_pair(model, processor, str(path_or_id))
    return (model.to(device) if device is not None else model), processor


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
