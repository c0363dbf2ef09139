from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch
from torch import nn

from calvin.core.errors import CalvinError, CheckpointError
from calvin.core.files import locked
from calvin.training.claim import claim_folder
from calvin.training.full.data_file import ModelParts
from calvin.training.loop.checkpoints import load_weights, save_checkpoint
from calvin.training.recipes import get_recipe
from calvin.training.run import Run
from calvin.training.stage import build, round_matrices


def test_matrices_are_rounded_as_autocast_does_and_pack_smaller() -> None:
    torch.manual_seed(0)
    part = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))
    nn.init.normal_(part[0].weight, std=0.05)
    before = {name: value.clone() for name, value in part.state_dict().items()}
    round_matrices(part)
    after = part.half().state_dict()
    assert torch.equal(after["0.weight"].to(torch.bfloat16), before["0.weight"].to(torch.bfloat16))
    for name in ("0.bias", "1.weight", "1.bias"):
        assert torch.equal(after[name], before[name].half())
    sizes = [len(zlib.compress(value.numpy().tobytes())) for value in (before["0.weight"].half(), after["0.weight"])]
    assert sizes[1] < 0.9 * sizes[0]


def test_steps_lie_where_they_always_did(tmp_path: Path) -> None:
    """A recipe with a world has one folder for all; stages from a data file each have one of their own."""
    small = Run(get_recipe("micro"), tmp_path, None)  # type: ignore[arg-type]
    found = {step.name: small.place(step) for step in small.recipe.steps}
    assert [place.result.name for place in found.values()] == ["tower", "language", "stage1", "model"]
    assert [place.checkpoints.name for place in found.values()] == ["tower", "language", "stage1", "stage2"]
    assert {place.folder for place in found.values()} == {tmp_path}
    both, one = (Run(get_recipe(name), tmp_path, None) for name in ("calvin-7b", "calvin-7b-stage2"))  # type: ignore[arg-type]
    assert [both.place(step).result for step in both.recipe.steps] == [
        tmp_path / "calvin-7b-stage1" / "model",
        tmp_path / "calvin-7b-stage2" / "model",
    ]
    assert one.place(one.recipe.stages[0]).result == tmp_path / "model"
    assert one.place(one.recipe.stages[0]).checkpoints == tmp_path / "checkpoints"


def test_a_folder_of_another_recipe_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    claim_folder(tmp_path, get_recipe("micro").record())
    with pytest.raises(CheckpointError, match="another recipe"):
        Run(get_recipe("mini"), tmp_path, None).models()  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.json"]


def test_two_runs_do_not_train_into_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path), pytest.raises(CalvinError, match="is being written by another process"):
        Run(get_recipe("micro"), tmp_path, None).models()  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path), pytest.raises(AttributeError):  # as far as what it has not been given
        Run(get_recipe("micro"), tmp_path, None).models()  # type: ignore[arg-type]


def test_a_damaged_record_is_no_record_of_this_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("[")
    with pytest.raises(CheckpointError, match="another recipe"):
        claim_folder(tmp_path, get_recipe("micro").record())


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    for name in ("tower", "language", "model"):
        (tmp_path / name).mkdir()
    models = Run(get_recipe("micro"), tmp_path, None).models()  # type: ignore[arg-type]
    assert models["stage 2"] == tmp_path / "model"


def test_checkpoints_that_hold_the_towers_statistics_are_read(tmp_path: Path) -> None:
    """Those of earlier versions do: the tower was in the model while it trained."""

    def model(tower: bool) -> nn.Module:
        return nn.ModuleDict({"a": nn.Linear(2, 2), **({"vision_tower": nn.BatchNorm1d(2)} if tower else {})})

    old = model(tower=True)
    old["vision_tower"].requires_grad_(False)  # type: ignore[index]
    optimizer = torch.optim.AdamW(old["a"].parameters())  # type: ignore[index]
    saved = save_checkpoint(tmp_path, 1, old, optimizer, {})
    new = model(tower=False)
    load_weights(saved, new)
    assert torch.equal(new["a"].weight, old["a"].weight)  # type: ignore[index]


def test_a_stage_begins_with_the_same_weights_whatever_was_drawn_before_it(tiny_model: Path) -> None:
    parts = ModelParts(language=str(tiny_model.parent / "language"), vision=str(tiny_model.parent / "tower"))
    recipe = get_recipe("mini")
    made = []
    for before in (1, 2):
        torch.manual_seed(before)
        made.append(build(recipe, recipe.stages[0], parts, None)[0].state_dict())
    for name, value in made[0].items():
        assert torch.equal(value, made[1][name]), name
