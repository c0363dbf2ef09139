from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.data import FeatureWriter
from model_server import running, says

GOLDEN = Path(__file__).parents[4] / "shared" / "golden"
REFERENCES = "id,movie,reference\na,F,Ann waves.\nb,F,Then Bob bows.\nc,G,He sits.\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runner = CliRunner()

    def call(*words: object):
        return runner.invoke(app, [str(word) for word in words])

    return call


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_films(folder: Path, model: Path) -> tuple[Path, Path]:
    """Annotations of two films in MAD's form, and features by the encoder of `model`."""
    from calvin.captioners import open_captioner
    from calvin.captioners.base import FeatureCaptioner

    captioner = open_captioner(str(model))
    assert isinstance(captioner, FeatureCaptioner)
    films = ("0001_A_Film", "0002_B_Film")
    rows = [f"{film},Scene {i} of {film}.,9,{i},{i + 1},tt1,x,0,0" for film in films for i in range(3)]
    header = "movie,sentence,movie_duration,start,end,imdb,lsmdc_filename,start_hms,end_hms"
    annotations = put(folder / "eval.csv", "\n".join([header, *rows, "0001_A_Film,,9,3,4,tt1,x,0,0"]) + "\n")
    path = folder / "features.h5"
    vectors = np.random.default_rng(0).normal(size=(20, 24))
    with FeatureWriter(path, *captioner.encoder, fps=5.0, dim=24) as writer:
        for film in films:
            writer.add(film, vectors)
    return annotations, path


@pytest.mark.parametrize("word", ["evaluate", "score", "compare"])
def test_help_has_an_example(run, word: str) -> None:
    assert f"calvin {word} " in run(word, "--help").stdout.split("Example", 1)[1]


def test_score_prints_settings_and_scores(run, tmp_path: Path) -> None:
    predictions = put(tmp_path / "p.json", '{"a": "Ann waves.", "b": "Bob bows.", "c": "She runs."}')
    references = put(tmp_path / "r.csv", REFERENCES)
    result = run("score", predictions, references, "--metrics", "rouge,cider", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "beta 1.2" in result.stdout
    assert "distinct captions  100.00" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("wrong-name rate "), (
        "figures come last, for those who pipe them on"
    )
    assert "report.html" in result.stderr
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["card"]["scenes"] == 3
    assert (tmp_path / "out" / "report.html").is_file()
    again = run("score", tmp_path / "out", "--metrics", "rouge")
    assert again.exit_code == 0, again.output
    assert "CIDEr-D" not in (tmp_path / "out" / "scores.json").read_text()


@pytest.mark.shared
@pytest.mark.skipif(not GOLDEN.is_dir(), reason=f"the published inputs are not at {GOLDEN}")
@pytest.mark.parametrize("quality", ["good", "bad"])
def test_score_meets_the_numbers_of_files_that_others_made(run, quality: str, tmp_path: Path) -> None:
    folder = GOLDEN / "clipscore_example"
    published = json.loads((folder / "expected.json").read_text())["published"][quality]
    words = [folder / f"{quality}_captions.json", folder / "refs.json", "--metrics", "cider,rouge"]
    result = run("score", *words, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = {m["name"]: m["pooled"] for m in json.loads((tmp_path / "out" / "scores.json").read_text())["measures"]}
    assert found["CIDEr-D"] == pytest.approx(published["CIDEr"], abs=5e-5)
    assert found["ROUGE-L"] == pytest.approx(published["ROUGE_L"], abs=5e-5)


def test_score_refuses_what_does_not_fit_with_counts(run, tmp_path: Path) -> None:
    predictions = put(tmp_path / "p.csv", "id,caption\na,x\na,y\nz,w\n")
    result = run("score", predictions, put(tmp_path / "r.csv", REFERENCES), "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 references ('b', 'c') without a prediction" in result.stderr
    assert "1 prediction ('a') occur more than once" in result.stderr
    assert "Nothing was scored" in result.stderr
    assert not (tmp_path / "out").exists()


def test_evaluate_a_file_then_compare(run, tmp_path: Path, tiny_model: Path) -> None:
    annotations, features = write_films(tmp_path, tiny_model)
    common = ["--data", annotations, "--features", features, "--metrics", "rouge,cider"]
    for context in ("none", "3"):
        result = run("evaluate", tiny_model, *common, "--context", context, "--out", tmp_path / context)
        assert result.exit_code == 0, result.output
    assert "dropped 1: no caption" in result.stderr
    card = json.loads((tmp_path / "3" / "run.json").read_text())["card"]
    assert card["context"] == "3 previous captions, from the references"
    assert card["encoder"].startswith("tiny-tower ")
    assert (card["split"], card["beams"], card["scenes"]) == ("eval", "5", 6)
    captions = [json.loads(line) for line in (tmp_path / "3" / "captions.jsonl").read_text().splitlines()]
    assert captions[2]["context"] == ["Scene 0 of 0001_A_Film.", "Scene 1 of 0001_A_Film."]
    page = tmp_path / "page.html"
    compared = run("compare", tmp_path / "none", tmp_path / "3", "--out", page)
    assert compared.exit_code == 0, compared.output
    assert "differ in context" in compared.stderr
    assert "published: CALVIN 7B, 5 scenes (mad-named)" in compared.stdout
    assert page.read_text().count("<article") == 6
    assert "keep their scores" not in compared.stderr
    ranked = run("compare", tmp_path / "none", tmp_path / "3", "--rank", "--metrics", "bleu", "--out", page)
    assert "Folders of results keep their scores" in ranked.stderr
    assert "\n1. tiny-model0/tiny" in ranked.stdout


def test_compare_files_of_captions(run, tmp_path: Path) -> None:
    files = [put(tmp_path / f"{name}.csv", f"id,caption\na,{name} x\nb,y\nc,z\n") for name in ("ours", "theirs")]
    result = run(
        "compare", *files, "-r", put(tmp_path / "r.csv", REFERENCES), "--metrics", "rouge", "-o", tmp_path / "c.html"
    )
    assert result.exit_code == 0, result.output
    assert "1. ours" in result.stdout
    assert "keep their scores" not in result.stderr
    upper = run("compare", *files, "-r", tmp_path / "r.csv", "--metrics", " ROUGE,Cider", "-o", tmp_path / "c.html")
    assert upper.exit_code == 0, upper.output
    assert all(name in upper.stdout for name in ("ROUGE-L", "CIDEr-D"))
    missing = run("compare", *files)
    assert missing.exit_code == 2
    assert "--references FILE" in missing.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "mad-named"], "--annotations FILE"),
        (["--context", "five"], "context is none"),
        (["--context", "entities-bank"], "the presence.jsonl that `calvin describe FILM --cast CAST`"),
        ([], "give --features FILE or the films (--films FOLDER)"),
        (["--data", "notes.txt"], "--format"),
    ],
)
def test_what_is_missing_is_named(run, words: list[str], said: str, tmp_path: Path, tiny_model: Path) -> None:
    annotations, _ = write_films(tmp_path, tiny_model)
    result = run("evaluate", tiny_model, "--data", annotations, *words, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


def test_isolated_moments_have_no_context(run, tmp_path: Path, tiny_model: Path) -> None:
    row = {"vid_name": "v", "duration": 9, "ts": [1, 2], "clip_id": 1, "descs": [{"desc": "Ann nods.", "desc_id": 1}]}
    path = put(tmp_path / "tvc.jsonl", json.dumps(row) + "\n")
    result = run("evaluate", tiny_model, "--data", "tvc", "--annotations", path, "--context", "3")
    assert result.exit_code == 2
    assert "isolated moments" in result.stderr


def test_films_are_decoded_once_and_their_stills_shown(run, tmp_path: Path, tiny_model: Path, make_film) -> None:
    make_film(tmp_path / "films" / "0001_A_Film.mp4")
    annotations = put(
        tmp_path / "e.csv", "text,start,end,movie\nA red wall.,0,3,0001_A_Film\nA wall.,3,6,0001_A_Film\n"
    )
    words = ["evaluate", tiny_model, "--data", annotations, "--films", tmp_path / "films", "--metrics", "rouge"]
    result = run(*words, "--out", tmp_path / "one")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "one" / "report.html").read_text().count("data:image/jpeg") == 2
    [kept] = (tmp_path / "cache").rglob("frames.jpegs")
    before = kept.stat().st_mtime_ns
    assert run(*words, "--out", tmp_path / "two").exit_code == 0
    assert kept.stat().st_mtime_ns == before
    (tmp_path / "films" / "0001_A_Film.mp4").write_bytes(b"no film any more")
    changed = run(*words, "--out", tmp_path / "changed")
    assert changed.exit_code == 1
    assert "1 of 1 films cannot be used" in changed.stderr
    other = put(tmp_path / "f.csv", "text,start,end,movie\nA wall.,0,3,0002_B_Film\n")
    missing = run("evaluate", tiny_model, "--data", other, "--films", tmp_path / "films", "--out", tmp_path / "three")
    assert missing.exit_code == 1
    assert "1 of 1 films cannot be used" in missing.stderr


def test_scoring_by_words_loads_no_torch(tmp_path: Path) -> None:
    files = [put(tmp_path / "p.csv", "id,caption\na,x\nb,y\nc,z\n"), put(tmp_path / "r.csv", REFERENCES)]
    words = ["calvin", "score", *map(str, files), "--metrics", "rouge,cider,bleu"]
    code = (
        f"import sys; sys.argv = {words}\nfrom calvin.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ROUGE-L" in done.stdout


def test_nothing_is_scored_before_every_system_is_read(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.evaluation.evaluate.finish", lambda *_, **__: pytest.fail("a system was scored"))
    ours = put(tmp_path / "ours.json", '{"a": "Ann waves.", "b": "Bob bows.", "c": "She runs."}')
    references = put(tmp_path / "r.csv", REFERENCES)
    gone = run("compare", ours, tmp_path / "theirs.json", "--references", references)
    assert gone.exit_code == 1
    assert "theirs.json cannot be read" in gone.stderr
    unknown = run("compare", ours, ours, "--references", references, "--metrics", "rouge-x")
    assert "There is no metric 'rouge-x'" in unknown.stderr
    folder = run("compare", ours, ours, "--references", references, "--out", tmp_path)
    assert "give --out the page to write" in folder.stderr
    assert "at least two systems" in run("compare", ours, "--references", references).stderr


def test_options_that_a_folder_of_results_does_not_take_are_refused(run, tmp_path: Path) -> None:
    predictions = put(tmp_path / "p.json", '{"a": "Ann waves.", "b": "Bob bows.", "c": "She runs."}')
    made = run("score", predictions, put(tmp_path / "r.csv", REFERENCES), "--metrics", "rouge", "-o", tmp_path / "out")
    assert made.exit_code == 0, made.output
    result = run("score", tmp_path / "out", "--metrics", "rouge", "--out", tmp_path / "elsewhere", "--allow-empty")
    assert result.exit_code == 2
    assert "scored as it stands and in place: leave --allow-empty and --out out" in result.stderr


def test_ratings_by_people_are_told_with_their_agreement(run, tmp_path: Path) -> None:
    table = put(tmp_path / "r.csv", "id,rater,accuracy\na,Eva,5\nb,Eva,4\na,Jo,5\nb,Jo,2\n")
    result = run("metrics", "ratings", table)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].split() == ["accuracy", "4.00", "4", "0.500"]


def test_a_judge_is_asked_once_and_stands_on_the_card(run, tmp_path: Path) -> None:
    """By a server that answers; a model that only captions is refused before anything is read."""
    predictions = put(tmp_path / "p.json", '{"a": "Ann waves.", "b": "Bob bows.", "c": "She runs."}')
    words = ["score", predictions, put(tmp_path / "r.csv", REFERENCES), "--metrics", "llm-ad-eval"]
    none = run(*words)
    assert none.exit_code == 2
    assert "give --judge" in none.stderr
    with running(says("4"), says("5"), says("0")) as server:
        result = run(*words, "--judge", server.model, "--out", tmp_path / "out")
        assert result.exit_code == 0, result.output
        assert len(server.asked) == 3
        again = run("score", tmp_path / "out", "--metrics", "llm-ad-eval", "--judge", server.model)
        assert again.exit_code == 0, again.output
        assert len(server.asked) == 3, "what was answered is kept"
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["measures"][0]["pooled"] == pytest.approx(3)
    assert "llm-ad-eval prompt " in scores["card"]["judges"]
    assert "LLM-AD-eval" in result.stdout


def test_a_model_that_only_captions_judges_nothing(run, tmp_path: Path, tiny_model: Path) -> None:
    words = ["score", tmp_path / "nowhere.csv", "--metrics", "story-recall", "--judge", tiny_model]
    assert "only captions: a judge is a model server" in run(*words).stderr
    assert "add --judge" in run("score", tmp_path / "nowhere.csv", "--judge-prompt", "p.txt").stderr


def test_story_questions_of_puppet_films_need_no_model(run, tmp_path: Path) -> None:
    """Results with the truth of their scenes, a script that says nothing new, and the references beside it."""
    from calvin.evaluation.protocol import ProtocolCard
    from calvin.evaluation.results import EvaluatedScene, Results, claim
    from calvin.evaluation.scenes import Captioned, CaptionStore
    from calvin.puppets.tell.captions import film_captions
    from calvin.puppets.tell.screenplay import make_film

    film = make_film(5, split="heldout")
    texts = film_captions(film)
    scenes = [
        EvaluatedScene(str(n), film.id, scene.truth.start_ms, scene.truth.end_ms, (text,), truth=scene.truth.to_json())
        for n, (scene, text) in enumerate(zip(film.scenes, texts, strict=True))
    ]
    card = ProtocolCard(references_sha256="0", scenes=len(scenes))
    results = Results({"name": "mute", "context": "none"}, card, scenes, {}, folder=tmp_path / "out")
    claim(results)
    CaptionStore(tmp_path / "out" / "captions.jsonl").add([Captioned(scene.id, "A door shuts.") for scene in scenes])
    result = run("metrics", "questions", tmp_path / "out", "--before", "1,20", "--write", tmp_path / "q.jsonl")
    assert result.exit_code == 0, result.output
    rows = {line.split("  ")[0]: line.split()[-5:] for line in result.stdout.splitlines()}
    assert rows["mute, none"] == ["0.0"] * 5
    assert float(rows["the references"][1]) > float(rows["by guessing"][1]) > 20
    again = run("metrics", "questions", tmp_path / "out", "--before", "1,20", "--questions", tmp_path / "q.jsonl")
    assert again.stdout == result.stdout
    wrong = run("metrics", "questions", tmp_path / "out", "--before", "1,x")
    assert wrong.exit_code == 2
    assert "--before is numbers of sentences" in wrong.stderr


def test_a_story_is_told_side_by_side(run, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two models' scripts, the references and guessing, by one command; what was captioned is not captioned again."""
    from calvin.captioners.calvin import Calvin
    from calvin.puppets.world import WorldSizes

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calvin.lab.evaluation_sets.FRESH_FILMS", 1)
    small = WorldSizes(films=1, scenes=5, clips=0, images=0, conversations=0, tv_clips=0)
    monkeypatch.setattr("calvin.lab.evaluation_sets.PUPPET_SIZES", small)
    language = tiny_model.parent / "language"
    words = ("metrics", "story", tiny_model, f"blind:{language}", "--films", 1, "--before", "1,4")
    result = run(*words)
    assert result.exit_code == 0, result.output
    rows = {line.split("  ")[0]: line.split()[-5:] for line in result.stdout.splitlines()}
    assert [name for name in rows if "entities-oracle" in name][1].startswith("blind:")
    assert float(rows["the references"][1]) > float(rows["by guessing"][1])
    monkeypatch.setattr(Calvin, "caption", lambda *_, **__: pytest.fail("captioned again"))
    assert run(*words).stdout == result.stdout
    wrong = run("metrics", "story", tiny_model, "--context", "6", "--correct-every", "3")
    assert wrong.exit_code == 2
    assert "--own" in wrong.stderr


def test_when_a_script_describes_against_a_person(run, tmp_path: Path) -> None:
    ours = put(tmp_path / "ours.vtt", "WEBVTT\n\n00:00:01.000 --> 00:00:03.000\nAnn waves.\n")
    theirs = put(
        tmp_path / "human.vtt",
        "WEBVTT\n\n00:00:01.500 --> 00:00:03.000\nAnn waves.\n\n00:00:08.000 --> 00:00:09.000\nBob bows.\n",
    )
    talk = put(tmp_path / "talk.srt", "1\n00:00:04,000 --> 00:00:07,000\nHello.\n")
    result = run("metrics", "detection", ours, theirs, "--subtitles", talk)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[2] == ["cues", "1", "1", "2", "100.0", "50.0", "66.7"]
    assert rows[3] == ["gaps", "1", "1", "2", "100.0", "50.0", "66.7"]  # 0-4 s and 7-9 s
