from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig, Blip2QFormerConfig, LlamaConfig

from calvin.model import CalvinConfig


def test_the_papers_shape_is_the_default() -> None:
    config = CalvinConfig()
    assert (config.num_query_tokens, config.max_frames, config.image_embed_dim) == (32, 32, 1024)
    assert config.qformer_config.num_hidden_layers == 4
    assert config.qformer_config.cross_attention_frequency == 1
    assert config.vision_config is None


def test_cross_attention_has_the_width_of_the_frame_vectors(config_of: Any) -> None:
    assert config_of(image_embed_dim=40).qformer_config.encoder_hidden_size == 40


def test_parts_become_configurations_of_their_own(config_of: Any) -> None:
    config = config_of(tower=True)
    assert isinstance(config.text_config, LlamaConfig)
    assert isinstance(config.qformer_config, Blip2QFormerConfig)
    assert config.vision_config.model_type == "calvin_frame_encoder"
    assert config.get_text_config() is config.text_config


def test_a_saved_configuration_comes_back_equal(config_of: Any, tmp_path: Path) -> None:
    config = config_of(tower=True)
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert isinstance(again, CalvinConfig)
    told_apart = {"transformers_version", "_name_or_path"}  # where it lies and what wrote it
    assert {key: value for key, value in again.to_dict().items() if key not in told_apart} == {
        key: value for key, value in config.to_dict().items() if key not in told_apart
    }
