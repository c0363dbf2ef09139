"""Making a CALVIN from pretrained parts: a CLIP, a BERT and a Llama (CALVIN section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BertModel, Blip2QFormerModel, GenerationConfig

from calvin.core.errors import CheckpointError, ConfigError, first_line
from calvin.model.configuration import CalvinConfig
from calvin.model.loading import (
    A_LANGUAGE_MODEL,
    BERT,
    LANGUAGE_MODELS,
    check_architecture,
    load_config,
    load_strict,
    quiet,
)
from calvin.model.mapping import make_projector
from calvin.model.modeling import CalvinForConditionalGeneration
from calvin.model.pretrained import identity_of, load_vision_tower
from calvin.model.processing import VISUAL_TOKEN, CalvinProcessor
from calvin.model.special_tokens import SpecialTokens, settle_generation, settle_special_tokens
from calvin.model.vision import vector_width

Source = str | Path

_SHARED_WITH_BERT = (
    "hidden_size",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "layer_norm_eps",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
)
_BERT_PARTS = {
    "attention.attention.query": "attention.self.query",
    "attention.attention.key": "attention.self.key",
    "attention.attention.value": "attention.self.value",
    "attention.output.dense": "attention.output.dense",
    "attention.output.LayerNorm": "attention.output.LayerNorm",
    "intermediate_query.dense": "intermediate.dense",
    "output_query.dense": "output.dense",
    "output_query.LayerNorm": "output.LayerNorm",
}
"""Q-Former layer to BERT layer. Queries pass only through the `_query` feed-forward: left out, it stays random."""


def assemble(
    *,
    language: Source,
    vision: Source | None = None,
    bert: Source | None = None,
    qformer: Mapping[str, Any] | None = None,
    projector: Mapping[str, Any] | None = None,
    encoder: tuple[str, str] | None = None,
    image_embed_dim: int | None = None,
    include_tower: bool = True,
    num_query_tokens: int = 32,
    max_frames: int = 32,
    visual_token: str = VISUAL_TOKEN,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> tuple[CalvinForConditionalGeneration, CalvinProcessor]:
    """A model whose parts are pretrained and whose connections (cross-attention, queries, projection) are new.

    Args:
        language: folder or id of a causal language model, or a GGUF file.
        vision: folder or id of the vision tower; None for a model that works from stored features, which then needs
            `encoder` and `image_embed_dim`.
        bert: folder or id of the BERT whose first layers the Q-Former takes over; None for a random Q-Former.
        qformer: fields of the Q-Former's configuration (4 layers by default); its sizes are BERT's if one is given.
        projector: `projector_type` and the fields of the model's configuration that go with it; None: a Q-Former.
        encoder: (id, hash) of the tower that the features come from, if the tower itself is not given.
        image_embed_dim: width of those features.
        include_tower: keep the tower inside the model; without it the model takes `image_embeds` only.
        num_query_tokens: visual embeddings per sample.
        max_frames: frames per sample at most.
        visual_token: text of the placeholder that is added to the tokenizer.
        seed: for what is drawn at random.
        dtype: of the language model.

    Returns:
        The model in evaluation mode, all but the language model in float32, and its processor.

    Raises:
        ConfigError: what was given contradicts itself.
        CheckpointError: a part cannot be read.
        UsageError: the tokenizer has no end.
    """
    tower, image_processor = (None, None) if vision is None else load_vision_tower(vision)
    if tower is not None:
        encoder, image_embed_dim = identity_of(tower, str(vision)), vector_width(tower.config)
    if encoder is None or image_embed_dim is None:
        raise ConfigError("Without a vision tower, name the encoder (id, hash) and the width of its vectors.")
    language_model, tokenizer = load_language_model(language, dtype)
    bert_model = None
    if bert is not None:
        load_config(bert, BERT, "a BERT")
        bert_model = load_strict(BertModel, bert, allow_missing=r"^pooler\.")
    fields = dict(qformer or {})
    if bert_model is not None:
        fields |= bert_fields(bert_model.config)
    kept, its_processor = (tower, image_processor) if include_tower else (None, None)
    special = settle_special_tokens(tokenizer, language_model.config)
    processor = CalvinProcessor(its_processor, tokenizer, visual_token, num_query_tokens, max_frames)
    config = CalvinConfig(
        vision_config=kept.config if kept is not None else None,
        qformer_config=fields,
        text_config=language_model.config,
        num_query_tokens=num_query_tokens,
        max_frames=max_frames,
        image_embed_dim=image_embed_dim,
        visual_token_id=processor.visual_token_id,
        encoder_id=encoder[0],
        encoder_hash=encoder[1],
        **(projector or {}),
    )
    model = _join(config, kept, language_model, special, seed)
    if bert_model is not None and config.projector_type == "qformer":
        copy_bert(bert_model, model.projector.qformer)
    return model.eval(), processor


def bert_fields(config: Any) -> dict[str, Any]:
    """The fields of a Q-Former's configuration that are those of the BERT it starts from."""
    return {name: getattr(config, name) for name in _SHARED_WITH_BERT}


def _join(
    config: CalvinConfig, tower: nn.Module | None, language_model: Any, special: SpecialTokens, seed: int
) -> CalvinForConditionalGeneration:
    """The composite around parts that are loaded already, which are neither copied nor drawn at random first."""
    # On the meta device the parts' places cost nothing: a 7B would otherwise be allocated and initialised twice.
    with torch.device("meta"):
        model = CalvinForConditionalGeneration(config)
    words = language_model.get_input_embeddings()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model.projector = make_projector(config)
        model.projector.init_weights()
        model.projector.scale_projection(float(words.weight.float().std()))
    model.vision_tower, model.language_model = tower, language_model
    model.freeze_tower()
    model.generation_config = GenerationConfig(
        num_beams=5, max_new_tokens=64, bos_token_id=special.bos, pad_token_id=special.pad
    )
    settle_generation(model.generation_config, special)
    return model


def load_language_model(source: Source, dtype: torch.dtype = torch.float32) -> tuple[Any, Any]:
    """A causal language model and its tokenizer, from a folder, an id or a GGUF file.

    Raises:
        CheckpointError: not readable, not whole, of an architecture not allowed, or (GGUF) `gguf` is missing.
    """
    config = load_language_config(source)
    if not _is_gguf(source):
        return load_strict(AutoModelForCausalLM, source, config=config, dtype=dtype), load_tokenizer(source)
    model = _load(AutoModelForCausalLM, source, config=config, dtype=dtype)
    # The weights are plain now; with this left in its configuration, a saved model could be loaded but not saved again.
    vars(model.config).pop("quantization_config", None)
    return model.eval(), load_tokenizer(source)


def load_language_config(source: Source) -> Any:
    """The configuration of what `load_language_model` would load, without its weights.

    Raises:
        CheckpointError: as there.
    """
    if not _is_gguf(source):
        return load_config(source, LANGUAGE_MODELS, A_LANGUAGE_MODEL)
    config = _load(AutoConfig, source)
    check_architecture(config.to_dict(), LANGUAGE_MODELS, source, A_LANGUAGE_MODEL)
    return config


def load_tokenizer(source: Source) -> Any:
    """The tokenizer of a language model, from a folder, an id or a GGUF file.

    Raises:
        CheckpointError: not readable.
    """
    return _load(AutoTokenizer, source)


def _is_gguf(source: Source) -> bool:
    return Path(source).suffix == ".gguf"


def _load(auto_class: Any, source: Source, **options: Any) -> Any:
    where, path = str(source), Path(source)
    if _is_gguf(source):
        if not path.is_file():
            raise CheckpointError(f"There is no file {path}.")
        where, options["gguf_file"] = str(path.parent), path.name
    try:
        with quiet():
            return auto_class.from_pretrained(where, trust_remote_code=False, **options)
    except Exception as error:  # a file from elsewhere can break its reader in any way
        what, why = "tokenizer" if auto_class is AutoTokenizer else "language model", f"{first_line(error)}."
        if what == "tokenizer" and not _reads_sentencepiece() and "tiktoken" in why:
            # What transformers tries next, and asks for, is of no use to a Llama-2.
            why = "its tokenizer.model is read with `pip install sentencepiece protobuf`."
        raise CheckpointError(f"No {what} can be read from {source}: {why}") from error


def _reads_sentencepiece() -> bool:
    try:
        return all(find_spec(name) is not None for name in ("sentencepiece", "google.protobuf"))
    except ModuleNotFoundError:  # there is no `google`
        return False


def copy_bert(bert: BertModel, qformer: Blip2QFormerModel) -> None:
    """Copy BERT's first layers, and the norm of its embeddings, into a Q-Former of the same width, in place.

    Raises:
        ConfigError: BERT has fewer layers.
    """
    layers, at_hand = qformer.encoder.layer, bert.encoder.layer
    if len(layers) > len(at_hand):
        raise ConfigError(f"A Q-Former of {len(layers)} layers cannot start from a BERT of {len(at_hand)}.")
    qformer.layernorm.load_state_dict(bert.embeddings.LayerNorm.state_dict())
    for ours, theirs in zip(layers, at_hand, strict=False):
        for name, bert_name in _BERT_PARTS.items():
            ours.get_submodule(name).load_state_dict(theirs.get_submodule(bert_name).state_dict())


def drop_tower(model: CalvinForConditionalGeneration, processor: CalvinProcessor) -> None:
    """Leave the vision tower out, in place: a model saved after that works from stored features."""
    model.vision_tower, model.config.vision_config, processor.image_processor = None, None, None


def full_size_config() -> CalvinConfig:
    """The paper's size (section 4): MetaCLIP ViT-H/14, 1024 wide; BERT-base's first 4 layers; Llama-2-7B."""
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 224,
        "projection_dim": 1024,
        "hidden_act": "gelu",
    }
    language = {
        "model_type": "llama",
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
    }
    return CalvinConfig(vision_config=vision, text_config=language, image_embed_dim=1024, visual_token_id=32000)
