from __future__ import annotations

import json
from pathlib import Path

import pytest

from calvin.core.errors import CheckpointError
from calvin.core.files import write_json
from calvin.training.claim import claim_folder, claim_stage
from calvin.training.full.data_file import DataFile
from calvin.training.loop.train import fingerprint_of
from calvin.training.settings import change_recipe
from stage_data import shrunk, write_data

FACTS = {"recipe": {"name": "a", "steps": 3}, "data": {"mad": {"annotations": "a" * 64}}, "sizes": (1, 2)}


def test_a_folder_is_claimed_once_and_recognised(tmp_path: Path) -> None:
    claim_folder(tmp_path, FACTS, told={"changed": {"steps": 1}})
    claim_folder(tmp_path, FACTS)
    claim_folder(tmp_path, FACTS, told={"changed": {"steps": 2}})
    assert json.loads((tmp_path / "recipe.json").read_text())["changed"] == {"steps": 1}


def test_what_differs_is_named(tmp_path: Path) -> None:
    claim_folder(tmp_path, FACTS, told={"changed": {"steps": 1}})
    other = {**FACTS, "recipe": {"name": "b", "steps": 3}, "data": {"mad": {"annotations": "b" * 64}}}
    with pytest.raises(CheckpointError) as caught:
        claim_folder(tmp_path, other)
    said = "(recipe.name is b, there a; data.mad.annotations is the content bbbbbbbb, there the content aaaaaaaa)"
    assert said in str(caught.value)
    with pytest.raises(CheckpointError, match=r"recipe\.steps is 4, there 3\)"):
        claim_folder(tmp_path, {**FACTS, "recipe": {"name": "a", "steps": 4}})


def test_a_run_that_an_earlier_version_began_is_recognised(tmp_path: Path, tiny_model: Path, tiny_tower: Path) -> None:
    """They wrote the paths of the data down."""
    data = DataFile.read(write_data(tmp_path / "data", tiny_model.parent / "language", tiny_tower, dim=24))
    recipe = shrunk(2, steps=2, accumulation=1)
    [step] = recipe.stages
    old = {"recipe": step.record_alone(recipe.model), "stage": step.recorded()}
    old["data"] = data.model_dump(mode="json", exclude={"train", "evaluation"})
    (tmp_path / "run" / "checkpoints" / "checkpoint-00000001").mkdir(parents=True)
    write_json(tmp_path / "run" / "recipe.json", {"fingerprint": fingerprint_of(old), **old})
    claim_stage(tmp_path / "run", recipe, step, data, None)
    longer = change_recipe(recipe, {"steps": 3}, "--set")
    with pytest.raises(CheckpointError, match=r"stage\.loop\.steps is 3, there 2"):
        claim_stage(tmp_path / "run", longer, longer.stages[0], data, None)


def test_a_model_of_which_nobody_knows_the_run_is_no_run(tmp_path: Path, tiny_model: Path, tiny_tower: Path) -> None:
    data = DataFile.read(write_data(tmp_path / "data", tiny_model.parent / "language", tiny_tower, dim=24))
    recipe = shrunk(2, steps=2, accumulation=1)
    (tmp_path / "run" / "model").mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"no recipe\.json"):
        claim_stage(tmp_path / "run", recipe, recipe.stages[0], data, None)
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_first_attempt_that_learnt_nothing_does_not_bind(tmp_path: Path, tiny_model: Path, tiny_tower: Path) -> None:
    """Its data may have been what was wrong with it."""
    data = DataFile.read(write_data(tmp_path / "data", tiny_model.parent / "language", tiny_tower, dim=24))
    recipe, run = shrunk(2, steps=2, accumulation=1), tmp_path / "run"
    [step] = recipe.stages
    claim_stage(run, recipe, step, data, None)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "heldout.jsonl").write_text("{}")
    rows = tmp_path / "data" / "mad.csv"
    rows.write_text(rows.read_text().replace("lamp", "lamps"))
    claim_stage(run, recipe, step, data, None)
    assert not (run / "checkpoints").exists(), "what was logged was another run's"
    (run / "checkpoints" / "checkpoint-00000001").mkdir(parents=True)
    rows.write_text(rows.read_text().replace("lamps", "lamp"))
    with pytest.raises(CheckpointError, match=r"data\.mad\.annotations"):
        claim_stage(run, recipe, step, data, None)
