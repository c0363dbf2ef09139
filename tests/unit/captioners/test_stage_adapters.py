"""A stage's adapter stands for a model: it is opened with its base, tuned on to a film, and never on another base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from calvin.captioners import CaptionRequest, open_captioner
from calvin.captioners.adapted import AdaptedCalvin, with_adapter
from calvin.captioners.calvin import Calvin
from calvin.core.errors import CheckpointError, UsageError
from calvin.core.files import model_fingerprint
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.data.regularisation import RegularScene
from calvin.model import load_calvin
from calvin.model.tuning import add_prefix, save_adapter
from calvin.studio.adapt.film_tuning import tuned
from calvin.training.fewshot import SMALL, FewshotScene

QUICK = SMALL.changed(loop=SMALL.loop.changed(steps=2), batch_size=4)


@pytest.fixture
def runs(tiny_model: Path, tmp_path: Path) -> Path:
    """As recipes leave them: the model of stage 1, and the prefix of stage 2 that belongs to it."""
    base = tmp_path / "runs" / "stage1" / "model"
    shutil.copytree(tiny_model, base)
    model, _ = load_calvin(base)
    torch.manual_seed(1)
    add_prefix(model, tokens=3)
    for value in model.language_model.prompt_encoder.parameters():
        value.data.mul_(20)
    facts = {
        "recipe": "prefix",
        "stage": "prefix",
        "base": model_fingerprint(base),
        "base_folder": "../../stage1/model",
    }
    save_adapter(model, tmp_path / "runs" / "prefix" / "model", facts)
    return tmp_path / "runs"


def words(captioner) -> str:
    embeds = np.random.default_rng(3).normal(size=(4, 24)).astype(np.float32)
    [answer] = captioner.caption([CaptionRequest(Scene("s", "f", Span(0, 1), embeds), Prompt())], max_new_tokens=12)
    return f"{answer.text} {answer.score:.4f}"


def test_its_folder_is_opened_as_a_model(runs: Path) -> None:
    plain = Calvin.from_pretrained(runs / "stage1" / "model")
    prefixed = open_captioner(str(runs / "prefix" / "model"))
    assert type(prefixed) is Calvin
    assert words(prefixed) != words(plain)
    assert prefixed.fingerprint != plain.fingerprint
    expected, before = words(prefixed), words(plain)
    with with_adapter(plain, runs / "prefix" / "model") as put_on:
        assert words(put_on) == expected
        assert put_on.info.fingerprint == prefixed.fingerprint
        assert put_on.info.name.endswith("+prefix")
    assert words(plain) == before


def test_it_is_tuned_on_to_a_film_and_is_as_before_afterwards(runs: Path, tmp_path: Path) -> None:
    base = Calvin.from_pretrained(runs / "prefix" / "model")
    before, rng = words(base), np.random.default_rng(0)
    scenes = [FewshotScene(str(i), "a man waves", ("man",), rng.normal(size=(3, 24))) for i in range(4)]
    regular = [RegularScene("a woman walks", rng.normal(size=(2, 24)).astype(np.float32)) for _ in range(4)]
    with tuned(base, scenes, regular, QUICK, tmp_path / "work") as adapted:
        after = words(adapted)
        save_adapter(base.model, tmp_path / "film", {"base": base.fingerprint, "film": {"title": "f", "sha256": "0"}})
    assert words(base) == before
    with with_adapter(base, tmp_path / "film") as again:
        assert isinstance(again, AdaptedCalvin)
        assert words(again) == after != before
    assert words(base) == before


def test_what_is_no_model_or_lacks_its_base_is_refused(runs: Path) -> None:
    folder, base = runs / "prefix" / "model", runs / "stage1" / "model"
    (base / "more.txt").write_text("changed")
    with pytest.raises(CheckpointError, match="as it was before"):
        Calvin.from_pretrained(folder)
    base.rename(runs / "elsewhere")
    with pytest.raises(CheckpointError, match="which is not there: put it back"):
        Calvin.from_pretrained(folder)
    facts = json.loads((folder / "calvin_adapter.json").read_text())
    del facts["base_folder"]
    (folder / "calvin_adapter.json").write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="does not say which model"):
        Calvin.from_pretrained(folder)
    (folder / "calvin_adapter.json").write_text(json.dumps({**facts, "film": {}, "base_name": "calvin-mini"}))
    with pytest.raises(UsageError, match="give --model calvin-mini and --adapter"):
        Calvin.from_pretrained(folder)
