"""What is kept of answers, and what is asked for once more where a film cannot hold it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Place, Status
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.describe.cue_words import place_film
from calvin.studio.describe.film_project import FilmProject
from calvin.studio.project.contents import Choice, FilmRow
from calvin.studio.project.describe_settings import DescribeSettings
from calvin.studio.project.store import ProjectStore

LONG = "On the street, Aldo, in a blue jacket, helps Olga, in an orange jacket, to stand up again."
SHORT = "Aldo helps Olga to stand up."


class Shortener:
    """Answers every request for fewer words with one text, and keeps what it was asked for."""

    info = CaptionerInfo("shortener")
    needs = frozenset({"frames"})

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.limits: list[int | None] = []

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        self.limits += [request.max_words for request in requests]
        return [CaptionAnswer(self.text, 0.0) for _ in requests]


@pytest.fixture
def film(tmp_path: Path) -> Iterator[FilmProject]:
    """A film of 60 s that talks but for silences of 9.4 s and 4.4 s."""
    frames = tmp_path / "frames"
    with FrameWriter(frames, 5.0) as writer:
        writer.add(np.zeros((8, 8, 3), np.uint8))
    with ProjectStore(tmp_path / "p", create=True) as store:
        row = FilmRow("Film", "film.mp4", "0" * 64, 60_000, {})
        store.bind_film(row)
        store.set_shots([Span(0, 60_000)])
        store.set_dialogue([DialogueLine(Span(a, b), "") for a, b in ((0, 10_000), (20_000, 30_000), (35_000, 60_000))])
        spans = Span(10_300, 19_700), Span(30_300, 34_700)
        store.set_plan([Place(span, span, span.middle_ms) for span in spans])
        yield FilmProject(store, row, FrameStore.open(frames), None, 8)


def kept(film: FilmProject, number: int, *candidates: str) -> None:
    film.keep(film.store.plans[number], CaptionAnswer(candidates[0], -0.1, candidates))


def placed(film: FilmProject, shortener: Shortener | None = None) -> list[tuple[Choice, str | None]]:
    place_film(film, shortener or Shortener(), DescribeSettings())
    cues = {cue.id: cue.text for cue in film.store.cues}
    return [(one.choice, cues[one.cue_id] if one.cue_id else None) for one in film.store.decisions]


def test_each_is_said_where_it_fits(film: FilmProject) -> None:
    kept(film, 0, LONG, SHORT)
    kept(film, 1, LONG.replace("helps", "asks"), SHORT.replace("helps", "asks"))
    assert [one.choice for one in film.store.decisions] == [Choice.OPEN, Choice.OPEN]
    assert placed(film) == [(Choice.BEST, LONG), (Choice.CANDIDATE, "Aldo asks Olga to stand up.")]
    for cue in film.store.cues:
        assert not cue.extended
        assert not any(cue.span.overlap_ms(line.span) for line in film.store.dialogue)


def test_a_shorter_one_is_asked_for_in_as_many_words_as_fit(film: FilmProject) -> None:
    shortener = Shortener(SHORT)
    kept(film, 1, LONG)
    assert placed(film, shortener) == [(Choice.SHORTER, SHORT)]
    assert shortener.limits == [18 * 4400 // 6750]
    assert "asked for fewer words, the model says it in 2.2 s" in film.store.decisions[0].reason
    assert placed(film, shortener) == [(Choice.SHORTER, SHORT)], "what was placed is not placed anew"
    assert len(shortener.limits) == 1


@pytest.mark.parametrize("answer", ["", LONG])
def test_else_the_film_pauses_and_nothing_is_cut(answer: str, film: FilmProject) -> None:
    kept(film, 1, LONG)
    assert placed(film, Shortener(answer)) == [(Choice.EXTENDED, LONG)]
    assert film.store.decisions[0].reason.endswith("the silence around its shot has 4.4 s: the film pauses.")
    assert [cue.extended for cue in film.store.cues] == [True]


def test_nothing_is_said_twice(film: FilmProject) -> None:
    kept(film, 0, "Olga, in red, sits down.")
    kept(film, 1, "Olga, in red, sits down.", "Olga laughs.")
    assert placed(film)[1] == (Choice.CANDIDATE, "Olga laughs.")


def test_what_was_all_said_before_is_not_said(film: FilmProject) -> None:
    kept(film, 0, "Olga, in red, sits down.")
    kept(film, 1, "sits down")
    assert placed(film)[1] == (Choice.REPEATED, None)
    assert film.store.decisions[1].reason == '"sits down" was said just before.'


def test_a_model_without_words_is_silent(film: FilmProject) -> None:
    kept(film, 0, " . ", "")
    assert placed(film) == [(Choice.SILENT, None)]


def test_an_answer_that_no_cue_can_hold_is_reported_and_the_film_goes_on(film: FilmProject) -> None:
    endless = " ".join(f"word{number}" for number in range(400)) + "."
    kept(film, 0, endless)
    kept(film, 1, endless, SHORT)
    assert placed(film) == [(Choice.SILENT, None), (Choice.BEST, SHORT)]
    reason = film.store.decisions[0].reason
    assert reason == f"The model's answer has {len(endless):,} characters, and a cue has 2,000 at most."


def test_a_caption_sees_the_best_words_whatever_is_said(film: FilmProject) -> None:
    kept(film, 1, LONG, SHORT)
    place_film(film, Shortener(), DescribeSettings())
    assert [cue.text for cue in film.store.cues] == [SHORT]
    assert film.context(Place(Span(40_000, 41_000), Span(40_000, 41_000), 40_000), 3) == (LONG,)


def test_a_draft_under_a_persons_cue_moves_away_as_a_step_of_its_own(film: FilmProject) -> None:
    kept(film, 0, LONG, SHORT)
    assert placed(film) == [(Choice.BEST, LONG)]
    store, shortener = film.store, Shortener()
    [draft], span = store.cues, Span(10_300, 15_000)
    with store.step("import of a.csv"):
        store.add_cue(Cue("", span, "Zelda, in a yellow dress, grabs it.", span, 12_000, Author.HUMAN, Status.APPROVED))
    assert store.cues[-1].span.overlap_ms(span)
    place_film(film, shortener, DescribeSettings())
    theirs, moved = store.cues
    assert (theirs.span, moved.text) == (span, SHORT)
    assert moved.span.start_ms >= span.end_ms
    steps = ["import of a.csv", "drafts moved out of the way of a person's cues"]
    assert [step.what for step in store.steps] == steps
    asked = list(shortener.limits)
    place_film(film, shortener, DescribeSettings())
    assert (store.cues, shortener.limits, len(store.steps)) == ([theirs, moved], asked, 2)
    store.undo()
    store.undo()
    assert store.cues == [draft]
    place_film(film, shortener, DescribeSettings())
    store.redo()
    store.redo()
    assert store.cues == [theirs, moved], "nothing to move leaves what can be done again"


def test_where_a_persons_cue_leaves_no_room_shorter_words_are_asked_for_once(film: FilmProject) -> None:
    kept(film, 0, LONG)
    assert placed(film) == [(Choice.BEST, LONG)]
    store, shortener, span = film.store, Shortener(), Span(10_300, 14_000)
    store.add_cue(Cue("", span, "Zelda grabs it.", span, 12_000, Author.HUMAN, Status.APPROVED))
    for _ in range(2):
        assert placed(film, shortener)[0] == (Choice.EXTENDED, LONG)
        assert len(shortener.limits) == 1
