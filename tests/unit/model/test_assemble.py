from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from calvin.core.errors import CheckpointError, ConfigError, FeatureError
from calvin.core.prompts import Prompt
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, load_calvin, tower_hash
from calvin.model import assemble as assembling
from calvin.model.assemble import assemble, drop_tower, load_language_model


@pytest.fixture
def parts(seeing_model: CalvinForConditionalGeneration, tokenizer: Any, tmp_path: Path) -> dict[str, Path]:
    """Folders of a tower, a BERT of 5 layers and a Llama."""
    folders = {name: tmp_path / name for name in ("vision", "bert", "language")}
    seeing_model.vision_tower.save_pretrained(folders["vision"])
    seeing_model.vision_tower.image_processor().save_pretrained(folders["vision"])
    seeing_model.decoder.save_pretrained(folders["language"])
    tokenizer.save_pretrained(folders["language"])
    sizes = {"hidden_size": 24, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(**sizes, vocab_size=30), add_pooling_layer=False).save_pretrained(folders["bert"])
    return folders


def test_parts_become_a_model_that_can_be_saved(parts: dict[str, Path], tmp_path: Path) -> None:
    model, processor = assemble(**parts, num_query_tokens=4, max_frames=8)
    assert model.config.encoder_id == "vision"
    assert model.config.encoder_hash == tower_hash(model.vision_tower)
    assert model.config.image_embed_dim == 16
    assert model.config.qformer_config.num_hidden_layers == 4
    assert model.config.visual_token_id == processor.visual_token_id
    assert model.generation_config.num_beams == 5
    assert not any(parameter.requires_grad for parameter in model.vision_tower.parameters())
    model.save_pretrained(tmp_path / "calvin")
    processor.save_pretrained(tmp_path / "calvin")
    again, its_processor = load_calvin(tmp_path / "calvin")
    batch = its_processor([Prompt()], image_embeds=[torch.randn(3, 16).numpy()])
    assert torch.equal(again(**batch).logits, model(**batch).logits)
    assert torch.equal(again.generate(**batch, max_new_tokens=5), model.generate(**batch, max_new_tokens=5))


def test_the_parts_weights_are_taken_over(parts: dict[str, Path], seeing_model: CalvinForConditionalGeneration) -> None:
    model, _ = assemble(**parts)
    for ours, theirs in (
        (model.decoder, seeing_model.decoder),
        (model.vision_tower, seeing_model.vision_tower),
    ):
        assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
    bert = BertModel.from_pretrained(parts["bert"])
    layer, theirs = model.projector.qformer.encoder.layer[3], bert.encoder.layer[3]
    assert torch.equal(layer.intermediate_query.dense.weight, theirs.intermediate.dense.weight)
    assert torch.equal(layer.output_query.LayerNorm.bias, theirs.output.LayerNorm.bias)
    assert torch.equal(layer.attention.attention.value.bias, theirs.attention.self.value.bias)


def test_the_seed_decides_what_is_drawn(parts: dict[str, Path]) -> None:
    weights = [assemble(**parts, seed=seed)[0].projector.language_projection.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_projection_starts_at_the_scale_of_the_words(parts: dict[str, Path]) -> None:
    model, _ = assemble(**parts)
    words = model.get_input_embeddings().weight.std().item()
    assert model.projector(torch.randn(32, 8, 16)).std().item() == pytest.approx(words, rel=0.35)


def test_a_model_from_stored_features(parts: dict[str, Path], tmp_path: Path) -> None:
    language = parts["language"]
    model, processor = assemble(
        language=language,
        qformer={"hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 48},
        encoder=("clip-l14", "abcd"),
        image_embed_dim=20,
    )
    assert model.vision_tower is None
    assert processor.image_processor is None
    assert (model.config.encoder_id, model.config.encoder_hash) == ("clip-l14", "abcd")
    with pytest.raises(FeatureError, match="clip-l14"):
        model(**processor(Prompt(), image_embeds=[torch.zeros(1, 16).numpy()]))
    with pytest.raises(ConfigError, match="name the encoder"):
        assemble(language=language)


def test_the_tower_can_be_left_out(parts: dict[str, Path], tmp_path: Path) -> None:
    blind, processor = assemble(**parts, include_tower=False)
    seeing, its_processor = assemble(**parts)
    assert blind.vision_tower is None
    assert blind.config.encoder_hash == seeing.config.encoder_hash
    drop_tower(seeing, its_processor)
    for model, its in ((blind, processor), (seeing, its_processor)):
        folder = tmp_path / str(id(model))
        model.save_pretrained(folder)
        its.save_pretrained(folder)
        again, _ = load_calvin(folder)
        assert again.vision_tower is None


def test_a_bert_that_is_too_short_is_refused(parts: dict[str, Path]) -> None:
    with pytest.raises(ConfigError, match="6 layers cannot start from a BERT of 5"):
        assemble(**parts, qformer={"num_hidden_layers": 6})


def test_languages_that_cannot_be_read(parts: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no file"):
        load_language_model(tmp_path / "absent.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF but not really")
    with pytest.raises(CheckpointError, match=r"bad\.gguf"):
        load_language_model(tmp_path / "bad.gguf")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (parts["language"] / name).unlink()
    with pytest.raises(CheckpointError, match="No tokenizer"):
        load_language_model(parts["language"])


def test_what_reads_a_tokenizer_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers would ask for tiktoken, which cannot read one."""

    def ask(*_: object, **__: object) -> None:
        raise ImportError("`tiktoken` is required to read a `tiktoken` file.")

    monkeypatch.setattr(assembling.AutoTokenizer, "from_pretrained", ask)
    with pytest.raises(CheckpointError, match="`tiktoken` is required"):
        assembling.load_tokenizer(tmp_path)
    monkeypatch.setattr(assembling, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="`pip install sentencepiece protobuf`"):
        assembling.load_tokenizer(tmp_path)


def test_the_placeholder_is_not_looked_up(parts: dict[str, Path]) -> None:
    model, processor = assemble(**parts)
    assert isinstance(processor, CalvinProcessor)
    words = model.get_input_embeddings()
    assert words.weight.shape[0] == 97  # the language model keeps its own vocabulary
