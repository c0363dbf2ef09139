"""`calvin adapt-compare` from films to table with a model of random weights, and again when it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.core.time import Span
from calvin.data import MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation


@pytest.fixture
def regular(tiny_model: Path, tmp_path: Path) -> Path:
    target = tmp_path / "regular.safetensors"
    vectors = MemoryFeatures({"other": np.random.default_rng(0).normal(size=(20, 24))})
    samples = [
        Sample(str(i), "mad", "other", "video", "A man waves.", Span(i * 1000, i * 1000 + 900)) for i in range(4)
    ]
    encoder = Calvin.from_pretrained(tiny_model).encoder
    write_regularisation(target, samples, vectors, encoder, EntityStripper(), max_frames=4)
    return target


@pytest.mark.slow
def test_one_command_compares_and_goes_on_where_it_was(tiny_model: Path, regular: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    command = ["adapt-compare", "-m", tiny_model, "--films", 2, "--scenes", 10, "--training-films", 1, "--seeds", 2,
               "--sizes", "2,4", "--iterations", "2,1", "--regularisation", regular, "-o", out]  # fmt: skip
    arguments = [str(word) for word in command]
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    results = json.loads((out / "results.json").read_text())
    assert len(results["rows"]) == 7
    for row in results["rows"]:
        assert len(row["films"]["CIDEr-D"]) == 2
        assert "wrong-name rate" in row["films"]
        assert ("form not kept" in row["films"]) == (row["size"] > 0)
    assert "Figure 9, micro-batches from 1 to 2" in made.stdout
    assert "Figure 10, scenes from 2 to 4" in made.stdout
    # Who was taught, and that nobody is scored on it: not seen through the code that chose them.
    for film in (out / "captions").iterdir():
        runs = {path.stem: json.loads(path.read_text()) for path in film.iterdir()}
        assert len(runs) == 3 + 2 * 4
        for seed in "01":
            mine = [run for name, run in runs.items() if name.endswith(f"-{seed}")]
            [scored] = {tuple(run["captions"]) for run in mine}
            assert len(scored) == 6
            assert set(scored) <= set(runs["none"]["captions"]) == set(runs["oracle"]["captions"])
            assert not set(scored) & {scene for run in mine for scene in run["taught"]}
            assert set(runs[f"first-2-2-{seed}"]["taught"]) <= set(runs[f"first-4-2-{seed}"]["taught"])

    first = (out / "table.md").read_text()
    [film, _] = sorted((out / "captions").iterdir())
    kept = film / "first-4-2-0.json"
    before = kept.stat().st_mtime_ns
    (film / "first-2-2-1.json").unlink()  # the fifth run: not of the second share
    other = CliRunner().invoke(app, [*arguments, "--part", "2/2"])
    assert other.exit_code == 0, other.output
    assert "other parts have 1 runs to go" in other.stdout
    wrong = CliRunner().invoke(app, [*arguments, "--part", "3/2"])
    assert wrong.exit_code == 2
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    assert kept.stat().st_mtime_ns == before
    assert (out / "table.md").read_text() == first
    assert "run 22 of 22" in again.stderr
