"""Edits of a person: each is one step, checked against what the person saw, told exactly, and undone whole."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from calvin.core.errors import CalvinError, StoreError, UsageError
from calvin.core.time import Span, round_half_up
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Place, Status
from calvin.studio.edit.edits import EDIT
from calvin.studio.edit.outcome import Outcome, StaleCue
from calvin.studio.edit.rows import FilmPart, Row, rows, version_of
from calvin.studio.edit.steps import apply, redo, undo
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.database import DATABASE
from calvin.studio.project.migrations import JOURNALED
from calvin.studio.project.recordings import Recording
from calvin.studio.project.status import RECORDED_FOLDER
from calvin.studio.project.store import ProjectStore

PLACES = [
    Place(Span(i * 10_000, i * 10_000 + 6000), Span(max(0, i * 10_000 - 2000), i * 10_000 + 8000), i * 10_000 + 1000)
    for i in range(8)
]
TEXTS = [
    "He walks in.",
    "She looks up.",
    "",
    "They sit down at the table.",
    "A dog runs.",
    "",
    "He waves.",
    "It rains.",
]


def film(folder: Path) -> ProjectStore:
    """80 seconds with a line of dialogue in every ten, eight places, and a draft of a model in six of them."""
    store = ProjectStore(folder, create=True)
    store.bind_film(FilmRow("A", "a.mp4", "aa", 80_000, {"frame_rate": 25.0}))
    store.set_shots([Span(i * 5000, i * 5000 + 5000) for i in range(16)])
    store.set_dialogue([DialogueLine(Span(i * 10_000 + 7000, i * 10_000 + 9500), "Said.") for i in range(8)])
    store.set_plan(PLACES)
    for place, text in zip(store.plans, TEXTS, strict=True):
        decision = Decision(Choice.BEST if text else Choice.SILENT, "Takes it." if text else "No words.")
        span = Span(place.span.start_ms, place.span.start_ms + 3000)
        store.finish_plan(place, text, span, [text, f"Or: {text}"] if text else [], decision)
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with film(tmp_path / "p") as opened:
        yield opened


def do(store: ProjectStore, op: str, key: str = "", **values: Any) -> Outcome:
    """An edit as the page sends it; with the version that the cue now has, unless another is given."""
    if key:
        values["key"] = key
        if op not in ("comment", "comment_done"):
            values.setdefault("version", version_of(store.cue(key.removeprefix("cue-"))))
    return apply(store, EDIT.validate_json(json.dumps({"op": op, **values})))


def row(store: ProjectStore, key: str) -> Row:
    [found] = rows(store, [key], light=True)
    return found


def tables(store: ProjectStore) -> dict[str, list[tuple[object, ...]]]:
    """Every row that steps keep, as it stands in the database file."""
    database = sqlite3.connect(store.folder / DATABASE)
    found = {
        table: database.execute(f"SELECT {key}, {', '.join(columns)} FROM {table} ORDER BY {key}").fetchall()
        for table, (key, columns) in JOURNALED.items()
    }
    database.close()
    return found


def test_a_persons_text_is_theirs_and_approved_and_the_row_says_so(store: ProjectStore) -> None:
    store.edit_cue(replaced(store, "1", extended=True))
    outcome = do(store, "text", "cue-1", text="  He comes\nin. ")
    cue = store.cue("1")
    assert (cue.text, cue.author, cue.status, cue.extended) == ("He comes in.", Author.HUMAN, Status.APPROVED, False)
    assert [changed.key for changed in outcome.changed] == ["cue-1"]
    assert outcome.changed[0].version == version_of(cue)
    assert (outcome.undo, outcome.redo, outcome.focus) == ("text of cue-1", None, "cue-1")
    assert outcome.said == "Text changed. About 5.6 s left."  # of 6.7 s, for 3 words at 160 a minute
    assert [past.text for past in store.history("1")] == ["He walks in.", "He comes in."]


def replaced(store: ProjectStore, cue_id: str, **changes: Any) -> Cue:
    return replace(store.cue(cue_id), **changes)


def test_a_pause_that_a_person_agreed_to_outlives_their_new_words(store: ProjectStore) -> None:
    do(store, "approve", "cue-1")
    do(store, "extended", "cue-1", on=True)
    do(store, "text", "cue-1", text="He comes in.")
    assert store.cue("1").extended


def test_a_cue_that_needs_work_stays_so_until_a_person_approves_it(store: ProjectStore) -> None:
    do(store, "status", "cue-1", status="needs-work")
    do(store, "text", "cue-1", text="He comes in.")
    assert store.cue("1").status is Status.NEEDS_WORK
    assert store.cue("1").author is Author.HUMAN
    outcome = do(store, "approve", keys="all")
    assert outcome.said == "5 cues approved. 1 cue marked as needing work stays so."
    assert store.cue("1").status is Status.NEEDS_WORK
    outcome = do(store, "approve", "cue-1")
    assert store.cue("1").status is Status.APPROVED
    assert outcome.said == "Approved. No cue after it is left to approve."


def test_approving_goes_on_to_the_next_cue_that_is_not_approved(store: ProjectStore) -> None:
    do(store, "approve", "cue-2")
    assert do(store, "approve", "cue-1").focus == "cue-3"


def test_the_same_text_again_makes_no_step(store: ProjectStore) -> None:
    before = tables(store), store.steps
    outcome = do(store, "text", "cue-1", text="He walks in. ")
    assert (outcome.changed, outcome.said) == ([], "Nothing changed.")
    assert (tables(store), store.steps) == before


@pytest.mark.parametrize("text", ["", " \n", "\u200d", "word " * 500])
def test_words_that_are_none_or_too_many_are_refused(store: ProjectStore, text: str) -> None:
    before = tables(store)
    with pytest.raises(UsageError):
        do(store, "text", "cue-1", text=text)
    assert tables(store) == before


def test_a_stale_version_changes_nothing_and_shows_both(store: ProjectStore) -> None:
    old = version_of(store.cue("1"))
    do(store, "text", "cue-1", text="Theirs is this.")
    before = tables(store)
    with pytest.raises(StaleCue) as caught:
        do(store, "text", "cue-1", version=old, text="Mine is that.")
    assert caught.value.mine == "Mine is that."
    assert caught.value.theirs is not None
    assert caught.value.theirs.text == "Theirs is this."
    assert tables(store) == before


def test_an_edit_of_a_cue_that_was_removed_elsewhere_says_so(store: ProjectStore) -> None:
    old = version_of(store.cue("1"))
    do(store, "delete", "cue-1")
    with pytest.raises(StaleCue, match="has been removed") as caught:
        apply(store, EDIT.validate_python({"op": "text", "key": "cue-1", "version": old, "text": "Mine."}))
    assert caught.value.theirs is None


def test_a_comment_does_not_make_a_version_stale(store: ProjectStore) -> None:
    old = version_of(store.cue("1"))
    do(store, "comment", "cue-1", text="Who is he?")
    do(store, "text", "cue-1", version=old, text="Ben walks in.")
    assert store.cue("1").text == "Ben walks in."


def test_writing_in_an_empty_place_makes_a_persons_cue_about_what_the_place_shows(store: ProjectStore) -> None:
    outcome = do(store, "write", place=3, text="A door opens.")
    [written] = outcome.changed
    assert (outcome.removed, outcome.focus) == (["place-3"], written.key)
    assert (written.author, written.status, written.place) == ("human", "approved", 3)
    assert (written.start_ms, written.end_ms) == (20_000, 26_000)
    assert (written.visual_start_ms, written.visual_end_ms, written.still_ms) == (18_000, 28_000, 21_000)
    with pytest.raises(StaleCue) as caught:
        do(store, "write", place=3, text="Mine.")
    assert caught.value.theirs is not None
    assert caught.value.theirs.key == written.key
    with pytest.raises(StoreError, match="no place 99"):
        do(store, "write", place=99, text="Mine.")


def test_times_change_nothing_but_times(store: ProjectStore) -> None:
    do(store, "times", "cue-1", start_ms=500, end_ms=2500)
    cue = store.cue("1")
    assert (cue.span, cue.visual, cue.event_ms) == (Span(500, 2500), PLACES[0].visual, 1000)
    assert (cue.author, cue.status) == (Author.MODEL, Status.DRAFT)
    do(store, "times", "cue-1", start_ms=4000)  # the length stays where the start passes the end
    assert store.cue("1").span == Span(4000, 6000)
    with pytest.raises(UsageError, match="has to lie after the start"):
        do(store, "times", "cue-1", end_ms=4000)


def test_moving_says_how_far_and_does_not_leave_the_film(store: ProjectStore) -> None:
    outcome = do(store, "nudge", "cue-2", by_ms=250)
    assert outcome.said.startswith("0.25 s later, at 00:00:10.250.")
    assert do(store, "nudge", "cue-1", by_ms=-9000).said == "Nothing changed."
    assert store.cue("1").span == Span(0, 3000)


def test_times_over_dialogue_or_another_cue_are_kept_and_said(store: ProjectStore) -> None:
    outcome = do(store, "times", "cue-1", start_ms=6000, end_ms=11_000)
    assert store.cue("1").span == Span(6000, 11_000)
    assert "It talks over dialogue for 2.5 s." in outcome.said
    assert "The next cue begins 1.0 s before this one ends." in outcome.said
    by_key = {changed.key: changed for changed in outcome.changed}
    assert "overlap" in [found["rule"] for found in by_key["cue-2"].findings]
    assert by_key["cue-1"].room_ms == 700  # a line begins at 7.0 s, and 0.3 s before it are kept free


def test_a_frame_is_a_frame_of_the_film(store: ProjectStore) -> None:
    do(store, "times", "cue-2", start_ms=10_010, end_ms=12_010)  # in frame 250, which begins at 10.000
    do(store, "nudge_frame", "cue-2", frames=1)
    assert store.cue("2").span == Span(10_040, 12_040)
    do(store, "nudge_frame", "cue-2", frames=-2)
    assert store.cue("2").span == Span(9960, 11_960)


def test_every_frame_of_ntsc_is_reached_one_by_one(tmp_path: Path) -> None:
    rate = 30_000 / 1001
    with ProjectStore(tmp_path / "n", create=True) as store:
        store.bind_film(FilmRow("A", "a.mp4", "aa", 80_000, {"frame_rate": rate}))
        store.add_cue(Cue("", Span(0, 1000), "A.", Span(0, 1000), 0))
        for frame in range(1, 70):
            do(store, "nudge_frame", "cue-1", frames=1)
            assert store.cue("1").span.start_ms == round_half_up(frame * 1000 / rate)


def test_a_film_without_a_frame_rate_says_so(tmp_path: Path) -> None:
    with ProjectStore(tmp_path / "n", create=True) as store:
        store.bind_film(FilmRow("A", "a.mp4", "aa", 80_000, {}))
        store.add_cue(Cue("", Span(0, 1000), "A.", Span(0, 1000), 0))
        with pytest.raises(UsageError, match="frame rate is not known"):
            do(store, "nudge_frame", "cue-1", frames=1)


def test_all_that_follow_move_together_and_no_further_than_the_film_begins(store: ProjectStore) -> None:
    outcome = do(store, "shift_following", "cue-4", by_ms=500)
    assert [changed.key for changed in outcome.changed if changed.cue] == ["cue-4", "cue-5", "cue-6"]
    assert [cue.span.start_ms for cue in store.cues] == [0, 10_000, 30_000, 40_500, 60_500, 70_500]
    assert outcome.said.startswith("3 cues 0.5 s later.")
    do(store, "shift_following", "cue-1", by_ms=-90_000)
    assert [cue.span.start_ms for cue in store.cues][:2] == [0, 10_000]


def test_parting_shares_out_time_and_what_is_shown(store: ProjectStore) -> None:
    outcome = do(store, "split", "cue-3", at=len("They sit"))
    one, other = row(store, "cue-3"), row(store, outcome.focus or "")
    assert (one.text, other.text) == ("They sit", "down at the table.")
    assert (one.start_ms, one.end_ms, other.end_ms) == (30_000, other.start_ms, 33_000)
    assert 30_750 < one.end_ms < 31_500  # 2 of 6 words
    # The cut at 30 s lies nearest to that share of what both show, 28 to 38 s.
    assert (one.visual_start_ms, one.visual_end_ms, other.visual_start_ms, other.visual_end_ms) == (
        *(28_000, 30_000),
        *(30_000, 38_000),
    )
    assert (other.still_ms, one.still_ms) == (31_000, 29_000)
    assert (one.author, other.author, one.status, other.status) == ("human", "human", "approved", "approved")
    assert other.place is None


def test_parting_at_the_playhead_and_between_the_halves_of_a_letter(store: ProjectStore) -> None:
    do(store, "text", "cue-1", text="A 😀 smiles. He goes.")
    outcome = do(store, "split", "cue-1", at=12, at_ms=1000)  # browsers count the face as two
    assert (row(store, "cue-1").text, row(store, outcome.focus or "").text) == ("A 😀 smiles.", "He goes.")
    assert row(store, outcome.focus or "").start_ms == 1000


@pytest.mark.parametrize(("at", "at_ms"), [(0, None), (99, None), (2, 3000), (2, 0)])
def test_parting_where_there_is_nothing_to_part_is_refused(store: ProjectStore, at: int, at_ms: int | None) -> None:
    before = tables(store)
    with pytest.raises(UsageError):
        do(store, "split", "cue-1", at=at, at_ms=at_ms)
    assert tables(store) == before


def test_joining_keeps_words_times_comments_and_history(store: ProjectStore) -> None:
    do(store, "comment", "cue-2", text="Who?")
    do(store, "status", "cue-2", status="needs-work")
    outcome = do(store, "merge", "cue-1")
    joined = row(store, "cue-1")
    assert joined.text == "He walks in. She looks up."
    assert (joined.start_ms, joined.end_ms, joined.visual_start_ms, joined.visual_end_ms) == (0, 13_000, 0, 18_000)
    assert joined.status == "needs-work"
    assert [comment["text"] for comment in joined.comments] == ["Who?"]
    assert outcome.removed == ["cue-2"]
    assert [past.text for past in store.history("2")] == ["She looks up.", ""]
    undo(store)
    assert [comment["text"] for comment in row(store, "cue-2").comments] == ["Who?"]


def test_the_last_cue_has_none_to_join_with(store: ProjectStore) -> None:
    with pytest.raises(UsageError, match="last cue"):
        do(store, "merge", "cue-6")


def test_joining_checks_the_version_of_the_next_where_it_is_given(store: ProjectStore) -> None:
    old = version_of(store.cue("2"))
    do(store, "text", "cue-2", text="She nods.")
    with pytest.raises(StaleCue) as caught:
        do(store, "merge", "cue-1", next_version=old)
    assert caught.value.theirs is not None
    assert caught.value.theirs.key == "cue-2"


def test_removing_goes_on_at_the_place_that_is_left(store: ProjectStore) -> None:
    outcome = do(store, "delete", "cue-3")
    assert (outcome.removed, outcome.focus) == (["cue-3"], "place-4")
    assert [past.text for past in store.history("3")] == ["They sit down at the table.", ""]
    assert row(store, "place-4").why == "It has no words yet."
    assert row(store, "place-3").why == "No words."


def test_inserting_words_makes_a_cue_and_without_words_a_place_to_write_in(store: ProjectStore) -> None:
    made = row(store, do(store, "insert", start_ms=24_000, text="He leaves.").focus or "")
    assert (made.start_ms, made.end_ms, made.author, made.status) == (24_000, 24_750, "human", "approved")
    outcome = do(store, "insert", start_ms=14_000)
    [place] = outcome.changed
    assert (place.key, place.status, place.start_ms, place.end_ms) == (outcome.focus, "empty", 14_000, 16_700)
    assert outcome.said == "New place at 00:00:14.000. 2.7 s free."
    written = do(store, "write", place=place.place, text="She stands up.")
    assert written.removed == [place.key]
    assert [cue.text for cue in store.cues].count("She stands up.") == 1


def test_a_place_to_write_in_outlives_a_new_description(store: ProjectStore) -> None:
    key = do(store, "insert", start_ms=14_000).focus
    store.set_plan(PLACES)
    assert [found.start_ms for found in rows(store, light=True) if found.key == key] == [14_000]
    do(store, "write", place=int((key or "").removeprefix("place-")), text="She stands up.")
    store.set_plan(PLACES)
    assert [cue.text for cue in store.cues] == ["She stands up."]
    assert key not in [found.key for found in rows(store, light=True)]


def test_inserting_in_dialogue_is_done_and_said(store: ProjectStore) -> None:
    assert "It talks over dialogue" in do(store, "insert", start_ms=8000, text="He leaves now.").said
    outcome = do(store, "insert", start_ms=18_000)
    assert outcome.said == "New place at 00:00:18.000. 0.0 s free. It lies over dialogue."
    assert [changed.key for changed in outcome.changed] == [outcome.focus]
    with pytest.raises(UsageError, match="over by then"):
        do(store, "insert", start_ms=80_000)
    with pytest.raises(UsageError, match=r"A cue is spoken at 00:00:11.* already: choose a time in a gap"):
        do(store, "insert", start_ms=11_000)


def test_a_candidate_is_the_models_words_approved(store: ProjectStore) -> None:
    do(store, "text", "cue-1", text="Mine.")
    do(store, "choose", "cue-1", number=2)
    cue = store.cue("1")
    assert (cue.text, cue.author, cue.status) == ("Or: He walks in.", Author.MODEL, Status.APPROVED)
    with pytest.raises(UsageError, match="2 candidates"):
        do(store, "choose", "cue-1", number=3)


def test_a_text_of_the_past_comes_back_also_for_a_cue_that_was_removed(store: ProjectStore) -> None:
    do(store, "text", "cue-1", text="Mine.")
    do(store, "restore", "cue-1", number=1)
    assert (store.cue("1").text, store.cue("1").author) == ("He walks in.", Author.MODEL)
    do(store, "delete", "cue-2")
    outcome = apply(store, EDIT.validate_python({"op": "restore", "key": "cue-2", "number": 1}))
    assert store.cue("2").text == "She looks up."
    assert {"cue-2"} <= {changed.key for changed in outcome.changed}
    with pytest.raises(UsageError, match="choose 1"):
        do(store, "restore", "cue-2", number=2)


def test_replacing_makes_words_a_persons_but_approves_nothing(store: ProjectStore) -> None:
    do(store, "approve", "cue-6")
    outcome = do(store, "replace", text="he", **{"with": "Ben"}, whole_word=True)
    assert outcome.said == "Replaced in 2 cues."
    assert [(cue.text, cue.author, cue.status) for cue in store.cues if cue.author is Author.HUMAN] == [
        ("Ben walks in.", Author.HUMAN, Status.DRAFT),
        ("Ben waves.", Author.HUMAN, Status.DRAFT),
    ]
    assert do(store, "replace", text="he", **{"with": "x"}, case=True, keys=["cue-4"]).said == "Nothing changed."
    undo(store)
    assert store.cue("1").text == "He walks in."


def test_comments_are_kept_dealt_with_and_undone(store: ProjectStore) -> None:
    outcome = do(store, "comment", "cue-1", text=" Who\nis he? ")
    [changed] = outcome.changed
    assert [(one["text"], one["done"]) for one in changed.comments] == [("Who is he?", False)]
    number = changed.comments[0]["id"]
    [changed] = do(store, "comment_done", id=number).changed
    assert changed.comments[0]["done"] is True
    outcome = undo(store)
    assert [(one.key, one.comments[0]["done"]) for one in outcome.changed] == [("cue-1", False)]
    [changed] = undo(store).changed
    assert changed.comments == []
    with pytest.raises(StoreError, match="no comment 9"):
        do(store, "comment_done", id=9)


def test_a_comment_on_a_draft_that_was_written_anew_stands_where_it_was_made(store: ProjectStore) -> None:
    do(store, "comment", "cue-3", text="Which table?")
    store.set_plan(PLACES)
    by_key = {found.key: found.comments for found in rows(store, light=True) if found.comments}
    assert [[comment["text"] for comment in found] for found in by_key.values()] == [["Which table?"]]
    [key] = by_key
    assert row(store, key).start_ms == 30_000


def test_new_words_silence_a_recording_until_they_are_taken_back(store: ProjectStore) -> None:
    folder = store.folder / RECORDED_FOLDER
    folder.mkdir(parents=True)
    (folder / "1.wav").write_bytes(b"sound")
    with store.step("recording of cue-1"):
        store.keep_recording("1", Recording("He walks in.", 4321, "1.wav", "1.orig.wav", -23.0))
    assert (row(store, "cue-1").recorded, row(store, "cue-1").speech_ms, row(store, "cue-1").measured) == (
        *(True, 4321),
        True,
    )
    outcome = do(store, "text", "cue-1", text="He runs in.")
    assert outcome.muted == ["cue-1"]
    assert outcome.said.endswith(
        "The recording has other words and is not heard: record it again, or take the change back."
    )
    assert not row(store, "cue-1").recorded
    assert undo(store).changed[0].recorded
    outcome = undo(store)
    assert [(found.key, found.recorded) for found in outcome.changed] == [("cue-1", False)]
    assert redo(store).changed[0].speech_ms == 4321
    (folder / "1.wav").unlink()
    assert not row(store, "cue-1").recorded


def test_undo_and_redo_say_what_and_where(store: ProjectStore) -> None:
    do(store, "text", "cue-1", text="One.")
    do(store, "delete", "cue-2")
    outcome = undo(store)
    assert outcome.said == "Undone: removal of cue-2. 2 rows changed."
    assert ([changed.key for changed in outcome.changed], outcome.removed) == (["cue-2"], ["place-2"])
    assert (outcome.undo, outcome.redo, outcome.focus) == ("text of cue-1", "removal of cue-2", "cue-2")
    outcome = redo(store)
    assert ([changed.key for changed in outcome.changed], outcome.removed) == (["place-2"], ["cue-2"])
    undo(store)
    undo(store)
    with pytest.raises(StoreError, match="nothing to undo"):
        undo(store)


def test_steps_outlive_the_process(store: ProjectStore) -> None:
    do(store, "text", "cue-1", text="One.")
    store.close()
    with ProjectStore(store.folder) as again:
        assert undo(again).changed[0].text == "He walks in."


@pytest.mark.parametrize(
    "edit",
    [
        {"op": "nudge", "key": "cue-1", "version": "x", "by_ms": 10**30},
        {"op": "nudge", "key": "cue-1", "version": "x", "by_ms": "250"},
        {"op": "nudge", "key": "1 OR 1", "version": "x", "by_ms": 1},
        {"op": "text", "key": "cue-1", "version": "x", "text": "a", "more": 1},
        {"op": "text", "key": "cue-1", "text": "a"},
        {"op": "drop"},
        {"op": "status", "key": "cue-1", "version": "x", "status": "final"},
        {"op": "replace", "text": "", "with": "x"},
        [],
        None,
    ],
)
def test_what_is_no_edit_is_refused_by_its_shape(edit: Any) -> None:
    with pytest.raises(ValidationError):
        EDIT.validate_json(json.dumps(edit))


def edit_until_killed(folder: Path, number: int, answers: int) -> None:
    """As a server does: it edits, and answers each edit once it is done."""
    with ProjectStore(folder) as store:
        while True:
            number += 1
            do(store, "text", "cue-1", text=f"Number {number}.")
            os.write(answers, number.to_bytes(4, "big"))
            parted = " " not in store.cue("2").text
            do(store, "merge", "cue-2") if parted else do(store, "split", "cue-2", at=3)


def test_twenty_kills_while_editing_leave_every_edit_whole_and_lose_none_that_was_answered(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    with film(folder) as store:
        start = tables(store)
    known = 0
    for kill in range(20):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                edit_until_killed(folder, known, writing)
            finally:
                os._exit(1)
        os.close(writing)
        told = os.read(reading, 4)  # it is at work
        time.sleep(kill * 0.007)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        while more := os.read(reading, 4096):
            told += more
        os.close(reading)
        answered = int.from_bytes(told[-4:], "big")
        assert answered > known
        with ProjectStore(folder) as store:
            known = int(store.cue("1").text.removeprefix("Number ").removesuffix("."))
            assert known in (answered, answered + 1)
            texts = sorted(cue.text for cue in store.cues)
            assert "She looks up." in texts or {"She", "looks up."} <= {*texts}
            assert len(texts) == 6 + ("She" in texts)
    with ProjectStore(folder) as store:
        for _ in store.steps:
            undo(store)
        assert tables(store) == start


OPS = (
    *("text", "nudge", "nudge_frame", "times", "shift_following", "split", "merge", "duplicate", "insert", "place"),
    *("write", "delete", "extended", "kind", "status", "approve", "choose", "comment", "comment_done", "replace"),
    *("restore", "undo", "redo"),
)
Draw = st.tuples(st.sampled_from(OPS), st.integers(0, 1000), st.integers(0, 1000))


def random_edit(store: ProjectStore, op: str, a: int, b: int) -> Outcome:
    if op in ("undo", "redo"):
        return undo(store) if op == "undo" else redo(store)
    if op == "insert":
        return do(store, "insert", start_ms=a * 79, text="He sees it." if b % 2 else "Somebody knocks at the door.")
    if op == "place":
        return do(store, "insert", start_ms=a * 79)
    if op == "write":
        empty = [found.place for found in rows(store, light=True) if found.cue is None]
        return do(store, "write", place=empty[a % len(empty)] if empty else 1, text=f"Number {b} falls.")
    if op == "comment_done":
        return do(store, "comment_done", id=1 + a % 3, done=b % 2 == 0)
    if op == "replace":
        return do(store, "replace", text="He" if a % 2 else "the", **{"with": "Ben" if b % 2 else "a tall man"})
    if op == "approve" and a % 5 == 0:
        return do(store, "approve", keys="all")
    cues = store.cues
    cue = cues[a % len(cues)]
    values: dict[str, dict[str, Any]] = {
        "text": {"text": f"He walks in {'slowly and ' * (b % 4)}now."},
        "nudge": {"by_ms": (b - 500) * 20},
        "nudge_frame": {"frames": b - 500},
        "times": {"start_ms": a * 79, "end_ms": a * 79 + b * 7} if b % 3 else {"end_ms": a * 79},
        "shift_following": {"by_ms": (b - 500) * 10},
        "split": {"at": b % 30},
        "extended": {"on": b % 2 == 0},
        "kind": {"kind": [*CueKind][b % 4]},
        "status": {"status": [*Status][b % 3]},
        "choose": {"number": 1 + b % 3},
        "comment": {"text": f"Remark {b}."},
        "restore": {"number": 1 + b % 3},
    }
    return do(store, op, f"cue-{cue.id}", **values.get(op, {}))


def linted(store: ProjectStore) -> dict[str, Row]:
    return {found.key: found for found in FilmPart(store).rows(linted=True)}


@settings(max_examples=30, deadline=None)
@given(st.lists(Draw, min_size=1, max_size=14))
def test_outcomes_tell_exactly_what_changed_and_all_is_undone_and_done_again(draws: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, film(Path(folder) / "p") as store:
        start, known = tables(store), linted(store)
        for op, a, b in draws:
            before = tables(store)
            try:
                outcome = random_edit(store, op, a, b)
            except CalvinError:
                assert tables(store) == before
                continue
            assert all(known.get(changed.key) != changed for changed in outcome.changed)
            assert all(key in known for key in outcome.removed)
            told = {key: known[key] for key in known if key not in outcome.removed}
            told |= {changed.key: changed for changed in outcome.changed}
            known = linted(store)
            assert told == known
            assert outcome.said
            assert outcome.focus is None or outcome.focus in known
            assert (outcome.undo, outcome.redo) == store.next_steps
        end, steps = tables(store), sum(not step.undone for step in store.steps)
        for _ in range(steps):
            undo(store)
        assert tables(store) == start
        for _ in range(steps):
            redo(store)
        assert tables(store) == end
