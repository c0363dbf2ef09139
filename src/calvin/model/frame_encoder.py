"""A small vision tower of our own: any transformers backbone, pooled, then one linear projection a frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from transformers import AutoBackbone, AutoConfig, AutoModel, CLIPImageProcessorPil, PreTrainedConfig, PreTrainedModel
from transformers.configuration_utils import SubConfigSpec
from transformers.utils import ModelOutput

from calvin.core.errors import ConfigError


class CalvinFrameEncoderConfig(PreTrainedConfig):
    """Configuration of `CalvinFrameEncoder`.

    Args:
        backbone_config: configuration (or its mapping, with `model_type`) of any transformers backbone.
        image_size: (height, width) of the pixels it takes.
        pooling: "flatten" keeps where things are (average pooling loses the place of an arm), "mean" does not.
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
                "depths": [1, 1, 1, 1],
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
    """Pixels [N, 3, H, W] to one vector a frame, `image_embeds` [N, projection_dim], of unit scale (LayerNorm)."""

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
