from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from calvin.core.errors import CheckpointError
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, load_calvin, load_vision_tower
from calvin.model.assemble import load_language_model
from calvin.model.loading import check_source, quiet
from calvin.model.pretrained import dtype_on


@pytest.fixture
def folder(model: CalvinForConditionalGeneration, processor: CalvinProcessor, tmp_path: Path) -> Path:
    """A whole CALVIN on disk."""
    model.config.visual_token_id = processor.visual_token_id
    model.save_pretrained(tmp_path / "calvin")
    processor.save_pretrained(tmp_path / "calvin")
    return tmp_path / "calvin"


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def test_a_whole_folder_loads(folder: Path, model: CalvinForConditionalGeneration) -> None:
    again, processor = load_calvin(folder)
    assert not again.training
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.state_dict().items())
    assert processor.num_query_tokens == 4
    assert load_calvin(folder, dtype=torch.bfloat16)[0].decoder.dtype == torch.bfloat16


def test_in_half_precision_the_tower_keeps_float32(tiny_model: Path) -> None:
    exact, half = load_calvin(tiny_model)[0], load_calvin(tiny_model, dtype=torch.bfloat16)[0]
    tower = half.vision_tower.state_dict()
    assert all(torch.equal(value, tower[name]) for name, value in exact.vision_tower.state_dict().items())
    assert half.decoder.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("stored", "device", "expected"),
    [
        (torch.bfloat16, "cuda", torch.bfloat16),
        (torch.bfloat16, "cuda:1", torch.bfloat16),
        (torch.bfloat16, "cpu", torch.float32),
        (torch.bfloat16, None, torch.float32),
        (torch.float32, "cuda", torch.float32),
        (torch.float16, "cuda", torch.float32),
        (None, "cuda", torch.float32),
    ],
)
def test_bfloat16_stays_on_a_gpu_alone(
    model: CalvinForConditionalGeneration, stored: torch.dtype | None, device: str | None, expected: torch.dtype
) -> None:
    model.config.text_config.dtype = stored
    assert dtype_on(device, model.config) == expected


def test_a_missing_tensor_is_named(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.pop("projector.language_projection.bias"))
    with pytest.raises(CheckpointError, match=r"incomplete: tensor projector\.language_projection\.bias is missing"):
        load_calvin(folder)


def test_a_tensor_of_another_shape_is_named_with_both(folder: Path) -> None:
    name = "projector.language_projection.weight"
    change_weights(folder, lambda tensors: tensors.update({name: tensors[name][:3].clone()}))
    with pytest.raises(CheckpointError, match=rf"{name} has shape \(3, 24\), \(32, 24\) was expected"):
        load_calvin(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_calvin(folder)


def test_absent_weights_are_refused_and_pickles_are_not_read(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_calvin(folder)


def test_a_folder_that_a_killed_writer_had_taken_away_is_brought_back(folder: Path) -> None:
    folder.rename(folder.parent / f".calvin-old-{folder.name}")
    assert check_source(folder) == str(folder)
    assert (folder / "config.json").is_file()


def test_what_is_no_model_folder(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no model folder"):
        load_calvin(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="There is no model folder"):
        load_calvin("./not/here")
    with pytest.raises(CheckpointError, match=r"is a file; give the model's folder"):
        load_calvin(folder / "config.json")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        load_calvin(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": 1}',
        '{"model_type": "no_such_model"}',
        '{"model_type": "calvin", "num_query_tokens": "many"}',
        '{"model_type": "calvin", "text_config": {"model_type": "llama", "hidden_size": 33}}',
        '{"model_type": "calvin", "text_config": 3}',
    ],
)
def test_a_broken_configuration_is_one_sentence(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        load_calvin(folder)
    assert "\n" not in str(caught.value)


def test_code_that_comes_with_a_model_is_not_run(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Evil: pass\n")
    with pytest.raises(CheckpointError):
        load_calvin(folder)
    assert not (tmp_path / "ran").exists()


def test_another_kind_of_model_is_named(folder: Path, model: CalvinForConditionalGeneration, tmp_path: Path) -> None:
    model.decoder.save_pretrained(tmp_path / "llama")
    with pytest.raises(CheckpointError, match="is a llama model, not a CALVIN"):
        load_calvin(tmp_path / "llama")


def test_a_processor_of_another_model_is_refused(folder: Path) -> None:
    path = folder / "processor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_query_tokens": 7}))
    with pytest.raises(CheckpointError, match=r"num_query_tokens is 4 in config\.json but 7"):
        load_calvin(folder)


def test_without_a_tokenizer_the_processor_is_missed(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        (folder / name).unlink()
    with pytest.raises(CheckpointError, match="processor"):
        load_calvin(folder)


def test_a_model_without_tower_names_the_one_to_take(folder: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no vision tower.*tiny-tower"):
        load_vision_tower(folder)


def test_quiet_gives_the_volume_back() -> None:
    before = (logging.get_verbosity(), logging.is_progress_bar_enabled())
    with quiet():
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_a_part_of_an_architecture_that_is_not_allowed_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    for part, found, said in (
        (None, "timm_wrapper", "is a timm_wrapper model, not a CALVIN"),
        ("text_config", "rwkv", "The language model in .* is a rwkv model, not a language model that can be used"),
        ("vision_config", "detr", "The vision tower in .* is a detr model, not a vision tower that can be used"),
    ):
        other = {"model_type": found}
        (folder / "config.json").write_text(json.dumps(config | ({part: other} if part else other)))
        with pytest.raises(CheckpointError, match=said):
            load_calvin(folder)


def test_parts_of_an_architecture_that_is_not_allowed_are_refused(tmp_path: Path) -> None:
    for kind, load in (("detr", load_vision_tower), ("rwkv", load_language_model)):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        with pytest.raises(CheckpointError, match=f"is a {kind} model, not a"):
            load(tmp_path)
    backbone = {"model_type": "calvin_frame_encoder", "backbone_config": {"model_type": "vitdet"}}
    (tmp_path / "config.json").write_text(json.dumps(backbone))
    with pytest.raises(CheckpointError, match=r"The backbone in .* is a vitdet model"):
        load_vision_tower(tmp_path)
