from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calvin.captioners.answers import to_answer
from calvin.core.errors import CalvinError, ConfigError, DataError, UsageError
from calvin.core.files import locked
from calvin.core.types import Frame
from calvin.data import Sample
from calvin.evaluation.evaluate import EvaluationJob, evaluate, finish, from_files
from calvin.evaluation.names import harvest
from calvin.evaluation.results import load_results
from calvin.evaluation.scenes import Context, Pictures, evaluated, with_bank, with_oracle
from calvin.evaluation.tables import read_captions
from calvin.media.film.frames import encode_jpeg

Make = Callable[..., EvaluationJob]


def texts(folder: Path) -> dict[str, str]:
    return {row["id"]: row["text"] for row in map(json.loads, (folder / "captions.jsonl").read_text().splitlines())}


def test_each_scene_sees_its_own_frames_and_no_context(make_job: Make, parrot: Any, out: Path) -> None:
    evaluate(parrot(), make_job(), out)
    assert texts(out) == {f"{film}/{i}": f"s{i + start}" for film, start in (("a", 0), ("b", 10)) for i in range(5)}


def test_context_comes_from_the_references_of_the_film_in_time_order(make_job: Make, parrot: Any, out: Path) -> None:
    evaluate(parrot(), make_job("3"), out)
    found = texts(out)
    assert found["a/0"] == "s0"
    assert found["b/1"] == "s11 Dora waves."
    assert found["b/4"] == "s14 Then Bob bows. Dora sits by Bob. He walks off."


def test_context_from_own_captions(make_job: Make, parrot: Any, out: Path) -> None:
    captioner = parrot()
    results = evaluate(captioner, make_job("2", own=True), out)
    found = texts(out)
    assert found["a/1"] == "s1 s0"
    assert found["a/2"] == "s2 s0 s1 s0"
    assert results.card.context == "2 previous captions, from the model's own captions"
    # Films side by side: five rounds of two.
    assert [request.scene.film_id for request in captioner.asked[:4]] == ["a", "b", "a", "b"]


def test_names_by_oracle_and_from_a_presence_file(samples: list[Sample], tmp_path: Path) -> None:
    scenes = evaluated(samples)
    told = with_oracle(scenes, {}, harvest(text for sample in scenes for text in sample.references))
    assert [sample.entities for sample in told[:3]] == [(), ("Bob",), ("Bob",)]  # Ann only ever opens a sentence
    path = tmp_path / "bank.jsonl"
    lines = [{"movie": s.movie, "start": s.span.start_ms / 1000, "end": s.span.end_ms / 1000, "names": ["Zoe"]}
             for s in scenes if s.span]  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert {sample.entities for sample in with_bank(scenes, path)} == {("Zoe",)}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[2:]))
    with pytest.raises(DataError, match="nothing about 2 of 10 scenes"):
        with_bank(scenes, path)


def test_entities_stand_alone_in_the_prompt(make_job: Make, parrot: Any, out: Path) -> None:
    job = make_job("entities-oracle")
    evaluate(parrot(), replace(job, samples=[replace(sample, entities=("Ann",)) for sample in job.samples]), out)
    assert texts(out)["a/3"] == "s3 Ann"


def test_of_its_own_captions_every_nth_is_corrected(make_job: Make, parrot: Any, out: Path) -> None:
    job = replace(make_job(), context=Context.parse("2", "own", 2))
    results = evaluate(parrot(), job, out)
    assert results.captions["b/3"].context == (results.captions["b/1"].text, job.samples[7].caption)
    assert job.samples[7].id == "b/2"
    assert results.card.context == (
        "2 previous captions, from the model's own captions, one in 2 corrected from a film's first on"
    )
    with pytest.raises(UsageError, match="add --own"):
        Context.parse("2", "references", 2)


def test_names_may_be_held_to_those_introduced(make_job: Make, parrot: Any, out: Path) -> None:
    class Namer(parrot):  # type: ignore[misc]
        def caption(self, requests: Any) -> Any:
            return [replace(one, text="Zoe sees Ann.", candidates=()) for one in super().caption(requests)]

    context = Context.parse("2", "own", 2, held=True)
    results = evaluate(Namer(), replace(make_job(), context=context), out)
    assert results.card.context.endswith("; only who was introduced is named")
    assert context.label == "2-own-corrected2-held"
    said = [results.captions[f"a/{number}"].text for number in range(5)]
    assert said == ["Someone sees someone.", *["Someone sees Ann."] * 4]


@pytest.mark.parametrize("text", ["-1", "51", "three", "entities", ""])
def test_other_contexts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="context is none"):
        Context.parse(text)


def test_a_run_that_was_stopped_goes_on(make_job: Make, parrot: Any, out: Path) -> None:
    job = make_job("2", own=True)
    with pytest.raises(DataError, match="tired"):
        evaluate(parrot(stop_after=5), job, out)
    assert len(texts(out)) == 6
    with pytest.raises(DataError, match="4 of 10 scenes have no caption yet"):
        finish(load_results(out), ["rouge"])
    with open(out / "captions.jsonl", "a") as stream:
        stream.write('{"id": "a/3", "text": "cut sh')  # killed while writing
    second = parrot()
    evaluate(second, job, out)
    assert len(second.asked) == 4
    evaluate(third := parrot(), job, out)
    assert third.asked == []
    whole = out.parent / "whole"
    evaluate(parrot(), job, whole)
    assert texts(out) == texts(whole)


def test_another_evaluation_does_not_go_into_the_folder(make_job: Make, parrot: Any, out: Path) -> None:
    evaluate(parrot(), make_job("3"), out)
    with pytest.raises(UsageError, match="another system and card"):
        evaluate(parrot(), make_job("2"), out)
    other = parrot()
    other.info = replace(other.info, fingerprint="f2")
    with pytest.raises(UsageError, match="another system"):
        evaluate(other, make_job("3"), out)


def test_two_runs_do_not_write_into_one_folder(make_job: Make, parrot: Any, out: Path) -> None:
    with locked(out), pytest.raises(CalvinError, match="is being written by another process: wait"):
        evaluate(parrot(), make_job(), out)
    assert len(evaluate(parrot(), make_job(), out).captions) == 10


def test_damage_in_the_middle_is_told(make_job: Make, parrot: Any, out: Path) -> None:
    evaluate(parrot(), make_job(), out)
    path = out / "captions.jsonl"
    path.write_text("{\n" + path.read_text())
    with pytest.raises(DataError, match="damaged"):
        load_results(out)


def test_scores_can_be_made_again_without_the_model(make_job: Make, parrot: Any, out: Path) -> None:
    truth = {f"{film}/{i}": {"number": i} for film in "ab" for i in range(5)}

    def judge(caption: str, known: Mapping[str, Any]) -> Mapping[str, float | None]:
        return {"seen": float(caption == f"s{known['number']}")}

    results = finish(evaluate(parrot(), make_job(truth=truth), out), ["rouge", "cider"], judge)
    seen = results.scores.get("truth: seen")
    assert seen is not None
    assert (seen.pooled, seen.movies) == (0.5, {"a": 1.0, "b": 0.0})
    first = (out / "scores.json").read_text()
    again = finish(load_results(out), ["rouge", "cider"], judge)
    assert (out / "scores.json").read_text() == first
    assert again.scores == results.scores
    assert again.names == results.names
    finish(load_results(out), ["rouge"])
    assert load_results(out).scores.get("CIDEr-D") is None
    # The written captions are a prediction file like any other.
    files = [read_captions(out / f"{role}s.csv", role) for role in ("prediction", "reference")]
    alone = finish(from_files(files[0], files[1]), ["rouge"])
    assert alone.card.references_sha256 == results.card.references_sha256
    assert alone.scores.get("ROUGE-L") == again.scores.get("ROUGE-L")


def test_words_that_were_cleaned_are_kept_as_they_were_said(make_job: Make, parrot: Any, out: Path) -> None:
    captioner = parrot()
    said = 'In this scene, we see "Ann" wave.'
    captioner.caption = lambda requests: [to_answer(said)] * len(requests)
    evaluate(captioner, make_job(), out)
    row = json.loads((out / "captions.jsonl").read_text().splitlines()[0])
    assert row["cleaned"]
    assert (row["text"], row["raw"]) == (to_answer(said).text, said)
    assert row["text"] != said


def test_empty_captions_are_counted(make_job: Make, parrot: Any, out: Path) -> None:
    captioner = parrot()
    captioner.say = lambda request: "" if request.scene.id.startswith("b") else "Ann waves."
    results = finish(evaluate(captioner, make_job(), out), ["rouge"])
    assert results.notes == ["5 of 10 captions are empty and score 0."]
    assert finish(load_results(out), ["rouge"]).notes == results.notes


def test_a_report_escapes_all_it_is_given(make_job: Make, parrot: Any, out: Path) -> None:
    captioner = parrot()
    captioner.say = lambda request: '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'
    finish(evaluate(captioner, make_job("3", split='"><b>x'), out), ["rouge"])
    text = (out / "report.html").read_text()
    assert "<img src=x" not in text
    assert text.count("<script>") == 1
    assert "<b>x" not in text
    assert "&lt;script&gt;alert(2)" in text
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    for kind in ("style", "script"):
        [inside] = re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in policy


def test_pictures_of_a_scene_stand_in_the_report(make_job: Make, parrot: Any, out: Path) -> None:
    class Stills(Pictures):
        def stills(self, sample: Sample, count: int) -> list[Frame]:
            if sample.movie == "b":
                return []
            return [Frame(i, encode_jpeg(np.full((40, 60, 3), 80 * i, np.uint8))) for i in range(min(count, 3))]

    job = make_job()
    results = finish(evaluate(parrot(), replace(job, pictures=Stills(job.pictures.features)), out), ["rouge"])
    assert (results.strip(0) or b"").startswith(b"\xff\xd8")
    assert results.strip(7) is None
    text = (out / "report.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 5
    assert text.count('class="blank"') == 5


def test_files_state_only_what_the_caller_vouches_for(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,caption\na,x\n")
    (tmp_path / "r.csv").write_text("id,movie,reference\na,F,y\n")
    tables = read_captions(tmp_path / "p.csv", "prediction"), read_captions(tmp_path / "r.csv", "reference")
    results = from_files(*tables, card={"split": "mad-named", "references_sha256": "claimed"})
    assert (results.card.split, results.card.beams, results.scenes[0].movie) == ("mad-named", "", "F")
    assert len(results.card.references_sha256) == 64
    with pytest.raises(ConfigError, match="protocol card"):
        from_files(*tables, card={"beam": "5"})


def test_scenes_of_no_film_beside_scenes_of_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,caption\na,x\nb,x\n")
    (tmp_path / "r.csv").write_text("id,movie,reference\na,F,y\nb,,y\n")
    with pytest.raises(DataError, match="1 of 2 scenes belong to no film"):
        from_files(read_captions(tmp_path / "p.csv", "prediction"), read_captions(tmp_path / "r.csv", "reference"))


def test_ids_that_come_twice_are_refused(samples: list[Sample]) -> None:
    with pytest.raises(DataError, match="1 scenes have an id"):
        evaluated([*samples, samples[0]])
    with pytest.raises(DataError, match="no scene"):
        evaluated([])
