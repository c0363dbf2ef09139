"""The cues of a project placed in its film, and what is kept of the choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, CueKind, DialogueLine, Place, Status
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.status import pause_note
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength, MeasuredLength
from calvin.studio.script.cue_places import Changes, film_schedule, place_cues, shot_of

FIVE, FOUR, THREE = "She opens the gate.", "He closes the gate.", "A dog barks."
SPOKEN = MeasuredLength({FIVE: 5000, FOUR: 4000, THREE: 3000}, EstimatedLength())
OPEN = Decision(Choice.OPEN, "Captioned, but not placed yet.")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    """A minute that talks until 10 s and from 20 s on, with shots of 5 s."""
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        store.set_shots([Span(at, at + 5000) for at in range(0, 60_000, 5000)])
        store.set_dialogue([DialogueLine(Span(0, 10_000), ""), DialogueLine(Span(20_000, 60_000), "")])
        yield store


def add(store: ProjectStore, *places: tuple[int, int, tuple[str, ...]]) -> list[str]:
    """Cues as describing leaves them before they are placed; their ids."""
    store.set_plan([Place(Span(a, b), Span(a, b), (a + b) // 2) for a, b, _ in places])
    made = []
    for plan, (_, _, texts) in zip(store.plans, places, strict=True):
        scores = [-0.1 * n for n in range(len(texts))]
        cue = store.finish_plan(plan, texts[0], plan.span, texts, OPEN, scores=scores)
        assert cue is not None
        made.append(cue.id)
    return made


def spans(store: ProjectStore) -> dict[str, tuple[int, int]]:
    return {cue.id: (cue.span.start_ms, cue.span.end_ms) for cue in store.cues if not cue.extended}


def test_two_cues_share_a_silence(store: ProjectStore) -> None:
    """10.3 to 19.7 s hold 5 and 4 s, if the second one begins before the first would have left off by itself."""
    first, second = add(store, (10_300, 15_000, (FIVE,)), (15_000, 19_700, (FOUR,)))
    changes = place_cues(store, SPOKEN)
    assert spans(store) == {first: (10_300, 15_300), second: (15_600, 19_600)}
    assert changes == Changes(moved=[second])
    assert [d.choice for d in store.decisions] == [Choice.BEST, Choice.BEST]
    assert store.decisions[0].reason == "Takes 5.0 s, and begins 2.4 s before its event."
    assert not place_cues(store, SPOKEN), "placed again, nothing changes"


def test_the_shorter_candidate_and_the_reason_are_kept(store: ProjectStore) -> None:
    first, second = add(store, (10_300, 15_000, (FIVE, THREE)), (15_000, 19_700, ("He waits for her.", FOUR)))
    place_cues(
        store, MeasuredLength({FIVE: 6000, FOUR: 4000, THREE: 3000, "He waits for her.": 6000}, EstimatedLength())
    )
    texts = {cue.id: cue.text for cue in store.cues}
    assert (texts[first], texts[second]) in {(THREE, "He waits for her."), (FIVE, FOUR), (THREE, FOUR)}
    assert sum(d.choice is Choice.CANDIDATE for d in store.decisions) >= 1
    reason = next(d.reason for d in store.decisions if d.choice is Choice.CANDIDATE)
    assert reason.startswith("The best takes 6.0 s; the best other for the silence as a whole takes ")


def test_what_a_person_wrote_or_approved_stands(store: ProjectStore) -> None:
    first, second = add(store, (10_300, 15_000, (FIVE, THREE)), (15_000, 19_700, (FOUR,)))
    mine = replace(store.cue(second), span=Span(14_000, 18_000), text=FOUR, author=Author.HUMAN)
    store.edit_cue(mine)
    place_cues(store, SPOKEN)
    assert store.cue(second) == mine
    assert (store.cue(first).text, spans(store)[first]) == (THREE, (10_300, 13_300))
    approved = replace(store.cue(first), text=FIVE, span=Span(9000, 14_000), status=Status.APPROVED)
    store.edit_cue(approved)
    place_cues(store, SPOKEN)
    assert store.cue(first) == approved, "also over dialogue"


def test_what_no_silence_holds_pauses_the_film_and_is_freed_again(store: ProjectStore) -> None:
    first, second = add(store, (10_300, 15_000, (FIVE,)), (30_000, 30_000, (FOUR,)))
    changes = place_cues(store, SPOKEN)
    assert changes.paused == [second]
    assert store.cue(second).span.start_ms == 30_000
    assert store.decisions[1].reason == "It takes 4.0 s, and there is no silence near its shot: the film pauses."
    store.set_dialogue([DialogueLine(Span(0, 10_000), "")])
    changes = place_cues(store, SPOKEN)
    assert changes.freed == [second]
    assert first in spans(store)


def test_what_was_said_is_taken_out_with_the_reason(store: ProjectStore) -> None:
    first, second = add(store, (10_300, 15_000, (THREE,)), (15_000, 19_700, (THREE,)))
    assert place_cues(store, SPOKEN).removed == [second]
    assert [cue.id for cue in store.cues] == [first]
    assert [(d.choice, d.cue_id) for d in store.decisions] == [(Choice.BEST, first), (Choice.REPEATED, None)]


def test_text_on_screen_comes_before_the_picture_and_may_loop(store: ProjectStore) -> None:
    [first] = add(store, (10_300, 15_000, ("He waits in the rain.",)))
    sign = "No, no, no, no!"
    cue = Cue("", Span(11_000, 12_000), sign, Span(10_000, 15_000), 12_500, kind=CueKind.TEXT)
    text = store.add_cue(cue).id
    lengths = MeasuredLength({sign: 5000, "He waits in the rain.": 6000}, EstimatedLength())
    place_cues(store, lengths)
    assert {cue.id: cue.extended for cue in store.cues} == {first: True, text: False}


def test_the_title_comes_before_a_sign(store: ProjectStore) -> None:
    title, sign = "Title: The Green Book.", "On screen: Keep off the grass."
    ids = {}
    for kind, text in ((CueKind.TITLE, title), (CueKind.TEXT, sign)):
        place = Span(10_300, 15_000)
        cue = Cue("", place, text, Span(5000, 15_000), 5000 if kind is CueKind.TITLE else 12_000, kind=kind)
        ids[kind] = store.add_cue(cue).id
    place_cues(store, MeasuredLength({title: 6000, sign: 5000}, EstimatedLength()))
    extended = {cue.id: cue.extended for cue in store.cues}
    assert extended == {ids[CueKind.TITLE]: False, ids[CueKind.TEXT]: True}


def test_nobody_is_named_before_the_film_says_who_it_is(store: ProjectStore) -> None:
    store.characters = (Character("Mara", known_from_ms=14_000),)
    [first] = add(store, (10_300, 15_000, ("Mara waits.",)))
    place_cues(store, SPOKEN)
    assert store.cue(first).span.start_ms == 14_000


def test_the_shot_of_a_cue_is_the_piece_that_its_event_lies_in() -> None:
    cue = Cue("1", Span(0, 1), "x", Span(3000, 12_000), 8000)
    assert shot_of(cue, [0, 5000, 10_000, 20_000]) == Span(5000, 10_000)
    assert shot_of(replace(cue, visual=Span(6000, 9000)), [0, 5000, 10_000]) == Span(6000, 9000)
    assert shot_of(cue, []) == Span(3000, 12_000)
    assert shot_of(replace(cue, event_ms=20_000), [0]) == Span(3000, 20_000)


def test_dialogue_over_the_whole_film_is_said_in_a_sentence(store: ProjectStore) -> None:
    add(store, (30_000, 30_000, (FOUR,)), (40_000, 40_000, (FIVE,)))
    place_cues(store, SPOKEN)
    assert pause_note(store.cues) == (
        "The dialogue leaves no silence that holds a cue: the film is to pause for all (`extended`), or the text to be "
        "shortened."
    )


def test_a_schedule_alone_changes_nothing(store: ProjectStore) -> None:
    add(store, (10_300, 15_000, (FIVE,)), (15_000, 19_700, (FOUR,)))
    before = store.cues
    assert len(film_schedule(store, SPOKEN).said) == 2
    assert store.cues == before
