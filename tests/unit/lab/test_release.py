from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from calvin.core.progress import silent
from calvin.core.types import EncoderIdentity
from calvin.data.regularisation import read_regularisation
from calvin.lab import release as releasing
from calvin.lab.material import draw_regularisation
from calvin.lab.model_card import DEVELOPMENT, TEST
from calvin.lab.release import release
from calvin.puppets.lexicon import NAMES
from calvin.puppets.truth import names_in
from calvin.training.history import note_start
from calvin.training.recipes import get_recipe


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that is done but for its release."""
    asked: list[int | None] = []

    def figures(captioner, tower, out, limit=None, real=(), listener=silent, seed=None) -> str:
        asked.append(seed)
        out.mkdir(parents=True)
        (out / "confusion.png").write_bytes(b"picture")
        return f"### Percent, seed {seed}\n"

    monkeypatch.setattr(releasing, "model_figures", figures)
    monkeypatch.setattr(
        releasing, "look_again", lambda _: {"action": 0.1, "prop": 1, "place": 1, "names of an entity prompt": 1}
    )
    monkeypatch.setattr(releasing, "draw_regularisation", partial(draw_regularisation, films=2))
    (tmp_path / "tower").mkdir()
    (tmp_path / "language").mkdir()
    (tmp_path / "tower" / "accuracy.json").write_text(json.dumps({"place": 1.0}))
    (tmp_path / "language" / "accuracy.json").write_text(json.dumps([{"phase": "repeats", "marked_accuracy": 0.9}]))
    (tmp_path / "evaluation.md").write_text("| context | action |\n|---|---|\n| none | 93.0 |\n")
    (tmp_path / "curves.png").write_bytes(b"curves")
    note_start(tmp_path, "2 cores")
    release(get_recipe("mini"), tmp_path, tiny_model, silent)
    assert release(get_recipe("mini"), tmp_path, tiny_model, silent).is_dir()
    assert len(asked) == 2, "what is there is not scored again"
    assert asked[1] is None
    assert asked[0] is not None
    return tmp_path


def test_a_released_folder_holds_the_model_its_card_and_its_pictures(run: Path, tiny_model: Path) -> None:
    folder = run / "release" / "calvin-mini"
    card = (folder / "README.md").read_text()
    assert (folder / "model.safetensors").read_bytes() == (tiny_model / "model.safetensors").read_bytes()
    assert card.index("none | 93.0") < card.index(TEST) < card.index(DEVELOPMENT)
    assert card.count("### Percent") == 2
    assert "development set" in card
    assert (folder / "confusion.png").read_bytes() == b"picture"
    assert (folder / "curves.png").is_file()
    assert "on 2 cores, version" in card


def test_scenes_for_adapting_it_lie_beside_it_under_the_towers_name(run: Path, tiny_model: Path) -> None:
    config = json.loads((tiny_model / "config.json").read_text())
    [path] = (run / "release" / "regularisation").iterdir()
    assert path.name == f"{config['encoder_hash'][:12]}.safetensors"
    encoder = EncoderIdentity(config["encoder_id"], config["encoder_hash"])
    scenes = read_regularisation(path, encoder, 8)
    assert len(scenes) > 5
    assert not any(names_in(scene.caption, NAMES) for scene in scenes)


def test_a_model_that_sees_too_little_says_so(run: Path) -> None:
    assert "action 10%" in (run / "release" / "calvin-mini" / "DO-NOT-SHIP.txt").read_text()
