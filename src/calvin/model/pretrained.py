"""Reading pretrained models, checked: a whole CALVIN with its processor, or a vision tower with its identity."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoImageProcessor, AutoModel, AutoProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from calvin.core.errors import CheckpointError
from calvin.core.types import EncoderIdentity
from calvin.model.configuration import CalvinConfig
from calvin.model.loading import A_TOWER, CALVIN, TOWERS, load_config, load_strict, quiet
from calvin.model.modeling import CalvinForConditionalGeneration
from calvin.model.processing import CalvinProcessor
from calvin.model.special_tokens import settle_generation, settle_special_tokens
from calvin.model.vision import CalvinFrameEncoder, vision_config_of


def load_calvin(
    path_or_id: str | Path, device: str | torch.device | None = None, dtype: Any = None
) -> tuple[CalvinForConditionalGeneration, CalvinProcessor]:
    """The model, in evaluation mode, and its processor, from a folder or a hub id; no code from it is run.

    Args:
        path_or_id: a folder is never looked up on the network.
        device: where to put the model.
        dtype: of the language model, as transformers takes it; tower and projector stay in float32. By default
            float32, whatever the files hold; only bfloat16 on a GPU stays as it is.

    Raises:
        CheckpointError: not a CALVIN, a tensor that is missing or of another shape, or no processor next to it.
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
    # Folders of earlier versions were saved with a tokenizer as it came.
    settle_generation(model.generation_config, settle_special_tokens(processor.tokenizer, config.text_config))
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


def load_vision_tower(path_or_id: str | Path) -> tuple[nn.Module, Any]:
    """The tower and its image processor, from a folder or id of a CLIP, a frame encoder, or a CALVIN that holds one.

    Raises:
        CheckpointError: not a model, not whole, or a CALVIN without a tower (it works from stored features).
    """
    config = load_config(path_or_id, TOWERS | CALVIN, A_TOWER)
    if config.model_type == "calvin":
        model, processor = load_calvin(path_or_id)
        if model.vision_tower is None:
            raise CheckpointError(f"{path_or_id} holds no vision tower: name the tower {model.config.encoder_id}.")
        return model.vision_tower, processor.image_processor
    vision = vision_config_of(config)
    model_class: Any = CLIPVisionModelWithProjection if isinstance(vision, CLIPVisionConfig) else AutoModel
    options = {"config": vision} if vision is not config else {}
    tower = load_strict(model_class, path_or_id, **options)
    try:
        # By PIL: the same numbers whether torchvision is installed or not.
        return tower, AutoImageProcessor.from_pretrained(str(path_or_id), backend="pil", trust_remote_code=False)
    except (OSError, ValueError) as error:
        if isinstance(tower, CalvinFrameEncoder):
            return tower, tower.image_processor()
        raise CheckpointError(
            f"{path_or_id} has no preprocessor_config.json, so its preprocessing is unknown."
        ) from error


def tower_hash(tower: nn.Module) -> str:
    """SHA-256 over the tower's weights by name, as float32: the same however they are split into files or stored."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tower.state_dict().items()):
        if not tensor.is_floating_point():
            continue  # step counters of batch norm do not change the vectors
        digest.update(json.dumps([name, list(tensor.shape)]).encode())
        digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def encoder_identity(path_or_id: str | Path) -> EncoderIdentity:
    """The identity that features made with this tower carry.

    The id is the one that the configuration gives, else the folder's name or the hub id.

    Raises:
        CheckpointError: as `load_vision_tower`.
    """
    config = load_config(path_or_id, TOWERS | CALVIN, A_TOWER)
    if config.model_type == "calvin":
        return EncoderIdentity(str(config.encoder_id), str(config.encoder_hash))
    tower, _ = load_vision_tower(path_or_id)
    return identity_of(tower, path_or_id)


def identity_of(tower: nn.Module, path_or_id: str | Path) -> EncoderIdentity:
    """As `encoder_identity`, for a tower that is loaded already."""
    named = getattr(tower.config, "encoder_name", None)
    return EncoderIdentity(str(named or _name_of(Path(path_or_id))), tower_hash(tower))


def _name_of(path: Path) -> str:
    """The folder's name, the hub id of one fetched from a hub (its cache holds `models--OWNER--NAME/snapshots/...`)."""
    if not path.is_dir():
        return path.as_posix()
    path = path.resolve()
    cache = path.parent.parent.name
    if path.parent.name == "snapshots" and cache.startswith("models--"):
        return cache.removeprefix("models--").replace("--", "/")
    return path.name
