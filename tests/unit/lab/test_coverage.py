"""How much of a description is heard, counted by hand on a small project."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Place
from calvin.lab.coverage import NOTHING, project_coverage
from calvin.media.voice.voices import ToneVoice
from calvin.puppets.tell.screenplay import make_film
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.voiced_cues import voice_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        store.set_shots([Span(0, 30_000), Span(30_000, 60_000)])
        store.set_dialogue([DialogueLine(Span(20_000, 60_000), "")])
        store.set_plan([Place(Span(at, at + 4000), Span(at, at + 4000), at + 2000) for at in (0, 5000, 10_000, 40_000)])
        mine = {"author": Author.HUMAN}
        store.add_cue(Cue("", Span(3000, 4500), "She waits here.", Span(0, 4000), 2000, **mine))  # type: ignore[arg-type]
        store.add_cue(Cue("", Span(19_500, 21_000), "She waits here.", Span(10_000, 14_000), 12_000, **mine))  # type: ignore[arg-type]
        store.add_cue(Cue("", Span(40_000, 40_000), "He is gone.", Span(40_000, 44_000), 42_000, extended=True))
    voice_project(folder, ToneVoice())
    return folder


def test_what_is_heard(project: Path) -> None:
    found = project_coverage(project)
    with ProjectStore(project, read_only=True) as store:
        assert store.voice is not None
        length = store.voice.cues["2"].ms
    assert (found.places, found.said) == (4, 2)
    assert found.over_ms == 19_500 + length - 20_000
    assert found.near == 1, "the second begins 5.5 s after what it is about has ended"
    assert found.late_ms == (1000, 7500)
    assert found.texts == (("She waits here.", "She waits here."),)
    rows = dict((found + NOTHING).rows())
    assert rows["places said"] == "2 of 4 (50.0%)"
    assert rows["mean time after the event"] == "4250 ms, at most 7500 ms"
    assert (rows["distinct captions"], rows["repetition"]) == ("50.0%", "0.500")
    assert "action right, of those said" not in rows


def test_nothing_at_all() -> None:
    assert dict(NOTHING.rows())["places said"] == "0 of 0 (0.0%)"


def test_captions_are_held_against_what_happens(tmp_path: Path) -> None:
    film = make_film(5, 4, 2, "heldout")
    scene = film.scenes[0]
    name, at = film.names[0], scene.truth.start_ms
    with ProjectStore(tmp_path / "q", create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, film.duration_ms, {}))
        cue = Cue("", Span(at, at + 1500), f"{name} does nothing.", Span(at, at + 2000), at + 500, Author.HUMAN)
        store.add_cue(cue)
    voice_project(tmp_path / "q", ToneVoice())
    assert project_coverage(tmp_path / "q", film).right == (False,)
