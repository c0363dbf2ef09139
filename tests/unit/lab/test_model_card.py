from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import CheckpointError
from calvin.core.prompts import EVALUATION_QUESTION, Prompt
from calvin.lab.model_card import USAGE, add_figures, deviations
from calvin.model import load_calvin
from calvin.training.recipes import get_recipe


def test_what_departs_from_the_paper_is_said() -> None:
    recipe = get_recipe("micro")
    said = " ".join(deviations(recipe))
    assert "10%" in said
    assert "40%" in said
    assert "whole language model" in said
    assert "stage 1 trains the language model" in said
    of_mini = "; ".join(deviations(get_recipe("mini")))
    assert "20% of the scenes with known names" in of_mini, "of its first part of stage 2"
    assert "later in stage 2, films are told after prompts" in of_mini
    *steps, last = recipe.steps
    plainer = last.changed(no_context_share=0.0, entity_share=0.0, trains=("lora",))
    plain = recipe.changed(steps=[step.model_dump() for step in (*steps, plainer)])
    assert not any("entity" in line or "without it" in line or "whole" in line for line in deviations(plain))


def test_the_use_on_a_card_runs(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = USAGE.partition("```python\n")[2].partition("```")[0].replace("FOLDER", str(tiny_model))
    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 28, 3), dtype=np.uint8)
    exec(code, {"frames": frames})  # our own card
    [said] = ast.literal_eval(capsys.readouterr().out)
    model, processor = load_calvin(tiny_model)
    inputs = processor([Prompt(EVALUATION_QUESTION)], frames=[list(frames)])
    assert [said] == processor.captions(model.generate(**inputs, num_beams=5, max_new_tokens=64))


def test_a_card_holds_the_latest_figures_once(tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    picture.write_bytes(b"picture")
    model = tmp_path / "model"
    model.mkdir()
    with pytest.raises(CheckpointError, match="no card"):
        add_figures(model, "old", picture)
    (model / "README.md").write_text("# calvin-tiny\n\nA card.\n")
    for figures in ("old", "new"):
        add_figures(model, figures, picture)
    card = (model / "README.md").read_text()
    assert "A card." in card
    assert "old" not in card
    assert card.count("new") == 1
    assert (model / "confusion.png").read_bytes() == b"picture"
