"""Recipes without one part of Appendix A's cleaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.errors import ConfigError
from calvin.model import load_calvin
from calvin.training.full.data_file import DataFile
from calvin.training.left_in import LEFT_IN, leaving_in
from calvin.training.recipes import MICRO, get_recipe
from calvin.training.settings import change_recipe, differences, parse_settings
from stage_data import write_data


@pytest.mark.parametrize("what", LEFT_IN)
@pytest.mark.parametrize("name", ["micro", "calvin-7b-stage2"])
def test_one_thing_is_left_in_in_every_stage_and_nothing_else_changes(name: str, what: str) -> None:
    base, changed = get_recipe(name), get_recipe(f"{name}-with-{what}")
    assert changed == leaving_in(base, what)
    assert (base.world, base.model) == (changed.world, changed.model)
    for step, other in zip(base.steps, changed.steps, strict=True):
        words = {"name", "about", "row", "leave_in"}
        assert step.model_dump(exclude=words) == other.model_dump(exclude=words)
    assert {stage.leave_in for stage in changed.stages} == {(what,)}
    assert LEFT_IN[what] in changed.about  # type: ignore[index]
    # A recipe that leaves nothing in is recorded as it was before it could.
    assert all("leave_in" not in str(stage.recorded()) for stage in base.stages)
    assert all(stage.recorded()["leave_in"] == [what] for stage in changed.stages)
    assert {tuple(stage.mixed()["leave_in"]) for stage in changed.stages} == {(what,)}


def test_it_is_a_setting_and_stands_in_the_card() -> None:
    changed = change_recipe(MICRO, parse_settings(['stage2.leave_in=["numbers", "credits"]']), "--set")
    first, second = changed.stages
    assert (first.leave_in, second.leave_in) == ((), ("numbers", "credits"))
    assert [str(found) for found in differences(changed, second)] == ["leave_in numbers, credits (the recipe: none)"]
    with pytest.raises(ConfigError, match="leave_in"):
        change_recipe(MICRO, parse_settings(['leave_in=["names"]']), "--set")
    with pytest.raises(ConfigError, match=r"numbers, boxes, credits, and no 'names'"):
        leaving_in(MICRO, "names")


def test_sources_of_a_data_file_are_read_so(tiny_model: Path, tiny_tower: Path, tmp_path: Path) -> None:
    dim = load_calvin(tiny_model)[0].config.image_embed_dim
    path = write_data(tmp_path / "data", tiny_model.parent / "language", tiny_tower, dim)
    rows = tmp_path / "data" / "mad.csv"
    rows.write_text(rows.read_text() + '"The closing credits roll.",46,47,9000_A_MADE_UP_FILM_0\n')
    data = DataFile.read(path)
    counts = []
    for ending in ("", "-with-credits"):
        [step] = get_recipe(f"calvin-7b-stage2{ending}").stages
        [source] = [one for one in data.read_sources(step) if one.name == "mad"]
        counts.append(len(source.samples))
    assert counts == [36, 37]
