"""A project described again: its own settings unless others are given, an adapter for a while, neighbours kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from calvin import Calvin, describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.cli.main import app
from calvin.core.errors import CalvinError
from calvin.core.types import Status
from calvin.model import load_calvin
from calvin.model.tuning import LoraSettings, add_lora, save_adapter
from calvin.studio.project.describe_settings import DescribeRecord
from calvin.studio.project.store import ProjectStore


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", (3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for `tiny_model` that changes its words."""
    model, _ = load_calvin(tiny_model)
    add_lora(model, LoraSettings(lora_rank=2))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name or name.startswith("projector.language_projection"):
                value.normal_(0, 1)
    folder = tmp_path_factory.mktemp("adapter") / "adapted"
    made_for = {"title": "Another Film", "sha256": "ab" * 32}
    base = Calvin.from_pretrained(tiny_model).fingerprint
    save_adapter(model, folder, {"base": base, "context": 0, "film": made_for})
    return folder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def request_of(project: Path) -> DescribeRecord:
    with ProjectStore(project, read_only=True) as store:
        found = store.described
    assert found is not None
    return found


def test_options_given_are_used_and_the_others_are_the_projects(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    run("describe", film, "-m", tiny_model, "-o", project, "-c", 2, "--rate", 150)
    run("describe", project, "-m", tiny_model)
    asked = request_of(project)
    assert (asked.context, asked.words_per_minute, asked.plan.min_gap_ms) == (2, 150, 2000)
    run("describe", project, "-m", tiny_model, "-c", 5, "--rate", 200, "--min-gap", 1, "--guard", 0.2)
    asked = request_of(project)
    assert (asked.context, asked.words_per_minute) == (5, 200)
    assert (asked.plan.min_gap_ms, asked.plan.guard_ms) == (1000, 200)


def test_with_a_cast_context_that_is_given_is_told_too(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "cast.toml").write_text('[[character]]\nname = "Ann"\n')
    for more, alone in (([], True), (["-c", 2], False)):
        run("describe", film, "-m", tiny_model, "-o", tmp_path / "p", "--cast", tmp_path / "cast.toml", *more)
        assert request_of(tmp_path / "p").names_alone is alone


def test_an_adapters_context_does_not_become_the_projects(
    film: Path, tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    run("describe", film, "-m", tiny_model, "-o", project, "-c", 2)
    said = run("describe", project, "-m", tiny_model, "--adapter", adapter).stderr
    assert "The adapter adapted was made for Another Film" in said
    asked = request_of(project)
    assert asked.context == 0
    run("describe", project, "-m", tiny_model, "--adapter", adapter)
    assert request_of(project) == asked, "nothing is written anew"
    run("describe", project, "-m", tiny_model)
    assert request_of(project).context == 2
    run("describe", project, "-m", tiny_model, "--adapter", adapter, "-c", 1)
    assert request_of(project).context == 1
    describe(project, model=str(tiny_model), adapter=adapter, context=2)
    describe(project, model=str(tiny_model), adapter=adapter)
    describe(project, model=str(tiny_model))
    assert request_of(project).context == 2


def test_an_opened_model_is_the_base_again_afterwards(
    film: Path, tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    base = Calvin.from_pretrained(tiny_model)
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    plain = describe(film, model=base, out_dir=tmp_path / "p").script
    adapted = describe(film, model=base, out_dir=tmp_path / "q", adapter=adapter).script
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [cue.text for cue in adapted.cues] != [cue.text for cue in plain.cues]
    describe(film, model=base, out_dir=tmp_path / "q", adapter=adapter)


def test_the_scene_beside_an_approved_cue_is_described_again(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    run("describe", film, "-m", tiny_model, "-o", project)
    with ProjectStore(project) as store:
        first, second, *_ = store.cues
        into = (
            store.places_of_cues()[second.id].span.start_ms + 300
        )  # it runs on into the next place, as words that take long do
        store.edit_cue(replace(first, status=Status.APPROVED, span=replace(first.span, end_ms=into)))
        count = len(store.cues)
    run("describe", project, "-m", tiny_model, "-c", 0)
    with ProjectStore(project, read_only=True) as store:
        cues = store.cues
    assert len(cues) == count
    assert (cues[0].text, cues[0].span.end_ms) == (first.text, into)
    assert cues[1].visual == second.visual
    assert cues[1].span.start_ms >= into


def test_a_picture_that_cannot_be_read_costs_no_drafts(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    project, cast = tmp_path / "p", tmp_path / "cast.toml"
    run("describe", film, "-m", tiny_model, "-o", project)
    with ProjectStore(project, read_only=True) as store:
        before = store.cues
    (tmp_path / "ann.jpg").write_text("no picture")
    cast.write_text('[[character]]\nname = "Ann"\npictures = ["ann.jpg"]\n')
    arguments = ["describe", str(project), "-m", str(tiny_model), "--cast", str(cast)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "ann.jpg" in result.stderr
    with ProjectStore(project, read_only=True) as store:
        assert store.cues == before


def drafts(project: Path) -> list[str]:
    with ProjectStore(project, read_only=True) as store:
        return [cue.text for cue in store.cues]


def test_a_portrait_from_after_the_end_costs_no_drafts_and_one_within_names_whom_it_shows(
    film: Path, tiny_model: Path, tmp_path: Path
) -> None:
    project, cast = tmp_path / "p", tmp_path / "cast.toml"
    describe(film, model=str(tiny_model), out_dir=project)
    with ProjectStore(project, read_only=True) as store:
        before = [cue.text for cue in store.cues]
    cast.write_text('[[character]]\nname = "Ann"\nportraits = [{at = "1:00"}]')
    with pytest.raises(CalvinError, match="beyond the end of the film"):
        describe(project, model=str(tiny_model), cast=cast)
    with ProjectStore(project, read_only=True) as store:
        assert [cue.text for cue in store.cues] == before
    cast.write_text('[[character]]\nname = "Ann"\nportraits = [{at = "0:01", box = [0, 0, 0.5, 1]}]')
    describe(project, model=str(tiny_model), cast=cast)
    rows = [json.loads(line) for line in (project / "presence.jsonl").read_text().splitlines()]
    assert {guess["source"] for row in rows for guess in row["guesses"]} == {"portraits"}
    assert rows[0]["guesses"][0]["confidence"] > max(row["guesses"][0]["confidence"] for row in rows[1:])
    cast.unlink()
    described = describe(project, model=str(tiny_model), context=2)
    assert [person.name for person in described.script.characters] == ["Ann"], "the project knows its portraits"


def test_a_project_goes_on_with_what_described_it(
    film: Path, tiny_model: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, cast = tmp_path / "p", tmp_path / "cast.toml"
    cast.write_text('[[character]]\nname = "Ann"\n[[scene]]\nstart = "0:00"\nend = "0:09"\npresent = ["Ann"]\n')
    (tmp_path / "lines.srt").write_text("1\n00:00:03,200 --> 00:00:03,900\nANN: Hello.\n")
    monkeypatch.chdir(tiny_model.parent)
    run("describe", film, "-m", tiny_model.name, "-o", project, "-s", tmp_path / "lines.srt", "--cast", cast)
    run("describe", project, "--adapter", adapter, "-m", tiny_model.name)
    before, asked = drafts(project), request_of(project)
    monkeypatch.chdir(tmp_path)
    run("describe", project)
    assert (drafts(project), request_of(project)) == (before, asked)
    assert asked.cast
    moved = film.with_name("moved.mp4")
    film.rename(moved)
    try:
        run("describe", moved, "-o", project)
        assert (drafts(project), request_of(project)) == (before, asked)
        with ProjectStore(project, read_only=True) as store:
            assert [line.speaker for line in store.dialogue] == ["ANN"]
            assert store.steps == [store.steps[0]], "the adapter's drafts were the only step"
        assert [path.name for path in project.glob("*.vtt")] == ["film.vtt"], "exports keep their name"
    finally:
        moved.rename(film)
    said = run("status", project).stdout
    assert re.search(r"Described by: \S*tiny, with the adapter adapted, with a cast of 1, in English\n", said)
    assert "Dialogue: 1 line, from subtitles" in said
    cast.unlink()
    run("describe", film, "-o", project)
    assert request_of(project) == asked, "a cast without pictures is known from the project"
    run("describe", project, "--adapter", "none", "--cast", "none", "--yes")
    assert request_of(project).cast is None
    assert drafts(project) != before
    run("undo", project)
    assert (drafts(project), request_of(project)) == (before, asked)


class Other:
    """A captioner that no project can open again."""

    info = CaptionerInfo("other")
    needs = frozenset({"frames"})

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        return [CaptionAnswer(f"Scene {request.scene.id} of another.", 0.0) for request in requests]


def test_drafts_of_another_model_are_not_written_over_unasked(film: Path, tiny_model: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    describe(film, model=Other(), out_dir=project)
    before = drafts(project)
    for words in (["describe", project], ["describe", film, "-o", project]):
        refused = CliRunner().invoke(app, [str(word) for word in words])
        assert refused.exit_code == 1
        assert "drafts of" in refused.stderr
        assert "are by other" in refused.stderr
        assert "--yes" in refused.stderr
    assert drafts(project) == before
    run("describe", project, "-m", tiny_model)
    assert drafts(project) != before
    run("undo", project)
    assert drafts(project) == before


def test_a_run_stopped_before_it_planned_still_finds_the_subtitles_beside_the_film(
    film: Path, tiny_model: Path, tmp_path: Path
) -> None:
    def stopped(event: object) -> None:
        raise KeyboardInterrupt

    own = tmp_path / "own.mp4"
    own.write_bytes(film.read_bytes())
    own.with_suffix(".srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    with pytest.raises(KeyboardInterrupt):
        describe(own, model=str(tiny_model), out_dir=tmp_path / "p", progress=stopped)
    with ProjectStore(tmp_path / "p", read_only=True) as store:
        assert store.film is not None
        assert store.described is None
    describe(tmp_path / "p", model=str(tiny_model))
    with ProjectStore(tmp_path / "p", read_only=True) as store:
        assert [line.text for line in store.dialogue] == ["Hello."]


def test_of_several_films_each_goes_on_with_its_own(
    film: Path, tiny_model: Path, adapter: Path, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    films = [make_film(tmp_path / f"{name}.mp4", (3.0, 3.0)) for name in "abc"]
    projects = [tmp_path / "out" / f"{path.stem}.calvin" for path in films]
    (tmp_path / "cast.toml").write_text('[[character]]\nname = "Ann"\n')
    (tmp_path / "a.srt").write_text("1\n00:00:03,200 --> 00:00:03,900\nANN: Hello.\n")
    run("describe", films[0], "-m", tiny_model, "-o", projects[0], "--cast", tmp_path / "cast.toml", "-c", 2)
    run("describe", films[1], "-m", tiny_model, "--adapter", adapter, "-o", projects[1], "--rate", 200)
    before = [(drafts(project), request_of(project)) for project in projects[:2]]
    said = run("describe", *films, "-o", tmp_path / "out")
    assert [(drafts(project), request_of(project)) for project in projects[:2]] == before
    places = [said.stdout.find(f"{path}: ") for path in films]
    assert -1 not in places, "the new one is left without words, which the bundled model would get wrong"
    assert places == sorted(places), "in the order in which they were named, whatever described them"
    run("describe", *projects[:2])
    assert [(drafts(project), request_of(project)) for project in projects[:2]] == before
    # A model that is gone stops its own film alone.
    with ProjectStore(projects[0]) as store:
        assert store.sources is not None
        store.sources = store.sources.changed(model=str(tmp_path / "gone"))
    failed = CliRunner().invoke(app, ["describe", *map(str, projects[:2])])
    assert failed.exit_code == 1
    assert "There is no model" in failed.stderr
    assert "1 of 2 films could not be described" in failed.stderr
