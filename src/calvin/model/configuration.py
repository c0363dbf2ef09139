"""Configuration of CALVIN as a transformers composite: tower, Q-Former and language model keep their own."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, Blip2QFormerConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec


class CalvinConfig(PreTrainedConfig):
    """Everything that fixes the shape of a CALVIN.

    Args:
        vision_config: the vision tower's; None for a model that works from stored features only.
        qformer_config: the Q-Former's; by default 4 layers with cross-attention in each (section 3.1).
        text_config: the causal language model's.
        num_query_tokens: visual embeddings per sample, 32 in the paper.
        max_frames: frames per sample at most, 32 in the paper; the number of learned frame positions.
        image_embed_dim: width D of the frame vectors.
        visual_token_id: id of the placeholder in `input_ids`. It may lie outside the language model's vocabulary,
            because its embedding is never looked up.
        encoder_id: which vision tower the frame vectors come from.
        encoder_hash: `calvin.model.tower_hash` of it; "" if it is not known.
        projector_type: "qformer", the paper's; "clipcap" or "autoad", those of its Table 1 (`calvin.model.mapping`).
        mapping_width: width of ClipCap's hidden layer; None: half that of the whole prefix, as there.
        mapping_layers: layers of AutoAD-I's transformer, 2 as there.
        reads_looks: whether it was trained on prompts that say what people look like beside their names.
    """

    model_type = "calvin"
    sub_configs_defaults: ClassVar[dict[str, SubConfigSpec]] = {
        "vision_config": SubConfigSpec(config_class=AutoConfig, model_type="clip_vision_model", optional=True),
        "qformer_config": SubConfigSpec(config_class=Blip2QFormerConfig),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }

    # Each comes in as a mapping, a configuration or None and becomes a configuration; only the tower's may stay None.
    vision_config: Any = None
    qformer_config: Any = None
    text_config: Any = None
    num_query_tokens: int = 32
    max_frames: int = 32
    image_embed_dim: int = 1024
    visual_token_id: int = 32000
    encoder_id: str = ""
    encoder_hash: str = ""
    projector_type: str = "qformer"
    mapping_width: int | None = None
    mapping_layers: int = 2
    reads_looks: bool = False
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        if self.qformer_config is None or isinstance(self.qformer_config, dict):
            defaults = {"num_hidden_layers": 4, "cross_attention_frequency": 1}
            self.qformer_config = {**defaults, **(self.qformer_config or {})}
        super().__post_init__(**kwargs)
        self.qformer_config.encoder_hidden_size = self.image_embed_dim


AutoConfig.register(CalvinConfig.model_type, CalvinConfig)
