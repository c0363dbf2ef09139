"""The frozen vision tower: any transformers vision model that gives one vector a frame (CALVIN section 3.1)."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedConfig,
)

from calvin.core.errors import CheckpointError, DataError
from calvin.model.frame_encoder import CalvinFrameEncoder, CalvinFrameEncoderConfig, FrameEncoderOutput

__all__ = [
    "CalvinFrameEncoder",
    "CalvinFrameEncoderConfig",
    "FrameEncoderOutput",
    "build_vision_tower",
    "encode_images",
    "frame_vectors",
    "vector_width",
    "vision_config_of",
]


def build_vision_tower(config: PreTrainedConfig) -> nn.Module:
    """A tower with random weights. CLIP's comes with its projection, as its `image_embeds` are what MAD stores."""
    if isinstance(config, CLIPVisionConfig):
        return CLIPVisionModelWithProjection(config)
    return AutoModel.from_config(config)


def vision_config_of(config: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration of the tower alone, where a whole CLIP (image and text) is given."""
    vision = getattr(config, "vision_config", None)
    if vision is None:
        return config
    if isinstance(vision, CLIPVisionConfig):
        vision.projection_dim = getattr(config, "projection_dim", vision.projection_dim)
    return vision


def vector_width(config: PreTrainedConfig) -> int:
    """Width D of the frame vector: CLIP's and our projection, the pooled width of others."""
    if isinstance(config, CLIPVisionConfig | CalvinFrameEncoderConfig):
        return int(config.projection_dim)
    return int(config.hidden_size)


def frame_vectors(tower: nn.Module, pixel_values: Tensor) -> Tensor:
    """[N, C, H, W] to [N, D]: `image_embeds` where the tower has them, else its pooled output.

    Raises:
        CheckpointError: the tower gives no single vector a frame.
    """
    outputs = tower(pixel_values=pixel_values)
    for name in ("image_embeds", "pooler_output"):
        vectors = getattr(outputs, name, None)
        if vectors is not None:
            return vectors.flatten(1)
    raise CheckpointError(f"{type(tower).__name__} gives no single vector a frame; take a CLIP-like vision model.")


@torch.inference_mode()
def encode_images(
    tower: nn.Module,
    image_processor: Any,
    frames: np.ndarray,
    batch_size: int = 64,
    device: str | torch.device | None = None,
    bf16: bool = False,
) -> np.ndarray:
    """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D], by the tower's own preprocessing.

    Args:
        tower: in evaluation mode, as `load_vision_tower` gives it.
        image_processor: the tower's.
        frames: RGB, all of one size.
        batch_size: frames a forward pass.
        device: where to run; None leaves the tower where it is.
        bf16: autocast to bfloat16 (vectors then differ in the third digit).

    Raises:
        DataError: not uint8 [N, H, W, 3], or no frames.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or len(frames) == 0:
        raise DataError(f"Frames must be uint8 RGB [N, H, W, 3] with N > 0, not {frames.dtype} {list(frames.shape)}.")
    if device is not None:
        tower = tower.to(device)
    parameter = next(tower.parameters())
    was_training = tower.training
    tower.eval()
    vectors = []
    autocast = torch.autocast(parameter.device.type, torch.bfloat16) if bf16 else nullcontext()
    with autocast:
        for start in range(0, len(frames), batch_size):
            pixels = prepare_pixels(image_processor, frames[start : start + batch_size])
            vectors.append(frame_vectors(tower, pixels.to(parameter.device, parameter.dtype)).float().cpu())
    tower.train(was_training)
    return torch.cat(vectors).numpy()


# With torchvision installed, a processor may be of the first kind; its own resizing knows no box filter.
_CLIP_PROCESSORS = ("CLIPImageProcessor", "CLIPImageProcessorPil")


def prepare_pixels(image_processor: Any, frames: np.ndarray) -> Tensor:
    """uint8 RGB [N, H, W, 3] to float32 [N, 3, h, w] as the image processor says.

    Where that is a plain resize to a fixed size, the whole batch is scaled in one step, which is several times
    faster than the processor's own frame by frame and gives the same numbers.
    """
    size = image_processor.size
    plain = (
        type(image_processor).__name__ in _CLIP_PROCESSORS
        and image_processor.do_resize
        and bool(size.height and size.width)
        and not image_processor.do_center_crop
        and image_processor.do_rescale
        and image_processor.do_normalize
    )
    if not plain:
        return image_processor(list(frames), return_tensors="pt")["pixel_values"]
    if frames.shape[1:3] != (size.height, size.width):
        resized = [
            Image.fromarray(frame).resize((size.width, size.height), image_processor.resample) for frame in frames
        ]
        frames = np.stack([np.asarray(image) for image in resized])
    mean = torch.tensor(image_processor.image_mean).view(3, 1, 1)
    std = torch.tensor(image_processor.image_std).view(3, 1, 1)
    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    return (pixels * image_processor.rescale_factor - mean) / std
