"""The log for studies: how far texts are from one another, and what is told of each cue."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.studio.edit.edits import EDIT
from calvin.studio.edit.rows import version_of
from calvin.studio.edit.steps import apply, undo
from calvin.studio.edit.study_log import distance, keep_log, keeps_log, log_table, note_edit
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore


def by_table(one: str, other: str) -> int:
    """The distance as its definition has it."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.text("abc", max_size=90), st.text("abc", max_size=90))
def test_the_distance_is_that_of_the_definition(one: str, other: str) -> None:
    assert distance(one, other) == by_table(one, other)


@pytest.mark.parametrize(
    ("one", "other", "far"), [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("", "", 0), ("a", "a", 0)]
)
def test_distances_done_by_hand(one: str, other: str, far: int) -> None:
    assert distance(one, other) == far


def test_words_are_compared_whole() -> None:
    assert distance(["a", "man", "walks", "in"], ["a", "tall", "man", "walks"]) == 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p", create=True) as opened:
        opened.bind_film(FilmRow("A", "a.mp4", "aa", 80_000, {}))
        for start in (0, 10_000, 20_000):
            opened.add_cue(Cue("", Span(start, start + 2000), "He walks.", Span(start, start + 2000), start))
        yield opened


def do(store: ProjectStore, took_ms: int | None, **values: Any) -> None:
    if "key" in values:
        values["version"] = version_of(store.cue(values["key"].removeprefix("cue-")))
    edit = EDIT.validate_python(values)
    note_edit(store, edit, apply(store, edit), took_ms)


def read(store: ProjectStore) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(log_table(store))))


def test_nothing_is_kept_unless_somebody_asks(store: ProjectStore) -> None:
    assert not keeps_log(store)
    do(store, 5000, op="text", key="cue-1", text="He runs.")
    assert [(row["edits"], row["seconds"]) for row in read(store)] == [("0", "0.0")] * 3
    keep_log(store, True)
    do(store, 5000, op="text", key="cue-1", text="He runs on.")
    assert read(store)[0]["seconds"] == "5.0"
    keep_log(store, True)  # once more changes nothing
    assert read(store)[0]["seconds"] == "5.0"
    keep_log(store, False)
    assert not keeps_log(store)
    assert read(store)[0]["seconds"] == "0.0"


def test_each_cue_has_its_time_and_its_distance(store: ProjectStore) -> None:
    keep_log(store, True)
    do(store, 2000, op="text", key="cue-1", text="He talks.")
    do(store, 1500, op="text", key="cue-1", text="He talked.")
    do(store, 900, op="approve", key="cue-2")  # goes on to another cue, and is about this one
    do(store, 4000, op="insert", start_ms=5000, text="=She waits.")
    do(store, None, op="replace", text="He", **{"with": "Ben"}, whole_word=True)
    do(store, 100, op="delete", key="cue-3")
    undo(store)
    do(store, 100, op="delete", key="cue-3")
    rows = {row["cue"]: row for row in read(store)}
    assert list(rows) == ["cue-1", "cue-4", "cue-2", "cue-3", "several"]
    one = rows["cue-1"]
    assert (one["edits"], one["seconds"]) == ("2", "3.5")
    assert (one["first_text"], one["last_text"]) == ("He walks.", "Ben talked.")
    # H to B, n put in, w to t, s to e, d put in
    assert (one["characters_changed"], one["words_changed"], one["share_changed"]) == ("5", "2", "0.455")
    assert (rows["cue-2"]["seconds"], rows["cue-2"]["status"]) == ("0.9", "approved")
    new = rows["cue-4"]
    assert (new["first_text"], new["last_text"], new["characters_changed"]) == ("", "'=She waits.", "11")
    assert (rows["cue-3"]["status"], rows["cue-3"]["edits"], rows["cue-3"]["last_text"]) == ("removed", "2", "")
    assert (rows["several"]["edits"], rows["several"]["seconds"]) == ("1", "0.0")
    assert one["start"] == "'00:00:00.000"


def test_the_log_is_no_step_and_is_not_undone(store: ProjectStore) -> None:
    keep_log(store, True)
    do(store, 2000, op="text", key="cue-1", text="He talks.")
    assert [step.what for step in store.steps] == ["text of cue-1"]
    undo(store)
    assert read(store)[0]["seconds"] == "2.0"
    assert read(store)[0]["characters_changed"] == "0"
