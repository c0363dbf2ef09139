"""The rows of Table 3 mean the same at full size and on puppet films."""

from __future__ import annotations

import pytest

from calvin.core.errors import ConfigError
from calvin.lab.reproduce.orderings import TABLE_3
from calvin.training.ablation import ABLATIONS
from calvin.training.full.dry_run import plan
from calvin.training.recipes import RECIPES, get_recipe
from calvin.training.settings import change_recipe, differences
from calvin.training.steps import Recipe
from calvin.training.variants import VARIANTS, Variant, find_variant

TRAINED = [variant for variant in VARIANTS if not variant.untrained]


def changed(recipe: Recipe, base: Recipe) -> dict[str, object]:
    """What differs in what is learnt, by name; shares as how they changed, numbers by their ratio."""
    [step], [star] = recipe.stages, base.stages
    here, there = ({**it.mixed(), **it.loop.model_dump(), "rank": it.lora_rank} for it in (step, star))
    found: dict[str, object] = {}
    for name, value in here.items():
        if value != there[name]:
            found[name] = value if isinstance(value, tuple) else f"x {value / there[name]:.2g}" if isinstance(
                value, int | float
            ) else sorted(set(there[name]) - set(value))  # fmt: skip
    if recipe.model != base.model:
        found["queries"] = recipe.model.num_query_tokens
    return found


@pytest.mark.parametrize("variant", TRAINED, ids=lambda variant: variant.key)
def test_a_row_changes_the_same_at_both_sizes(variant: Variant) -> None:
    full, puppets = (
        changed(get_recipe(variant.recipe(family)), get_recipe(f"{family}-stage2"))
        for family in ("calvin-7b", "ablation")
    )
    assert full == puppets
    assert (full == {}) == (variant.key == "all")


def test_every_row_of_table_3_is_a_variant_with_a_recipe_at_both_sizes() -> None:
    assert {row.key for row in TABLE_3} == {variant.key for variant in VARIANTS}
    for variant in VARIANTS:
        assert variant.recipe("calvin-7b") in RECIPES
        assert variant.recipe("ablation") in ABLATIONS
    for name, recipe in ABLATIONS.items():
        [step] = recipe.stages
        assert recipe.name == name
        if step.starts_from is not None:
            before = ABLATIONS[step.starts_from]
            assert before.model == recipe.model
            assert before.stages[0].max_frames == step.max_frames


def test_an_unknown_variant_is_refused() -> None:
    with pytest.raises(ConfigError, match="There is no variant 'r8'; there are: all, no-mad"):
        find_variant("r8")


def test_recipes_of_puppet_films_are_known_where_others_are() -> None:
    shorter = change_recipe(get_recipe("ablation-stage2"), {"steps": 20}, "--set")
    told = [str(it) for it in differences(shorter, shorter.stages[0])]
    assert "steps 20 (the recipe: 1,200)" in told
    with pytest.raises(ConfigError, match="known from its data file alone"):
        plan(get_recipe("ablation-stage2"))
