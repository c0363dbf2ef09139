"""The loop on the film that comes along: describe, pick, correct from the truth, adapt, describe."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calvin import adapt
from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model, fingerprint_of
from calvin.cli.main import app
from calvin.core.errors import StoreError
from calvin.core.package import bundled_film
from calvin.core.time import Span, parse_timecode
from calvin.core.types import Author, Cue, Status
from calvin.data import MemoryFeatures, Sample
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation
from calvin.studio.adapt.described_scenes import described_scenes
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import plan_corrections


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def correct(path: Path) -> None:
    """Put the truth into the table of picked scenes, as a describer would."""
    truth = json.loads(bundled_film()[0].with_suffix(".truth.json").read_text())["scenes"]
    with open(path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        span = Span(*(parse_timecode(row[key].lstrip("'")) for key in ("in", "out")))
        row["text"] = max(truth, key=lambda s: Span(s["start_ms"], s["end_ms"]).overlap_ms(span))["caption"]
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def cues_of(project: Path) -> list[Cue]:
    with ProjectStore(project, read_only=True) as store:
        return store.cues


def test_the_loop_with_a_model_of_random_weights(
    tiny_model: Path, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    film = make_film(tmp_path / "film.mp4", (3.0, 3.0, 3.0, 3.0))
    folder, table, adapter, regular = (tmp_path / name for name in ("p", "c.csv", "adapted", "r.safetensors"))
    assert run("describe", film, "-m", tiny_model, "-o", folder, "-f", "vtt", "-c", 1).exit_code == 0
    picked = run("pick", folder, "-n", 2, "-o", table)
    assert picked.exit_code == 0, picked.output
    with open(table, newline="") as stream:
        rows = list(csv.DictReader(stream))
    with open(table, "w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows([{**row, "text": f"Ann waves {number}."} for number, row in enumerate(rows)])
    encoder = Calvin.from_pretrained(tiny_model).encoder
    vectors = MemoryFeatures({"other": np.random.default_rng(0).normal(size=(20, 24))})
    samples = [
        Sample(str(i), "mad", "other", "video", "A man waves.", Span(i * 1000, i * 1000 + 900)) for i in range(4)
    ]
    write_regularisation(regular, samples, vectors, encoder, EntityStripper(), max_frames=4)
    missing = run("adapt", folder, "-c", table, "-m", tiny_model, "-o", adapter)
    assert missing.exit_code == 1
    assert "calvin data regularisation" in missing.stderr
    assert {cue.status for cue in cues_of(folder)} == {Status.DRAFT}, "nothing is changed where it cannot be done"
    made = run("adapt", folder, "-c", table, "-m", tiny_model, "-o", adapter, "--regularisation", regular,
               "--iterations", 2)  # fmt: skip
    assert made.exit_code == 0, made.output
    approved = [cue for cue in cues_of(folder) if cue.status is Status.APPROVED]
    assert [cue.text for cue in approved] == ["Ann waves 0.", "Ann waves 1."]
    again = run("describe", folder, "-m", tiny_model, "--adapter", adapter, "-f", "vtt")
    assert again.exit_code == 0, again.output
    cues = cues_of(folder)
    assert [cue for cue in cues if cue.status is Status.APPROVED] == approved
    assert {cue.author for cue in cues if cue.status is Status.DRAFT} <= {Author.ADAPTER}
    remembered = run("describe", folder, "--adapter", adapter)
    assert remembered.exit_code == 0, "the project knows its model"
    assert cues_of(folder) == cues
    refused = run("describe", folder, "-m", "calvin-mini", "--adapter", adapter)
    assert refused.exit_code == 1
    assert "name its own model with --model" in refused.stderr
    assert cues_of(folder) == cues


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    film, subtitles = bundled_film()
    folder = tmp_path_factory.mktemp("loop") / "puppets.calvin"
    done = run("describe", film, "-s", subtitles, "-o", folder)
    assert done.exit_code == 0, done.output
    return folder


def test_describe_pick_correct_adapt_describe(project: Path, tmp_path: Path, tiny_model: Path) -> None:
    drafts = cues_of(project)
    table, adapter = tmp_path / "corrections.csv", tmp_path / "adapted"
    picked = run("pick", project, "-n", 5, "-o", table)
    assert picked.exit_code == 0, picked.output
    assert "first appearance of Paloma" in picked.stdout
    assert "5 scenes to correct" in picked.stdout
    correct(table)
    base = fingerprint_of(find_model(None))
    made = run("adapt", project, "-c", table, "-o", adapter, "--iterations", 6)
    assert made.exit_code == 0, made.output
    assert "adapted to 5 scenes" in made.stdout
    assert "With 5 scenes, none was left out" in " ".join(made.stderr.split())
    assert "distinct captions" in made.stdout
    assert fingerprint_of(find_model(None)) == base
    facts = json.loads((adapter / "calvin_adapter.json").read_text())
    assert facts["base"] == base
    assert len(facts["scenes"]) == facts["regularisation_scenes"] == 5
    assert facts["settings"]["loop"]["steps"] == 6
    assert not (project / "adapting").exists()
    approved = [cue for cue in cues_of(project) if cue.status is Status.APPROVED]
    assert len(approved) == 5
    with ProjectStore(project, read_only=True) as store:
        dialogue = store.dialogue

    again = run("describe", project, "--adapter", adapter)
    assert again.exit_code == 0, again.output
    cues = cues_of(project)
    assert [cue for cue in cues if cue.status is Status.APPROVED] == approved
    rest = [cue for cue in cues if cue.status is Status.DRAFT]
    assert rest
    assert {cue.author for cue in rest} == {Author.ADAPTER}
    assert {cue.text for cue in rest} - {cue.text for cue in drafts}, "what was right may stay"
    with ProjectStore(project, read_only=True) as store:
        assert store.dialogue == dialogue, "subtitles were not to be found by listening"
    script = (project / "puppets.vtt").read_text()
    assert all(cue.text in script for cue in approved)

    other = run("describe", project, "--adapter", adapter, "--model", tiny_model)
    assert other.exit_code == 1
    assert "name its own model with --model" in other.stderr
    assert cues_of(project) == cues


def test_a_word_too_many_is_found_before_anything_is_changed(project: Path, tmp_path: Path) -> None:
    table, before = tmp_path / "c.csv", cues_of(project)
    table.write_text(f"id,in,out,text\n,6.0,9.0,Ann waves.\n,10.0,13.0,{'Ann waves. ' * 170}\n")
    made = run("adapt", project, "-c", table, "-o", tmp_path / "adapted", "--iterations", 2)
    assert made.exit_code == 1
    assert f"{table}: line 3 at 00:00:10.000 cannot be learnt" in " ".join(made.stderr.split())
    assert cues_of(project) == before
    assert not (tmp_path / "adapted").exists()


@pytest.mark.parametrize("model", [None, "tiny"])
def test_a_dry_run_follows_the_options(model: str | None, tiny_model: Path) -> None:
    named = ["-m", tiny_model] if model else []
    said = run("adapt", "nowhere", "--dry-run", "--iterations", 30, "--rate", 2e-4, *named)
    assert said.exit_code == 0, said.output
    assert said.stdout.count("30 micro-batches of 10 at a rate of 0.0002") == 2
    assert " 0.0 " not in said.stdout


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "holds no lines"),
        (",6.0,9.0,\n,10.0,13.0, \n", "0 lines with text"),
        (",1.0,9.0,A.\n,2.0,9.5,B.\n", "overlap"),
    ],
)
def test_bad_corrections_change_nothing(rows: str, told: str, project: Path, tmp_path: Path) -> None:
    table = tmp_path / "c.csv"
    table.write_text(f"id,in,out,text\n{rows}")
    before = cues_of(project)
    with pytest.raises(StoreError, match=told):
        adapt(None, project, table, tmp_path / "adapted")
    assert cues_of(project) == before
    assert not (tmp_path / "adapted").exists()


def test_the_table_of_a_second_round_can_be_given_as_it_is(project: Path, tmp_path: Path) -> None:
    folder, table = tmp_path / "p", tmp_path / "c.csv"
    shutil.copytree(project, folder)
    with ProjectStore(folder) as store:
        for cue in [cue for cue in store.cues if not cue.settled][::4]:
            store.edit_cue(replace(cue, status=Status.APPROVED))
        approved, drafts = ([cue for cue in store.cues if cue.settled is settled] for settled in (True, False))
    picked = run("pick", folder, "-n", len(drafts), "-o", table)
    assert picked.exit_code == 0, picked.output
    with ProjectStore(folder, read_only=True) as store:
        scenes, notes = described_scenes(store, plan_corrections(store, table))
    assert {scene.visual for scene in scenes} == {cue.visual for cue in (*approved, *drafts)}
    assert f"Learnt from {len(drafts)} corrections and {len(approved)} cues approved before." in notes
    assert any("the words are still the model's own" in note for note in notes)


def test_an_adapter_is_not_written_over_something_else(project: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    refused = run("adapt", project, "-o", tmp_path)
    assert refused.exit_code == 2
    assert "is not an adapter folder" in refused.stderr


def test_a_cast_names_those_present(project: Path, tmp_path: Path) -> None:
    film, subtitles = bundled_film()
    cast = tmp_path / "cast.toml"
    settings, *people = film.with_suffix(".cast.toml").read_text(encoding="utf-8").split("[[character]]")
    known = [person for person in people if "Gilda" not in person]
    cast.write_text("[[character]]".join([settings, *known, '\nname = "Nobody"\n']), encoding="utf-8")
    folder = tmp_path / "p"
    done = run("describe", film, "-s", subtitles, "-o", folder, "--cast", cast, "--format", "csv")
    assert done.exit_code == 0, done.output
    assert "Nobody is there" in done.stderr
    assert "not in the cast: GILDA" in done.stderr
    rows = [json.loads(line) for line in (folder / "presence.jsonl").read_text().splitlines()]
    named = [row for row in rows if row["names"]]
    assert named
    assert {name for row in named for name in row["names"]} == {"Hadi", "Paloma", "Jabari"}
    cues = {(cue.visual.start_ms / 1000, cue.visual.end_ms / 1000): cue.text for cue in cues_of(folder)}
    told = [any(name in cues.get((row["start"], row["end"]), "") for name in row["names"]) for row in named]
    assert sum(told) > len(told) / 2, "a model that is told names uses them"
