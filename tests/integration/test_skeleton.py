"""A film that the bundled model does not know: it gets a skeleton, which a person or another model fills."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.cli.main import app
from calvin.core.errors import CalvinError
from calvin.core.package import bundled_film
from calvin.core.types import Author
from calvin.studio.adapt.adaptation import adapt
from calvin.studio.describe.films import FilmJob, describe_many
from calvin.studio.describe.skeleton import FirstLook, look_first
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import apply_plan, plan_import
from calvin.studio.script.open_places import unwritten
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import voice_project

WORDS = "A cyclist waits beside a bus."


class Teller:
    """A captioner that looks at stills only."""

    info = CaptionerInfo("teller")
    needs = frozenset({"frames"})

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        return [CaptionAnswer(f"Bicycle {request.scene.id} leaves.", -1.0) for request in requests]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "Bikes.mp4", (4.0, 4.0, 4.0))


def rows(table: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))


def test_a_film_of_another_kind_is_left_without_words_and_filled_later(film: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    made = describe(film, out_dir=project)
    assert made.empty == 3
    assert made.script.cues == ()
    assert "left without words" in made.notes[0]
    assert "--model" in made.notes[1]
    assert "calvin import" in made.notes[2]

    table = project / "Bikes.csv"
    assert table in made.files
    assert [row["text"] for row in rows(table)] == ["", "", ""]
    assert all((project / row["still"]).read_bytes().startswith(b"\xff\xd8") for row in rows(table))
    assert "3 places have no words yet" in voice_project(project).notes[0]
    mixed = mix_project(project, tmp_path / "out.mkv")
    assert mixed.cues == 0
    assert "3 places have no words yet" in mixed.notes[0]
    with av.open(str(tmp_path / "out.mkv")) as container:
        kinds = [stream.type for stream in container.streams]
    assert kinds.count("video") == 1
    assert kinds.count("audio") >= 1

    # The second row is filled in, as in a spreadsheet, and comes back.
    text = table.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    start = text[2].split(",")
    text[2] = ",".join([*start[:4], WORDS, *start[5:]])
    table.write_text("".join(text), encoding="utf-8")
    with ProjectStore(project) as store:
        place = store.plans[1]
        plan = plan_import(store, table)
        assert len(plan.changes) == 1
        assert not any("without text" in note for note in plan.notes)
        apply_plan(store, plan)
        [cue] = store.cues
        assert (cue.text, cue.author, cue.visual, cue.event_ms) == (WORDS, Author.HUMAN, place.visual, place.event_ms)
        assert "2 places have no words yet" in (unwritten(store) or "")
    assert [row["text"] for row in rows(table)] == ["", WORDS, ""]

    # Described once more by nobody, nothing is lost; a model that is named fills the rest.
    assert describe(project).empty == 2
    filled = describe(project, model=Teller())  # type: ignore[arg-type]
    assert filled.empty == 0
    assert [cue.author for cue in filled.script.cues] == [Author.MODEL, Author.HUMAN, Author.MODEL]
    assert filled.script.cues[1].text == WORDS
    assert not (project / "stills").exists()
    assert "still" not in rows(table)[0]


def test_a_model_that_is_named_describes_it_all_the_same_and_says_that_it_is_wrong(film: Path, tmp_path: Path) -> None:
    made = describe(film, model="calvin-mini", out_dir=tmp_path / "p")
    assert made.empty == 0
    assert made.script.cues
    assert "what it says of it is wrong" in made.notes[0]
    again = describe(tmp_path / "p")  # the project remembers who was named
    assert again.empty == 0
    assert again.script.cues == made.script.cues


def test_the_bundled_model_is_not_adapted_to_what_it_cannot_see(film: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    describe(film, out_dir=project)
    table = project / "Bikes.csv"
    table.write_text("in,out,text\n" + "".join(f"{row['in']},{row['out']},{WORDS}\n" for row in rows(table)))
    with pytest.raises(CalvinError, match="cannot see what happens in this film"):
        adapt(None, project, table, tmp_path / "adapted")
    with ProjectStore(project, read_only=True) as store:
        assert store.cues == []


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds that are drawn by nobody."""
    path = tmp_path_factory.mktemp("footage") / "Footage.mp4"
    rng = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5, options={"preset": "ultrafast", "g": "5"})
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for _ in range(60):
            picture = np.kron(rng.integers(0, 256, (24, 40, 3)), np.ones((8, 8, 1))).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_a_first_look_tells_footage_from_the_films_that_the_bundled_model_knows(footage: Path, tmp_path: Path) -> None:
    foreign = look_first(footage, "calvin-mini")
    assert foreign == FirstLook(True, "animated puppet films")
    film, _ = bundled_film()
    assert look_first(film, "calvin-mini") == FirstLook(False, "animated puppet films")
    assert look_first(footage, "no-such-model") is None
    assert look_first(tmp_path / "absent.mp4", "calvin-mini") is None


@pytest.mark.parametrize(
    ("model", "words"), [((), "left without words"), (("--model", "calvin-mini"), "what it says of it is wrong")]
)
def test_that_a_film_is_not_known_is_said_before_anything_is_loaded_or_decoded(
    model: tuple[str, ...], words: str, footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise CalvinError("The model was opened.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("calvin.captioners.open_captioner", opened)
    done = CliRunner().invoke(app, ["describe", str(footage), *model])
    first, last = done.stderr.splitlines()[0], done.stderr.splitlines()[-1]
    assert first.startswith("Note on Footage.mp4: ")
    assert words in first
    assert "--model" in done.stderr
    assert model or "smolvlm2" in done.stderr
    assert last == "Error: The model was opened."
    assert not list(tmp_path.iterdir())


def test_what_was_said_before_the_work_is_not_said_again_after_it(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["describe", str(footage), "--no-text"])
    assert done.exit_code == 0, done.output
    lines = done.stderr.splitlines()
    assert "left without words" in lines[0]
    assert "decode" not in lines[1]
    for words in ("left without words", "To have it described", "To write it yourself"):
        assert sum(words in line for line in lines) == 1
    assert "To write it yourself" in lines[-1] or "To write it yourself" in lines[-2]
    # Going on, its stills tell, and everything is said once.
    again = CliRunner().invoke(app, ["describe", "Footage.calvin"])
    assert again.stderr.count("left without words") == 1


def test_a_first_look_that_was_wrong_is_taken_back(footage: Path, tiny_model: Path, tmp_path: Path) -> None:
    from calvin.captioners.calvin import Calvin

    job = FilmJob(footage, out_dir=tmp_path / "p", took_for_foreign=True)
    [outcome] = describe_many([job], Calvin.from_pretrained(tiny_model))
    assert outcome.description is not None
    assert outcome.description.notes[0].startswith("A first look at some of its pictures took this film for none")
    assert outcome.description.script.cues
