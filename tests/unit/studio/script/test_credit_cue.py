"""Who is named at the end of a description, in which words, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Status
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import Origin
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.credit_cue import FORMS, credit_text, plan_credits
from calvin.studio.script.human_words import apply_plan


@pytest.mark.parametrize(
    ("origin", "names", "text"),
    [
        (
            Origin(5, 5, 5, 5, 0, "calvin-small", "joe"),
            ("Mara Ng", ""),
            "Description written with calvin-small, reviewed by Mara Ng, synthetic voice joe.",
        ),
        (
            Origin(5, 3, 1, 2, 3, "m", "joe"),
            ("", "Ada"),
            "Description written by a person and with m, partly reviewed by a person, spoken by Ada, "
            "synthetic voice joe.",
        ),
        (Origin(5, 5, 0, 0, 0, "m"), ("", ""), "Description written with m, not reviewed."),
        (Origin(5, 0, 0, 0, 5), ("Mara Ng", "Ada"), "Description written by Mara Ng, spoken by Ada."),
    ],
)
def test_the_words_follow_the_counts(origin: Origin, names: tuple[str, str], text: str) -> None:
    assert credit_text(origin, "en-GB", *names) == text


@pytest.mark.parametrize("language", FORMS)
def test_each_language_names_all(language: str) -> None:
    text = credit_text(Origin(5, 3, 3, 2, 3, "calvin-small", "joe"), language, "Mara", "Ada")
    assert text.startswith(FORMS[language].lead)
    assert text.count("Mara") == 2
    assert all(name in text for name in ("calvin-small", "Ada", "joe"))
    people = credit_text(Origin(5, 0, 0, 0, 5), language, "Mara", "Ada")
    assert FORMS[language].synthetic not in people
    assert FORMS[language].using not in people.split()


def test_a_language_without_a_form_is_told() -> None:
    with pytest.raises(UsageError, match="no credits in Czech: give them in your own words, by --text"):
        credit_text(Origin(1, 1, 1), "cs")


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    project = ProjectStore(tmp_path / "p", create=True)
    project.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 60_000, {}))
    project.model = {"name": "calvin-small"}
    for at in (2000, 41_000):
        span = Span(at, at + 2000)
        project.add_cue(Cue("", span, "A woman waits.", span, at, Author.MODEL, Status.APPROVED))
    project.set_dialogue([DialogueLine(Span(10_000, 20_000), "Hello."), DialogueLine(Span(55_000, 59_000), "Bye.")])
    return project


def test_it_stands_in_the_last_silence_and_is_renewed_there(store: ProjectStore) -> None:
    plan = plan_credits(store, "Mara Ng")
    assert any("run this again after `calvin voice`" in note for note in plan.notes)
    apply_plan(store, plan)
    last = store.cues[-1]
    assert last.text == "Description written with calvin-small, reviewed by Mara Ng."
    assert (last.kind, last.author, last.status) == (CueKind.CREDIT, Author.HUMAN, Status.APPROVED)
    assert last.span.start_ms >= 43_300
    assert last.span.end_ms <= 54_700
    assert not plan_credits(store, "Mara Ng").changes, "the credits themselves are not counted"
    first = store.cues[0]
    store.edit_cue(replace(first, text="He waits.", author=Author.HUMAN))
    apply_plan(store, plan_credits(store, "Mara Ng"))
    assert len(store.cues) == 3
    assert store.cue(last.id).text.startswith("Description written by Mara Ng and with calvin-small")
    store.undo()
    assert store.cue(last.id).text == last.text


def test_never_over_dialogue_or_another_cue(store: ProjectStore) -> None:
    span = Span(43_500, 54_000)
    store.add_cue(Cue("", span, "Credits roll.", span, span.start_ms, Author.MODEL, Status.DRAFT))
    [change] = plan_credits(store).changes
    assert change.after is not None
    assert change.after.span.start_ms >= 20_300
    assert change.after.span.end_ms <= 40_700
    with pytest.raises(UsageError, match=r"The credits take .* and no silence has room for them"):
        plan_credits(store, text="A long list of names follows here. " * 40)


def test_nothing_described_names_nobody(tmp_path: Path) -> None:
    with ProjectStore(tmp_path / "p", create=True) as empty:
        empty.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 60_000, {}))
        with pytest.raises(UsageError, match="Nothing is described yet"):
            plan_credits(empty)
