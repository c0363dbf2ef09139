from __future__ import annotations

from typing import Any

import pytest

from calvin.core.errors import ConfigError
from calvin.training.recipes import RECIPES, get_recipe
from calvin.training.settings import SETTINGS, change_recipe, check_settings, differences, lasting, parse_settings


def changed(name: str, *given: str) -> Any:
    return change_recipe(get_recipe(name), parse_settings(given), "--set", every_table=True)


def told(recipe: Any, number: int = 0) -> dict[str, Any]:
    return {difference.name: difference.here for difference in differences(recipe, recipe.stages[number])}


def test_each_kind_of_setting_changes_what_it_names() -> None:
    recipe = changed(
        "calvin-7b-stage2", "micro_batch=4", "gradient_accumulation_steps=2", "max_lr=3e-5", "weights.mad=1",
        "precision=fp32", "lora_alpha=16", "queries=64", "trains=['lora']", "evaluate_every=50", "held_out=20",
    )  # fmt: skip
    [step] = recipe.stages
    assert dict(step.batch_sizes) == {"image": 4, "video": 4, "text": 4}
    assert (step.loop.gradient_accumulation_steps, step.loop.max_lr, step.loop.precision) == (2, 3e-5, "fp32")
    assert (dict(step.weights), step.lora_alpha, step.trains) == ({"mad": 1.0}, 16, ("lora",))
    assert recipe.model.num_query_tokens == 64
    assert (step.validation.evaluate_every, step.validation.held_out) == (50, 20.0)
    assert set(told(recipe)) == {
        "micro_batch", "gradient_accumulation_steps", "max_lr", "weights", "precision", "lora_alpha", "queries",
        "trains", "evaluate_every", "held_out",
    }  # fmt: skip


def test_a_shorter_stage_keeps_the_share_of_its_warm_up_unless_that_is_set() -> None:
    [step] = changed("calvin-7b-stage2", "steps=1200").stages
    assert step.loop.warmup_steps == 25
    assert step.loop.checkpoint_every <= 300
    assert step.loop.log_every <= 24
    [step] = changed("calvin-7b-stage2", "steps=1200", "warmup_steps=100", "log_every=100").stages
    assert (step.loop.warmup_steps, step.loop.log_every) == (100, 100)


def test_epochs_become_steps_and_what_was_set_stays() -> None:
    recipe = changed("calvin-7b-stage2", "epochs=2", "checkpoint_every=7")
    [step] = recipe.stages
    assert step.recorded()["epochs"] == 2.0
    fitted = lasting(recipe, step, 1200)
    assert (fitted.loop.steps, fitted.loop.warmup_steps, fitted.loop.checkpoint_every) == (1200, 25, 7)
    assert changed("calvin-7b-stage2", "epochs=2").stages[0].epochs == 2
    again = change_recipe(recipe, {"steps": 5, "checkpoint_every": 5}, "--set").stages[0]
    assert (again.epochs, again.loop.steps) == (None, 5), "what is said last counts"


def test_stages_have_tables_of_their_own() -> None:
    recipe = changed("calvin-small", "precision=fp32", "stage1.steps=100", "stage2.steps=50")
    assert [step.loop.steps for step in recipe.stages] == [100, 50]
    assert [step.loop.precision for step in recipe.stages] == ["fp32", "fp32"]
    small = changed("micro", "stage2.max_lr=1e-3")
    assert told(small) == {}
    assert told(small, 1) == {"max_lr": 1e-3}
    assert small.record() != get_recipe("micro").record()


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_given_changes_nothing(name: str) -> None:
    recipe = get_recipe(name)
    assert change_recipe(recipe, {}, "--set") is recipe
    assert all(not differences(recipe, step) for step in recipe.stages)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stepz=3", "there is no setting 'stepz'; did you mean steps?"),
        ("lr=3", "did you mean max_lr?"),
        ("accumulation=3", "did you mean gradient_accumulation_steps?"),
        ("xyzzy=3", "there are "),
        ("steps=1.5", "steps is 1.5; it has to be a whole number"),
        ("steps=true", "steps is True; it has to be a whole number"),
        ("steps=ten", "steps is 'ten'; it has to be a whole number"),
        ("steps=0", "loop.steps: Input should be greater than 0"),
        ("max_lr=fast", "max_lr is 'fast'; it has to be a number"),
        ("betas=[0.9]", "it has too few values"),
        ("weights.mad=x", "weights.mad is 'x'; it has to be a number"),
        ("precision=fp8", "'fp32', 'bf16' or 'auto'"),
        ("micro_batch.images=3", "'image', 'video' or 'text'"),
        ("trains=everything", "it has to be a list"),
        ("keep_best=1", "it has to be true or false"),
        ("early_stop=3", "early_stop and keep_best need evaluate_every"),
        ("max_lr=1e-9", "min_lr 1e-06 is above max_lr 1e-09"),
        ("stage2.steps=3", "calvin-7b-stage1 has no stage2"),
        ("stage1=3", "stage1 is a table of settings"),
        ("stage1.queries=3", "queries holds for the whole model"),
        ("steps", "is not NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(given: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        changed("calvin-7b-stage1", given)
    assert said in str(caught.value)
    assert "--set" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_steps_and_epochs_are_not_both_given() -> None:
    with pytest.raises(ConfigError, match="steps and epochs"):
        changed("calvin-7b-stage1", "steps=3", "epochs=1")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_refuses_a_value_of_another_kind(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.*; it has"):
        check_settings({name: {"a": [{}]}}, "here")


def test_values_are_read_as_toml_and_dots_make_tables() -> None:
    assert parse_settings(["a=1", "b=1.5", "c=true", "d=word", 'e="word"', "f=[1, 2]", "g.h=2", "g.i=3", "a=2"]) == {
        "a": 2, "b": 1.5, "c": True, "d": "word", "e": "word", "f": [1, 2], "g": {"h": 2, "i": 3},
    }  # fmt: skip
