"""The frozen vision tower: any transformers vision model that gives one vector per frame (CALVIN section 3.1), or a
small one of our own.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoBackbone,
    AutoConfig,
    AutoModel,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.configuration_utils import SubConfigSpec
from transformers.utils import ModelOutput

from calvin.core.errors import CheckpointError, ConfigError, DataError


class CalvinFrameEncoderConfig(PreTrainedConfig):
    """Configuration of `CalvinFrameEncoder`: a transformers backbone, pooled, then one linear projection per frame.

    Args:
        backbone_config: configuration (or its mapping, with `model_type`) of any transformers backbone.
        image_size: (height, width) of the pixels it takes.
        pooling: "flatten" keeps where things are, "mean" does not (an average loses the place of an arm).
        projection_dim: width of the frame vector.
        encoder_name: the id that features made with this tower carry.
    """

    model_type = "calvin_frame_encoder"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "backbone_config": SubConfigSpec(
            config_class=AutoConfig,
            model_type="resnet",
            init_kwargs={
                "embedding_size": 32,
                "hidden_sizes": [32, 64, 128, 192],
                "depths": [1] * 4,
                "layer_type": "basic",
            },
        )
    }

    backbone_config: Any = None
    image_size: list[int] | tuple[int, ...] = (64, 112)
    pooling: Literal["flatten", "mean"] = "flatten"
    projection_dim: int = 256
    encoder_name: str | None = None
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self.image_size = tuple(self.image_size)
        super().__post_init__(**kwargs)


@dataclass
class FrameEncoderOutput(ModelOutput):
    """`image_embeds` [N, D] and the backbone's last feature map [N, C, h, w]."""

    image_embeds: Tensor | None = None
    last_hidden_state: Tensor | None = None


class CalvinFrameEncoder(PreTrainedModel):
    """Pixels [N, 3, H, W] to one vector per frame, `image_embeds` [N, projection_dim], of unit scale (LayerNorm)."""

    config_class = CalvinFrameEncoderConfig
    config: CalvinFrameEncoderConfig
    base_model_prefix = "encoder"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    supports_gradient_checkpointing = False

    def __init__(self, config: CalvinFrameEncoderConfig) -> None:
        super().__init__(config)
        self.backbone = AutoBackbone.from_config(config.backbone_config)
        channels, height, width = _feature_shape(self.backbone, tuple(config.image_size))
        width_in = channels * height * width if config.pooling == "flatten" else channels
        self.projection = nn.Linear(width_in, config.projection_dim)
        self.layernorm = nn.LayerNorm(config.projection_dim)
        self.post_init()

    def forward(self, pixel_values: Tensor, **_: Any) -> FrameEncoderOutput:
        """Encode frames [N, 3, H, W].

        Raises:
            ConfigError: the pixels are of another size than the tower was made for.
        """
        if tuple(pixel_values.shape[-2:]) != tuple(self.config.image_size):
            raise ConfigError(
                f"Frames of {tuple(pixel_values.shape[-2:])} reached a vision tower for {self.config.image_size}: "
                "resize them with the tower's own image processor."
            )
        feature_map = self.backbone(pixel_values).feature_maps[-1]
        pooled = feature_map.flatten(1) if self.config.pooling == "flatten" else feature_map.mean((2, 3))
        return FrameEncoderOutput(self.layernorm(self.projection(pooled)), feature_map)

    def image_processor(self) -> CLIPImageProcessorPil:
        """The preparation of pixels that belongs to this tower: resize to `image_size` without cropping, then scale."""
        height, width = self.config.image_size
        return CLIPImageProcessorPil(
            size={"height": height, "width": width},
            resample=4,  # PIL's box, a plain mean of what falls on a pixel: bilinear blurs small things away
            do_center_crop=False,
            image_mean=[0.5, 0.5, 0.5],
            image_std=[0.25, 0.25, 0.25],
        )


def _feature_shape(backbone: nn.Module, image_size: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, h, w) of the last feature map, by running it on nothing but shapes."""
    with torch.device("meta"):
        probe = AutoBackbone.from_config(backbone.config).eval()
        feature_map = probe(torch.zeros(1, 3, *image_size)).feature_maps[-1]
    return feature_map.shape[1], feature_map.shape[2], feature_map.shape[3]


AutoConfig.register(CalvinFrameEncoderConfig.model_type, CalvinFrameEncoderConfig)
AutoModel.register(CalvinFrameEncoderConfig, CalvinFrameEncoder)


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
        CheckpointError: the tower gives no single vector per frame.
    """
    outputs = tower(pixel_values=pixel_values)
    for name in ("image_embeds", "pooler_output"):
        vectors = getattr(outputs, name, None)
        if vectors is not None:
            return vectors.flatten(1)
    raise CheckpointError(f"{type(tower).__name__} gives no single vector per frame; take a CLIP-like vision model.")


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
        batch_size: frames per forward pass.
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
    was_training, vectors = tower.training, []
    tower.eval()
    with torch.autocast(parameter.device.type, torch.bfloat16) if bf16 else nullcontext():
        for start in range(0, len(frames), batch_size):
            pixels = prepare_pixels(image_processor, frames[start : start + batch_size])
            vectors.append(frame_vectors(tower, pixels.to(parameter.device, parameter.dtype)).float().cpu())
    tower.train(was_training)
    return torch.cat(vectors).numpy()


# With torchvision installed, a processor may be of the first kind; its own resizing has no box filter.
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
