from __future__ import annotations

import json

import pytest
import torch

from calvin.core.errors import ConfigError
from calvin.puppets.tell.contexts import FORMS
from calvin.training.loop.distributed import lay_out
from calvin.training.loop.train import fingerprint_of
from calvin.training.recipes import ORIGIN, RECIPES, SOURCES, get_recipe
from calvin.training.run import LOSSES
from calvin.training.steps import CaptionsStep, LoopConfig, Parallel, Recipe, StageStep

FROM_NOTHING = [name for name, recipe in RECIPES.items() if recipe.world is not None]
FROM_PARTS = [name for name in RECIPES if name not in FROM_NOTHING]


def only_stage(name: str) -> StageStep:
    (step,) = get_recipe(name).stages
    return step


def test_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"micro, .*calvin-7b-stage2") as caught:
        get_recipe("nano")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_recipes_say_what_they_are_and_mix_what_they_name(name: str) -> None:
    recipe = get_recipe(name)
    stage_1, *_, stage_2 = recipe.stages
    assert recipe.name == name
    assert recipe.about
    assert recipe.model.num_query_tokens == (32 if recipe.model.projector == "qformer" else 10)
    assert sum(stage_2.weights.values()) == pytest.approx(1.0)
    assert "projector" in stage_1.trains
    assert set(stage_1.weights) <= {"webvid", "webvid_clips", "mad_clips", "text"}  # pairs: no names, no context


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


def flat(recipe: Recipe) -> dict[str, object]:
    (step,) = recipe.stages
    fields = step.model_dump(exclude={"name", "about", "row", "origin", "loop"})
    return {**fields, **step.loop.model_dump(), "num_query_tokens": recipe.model.num_query_tokens}


def test_every_row_of_table_3_has_a_recipe() -> None:
    for name, row in TABLE_3.items():
        assert row in only_stage(name).row, name


def test_stage_1_is_section_4s() -> None:
    step = only_stage("calvin-7b-stage1")
    loop = step.loop
    assert (loop.steps, loop.gradient_accumulation_steps, loop.warmup_steps) == (400_000, 4, 2_500)
    assert (loop.max_lr, loop.min_lr, loop.weight_decay, loop.schedule) == (1e-4, 1e-6, 0.05, "cosine")
    assert step.batch_sizes["image"] == 32
    assert step.trains == ("projector",)
    assert set(step.weights) == {"pairs", "cc12m", "llava558k"}
    assert step.parallel.strategy == "ddp"


def test_stage_2_is_section_4s_at_both_learning_rates() -> None:
    step, shape = only_stage("calvin-7b-stage2"), get_recipe("calvin-7b-stage2").model
    loop = step.loop
    assert (loop.steps, loop.max_lr, loop.min_lr, loop.weight_decay) == (120_000, 1e-5, 1e-6, 0.05)
    assert (step.batch_sizes["image"], step.batch_sizes["video"]) == (12, 6)
    assert (step.lora_rank, shape.num_query_tokens, shape.qformer, step.max_frames) == (
        32,
        32,
        {"num_hidden_layers": 4},
        32,
    )
    assert set(step.weights) == {"mad", "webvid", "llava", "cc3m"}
    assert step.parallel == Parallel(strategy="fsdp2", activation_checkpointing=True)
    assert only_stage("calvin-7b-stage2-lr-1e-4").loop.max_lr == 1e-4


CHANGED = {
    "no-mad": {"weights"},
    "no-webvid": {"weights"},
    "no-vqa": {"weights"},
    "qformer-only": {"trains"},
    "llm-only": {"trains"},
    "64-queries": {"num_query_tokens", "starts_from"},
    "128-queries": {"num_query_tokens", "starts_from"},
    "prefix": {"trains", "parallel"},
    "r16": {"lora_rank", "lora_alpha"},
    "r64": {"lora_rank", "lora_alpha"},
    "lr-1e-4": {"max_lr"},
    "with-numbers": {"leave_in"},
    "with-boxes": {"leave_in"},
    "with-credits": {"leave_in"},
}


@pytest.mark.parametrize("ending", sorted(CHANGED))
def test_a_variant_changes_one_thing(ending: str) -> None:
    base, variant = flat(get_recipe("calvin-7b-stage2")), flat(get_recipe(f"calvin-7b-stage2-{ending}"))
    assert {key for key in base if base[key] != variant[key]} == CHANGED[ending]


def test_ranks_are_compared_at_one_weight_of_the_lora() -> None:
    steps = [only_stage(f"calvin-7b-stage2{ending}") for ending in ("", "-r16", "-r64")]
    assert [step.lora_rank for step in steps] == [32, 16, 64]
    assert {step.lora_alpha / step.lora_rank for step in steps} == {2.0}


def test_stage_3_is_mad_alone_after_a_stage_2_that_has_not_seen_it() -> None:
    step = only_stage("calvin-7b-stage3")
    assert step.loop.steps == 40_000
    assert set(step.weights) == {"mad"}
    assert step.starts_from is not None
    assert "mad" not in only_stage(step.starts_from).weights


@pytest.mark.parametrize("name", FROM_PARTS)
def test_recipes_start_from_recipes_mix_known_sources_and_name_where_settings_come_from(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    for step in recipe.stages:
        if step.starts_from is not None:
            assert get_recipe(step.starts_from).model.num_query_tokens == recipe.model.num_query_tokens
        assert set(step.weights) <= set(SOURCES)
        assert set(step.origin) == set(ORIGIN)
        unexplained = set(flat(get_recipe(step.name))) - set(step.origin)
        ours = {"kind", "loss", "starts_from", "stage", "parallel", "seed", "checkpoint_every", "log_every", "half"}
        ours |= {"rehearsal"}  # none in the paper, and none in these recipes
        ours |= {
            "precision",
            "epochs",
            "validation",
            "no_context_share",
            "entity_share",
            "forms",
            "max_length",
            "rates",
            "lora_targets",
            "leave_in",
        }
        assert unexplained <= ours


def test_a_model_means_its_stages_in_order_each_of_which_is_a_recipe_too() -> None:
    for name in ("calvin-7b", "calvin-small"):
        stages = get_recipe(name).stages
        assert [step.name for step in stages] == [f"{name}-stage1", f"{name}-stage2"]
        assert [only_stage(step.name) for step in stages] == list(stages)


def test_the_small_models_have_two_steps_more_than_the_7b() -> None:
    names = {name: [step.name for step in get_recipe(name).steps] for name in ("micro", "mini", "calvin-7b")}
    assert names["micro"] == ["tower", "language", "stage 1", "stage 2"]
    assert names["mini"] == [*names["micro"], "stage 2, known names", "own captions", "stage 2, own context"]
    assert len(names["calvin-7b"]) == 2


def test_forms_of_prompts_are_known_and_own_captions_are_made_before_they_are_context() -> None:
    made = set()
    for step in get_recipe("mini").steps:
        if isinstance(step, CaptionsStep):
            assert step.starts_from in made
            made.add("own")
        elif isinstance(step, StageStep):
            assert set(step.forms) <= set(FORMS)
            assert "own" not in step.forms or "own" in made
            assert not step.forms or sum(step.forms.values()) == pytest.approx(1)
            made.add(step.name)
    assert "own" in made


@pytest.mark.parametrize("name", RECIPES)
def test_each_step_names_a_loss_that_there_is(name: str) -> None:
    for step in get_recipe(name).steps:
        assert isinstance(step, CaptionsStep) or LOSSES[step.loss] is not None


@pytest.mark.parametrize("name", RECIPES)
def test_another_loss_is_another_run_and_the_usual_one_is_as_old_as_the_first_runs(name: str) -> None:
    for number, step in enumerate(get_recipe(name).steps):
        if isinstance(step, CaptionsStep):
            continue  # nothing is learnt in it
        assert "loss" not in json.dumps(step.record())
        other = step.changed(loss="slots" if step.loss != "slots" else "captions")
        assert "loss" in json.dumps(other.record()), number


# Written down before recipes were lists of steps: folders of runs begun then are still theirs.
CLAIMS = {
    "calvin-7b-stage1": "a5a40b1e9cf15a56",
    "calvin-7b-stage2": "d5de60ec319a9cd1",
    "calvin-7b-stage2-64-queries": "9ae13ee089522539",
    "calvin-7b-stage2-lr-1e-4": "defe3eb81b87d45f",
    "calvin-7b-stage3": "fd64298cd738228a",
    "calvin-small-stage2": "ff6677ea87518d8b",
    "micro": "24e2edc66ed0db92",
    "mini": "41640c2657cab1a2",
}


@pytest.mark.parametrize("name", CLAIMS)
def test_runs_of_earlier_versions_are_recognised(name: str) -> None:
    recipe = get_recipe(name)
    record = recipe.record() if recipe.world is not None else recipe.stages[0].record_alone(recipe.model)
    assert fingerprint_of(record) == CLAIMS[name]


def test_accelerates_own_sharding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(ConfigError, match="multi-GPU"):
        lay_out(torch.nn.Linear(2, 2), Parallel(), accelerator=None)  # type: ignore[arg-type]


def test_what_lies_where_is_no_setting_of_the_loop() -> None:
    """Or a run could not be gone on with under another layout."""
    assert not set(Parallel.model_fields) & set(LoopConfig.model_fields)
