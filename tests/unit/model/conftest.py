"""Tiny models with random weights, large enough that nothing is degenerate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from calvin.model import CalvinConfig, CalvinForConditionalGeneration, CalvinProcessor

WORDS = [
    "Mara",
    "Otto",
    "walks",
    "runs",
    "hands",
    "the",
    "a",
    "lamp",
    "bakery",
    "into",
    "Describe",
    "this",
    "visual",
    ".",
]


def make_tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {token: index for index, token in enumerate(["<pad>", "<s>", "</s>", "<unk>", *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def make_config(tied: bool = True, tower: bool = False, **changes: Any) -> CalvinConfig:
    """Vectors 16 wide, 4 queries, 8 frames, 97 words of which 97 (outside) is the placeholder."""
    vision = {
        "model_type": "calvin_frame_encoder",
        "projection_dim": 16,
        "image_size": (32, 48),
        "backbone_config": {
            "model_type": "resnet",
            "embedding_size": 8,
            "hidden_sizes": [8, 8],
            "depths": [1, 1],
            "layer_type": "basic",
        },
    }
    qformer = {
        "hidden_size": 24,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.2,  # at BERT's 0.02 a network this narrow hardly looks at the frames before training
    }
    text = {
        "model_type": "llama",
        "vocab_size": 97,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.3,  # wide, so that answers differ from prompt to prompt
    }
    values: dict[str, Any] = {
        "vision_config": vision if tower else None,
        "qformer_config": qformer,
        "text_config": text,
        "num_query_tokens": 4,
        "max_frames": 8,
        "image_embed_dim": 16,
        "visual_token_id": 97,
        "encoder_id": "tiny-tower",
        "encoder_hash": "0123",
    }
    return CalvinConfig(**(values | changes))


@pytest.fixture(autouse=True)
def _few_threads() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def config_of() -> Any:
    return make_config


@pytest.fixture
def model() -> CalvinForConditionalGeneration:
    return CalvinForConditionalGeneration(make_config()).eval()


@pytest.fixture
def seeing_model() -> CalvinForConditionalGeneration:
    """With a vision tower of its own."""
    return CalvinForConditionalGeneration(make_config(tower=True)).eval()


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture
def processor(tokenizer: PreTrainedTokenizerFast) -> CalvinProcessor:
    return CalvinProcessor(None, tokenizer, num_query_tokens=4, max_frames=8)


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    """Three rows: a short video, text alone, and a left-padded one."""
    input_ids = torch.randint(3, 97, (3, 12))
    input_ids[0, 1:5] = 97
    input_ids[2, 3:7] = 97
    attention_mask = torch.ones_like(input_ids)
    attention_mask[2, :2] = 0
    frame_mask = torch.ones(3, 8, dtype=torch.long)
    frame_mask[0, 3:] = 0
    frame_mask[1] = 0
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "image_embeds": torch.randn(3, 8, 16),
        "frame_mask": frame_mask,
    }
