"""The shape of a model from its parts' configurations, without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from calvin.core.errors import CheckpointError
from calvin.model import VISUAL_TOKEN, CalvinConfig, CalvinProcessor
from calvin.model.assemble import bert_fields
from calvin.model.loading import (
    A_LANGUAGE_MODEL,
    A_TOWER,
    BERT,
    LANGUAGE_MODELS,
    TOWERS,
    check_architecture,
    load_config,
    quiet,
)
from calvin.model.vision import vector_width, vision_config_of
from calvin.training.data_file import ModelParts
from calvin.training.full_size import StageRecipe


def config_of_parts(parts: ModelParts, recipe: StageRecipe) -> CalvinConfig:
    """What `assemble` would build from these parts.

    Raises:
        CheckpointError: a part is not there.
    """
    vision = vision_config_of(load_config(parts.vision, TOWERS, A_TOWER))
    qformer: dict[str, Any] = {"num_hidden_layers": recipe.qformer_layers}
    if parts.bert is not None:
        qformer |= bert_fields(load_config(parts.bert, BERT, "a BERT"))
    if parts.language.endswith(".gguf"):
        text = _gguf(AutoConfig, parts.language)
        check_architecture(text.to_dict(), LANGUAGE_MODELS, parts.language, A_LANGUAGE_MODEL)
    else:
        text = load_config(parts.language, LANGUAGE_MODELS, A_LANGUAGE_MODEL)
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
    try:
        with quiet():
            tokenizer = (
                _gguf(AutoTokenizer, parts.language)
                if parts.language.endswith(".gguf")
                else AutoTokenizer.from_pretrained(parts.language, trust_remote_code=False)
            )
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"No tokenizer can be read from {parts.language}: {str(error).splitlines()[0]}"
        ) from error
    return CalvinProcessor(None, tokenizer, VISUAL_TOKEN, config.num_query_tokens, config.max_frames)


def _gguf(auto_class: Any, source: str) -> Any:
    path = Path(source)
    return auto_class.from_pretrained(str(path.parent), gguf_file=path.name, trust_remote_code=False)
