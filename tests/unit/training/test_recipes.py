from __future__ import annotations

import pytest

from calvin.core.errors import ConfigError
from calvin.training.recipes import RECIPES, get_recipe


def test_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="micro") as caught:
        get_recipe("nano")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_recipes_say_what_they_are_and_mix_what_they_name(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.about
    assert recipe.num_query_tokens == 32
    assert sum(recipe.stage2.weights.values()) == pytest.approx(1.0)
    assert "projector" in recipe.stage1.trains
    assert set(recipe.stage1.weights) <= {"webvid", "webvid_clips", "mad_clips", "text"}  # pairs: no names, no context
