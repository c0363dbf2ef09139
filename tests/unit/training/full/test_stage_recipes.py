from __future__ import annotations

import pytest
import torch

from calvin.core.errors import ConfigError
from calvin.training.full.stage_recipes import ORIGIN, SOURCES, STAGE_RECIPES, StageRecipe, all_names, stage_recipes
from calvin.training.loop.distributed import Parallel, lay_out
from calvin.training.loop.schedule import LoopConfig

TABLE_3 = {
    "calvin-7b-stage2": "starred",
    "calvin-7b-stage2-no-mad": "(-) MAD",
    "calvin-7b-stage2-no-webvid": "(-) WebVideo",
    "calvin-7b-stage2-no-vqa": "(-) Image VQA data",
    "calvin-7b-stage1": "(-) All stage-2 data",
    "calvin-7b-stage2-qformer-only": "Q-Former",
    "calvin-7b-stage2-llm-only": "LLM",
    "calvin-7b-stage2-64-queries": "64 tokens",
    "calvin-7b-stage2-128-queries": "128 tokens",
    "calvin-7b-stage2-prefix": "LLM + prefix tuning",
    "calvin-7b-stage2-r16": "rank=16",
    "calvin-7b-stage2-r64": "rank=64",
    "calvin-7b-stage3": "MAD in Stage-3",
    "calvin-7b-stage2-lr-1e-4": "LR = 1e-4",
}


def flat(recipe: StageRecipe) -> dict[str, object]:
    fields = recipe.model_dump(exclude={"name", "about", "row", "origin"})
    stage = fields.pop("stage")
    return {**fields, **stage.pop("loop"), **stage}


def test_every_row_of_table_3_has_a_recipe() -> None:
    for name, row in TABLE_3.items():
        assert row in STAGE_RECIPES[name].row, name


def test_stage_1_is_section_4s() -> None:
    (recipe,) = stage_recipes("calvin-7b-stage1")
    loop = recipe.stage.loop
    assert (loop.steps, loop.gradient_accumulation_steps, loop.warmup_steps) == (400_000, 4, 2_500)
    assert (loop.max_lr, loop.min_lr, loop.weight_decay, loop.schedule) == (1e-4, 1e-6, 0.05, "cosine")
    assert recipe.stage.batch_sizes["image"] == 32
    assert recipe.stage.trains == ("projector",)
    assert set(recipe.stage.weights) == {"pairs", "cc12m", "llava558k"}
    assert recipe.parallel.strategy == "ddp"


def test_stage_2_is_section_4s_at_both_learning_rates() -> None:
    (recipe,) = stage_recipes("calvin-7b-stage2")
    loop = recipe.stage.loop
    assert (loop.steps, loop.max_lr, loop.min_lr, loop.weight_decay) == (120_000, 1e-5, 1e-6, 0.05)
    assert (recipe.stage.batch_sizes["image"], recipe.stage.batch_sizes["video"]) == (12, 6)
    assert (recipe.lora_rank, recipe.num_query_tokens, recipe.qformer_layers, recipe.stage.max_frames) == (
        32,
        32,
        4,
        32,
    )
    assert set(recipe.stage.weights) == {"mad", "webvid", "llava", "cc3m"}
    assert recipe.parallel == Parallel(strategy="fsdp2", activation_checkpointing=True)
    assert STAGE_RECIPES["calvin-7b-stage2-lr-1e-4"].stage.loop.max_lr == 1e-4


CHANGED = {
    "no-mad": {"weights"},
    "no-webvid": {"weights"},
    "no-vqa": {"weights"},
    "qformer-only": {"trains"},
    "llm-only": {"trains"},
    "64-queries": {"num_query_tokens", "starts_from"},
    "128-queries": {"num_query_tokens", "starts_from"},
    "prefix": {"trains", "parallel"},
    "r16": {"lora_rank"},
    "r64": {"lora_rank"},
    "lr-1e-4": {"max_lr"},
}


@pytest.mark.parametrize("ending", sorted(CHANGED))
def test_a_variant_changes_one_thing(ending: str) -> None:
    base, variant = flat(STAGE_RECIPES["calvin-7b-stage2"]), flat(STAGE_RECIPES[f"calvin-7b-stage2-{ending}"])
    assert {key for key in base if base[key] != variant[key]} == CHANGED[ending]


def test_stage_3_is_mad_alone_after_a_stage_2_that_has_not_seen_it() -> None:
    recipe = STAGE_RECIPES["calvin-7b-stage3"]
    assert recipe.stage.loop.steps == 40_000
    assert set(recipe.stage.weights) == {"mad"}
    assert recipe.starts_from is not None
    assert "mad" not in STAGE_RECIPES[recipe.starts_from].stage.weights


@pytest.mark.parametrize("name", sorted(STAGE_RECIPES))
def test_recipes_start_from_recipes_mix_known_sources_and_name_where_settings_come_from(name: str) -> None:
    recipe = STAGE_RECIPES[name]
    assert recipe.name == name
    assert recipe.starts_from is None or STAGE_RECIPES[recipe.starts_from].num_query_tokens == recipe.num_query_tokens
    assert set(recipe.stage.weights) <= set(SOURCES)
    assert set(recipe.origin) == set(ORIGIN)
    unexplained = set(flat(recipe)) - set(recipe.origin)
    ours = {"size", "starts_from", "stage", "parallel", "seed", "checkpoint_every", "log_every", "precision"}
    assert unexplained <= ours | {"no_context_share", "entity_share", "max_length", "rates"}


def test_a_model_means_its_stages_in_order_and_unknown_names_are_refused() -> None:
    assert [recipe.name for recipe in stage_recipes("calvin-small")] == ["calvin-small-stage1", "calvin-small-stage2"]
    with pytest.raises(ConfigError, match="calvin-7b-stage2") as caught:
        stage_recipes("calvin-70b")
    assert caught.value.exit_code == 2
    assert {"calvin-7b", "calvin-small", *STAGE_RECIPES} == set(all_names())


def test_accelerates_own_sharding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="multi-GPU"):
        lay_out(torch.nn.Linear(2, 2), Parallel(), accelerator=None)  # type: ignore[arg-type]


def test_what_lies_where_is_no_setting_of_the_loop() -> None:
    """Or a run could not be gone on with under another layout."""
    assert not set(Parallel.model_fields) & set(LoopConfig.model_fields)
