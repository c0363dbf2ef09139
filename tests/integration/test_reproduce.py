"""`calvin reproduce` from drawn films to report with the shipped model, stopped, shared and refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model
from calvin.cli.main import app
from calvin.data import FeatureWriter
from calvin.lab.reproduce import base_parts, film_scores
from calvin.lab.reproduce.ablations import AblationStudy
from calvin.lab.reproduce.work_shares import DONE, carry_out
from calvin.training.full.data_file import DataFile


def run(*words: object):
    return CliRunner().invoke(app, ["reproduce", *map(str, words)])


def test_figure_8_with_the_shipped_model(tmp_path: Path) -> None:
    out = tmp_path / "figure8"
    command = ("figure8", "--seeds", 1, "--films", 2, "--rows", "scenes-0,scenes-3", "--metrics", "cider", "-o", out)
    first = run(*command, "--part", "1/2")
    assert first.exit_code == 0, first.output
    assert "1 runs are still to be made" in first.stderr
    [done] = out.glob(f"runs/*/{DONE}")
    before = done.stat().st_mtime_ns
    made = run(*command)
    assert made.exit_code == 0, made.output
    assert done.stat().st_mtime_ns == before, "a run is made once"
    results = json.loads((out / "results.json").read_text())
    rows = {row["key"]: row["scores"] for row in results["rows"]}
    assert list(rows) == ["scenes-0", "scenes-3"]
    for scores in rows.values():
        assert len(scores["CIDEr-D"]["0"]) == 2
        assert sum(scores["truth: action"]["0"].values()) / 2 > 70
    without, three = (sum(rows[key]["truth: names_exact"]["0"].values()) for key in rows)
    assert three > without == 0
    captions = [json.loads(line) for line in (done.parent / "captions.jsonl").read_text().splitlines()]
    assert len(captions) == 40
    assert all(caption["context"] == [] for caption in captions)
    assert (out / "figure8.png").is_file() == (out / "figure8.svg").is_file()
    report = (out / "report.md").read_text()
    assert "Of 2 orderings of the paper: 0 holds; 0 holds, not surely; 0 does not hold; 2 not run." in report
    assert "<caption>The paper&#x27;s orderings</caption>" in (out / "report.html").read_text()

    other = run("figure8", "--films", 3, "--metrics", "cider", "-o", out)
    assert other.exit_code == 1
    assert "holds a run of another recipe" in other.stderr
    assert (out / "report.md").read_text() == report


HEADER = "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"


def write_evaluation(model: Path, folder: Path) -> Path:
    """A data file that names two films of three scenes to score on."""
    rows = [f"000{film}_Film,Ann waves {i}.,9,{i},{i + 1},tt1,x,0,0" for film in (1, 2) for i in range(3)]
    (folder / "eval.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    with FeatureWriter(folder / "eval.h5", *Calvin.from_pretrained(model).encoder, fps=5.0, dim=24) as writer:
        for film in (1, 2):
            writer.add(f"000{film}_Film", np.random.default_rng(film).normal(size=(20, 24)))
    file = folder / "data.toml"
    file.write_text(
        '[model]\nlanguage = "a"\nvision = "b"\n\n[evaluation]\nannotations = "eval.csv"\nfeatures = "eval.h5"\n'
    )
    return file


def test_figure_8_on_films_of_a_data_file(tiny_model: Path, tmp_path: Path) -> None:
    file = write_evaluation(tiny_model, tmp_path)
    whole = file.read_text()
    start = whole.partition("[evaluation]")[0]
    file.write_text(start)
    command = ["figure8", "--data", file, "--rows", "scenes-0,scenes-2", "--metrics", "cider", "-o", tmp_path / "out"]
    assert "add a table [evaluation]" in run(*command).stderr
    file.write_text(whole.replace("eval.h5", "none.h5"))
    assert "The features of [evaluation] are not there" in run(*command, "-m", tiny_model).stderr
    file.write_text(whole)
    assert "name the model that is to be scored" in run(*command).stderr
    assert "leave --seeds out" in run(*command, "-m", tiny_model, "--seeds", 2).stderr
    made = run(*command, "-m", tiny_model)
    assert made.exit_code == 0, made.output
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [len(row["scores"]["CIDEr-D"]["0"]) for row in results["rows"]] == [2, 2]
    contexts = {
        place.name.partition("-frames")[0]: [
            len(json.loads(line)["context"]) for line in (place / "captions.jsonl").read_text().splitlines()
        ]
        for place in (tmp_path / "out" / "runs").iterdir()
    }
    assert contexts == {"context-0": [0] * 6, "context-2": [0, 1, 2] * 2}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table9"], "There is no 'table9' to reproduce: choose from"),
        (["figure8", "--rows", "scenes-33"], "There is no row 'scenes-33'; there are: scenes-0"),
        (["figure8", "--metrics", "rouge"], "name cider among the metrics, not only rouge"),
        (["figure8", "--metrics", "rogue"], "There is no metric 'rogue'"),
        (["figure8", "--part", "3/2"], "'3/2' is not a share"),
        (["figure8", "--part", "1/2", "--ray"], "leave --part out"),
        (["figure8", "--on", "mad"], "--on takes puppets"),
        (["figure8", "--data", "nowhere.toml"], "There is no data file nowhere.toml"),
        (["figure8", "--data", "nowhere.toml", "--films", "4"], "--films draws puppet films"),
        (["figure8", "--out", "a-file"], "a-file is a file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_drawn(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    result = run(*words)
    assert result.exit_code != 0
    assert said in " ".join(result.stderr.split())
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


def test_the_plan_is_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    planned = run("figure8", "--plan", "--seeds", 2, "--rows", "scenes-0,scenes-3,frames-all,frames-1")
    assert planned.exit_code == 0, planned.output
    told = [line for line in planned.stdout.splitlines() if ", seed " in line]
    # Three scenes and all frames are one setting, so that four rows of two seeds are six runs.
    assert len(told) == 6
    assert "6 runs," in planned.stdout
    assert not list(tmp_path.iterdir())


FEW = ("steps=2", "warmup_steps=1", "micro_batch=2")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AblationStudy:
    """Three rows of Table 3 in two micro-batches each, on two films of five scenes."""
    monkeypatch.setattr(film_scores, "PUPPET_SIZES", film_scores.PUPPET_SIZES.changed(scenes=5))
    world = base_parts.WORLD.changed(films=1, scenes=6, clips=2, images=4, conversations=2)
    return AblationStudy(
        "table3", tmp_path / "out", find_model(None), ("cider",), 1, 2, changes=FEW, only=("none", "stage3"),
        world=world,
    )  # fmt: skip


def test_rows_are_trained_from_one_base_by_the_recipes_of_table_3(small: AblationStudy) -> None:
    assert carry_out(small) == 0
    runs = small.folder / "runs"
    assert sorted(path.name for path in runs.iterdir()) == ["no-mad-seed-0", "none-seed-0", "stage3-seed-0"]
    assert not (runs / "no-mad-seed-0" / DONE).exists(), "what a row goes on from is trained, and not a row"
    weights = {
        name: json.loads((runs / name / "train" / "recipe.json").read_text())["stage"]["weights"]
        for name in ("no-mad-seed-0", "stage3-seed-0")
    }
    assert weights["stage3-seed-0"] == {"mad": 1.0}
    assert set(weights["no-mad-seed-0"]) == {"webvid", "llava", "cc3m"}
    data = DataFile.read(small.folder / "base" / "data.toml")
    assert {source.name for source in data.sources} == {"mad", "webvid", "llava", "cc3m", "cc12m"}
    rows = {row.paper.key: row for row in small.findings().rows}
    assert {key: row.runs for key, row in rows.items()} == {"none": 1, "stage3": 1}
    before = (small.folder / "base" / "data.toml").stat().st_mtime_ns
    (runs / "stage3-seed-0" / DONE).unlink()
    assert carry_out(small) == 0, "it is scored again from its captions, and not trained again"
    assert (small.folder / "base" / "data.toml").stat().st_mtime_ns == before


FAKE = """
import shutil, sys
words = sys.argv[1:]
out, name = words[words.index("--out") + 1], words[words.index("train") + 1]
print("trained", name, *words[-2:], flush=True)
shutil.copytree({model!r}, out + "/model")
"""


def test_full_size_recipes_are_trained_by_the_commands_that_the_plan_prints(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write_evaluation(tiny_model, tmp_path)
    script = tmp_path / "fake.py"
    script.write_text(FAKE.format(model=str(tiny_model)))
    command = ["table3", "--data", file, "--seeds", 1, "--rows", "r16,none", "--metrics", "cider", "-o", tmp_path / "o"]
    command += ["--launch", f"{sys.executable} {script}"]
    planned = run(*command, "--plan")
    assert planned.exit_code == 0, planned.output
    assert [line.split(" train ")[1].split()[0] for line in planned.stdout.splitlines() if " -m calvin " in line] == [
        "calvin-7b-stage1", "calvin-7b-stage2-r16",
    ]  # fmt: skip
    assert not (tmp_path / "o").exists()
    made = run(*command)
    assert made.exit_code == 0, made.output
    assert capfd.readouterr().out.splitlines() == [
        "trained calvin-7b-stage1 --set seed=0", "trained calvin-7b-stage2-r16 --set seed=0",
    ]  # fmt: skip
    results = json.loads((tmp_path / "o" / "results.json").read_text())
    assert [row["key"] for row in results["rows"] if row["scores"]] == ["none", "r16"]
    assert results["gate_holds"] is True, "of films without truth nothing can be asked"
    assert "leave --model out" in run(*command, "-m", tiny_model).stderr
    assert "--launch starts the training of full-size recipes" in run("table3", "--launch", "x").stderr
    assert "there is no setting 'stepps'" in run("table3", "--set", "stepps=3").stderr
