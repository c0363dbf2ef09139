"""Options of `calvin evaluate` that are settled before the work, and what the protocol card says of the search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.data import FeatureWriter

HEADER = "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"
TV_AD = "text,start,end,imdbid,imdbid_pe,season,episode,scaled_end,scaled_start,duration,tvad_name,tvad_index"


@pytest.fixture(scope="module")
def calvin(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def data(tmp_path: Path, calvin: Calvin) -> list[object]:
    rows = [f"0001_A_Film,Scene {i}.,9,{i},{i + 1},tt1,x,0,0" for i in range(3)]
    annotations = tmp_path / "eval.csv"
    annotations.write_text("\n".join([HEADER, *rows]) + "\n")
    with FeatureWriter(tmp_path / "features.h5", *calvin.encoder, fps=5.0, dim=24) as writer:
        writer.add("0001_A_Film", np.random.default_rng(0).normal(size=(20, 24)))
    return ["--data", annotations, "--features", tmp_path / "features.h5"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "rouge-x"], "There is no metric 'rouge-x'"),
        (["--metrics", "rouge", "--decoding", "papper"], "not 'papper'"),
        (["--characters", "nowhere.json"], "--characters: there is no nowhere.json"),
        (["--format", "mda"], "There is no data format 'mda'"),
        (["--names", "all"], "names"),
        (["--metrics", " , "], "' , ' names no metric"),
        (["--context", "entities-bank"], "Give --entities FILE"),
        (["--entities", "eval.csv"], "--entities goes with --context entities-bank"),
        (["--context", "entities-bank", "--entities", "broken.jsonl"], "needs movie, start, end and names"),
        (["--characters", "broken.json"], "is not a character bank"),
        (["--films", "eval.csv"], "give the folder of the films"),
        (["--stills-at", "0"], "--stills-at is a number of stills a second above 0"),
        (["--format", "tvr", "--context", "3"], "eval.csv has isolated moments"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_opened(run, data, words, said: str, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"movie": "0001_A_Film"}\n')
    (tmp_path / "broken.json").write_text('["Ann"]')
    result = run("evaluate", tmp_path / "no-such-model", *data, *words, "--out", tmp_path / "out")
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert "no-such-model" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("word", ["--annotations", "--format", "--films", "--characters", "--stills-at"])
def test_drawn_films_take_no_others(run, data, word: str, tmp_path: Path) -> None:
    """`evaluate MODEL --annotations eval.csv` without --data scored the drawn films, and said nothing of it."""
    value = {"--format": "tvc", "--stills-at": "3", "--films": tmp_path}.get(word, data[1])
    result = run("evaluate", tmp_path / "no-such-model", word, value)
    assert result.exit_code == 2
    assert f"puppet-eval brings films of its own: leave {word} out" in result.stderr
    assert not (tmp_path / "cache").exists()


def test_a_folder_of_another_run_is_refused_before_films_are_decoded(
    run, data, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [tiny_model, *data, "--metrics", "rouge", "--out", tmp_path / "out"]
    assert run("evaluate", *words).exit_code == 0
    monkeypatch.setattr("calvin.lab.evaluation_sets.make_job", lambda *_: pytest.fail("scenes were made ready"))
    for other in (["--context", "3"], ["--question", "What happens?"], ["--beams", "2"]):
        result = run("evaluate", *words, *other)
        assert result.exit_code == 2, result.output
        assert "holds an evaluation with another" in result.stderr
    file = tmp_path / "file"
    file.write_text("")
    assert f"{file} is a file: give --out a folder" in run("evaluate", *words[:-1], file).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metrics", "rouge"], "Table 4 is in CIDEr"),
        (["--metrics", "cider,rouge-x"], "There is no metric 'rouge-x'"),
        (["--part", "3/2"], "'3/2' is not a share"),
    ],
)
def test_a_comparison_of_adaptations_settles_its_options_first(run, words, said: str, tmp_path: Path) -> None:
    result = run("adapt-compare", "--model", tmp_path / "no-such-model", *words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "no-such-model" not in result.stderr


def test_metrics_go_by_the_names_that_tables_print(run, data, tiny_model: Path, tmp_path: Path) -> None:
    words = ["--metrics", "ROUGE_L,CIDErD", "--decoding", "paper", "--beams", "2", "--temperature", "0.5"]
    result = run("evaluate", tiny_model, *data, *words)
    assert result.exit_code == 0, result.output
    [folder] = (tmp_path / "runs" / "evaluation").iterdir()
    assert folder.name.endswith("-eval-none-paper-b2-t0.5")
    card = json.loads((folder / "run.json").read_text())["card"]
    assert (card["beams"], card["temperature"], card["decoding"]) == ("2", "0.5", "plain beam search")
    names = [measure["name"] for measure in json.loads((folder / "scores.json").read_text())["measures"]]
    assert names[:2] == ["ROUGE-L", "CIDEr-D"]
    other = run("evaluate", tiny_model, *data, "--metrics", "rouge", "--out", folder)
    assert other.exit_code != 0
    assert "holds an evaluation with another card" in other.stderr


def test_a_folder_from_before_there_was_a_choice_is_continued(run, data, tiny_model: Path, tmp_path: Path) -> None:
    words = [tiny_model, *data, "--metrics", "rouge", "--out", tmp_path / "out"]
    assert run("evaluate", *words).exit_code == 0
    path = tmp_path / "out" / "run.json"
    held = json.loads(path.read_text())
    for field in ("temperature", "decoding"):
        del held["card"][field]
    path.write_text(json.dumps(held))
    assert run("evaluate", *words).exit_code == 0
    mixed = run("evaluate", *words, "--decoding", "paper")
    assert mixed.exit_code != 0
    assert "another card" in mixed.stderr


def test_formats_are_written_as_people_do(run, tiny_model: Path, calvin: Calvin, tmp_path: Path) -> None:
    annotations = tmp_path / "tvad.csv"
    annotations.write_text(f'{TV_AD}\nHe waves.,1,2,tt1,tt2,1,1,2,1,60,clip_01,"[4, 9]"\n')
    with FeatureWriter(tmp_path / "f.h5", *calvin.encoder, fps=3.0, dim=24) as writer:
        writer.add("clip_01", np.random.default_rng(0).normal(size=(20, 24)))
    words = ["--data", annotations, "--features", tmp_path / "f.h5", "--format", "tv-ad", "--metrics", "rouge"]
    result = run("evaluate", tiny_model, *words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_mad_is_csv_or_json_by_the_file(run, data, tiny_model: Path, tmp_path: Path) -> None:
    result = run("evaluate", tiny_model, *data, "--format", "mad", "--metrics", "rouge", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output


def test_cmd_ad_and_tv_ad_go_by_name_with_the_cut_on_the_card(
    run, tiny_model: Path, calvin: Calvin, tmp_path: Path
) -> None:
    annotations = tmp_path / "tvad.csv"
    annotations.write_text(f'{TV_AD}\nHe waves.,1,2,tt1,tt2,1,1,2,1,60,clip_01,"[4, 9]"\n')
    with FeatureWriter(tmp_path / "f.h5", *calvin.encoder, fps=3.0, dim=24) as writer:
        writer.add("clip_01", np.random.default_rng(0).normal(size=(20, 24)))
    words = ["--data", "TV-AD".lower(), "--annotations", annotations, "--features", tmp_path / "f.h5"]
    result = run("evaluate", tiny_model, *words, "--metrics", "rouge", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "out" / "run.json").read_text())["card"]
    assert card["split"] == "tv-ad"
    assert card["cut"].startswith("1 scenes, 1 films, 1 files, times ")
    none = run("evaluate", tiny_model, "--data", "cmd-ad")
    assert "cmd-ad cannot be shipped with calvin: give its annotations" in none.stderr


def test_the_best_of_the_beams_is_scored_from_the_folder(run, data, tiny_model: Path, tmp_path: Path) -> None:
    words = [tiny_model, *data, "--metrics", "rouge", "--beams", "3", "--decoding", "paper", "--out", tmp_path / "out"]
    assert run("evaluate", *words).exit_code == 0
    result = run("score", tmp_path / "out", "--metrics", "rouge", "--best-of", "3")
    assert result.exit_code == 0, result.output
    found = {m["name"]: m["pooled"] for m in json.loads((tmp_path / "out" / "scores.json").read_text())["measures"]}
    assert found["ROUGE-L, best of 3"] >= found["ROUGE-L"]
    files = run("score", data[1], "--best-of", "3", "--metrics", "rouge")
    assert files.exit_code != 0
