from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel

from calvin.core.errors import CheckpointError, ConfigError, UsageError
from calvin.model import CalvinForConditionalGeneration
from calvin.model.tuning import (
    LoraSettings,
    add_lora,
    add_prefix,
    describe_model,
    load_adapter,
    merge,
    remove_adapter,
    save_adapter,
    set_trainable,
)

Batch = dict[str, Tensor]


def stir(model: CalvinForConditionalGeneration, mark: str, spread: float) -> None:
    """As if it had been trained."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if mark in name:
                parameter.normal_(std=spread)


@pytest.fixture
def lora(model: CalvinForConditionalGeneration) -> CalvinForConditionalGeneration:
    add_lora(model, LoraSettings(lora_rank=4, lora_alpha=8))
    stir(model, "lora_B", 0.1)
    return model


@pytest.fixture
def prefixed(model: CalvinForConditionalGeneration) -> CalvinForConditionalGeneration:
    add_prefix(model, tokens=5)
    stir(model, "prompt_encoder", 1.0)
    return model


def test_a_fresh_lora_changes_nothing(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    before = model(**batch).logits
    add_lora(model)
    assert torch.equal(model(**batch).logits, before)
    config = model.language_model.active_peft_config
    assert (config.r, config.lora_alpha, config.lora_dropout) == (32, 64, 0.05)
    assert set(config.target_modules) == {"q_proj", "k_proj", "v_proj", "o_proj"}


def test_lora_learns_and_the_base_does_not(lora: CalvinForConditionalGeneration, batch: Batch) -> None:
    assert set_trainable(lora, {"lora", "projector"}) == sum(
        parameter.numel() for name, parameter in lora.named_parameters() if "lora_" in name or "projector" in name
    )
    before = {name: tensor.clone() for name, tensor in lora.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in lora.parameters() if p.requires_grad], lr=1e-2)
    lora(**batch, labels=batch["input_ids"].clamp(max=96)).loss.backward()
    optimiser.step()
    changed = {name for name, tensor in lora.state_dict().items() if not torch.equal(tensor, before[name])}
    assert any("lora_A" in name for name in changed)
    assert any(name.startswith("projector.qformer") for name in changed)
    assert not [name for name in changed if "lora_" not in name and not name.startswith("projector.")]


def test_merged_in_place_or_on_saving_it_answers_alike(
    lora: CalvinForConditionalGeneration, batch: Batch, tmp_path: Path
) -> None:
    tuned = lora(**batch).logits
    lora.save_pretrained(tmp_path)
    assert torch.equal(lora(**batch).logits, tuned)  # saving leaves the adapter where it was
    again, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    # W x + B A x against (W + B A) x in float32, logits of the order of 10
    torch.testing.assert_close(again(**batch).logits, tuned, rtol=1e-4, atol=1e-4)
    merge(lora)
    assert torch.equal(lora(**batch).logits, again(**batch).logits)
    assert all("lora" not in name for name in lora.state_dict())


def test_an_adapter_folder_is_small_and_brings_everything_back(
    lora: CalvinForConditionalGeneration, batch: Batch, config_of: Any, tmp_path: Path
) -> None:
    plain = CalvinForConditionalGeneration(config_of()).eval()
    base = {
        name.replace("base_model.model.", "").replace("base_layer.", ""): t for name, t in lora.state_dict().items()
    }
    plain.load_state_dict({name: tensor for name, tensor in base.items() if "lora_" not in name})
    before = plain(**batch).logits
    stir(lora, "language_projection.weight", 0.1)
    tuned = lora(**batch).logits
    save_adapter(lora, tmp_path / "adapter")
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "projector.safetensors", "calvin_adapter.json"}
    assert all("lora_" in name for name in load_file(tmp_path / "adapter" / "adapter_model.safetensors"))
    targets = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["target_modules"]
    assert len(targets) > 1
    assert targets == sorted(targets), "the same seed gives the same files"
    assert not torch.equal(before, tuned)
    load_adapter(plain, tmp_path / "adapter")
    assert torch.equal(plain(**batch).logits, tuned)
    assert not any(parameter.requires_grad for name, parameter in plain.named_parameters() if "lora_" in name)
    remove_adapter(plain)
    load_adapter(plain, tmp_path / "adapter", trainable=True)
    assert set_trainable(plain, {"lora"}) > 0


def test_saving_an_adapter_overwrites_adapters_only(lora: CalvinForConditionalGeneration, tmp_path: Path) -> None:
    save_adapter(lora, tmp_path / "adapter")
    save_adapter(lora, tmp_path / "adapter")
    (tmp_path / "films").mkdir()
    with pytest.raises(UsageError, match="not an adapter folder"):
        save_adapter(lora, tmp_path / "films")


def test_adapters_that_do_not_fit_leave_the_model_as_it_was(
    lora: CalvinForConditionalGeneration, config_of: Any, batch: Batch, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    save_adapter(lora, folder)
    model = CalvinForConditionalGeneration(config_of()).eval()
    before = model(**batch).logits
    facts = folder / "calvin_adapter.json"
    kept = facts.read_text()
    facts.write_text(json.dumps({**json.loads(kept), "encoder_id": "other", "encoder_hash": "ffff"}))
    with pytest.raises(CheckpointError, match=r"vectors of other.*tiny-tower"):
        load_adapter(model, folder)
    facts.write_text(kept)
    for name, words in (("adapter_model.safetensors", "is missing"), ("projector.safetensors", "is missing")):
        tensors = load_file(folder / name)
        short = dict(list(tensors.items())[1:])
        save_file(short, folder / name, metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=words):
            load_adapter(model, folder)
        key, tensor = next(iter(tensors.items()))
        save_file({**tensors, key: tensor[:1].clone()}, folder / name, metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=r"has shape .* was expected"):
            load_adapter(model, folder)
        (folder / name).write_bytes(b"not safetensors")
        with pytest.raises(CheckpointError, match="cannot be read"):
            load_adapter(model, folder)
        save_file(tensors, folder / name, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="is not an adapter folder"):
        load_adapter(model, tmp_path / "absent")
    (folder / "adapter_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="adapter_config"):
        load_adapter(model, folder)
    assert torch.equal(model(**batch).logits, before)


HUGE = 10**9
TYPES = (
    {"r": HUGE},
    {"r": 10**30},
    {"r": "8"},
    {"r": None},
    {"target_modules": ".*"},
    {"lora_dropout": 7},
    {"peft_type": ["LORA"]},
)


@pytest.mark.parametrize("changes", [*TYPES, {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": HUGE}])
def test_configurations_are_checked_before_memory_is_taken(
    changes: dict[str, Any], lora: CalvinForConditionalGeneration, config_of: Any, tmp_path: Path
) -> None:
    save_adapter(lora, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(CheckpointError, match=r"adapter_config|was expected|is missing"):
        load_adapter(CalvinForConditionalGeneration(config_of()), tmp_path / "adapter")


def test_fields_of_an_adapter_that_calvin_does_not_write_have_no_effect(
    lora: CalvinForConditionalGeneration, config_of: Any, batch: Batch, tmp_path: Path
) -> None:
    save_adapter(lora, tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter_config.json"
    more = {
        "modules_to_save": ["lm_head"],
        "use_dora": True,
        "init_lora_weights": "pissa",
        "layer_replication": [[0, HUGE]],
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))
    model = CalvinForConditionalGeneration(config_of()).eval()
    model.load_state_dict(
        {
            n.replace(".base_layer", "").replace("base_model.model.", ""): t
            for n, t in lora.state_dict().items()
            if "lora_" not in n
        }
    )
    load_adapter(model, tmp_path / "adapter")
    assert torch.equal(model(**batch).logits, lora.eval()(**batch).logits)


def test_a_prefix_is_what_peft_makes_of_it(prefixed: CalvinForConditionalGeneration, batch: Batch) -> None:
    mask = torch.ones_like(batch["attention_mask"])
    embeds = prefixed.embed_inputs(batch["input_ids"], batch["image_embeds"], frame_mask=batch["frame_mask"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # peft 0.21 hands the cache over under its old name
        expected = prefixed.language_model(inputs_embeds=embeds, attention_mask=mask).logits
    assert torch.equal(prefixed(**{**batch, "attention_mask": mask}).logits, expected)


def test_a_prefix_learns_and_the_base_does_not(prefixed: CalvinForConditionalGeneration, batch: Batch) -> None:
    assert set_trainable(prefixed, {"prefix"}) == 5 * 2 * 2 * 16  # tokens, layers, keys and values, grouped width
    prefixed(**batch, labels=batch["input_ids"].clamp(max=96)).loss.backward()
    with_gradient = [name for name, parameter in prefixed.named_parameters() if parameter.grad is not None]
    assert with_gradient == ["language_model.prompt_encoder.default.embedding.weight"]


def log_probs(model: CalvinForConditionalGeneration, embeds: Tensor, tokens: list[int]) -> Tensor:
    """Of the next word [V] after a prompt [L, H] and some tokens; everything computed anew, no cache of ours."""
    words = model.get_input_embeddings()(torch.tensor(tokens, dtype=torch.long))
    return model(inputs_embeds=torch.cat([embeds, words])[None]).logits[0, -1].log_softmax(-1)


@torch.no_grad()
def plain_beam_search(model: CalvinForConditionalGeneration, embeds: Tensor, beams: int, steps: int) -> list[int]:
    """The textbook, one prompt, no end token: the answer has `steps` tokens."""
    running: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(steps):
        grown = []
        for score, tokens in running:
            values, ids = log_probs(model, embeds, tokens).topk(beams)
            grown += [(score + v, [*tokens, i]) for v, i in zip(values.tolist(), ids.tolist(), strict=True)]
        running = sorted(grown, key=lambda item: -item[0])[:beams]
    return running[0][1]


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_goes_on_from_the_prefix(prefixed: CalvinForConditionalGeneration, batch: Batch, beams: int) -> None:
    ours = prefixed.generate(**batch, max_new_tokens=6, num_beams=beams, eos_token_id=())
    embeds = prefixed.embed_inputs(batch["input_ids"], batch["image_embeds"], frame_mask=batch["frame_mask"])
    for row, mask in enumerate(batch["attention_mask"].bool()):
        assert ours[row].tolist() == plain_beam_search(prefixed, embeds[row][mask], beams, steps=6)
    remove_adapter(prefixed)
    assert not torch.equal(prefixed.generate(**batch, max_new_tokens=6, num_beams=beams, eos_token_id=()), ours)


def test_a_prefix_is_saved_as_an_adapter_and_cannot_be_merged(
    prefixed: CalvinForConditionalGeneration, batch: Batch, tmp_path: Path
) -> None:
    logits = prefixed(**batch).logits
    with pytest.raises(UsageError, match="prefix cannot be merged"):
        merge(prefixed)
    with pytest.raises(UsageError, match="save it as an adapter"):
        prefixed.save_pretrained(tmp_path / "model")
    save_adapter(prefixed, tmp_path / "adapter")
    remove_adapter(prefixed)
    assert not torch.equal(prefixed(**batch).logits, logits)
    load_adapter(prefixed, tmp_path / "adapter")
    assert torch.equal(prefixed(**batch).logits, logits)


def test_one_adapter_at_a_time(lora: CalvinForConditionalGeneration) -> None:
    with pytest.raises(UsageError, match="lora adapter already"):
        add_prefix(lora)
    merge(lora)
    merge(lora)  # nothing to do
    with pytest.raises(UsageError, match="no adapter to save"):
        save_adapter(lora, "unused")


def test_impossible_loras_are_refused(model: CalvinForConditionalGeneration) -> None:
    with pytest.raises(ConfigError, match="no layers named c_attn"):
        add_lora(model, LoraSettings(lora_targets=("c_attn",)))
    with pytest.raises(ConfigError, match="lora_rank: Input should be greater than 0"):
        LoraSettings.load({"lora_rank": 0})


@pytest.mark.parametrize(
    ("part", "prefixes"),
    [
        ("projector", ("projector.",)),
        ("qformer", ("projector.qformer.", "projector.query_tokens", "projector.frame_position_embedding.")),
        ("language_projection", ("projector.language_projection.",)),
        ("language_model", ("language_model.",)),
        ("vision_tower", ("vision_tower.",)),
    ],
)
def test_parts_are_trained_by_name(
    seeing_model: CalvinForConditionalGeneration, part: str, prefixes: tuple[str, ...]
) -> None:
    count = set_trainable(seeing_model, [part])
    learning = [(name, p.numel()) for name, p in seeing_model.named_parameters() if p.requires_grad]
    assert count == sum(size for _, size in learning) > 0
    assert all(name.startswith(prefixes) for name, _ in learning)


def test_the_language_model_is_trained_without_its_adapter(lora: CalvinForConditionalGeneration) -> None:
    set_trainable(lora, {"language_model"})
    assert not [name for name, parameter in lora.named_parameters() if parameter.requires_grad and "lora_" in name]


def test_parts_that_are_not_there_are_refused(model: CalvinForConditionalGeneration) -> None:
    with pytest.raises(UsageError, match="no part head"):
        set_trainable(model, {"head"})
    with pytest.raises(UsageError, match="no lora to train"):
        set_trainable(model, {"lora", "projector"})


def test_the_description_counts_every_parameter_once(lora: CalvinForConditionalGeneration) -> None:
    rows = {row.part: row for row in describe_model(lora)}
    assert list(rows) == ["frame positions", "Q-Former", "language projection", "language model", "LoRA"]
    assert sum(row.parameters for row in rows.values()) == sum(p.numel() for p in lora.parameters())
    assert rows["frame positions"].parameters == 8 * 16
    assert rows["language projection"].parameters == 24 * 32 + 32
    assert rows["LoRA"].parameters == 2 * 4 * (2 * (32 + 32) + 2 * (32 + 16))  # layers, rank, q and o, k and v
