"""Finding a text in the cues."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.studio.edit.edits import EDIT
from calvin.studio.edit.finding import Match, find
from calvin.studio.edit.steps import apply, undo
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    opened = ProjectStore(tmp_path / "p", create=True)
    opened.bind_film(FilmRow("A", "a.mp4", "aa", 80_000, {}))
    for start, text in ((10_000, "He 😀 sees the cat."), (0, "The theatre. The end."), (20_000, "A (the) dog.")):
        opened.add_cue(Cue("", Span(start, start + 2000), text, Span(start, start + 2000), start))
    return opened


def test_matches_are_in_time_order_and_counted_as_browsers_count(store: ProjectStore) -> None:
    found = find(store, "the")
    assert [(match.key, match.start, match.end) for match in found] == [
        *(("cue-2", 0, 3), ("cue-2", 4, 7), ("cue-2", 13, 16)),
        *(("cue-1", 11, 14), ("cue-3", 3, 6)),
    ]
    assert found[3] == Match("cue-1", 11, 14, "He 😀 sees ", " cat.")


def test_case_and_whole_words(store: ProjectStore) -> None:
    assert [match.start for match in find(store, "the", case=True)] == [4, 11, 3]
    assert [match.start for match in find(store, "the", whole_word=True)] == [0, 13, 11, 3]
    assert [match.key for match in find(store, "(the)", whole_word=True)] == ["cue-3"]
    assert find(store, ".*") == []


def test_only_the_places_named_are_replaced_in_one_step(store: ProjectStore) -> None:
    places = [(match.key, match.start) for match in find(store, "the")]
    edit = {"op": "replace", "text": "the", "with": "a", "at": [places[1], places[3]]}
    assert apply(store, EDIT.validate_python(edit)).said == "Replaced in 2 cues."
    assert [store.cue(number).text for number in "213"] == [
        "The aatre. The end.", "He 😀 sees a cat.", "A (the) dog."
    ]  # fmt: skip
    undo(store)
    assert [(match.key, match.start) for match in find(store, "the")] == places


def test_a_place_where_it_no_longer_stands_replaces_nothing(store: ProjectStore) -> None:
    edit = EDIT.validate_json(b'{"op":"replace","text":"the","with":"a","at":[["cue-2",4],["cue-1",10]]}')
    with pytest.raises(UsageError, match="reads otherwise since"):
        apply(store, edit)
    assert store.cue("2").text == "The theatre. The end."


def test_nothing_to_look_for_is_said(store: ProjectStore) -> None:
    with pytest.raises(UsageError, match="text to look for"):
        find(store, "")


def test_replacing_changes_what_is_found_and_takes_the_new_words_to_the_letter(store: ProjectStore) -> None:
    keys = {match.key for match in find(store, "the", case=True, whole_word=True)}
    edit = {"op": "replace", "text": "the", "with": r"\1 $& \g<0>", "case": True, "whole_word": True}
    outcome = apply(store, EDIT.validate_python(edit))
    assert {row.key for row in outcome.changed} == keys == {"cue-1", "cue-3"}
    assert store.cue("3").text == r"A (\1 $& \g<0>) dog."
