"""Recipes with the projector of another describer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from calvin.captioners.base import CaptionRequest
from calvin.captioners.registry import open_captioner
from calvin.core.errors import ConfigError
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.model import load_calvin
from calvin.training.full.cost import projector_flops
from calvin.training.full.data_file import DataFile, ModelParts
from calvin.training.full.dry_run import assumed_shapes, build_on_meta, dry_run, plan
from calvin.training.peers import PEERS, peer_of
from calvin.training.recipes import RECIPES, get_recipe
from calvin.training.run import Run
from calvin.training.stage import build
from stage_data import shrunk, write_data


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", ["micro", "calvin-7b-stage1", "calvin-7b-stage2"])
def test_a_peer_changes_the_projector_and_nothing_else(name: str, peer: str) -> None:
    base, changed = get_recipe(name), get_recipe(f"{name}-{peer}")
    assert changed == peer_of(base, peer)
    assert base.world == changed.world
    ours, theirs = base.model.model_dump(), changed.model.model_dump()
    differ = {key for key in ours if ours[key] != theirs[key]}
    assert {"projector", "num_query_tokens"} <= differ <= {"projector", "num_query_tokens", "mapping"}
    for step, other in zip(base.steps, changed.steps, strict=True):
        words = {"name", "about", "row", "starts_from"}
        assert step.model_dump(exclude=words) == other.model_dump(exclude=words)
    for stage in changed.stages:
        if changed.world is None and stage.starts_from is not None:
            assert get_recipe(stage.starts_from).model.projector == peer


def test_a_record_names_a_projector_where_it_is_not_the_papers() -> None:
    assert "projector" not in get_recipe("micro").record()
    assert get_recipe("micro-autoad").record()["projector"] == "autoad"
    records = []
    for ending in ("", "-clipcap", "-autoad"):
        recipe = get_recipe(f"calvin-7b-stage1{ending}")
        records.append(recipe.stages[0].record_alone(recipe.model))
    assert [record.get("projector") for record in records] == [None, "clipcap", "autoad"]
    with pytest.raises(ConfigError, match=r"no peer 'capdec'.*clipcap, autoad"):
        peer_of(RECIPES["micro"], "capdec")


@pytest.mark.parametrize("peer", PEERS)
def test_a_dry_run_counts_a_peer(peer: str) -> None:
    [stage] = plan(get_recipe(f"calvin-7b-stage2-{peer}"))
    text = dry_run(stage)
    assert "mapping network" in text
    assert "qformer_layers" not in text
    model = build_on_meta(stage)
    images, videos = (
        shape for _, shape in sorted(assumed_shapes(stage.step, stage.config), key=lambda it: it[1].frames)
    )
    assert (images.frames, videos.frames) == (1, 32)
    one, many = projector_flops(model, images), projector_flops(model, replace(images, frames=32))
    matrices = sum(value.numel() for value in model.projector.parameters() if value.ndim == 2)
    # A perceptron reads one vector, however many frames it is the mean of.
    assert one == many == 12 * 2 * matrices if peer == "clipcap" else one < many < 12 * 2 * 42 * 2 * matrices


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_built_and_another_projector_is_not_gone_on_from(tiny_model: Path, tmp_path: Path, peer: str) -> None:
    parts = ModelParts(language=str(tiny_model.parent / "language"), vision=str(tiny_model.parent / "tower"))
    recipe = get_recipe(f"micro-{peer}")
    model, processor = build(recipe, recipe.stages[0], parts, None)
    assert model.config.projector_type == peer
    assert model.config.num_query_tokens == processor.num_query_tokens == 10
    spread = model.projector(torch.randn(64, 1, model.config.image_embed_dim)).std().item()
    assert spread == pytest.approx(0.6, rel=0.35)
    again = build(recipe, recipe.stages[0], parts, None)[0].state_dict()
    assert all(torch.equal(value, again[name]) for name, value in model.state_dict().items())
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    other = recipe.changed(model=recipe.model.changed(projector="qformer").model_dump())
    with pytest.raises(ConfigError, match=f"trains a qformer projector, the model in .* has a {peer}"):
        build(other, other.stages[1], parts, tmp_path)


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_is_trained_in_both_stages_and_describes(
    tiny_model: Path, tiny_tower: Path, tmp_path: Path, peer: str
) -> None:
    dim = load_calvin(tiny_model)[0].config.image_embed_dim
    data = DataFile.read(write_data(tmp_path / "data", tiny_model.parent / "language", tiny_tower, dim))
    recipes = [peer_of(shrunk(stage, steps=2, accumulation=1), peer) for stage in (1, 2)]
    for recipe in recipes:
        models = Run(recipe, tmp_path / recipe.name, data).models()
    [folder] = models.values()
    captioner = open_captioner(str(folder))
    embeds = np.zeros((3, dim), np.float32)
    [answer] = captioner.caption([CaptionRequest(Scene("a", "", Span(0, 1000), embeds), Prompt())])
    assert answer.candidates
    assert load_calvin(folder)[0].config.projector_type == peer
    card = (folder / "README.md").read_text()
    assert f"calvin train calvin-7b-stage2-{peer}" in card
    assert PEERS[peer].row in card  # type: ignore[index]
