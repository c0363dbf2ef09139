from __future__ import annotations

import re
from pathlib import Path

import pytest

from calvin.training.full.data_file import DataFile
from calvin.training.full.dry_run import assumed_shapes, build_on_meta, dry_run, plan, small_config
from calvin.training.recipes import RECIPES
from calvin.training.settings import change_recipe
from calvin.training.stage import build
from stage_data import captions, shrunk, write_data


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1].replace(",", ""))


@pytest.fixture(scope="module")
def data(tiny_model: Path, tiny_tower: Path, tmp_path_factory: pytest.TempPathFactory) -> DataFile:
    folder = tmp_path_factory.mktemp("data")
    return DataFile.read(write_data(folder, tiny_model.parent / "language", tiny_tower, dim=24))


def test_stage_1_of_the_full_size_reads_as_the_paper_does() -> None:
    text = dry_run(*plan(RECIPES["calvin-7b-stage1"]))
    assert number(r"language model +([\d,]+)", text) == 6_738_415_616
    assert number(r"trained +([\d,]+)", text) == 42_588_672
    days = number(r"are micro-batches +400,000 micro-batches +([\d.]+)", text)
    assert number(r"of the optimiser +1,600,000 micro-batches +([\d.]+)", text) == pytest.approx(4 * days, rel=0.01)
    # By hand: 32 rows of 54 tokens, 2 x 2 operations for each of 6.6 G weights and token.
    assert number(r"on one GPU: [\d,]+ tokens, ([\d,.]+) TFLOP", text) == pytest.approx(32 * 54 * 4 * 6.6e-3, rel=0.05)
    assert days == pytest.approx(400_000 * 32 * 54 * 4 * 6.6e9 / (312e12 * 0.4) / 86400, rel=0.05)
    assert "--data" in text


def test_batches_are_decoded_and_measured_where_there_is_data(data: DataFile) -> None:
    text = dry_run(*plan(shrunk(2, steps=2, accumulation=1), data), data)
    shown = re.findall(r"  <BOS><4 visual>(.*) \[\[(.*)\]\]", text)
    assert len(shown) == 4
    for prompt, caption in shown:
        assert prompt.strip()
        assert caption.removesuffix("</s>").strip().rstrip(".") in captions(40)
    assert "measured on the first" in text
    assert "mad: 36 read" in text


def test_settings_and_epochs_are_told(data: DataFile) -> None:
    recipe = change_recipe(shrunk(2, steps=2, accumulation=1, batch=2), {"epochs": 20, "max_lr": 3e-3}, "--set")
    text = dry_run(*plan(recipe, data), data)
    # 36 scenes and 40 images twenty times, two at a step on each of eight GPUs.
    assert number(r"are micro-batches +([\d,]+) micro-batches", text) == 95
    assert "  max_lr 0.003 (the recipe: 1e-05)" in text
    listed = {line.split()[0]: line for line in text.partition("Settings\n")[2].partition("\n\n")[0].splitlines()}
    assert {"max_lr", "batch_sizes", "lora_rank"} <= {
        name for name, line in listed.items() if line.endswith("changed, as listed below")
    }
    assert listed["weight_decay"].endswith("section 4, across all stages"), "a setting that is the recipe's"
    assert "Changed against" not in dry_run(*plan(RECIPES["calvin-7b-stage1"]))


def test_what_is_built_from_configurations_is_what_is_trained(data: DataFile) -> None:
    recipe = shrunk(1, steps=2, accumulation=1)
    model, _ = build(recipe, recipe.stages[0], data.model, None)
    assert build_on_meta(*plan(recipe, data)).num_parameters() == model.num_parameters()


@pytest.mark.parametrize("name", ["micro", "mini"])
def test_recipes_that_make_their_own_parts_have_a_dry_run_too(name: str) -> None:
    plans = plan(RECIPES[name])
    assert len(plans) == len(RECIPES[name].stages)
    for stage in plans:
        text = dry_run(stage)
        parts = ["frame positions", "Q-Former", "language projection"]
        parts += ["language model"] if "language_model" in stage.step.trains else []
        assert number(r"trained +([\d,]+)", text) == sum(number(rf"  {part} +([\d,]+)", text) for part in parts)


def test_small_is_the_published_models_joined() -> None:
    model = build_on_meta(*plan(RECIPES["calvin-small-stage2"]))
    assert (
        model.decoder.num_parameters()
        - sum(value.numel() for name, value in model.decoder.named_parameters() if "lora_" in name)
        == 134_515_008
    )
    assert small_config().qformer_config.num_hidden_layers == 4


def test_a_wide_video_batch_is_weighed_against_an_image_batch() -> None:
    [stage] = plan(RECIPES["calvin-7b-stage2"])
    shapes = assumed_shapes(stage.step, stage.config)
    assert sum(share for share, _ in shapes) == pytest.approx(1)
    assert {(shape.samples, shape.frames): share for share, shape in shapes} == {(12, 1): 0.5, (6, 32): 0.5}
