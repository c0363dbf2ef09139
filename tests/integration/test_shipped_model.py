"""The weights that ship with the package: they still see, and they are the ones that their card speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model
from calvin.core.files import file_sha256
from calvin.core.types import Scene
from calvin.lab.adapt_films import draw_portraits
from calvin.lab.material import truth_score
from calvin.lab.sight import FLOORS, below_floors, fixed_scenes, look_again
from calvin.lab.truth_scoring import OWN, TruthScene, evaluate_truth
from calvin.puppets.draw.render import render_at
from calvin.puppets.lexicon import ACTIONS
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.screenplay import make_film
from calvin.studio.cast.scene_cast import portrait_looks


@pytest.fixture(scope="module")
def shipped() -> Path:
    return Path(find_model(None))


def test_the_shipped_model_sees_what_happens(shipped: Path) -> None:
    found = look_again(Calvin.from_pretrained(shipped))
    print(found)
    assert below_floors(found) == []


@pytest.mark.parametrize("part", ["language_projection", "frames"])
def test_a_model_that_sees_nothing_is_found_out(shipped: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = Calvin.from_pretrained(shipped)
    if part == "frames":
        encode = blind.encode_frames
        monkeypatch.setattr(blind, "encode_frames", lambda rgb: encode(rgb) * 0)
    else:
        with torch.no_grad():
            blind.model.projector.language_projection.weight.zero_()
            blind.model.projector.language_projection.bias.zero_()
    # Half of the scenes are enough; whoever is named in the prompt is still named, which needs no eyes.
    found = look_again(blind, count=len(ACTIONS))
    print(found)
    missed = {line.rpartition(" ")[0].partition(" ")[0] for line in below_floors(found)}
    assert {"action", "prop", "place"} <= missed


def test_the_card_speaks_of_these_weights(shipped: Path) -> None:
    card = (shipped / "README.md").read_text(encoding="utf-8")
    [stated] = re.findall(r"sha256 ([0-9a-f]{64})", card)
    assert file_sha256(shipped / "model.safetensors") == stated


def test_every_action_is_among_the_fixed_scenes() -> None:
    scenes = fixed_scenes()
    assert {scene.truth.action for scene in scenes} == {action.key for action in ACTIONS}
    assert sum(scene.truth.prop is not None for scene in scenes) >= 15
    assert scenes == fixed_scenes()
    assert set(FLOORS) == {"action", "prop", "place", "names of an entity prompt"}


def test_it_names_nobody_of_itself_and_the_cast_by_looks(shipped: Path) -> None:
    """Context from its own captions, as `describe` runs, on a held-out film; the floors lie below what is measured."""
    captioner, film = Calvin.from_pretrained(shipped), make_film(880_001, 16, split="heldout")
    captions, items = film_captions(film), list[TruthScene]()
    looks = portrait_looks(captioner, draw_portraits(film, captioner))
    for number, scene in enumerate(film.scenes):
        truth = scene.truth
        times = np.linspace(0, scene.duration_ms / 1000, captioner.max_frames, endpoint=False).tolist()
        shown = Scene(str(number), film.id, truth.span, captioner.encode_frames(render_at(scene, times)))
        items.append(TruthScene(shown, truth, tuple(captions[:number]), (), portraits=looks))
    chosen = [one for one in OWN if one.held and not one.corrected]
    alone, cast = evaluate_truth(captioner, items, truth_score, chosen)
    print(alone.means, cast.means, looks)
    assert alone.means["wrong_name"] == 0
    assert alone.means["action"] >= 0.7
    assert cast.means["names_exact"] >= 0.8
    assert cast.means["wrong_name"] <= 0.1
    assert cast.means["agent"] >= 0.8
