"""The paper's Table 4 and Figures 9 and 10 on films of a data set, of which there are annotations and frame vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.core.time import Span
from calvin.data import FeatureWriter, MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation

FILMS, SCENES = ("9001_A_MADE_UP_FILM", "9002_ANOTHER"), 8


@pytest.fixture(scope="module")
def given(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotations `eval.csv`, vectors `eval.h5`, `presence.jsonl` and scenes of other films `regular.safetensors`."""
    folder = tmp_path_factory.mktemp("annotated")
    encoder, rng = Calvin.from_pretrained(tiny_model).encoder, np.random.default_rng(0)
    rows, present = ["text,start,end,movie"], []
    with FeatureWriter(folder / "eval.h5", *encoder, fps=5.0, dim=24) as writer:
        for film in FILMS:
            writer.add(film, rng.normal(size=(10 * SCENES, 24)).astype(np.float16))
            for i in range(SCENES):
                name = ("Ann", "Bob", "Cleo")[i % 3]
                rows.append(f'"Near the house {name} waves, {i}.",{2 * i},{2 * i + 1},{film}')
                present.append(json.dumps({"movie": film, "start": 2 * i, "end": 2 * i + 1, "names": ["Bob"]}))
    (folder / "eval.csv").write_text("\n".join(rows) + "\n")
    (folder / "presence.jsonl").write_text("\n".join(present) + "\n")
    vectors = MemoryFeatures({"other": rng.normal(size=(40, 24))})
    samples = [
        Sample(str(i), "mad", "other", "video", "A man waves.", Span(i * 1000, i * 1000 + 900)) for i in range(6)
    ]
    write_regularisation(folder / "regular.safetensors", samples, vectors, encoder, EntityStripper(), max_frames=4)
    return folder


def compare(model: Path, given: Path, *more: object) -> Result:
    words = ["adapt-compare", "-m", model, "--data", given / "eval.csv", "--features", given / "eval.h5", "--seeds", 1,
             "--sizes", "2,4", "--iterations", "2,1", "--regularisation", given / "regular.safetensors"]  # fmt: skip
    return CliRunner().invoke(app, [str(word) for word in (*words, *more)])


def test_the_table_and_both_figures_come_from_a_feature_file(tiny_model: Path, given: Path, tmp_path: Path) -> None:
    out = tmp_path / "compared"
    made = compare(tiny_model, given, "-o", out, "--entities", given / "presence.jsonl")
    assert made.exit_code == 0, made.output
    results = json.loads((out / "results.json").read_text())
    assert [(row["kind"], row["size"], row["iterations"]) for row in results["rows"]] == [
        ("none", 0, 0), ("oracle", 0, 0), ("bank", 0, 0), ("first", 2, 2), ("first", 4, 2), ("random", 2, 2),
        ("first", 2, 1),
    ]  # fmt: skip
    assert all(set(row["films"]["CIDEr-D"]) == set(FILMS) for row in results["rows"])
    assert "presence" not in results
    for film in FILMS:
        runs = {path.stem: json.loads(path.read_text()) for path in (out / "captions" / film).iterdir()}
        tuned = [run for run in runs.values() if "taught" in run]
        assert len(tuned) == 4
        [scored] = {tuple(run["captions"]) for run in tuned}
        assert len(scored) == 4
        assert not set(scored) & {scene for run in tuned for scene in run["taught"]}
        first = FILMS.index(film) * SCENES  # ids count the rows of the file
        assert set(runs["first-2-2-0"]["taught"]) == {f"{film}/{first}", f"{film}/{first + 1}"}, "Ann's and Bob's first"
    assert "Figure 9, micro-batches from 1 to 2" in made.stdout
    assert "Figure 10, scenes from 2 to 4" in made.stdout
    head = (out / "table.md").read_text().splitlines()[0]
    assert "| CIDEr-D, mean of films | 95% | paper, Table 4 | ROUGE-L | ROUGE-L, paper |" in head
    assert "| 10.85 |" in made.stdout
    assert "| 11.76 |" in made.stdout
    again = compare(tiny_model, given, "-o", out, "--entities", given / "presence.jsonl")
    assert again.stdout == made.stdout


def test_one_film_without_a_bank(tiny_model: Path, given: Path, tmp_path: Path) -> None:
    made = compare(tiny_model, given, "--film", FILMS[1], "--metrics", "cider", "-o", tmp_path / "one")
    assert made.exit_code == 0, made.output
    assert "entities, bank" not in made.stdout
    assert "by bank" not in made.stdout
    assert "over 1 film)" in made.stdout
    assert [path.name for path in (tmp_path / "one" / "captions").iterdir()] == [FILMS[1]]


def test_what_does_not_fit_is_said_before_anything_is_captioned(tiny_model: Path, given: Path, tmp_path: Path) -> None:
    out = tmp_path / "refused"

    def refused(*more: object) -> str:
        result = compare(tiny_model, given, "-o", out, *more)
        assert result.exit_code == 2, result.output
        assert not (out / "captions").exists()
        return " ".join(result.stderr.split())

    assert "has 8 scenes; to train on 5 of them, it needs 10" in refused("--sizes", "2,5")
    assert "There is no film '9003' among 2 films" in refused("--film", "9003")
    assert "--films, --scenes and --training-films draw puppet films" in refused("--films", 3)
    assert "sparkle" in refused("--metrics", "sparkle")
