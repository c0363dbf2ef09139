"""`calvin reproduce` from drawn films to report with the shipped model, stopped, shared and refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.data import FeatureWriter
from calvin.lab.reproduce.work_shares import DONE


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


def test_figure_8_on_films_of_a_data_file(tiny_model: Path, tmp_path: Path) -> None:
    rows = [f"000{film}_Film,Ann waves {i}.,9,{i},{i + 1},tt1,x,0,0" for film in (1, 2) for i in range(3)]
    (tmp_path / "eval.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    with FeatureWriter(tmp_path / "eval.h5", *Calvin.from_pretrained(tiny_model).encoder, fps=5.0, dim=24) as writer:
        for film in (1, 2):
            writer.add(f"000{film}_Film", np.random.default_rng(film).normal(size=(20, 24)))
    file = tmp_path / "data.toml"
    file.write_text('[model]\nlanguage = "a"\nvision = "b"\n')
    command = ["figure8", "--data", file, "--rows", "scenes-0,scenes-2", "--metrics", "cider", "-o", tmp_path / "out"]
    assert "add a table [evaluation]" in run(*command).stderr
    named = '[evaluation]\nannotations = "eval.csv"\nfeatures = "{}"\n'
    start = file.read_text()
    file.write_text(start + named.format("none.h5"))
    assert "The features of [evaluation] are not there" in run(*command, "-m", tiny_model).stderr
    file.write_text(start + named.format("eval.h5"))
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
