"""The weights that ship with the package: they still see, and they are the ones that their card speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model
from calvin.core.files import file_sha256
from calvin.lab.sight import FLOORS, below_floors, fixed_scenes, look_again
from calvin.puppets.lexicon import ACTIONS


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
