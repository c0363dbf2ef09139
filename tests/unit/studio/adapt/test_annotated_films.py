"""A model tuned to a film of a data set, of which there are annotations and frame vectors and no film file."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calvin.captioners.calvin import Calvin
from calvin.cli.main import app
from calvin.core.errors import DataError, UsageError
from calvin.core.time import Span
from calvin.data import FeatureWriter, MemoryFeatures, Sample, read_mad_csv
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import write_regularisation
from calvin.studio.adapt.annotated_films import AnnotatedFilms, AnnotationFiles, adapt_to_annotations
from calvin.training.fewshot import SMALL

FILM, OTHER = "9001_A_MADE_UP_FILM", "9002_ANOTHER"
QUICK = SMALL.changed(loop=SMALL.loop.changed(steps=2), batch_size=2, lora_rank=2, lora_alpha=4)
SCENES = 9
WHO = ("Ann", "Ann", "Bob", "Ann", "Cleo", "Bob", "Ann", "", "Bob")


@pytest.fixture(scope="module")
def base(tiny_model: Path) -> Calvin:
    return Calvin.from_pretrained(tiny_model, device="cpu")


@pytest.fixture(scope="module")
def files(base: Calvin, tmp_path_factory: pytest.TempPathFactory) -> AnnotationFiles:
    """Two films; the last scene of the first lies past the end of its vectors."""
    folder = tmp_path_factory.mktemp("annotated")
    rows = ["text,start,end,movie"]
    for number, name in enumerate(WHO):
        rows.append(f'"Near the house {name or "a man"} waves, {number}.",{2 * number},{2 * number + 1.5},{FILM}')
    rows += [f'"In a car {name} sits.",{2 * i},{2 * i + 1},{OTHER}' for i, name in enumerate(("Dora", "Emil"))]
    (folder / "eval.csv").write_text("\n".join(rows) + "\n")
    rng = np.random.default_rng(0)
    with FeatureWriter(folder / "eval.h5", *base.encoder, fps=5.0, dim=24) as writer:
        writer.add(FILM, rng.normal(size=(10 * (SCENES - 1), 24)).astype(np.float16))
        writer.add(OTHER, rng.normal(size=(20, 24)).astype(np.float16))
    return AnnotationFiles(folder / "eval.csv", folder / "eval.h5")


@pytest.fixture(scope="module")
def regular(base: Calvin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("regular") / "regular.safetensors"
    vectors = MemoryFeatures({"other": np.random.default_rng(1).normal(size=(40, 24))})
    samples = [
        Sample(str(i), "mad", "other", "video", "A man waves.", Span(i * 1000, i * 1000 + 900)) for i in range(4)
    ]
    write_regularisation(target, samples, vectors, base.encoder, EntityStripper(), max_frames=4)
    return target


def test_first_appearances_are_learnt_and_the_rest_is_left_to_evaluate(
    base: Calvin, files: AnnotationFiles, regular: Path, tmp_path: Path
) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    made = adapt_to_annotations(base, files, FILM, 4, tmp_path / "adapted", QUICK, regular)
    facts = json.loads((made.folder / "calvin_adapter.json").read_text())
    taught = [(row["caption"], tuple(row["entities"])) for row in facts["scenes"]]
    assert len(taught) == 4
    assert {("Near the house Ann waves, 0.", ("Ann",)), ("Near the house Bob waves, 2.", ("Bob",)),
            ("Near the house Cleo waves, 4.", ("Cleo",))} < set(taught)  # fmt: skip
    assert facts["film"] == {"title": FILM, "sha256": ""}
    rest = read_mad_csv(made.folder / "unseen.csv").samples
    assert {sample.media_id for sample in rest} == {FILM}
    learnt = {caption for caption, _ in taught}
    told = [f"Near the house {name or 'a man'} waves, {i}." for i, name in enumerate(WHO[:-1])]
    assert [scene.caption for scene in rest] == [text for text in told if text not in learnt]
    assert rest[0].span == Span(2000, 3500)
    [effect] = made.effects
    assert effect.about == "scenes of the film that were not learnt"
    assert effect.before.scenes == 4
    assert effect.before.right_names is not None
    assert any("1 of 9 scenes of 9001_A_MADE_UP_FILM are left out: past the end" in note for note in made.notes)
    assert not list(tmp_path.glob("*-adapting"))
    after = base.model.state_dict()
    assert all((before[name] == after[name]).all() for name in before), "the base is as it was"


def test_the_cast_says_who_is_named(base: Calvin, files: AnnotationFiles, tmp_path: Path) -> None:
    (tmp_path / "cast.json").write_text(json.dumps({FILM: [{"role": "Bob Pike"}]}))
    films = AnnotatedFilms.open(
        AnnotationFiles(files.annotations, files.features, characters=tmp_path / "cast.json"), base.encoder
    )
    assert [scene.entities for scene in films.films[FILM][:3]] == [(), (), ("Bob",)]
    assert films.known(FILM).found("Bob and Ann") == ("Bob",)
    assert films.usable(FILM)
    assert not any("names anybody" in note for note in films.notes)
    (tmp_path / "cast.json").write_text(json.dumps({FILM: [{"role": "Zoe"}]}))
    films = AnnotatedFilms.open(
        AnnotationFiles(files.annotations, files.features, characters=tmp_path / "cast.json"), base.encoder
    )
    films.usable(FILM)
    assert films.notes[-1] == f"No scene of {FILM} names anybody that is known: give the cast with --characters."


def test_what_does_not_fit_is_said_before_anything_is_tuned(
    base: Calvin, files: AnnotationFiles, regular: Path, tmp_path: Path
) -> None:
    def refused(film: str | None, count: int = 2, given: AnnotationFiles = files) -> str:
        with pytest.raises((UsageError, DataError)) as caught:
            adapt_to_annotations(base, given, film, count, tmp_path / "adapted", QUICK, regular)
        assert not (tmp_path / "adapted").exists()
        return str(caught.value)

    assert refused(None).startswith("Say which film with --film: there are 2 films, such as 9001_A_MADE_UP_FILM")
    assert "There is no film '9001_A_MADE_UP' among 2 films, such as 9001_A_MADE_UP_FILM" in refused("9001_A_MADE_UP")
    assert "12 scenes cannot be picked from 8" in refused(FILM, 12)
    lost = AnnotationFiles(files.annotations, tmp_path / "no.h5")
    assert f"The features are not there: {tmp_path / 'no.h5'}" in refused(FILM, given=lost)
    images = AnnotationFiles(files.annotations, files.features, format="cc3m")
    assert "cc3m does not hold films scene by scene: mad_v1, mad_csv" in refused(FILM, given=images)
    rows = tmp_path / "late.csv"
    rows.write_text(f"text,start,end,movie\nAnn waves.,900,901,{FILM}\n")
    assert f"No scene of {FILM} can be used: past the end" in refused(FILM, given=AnnotationFiles(rows, files.features))


def calvin(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_one_command_adapts_and_the_next_evaluates_on_the_rest(
    tiny_model: Path, files: AnnotationFiles, regular: Path, tmp_path: Path
) -> None:
    at = ("--data", files.annotations, "--features", files.features)
    out = tmp_path / "adapted"
    made = calvin("adapt", *at, "--film", FILM, "--scenes", 3, "-m", tiny_model, "--regularisation", regular,
                  "--iterations", 2, "-o", out)  # fmt: skip
    assert made.exit_code == 0, made.output
    assert f"{out}: adapted to 3 scenes" in made.stdout
    line = next(line for line in made.stderr.splitlines() if line.startswith("Next: calvin "))
    follow = [*shlex.split(line.removeprefix("Next: calvin ")), "--metrics", "cider", "-o", tmp_path / "scores"]
    scored = calvin(*follow)
    assert scored.exit_code == 0, scored.output
    assert "none: 5 scenes of unseen" in scored.stdout
    with open(out / "unseen.csv", newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 5


def test_a_project_and_a_data_set_are_told_apart(files: AnnotationFiles, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        result = calvin("adapt", *arguments, "-o", tmp_path / "adapted")
        assert result.exit_code == 2
        return result.stderr

    at = ("--data", files.annotations, "--features", files.features)
    assert "Name either a project folder, or --data and --features" in refused()
    assert "Name either a project folder, or --data and --features" in refused(tmp_path, *at)
    assert "takes both --data ANNOTATIONS and --features FILE" in refused("--data", files.annotations)
    assert "--corrections belong to a project" in refused(*at, "-c", tmp_path / "c.csv")
    assert "--film and --scenes choose from annotations" in refused(tmp_path, "--scenes", 4)


def test_scenes_of_other_films_are_not_made_without_saying_whose_vectors_they_are(
    files: AnnotationFiles, tmp_path: Path
) -> None:
    """MAD's own files name no encoder: what was made of them fitted no model."""
    with h5py.File(files.features) as known, h5py.File(tmp_path / "mad.h5", "w") as plain:
        for name in known:
            plain[name] = known[name][()]
    given = ("--features", tmp_path / "mad.h5", "-o", tmp_path / "r.safetensors")
    words = ("data", "regularisation", files.annotations, *given)
    refused = calvin(*words)
    assert refused.exit_code == 2
    assert "does not say which encoder made it: name it with --encoder" in " ".join(refused.stderr.split())
    assert not (tmp_path / "r.safetensors").exists()
    assert calvin(*words, "--encoder", "clip").exit_code == 0
