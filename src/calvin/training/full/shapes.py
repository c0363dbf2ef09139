"""The shape of a model from its parts' configurations, without their weights."""

from __future__ import annotations

from typing import Any

from calvin.model import VISUAL_TOKEN, CalvinConfig, CalvinProcessor
from calvin.model.assemble import bert_fields, load_language_config, load_tokenizer
from calvin.model.loading import A_TOWER, BERT, TOWERS, load_config
from calvin.model.vision import vector_width, vision_config_of
from calvin.training.full.data_file import ModelParts
from calvin.training.full.stage_recipes import StageRecipe


def config_of_parts(parts: ModelParts, recipe: StageRecipe) -> CalvinConfig:
    """What `assemble` would build from these parts.

    Raises:
        CheckpointError: a part is not there.
    """
    vision = vision_config_of(load_config(parts.vision, TOWERS, A_TOWER))
    qformer: dict[str, Any] = {"num_hidden_layers": recipe.qformer_layers}
    if parts.bert is not None:
        qformer |= bert_fields(load_config(parts.bert, BERT, "a BERT"))
    text = load_language_config(parts.language)
    return CalvinConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config=text,
        num_query_tokens=recipe.num_query_tokens,
        max_frames=recipe.stage.max_frames,
        image_embed_dim=vector_width(vision),
        visual_token_id=text.vocab_size,
    )


def text_processor(parts: ModelParts, config: CalvinConfig) -> CalvinProcessor:
    """The processor of a model that works from stored features."""
    tokenizer = load_tokenizer(parts.language)
    return CalvinProcessor(None, tokenizer, VISUAL_TOKEN, config.num_query_tokens, config.max_frames)
