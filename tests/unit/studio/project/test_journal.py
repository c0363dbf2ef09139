"""What was done to a project is undone and done again, step by step, whatever the steps were."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Character, Cue, CueKind, DialogueLine, Place, Status
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.database import DATABASE
from calvin.studio.project.describe_settings import DescribeRecord
from calvin.studio.project.migrations import JOURNALED, MIGRATIONS
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import apply_plan, plan_approval, plan_lines, restore_text
from calvin.studio.script.script_lines import ScriptLine

PLACES = [Place(Span(i * 5000, i * 5000 + 4000), Span(i * 5000, i * 5000 + 5000), i * 5000 + 100) for i in range(4)]


def describe(store: ProjectStore, model: str, places: list[Place] = PLACES) -> None:
    """As describing does it: the plan, then one cue after the other, each on disk before the next."""
    if store.described is not None:
        store.begin_step(f"new description by {model}")
    store.set_dialogue([DialogueLine(Span(4000, 4500), f"Said for {model}.")])
    store.set_plan(places)
    store.begin_description(DescribeRecord(model=model))
    store.set_language("de" if model == "b" else "en")
    for place in store.plans:
        decision = Decision(Choice.BEST, f"By {model}.")
        store.finish_plan(place, f"{model} at {place.span.start_ms}.", place.span, [f"Or {model}."], decision)
    store.model, store.notes = {"name": model}, (f"Noted of {model}.",)
    store.characters = (Character(f"Ann of {model}"),)
    store.end_step()


def state(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that steps keep, as it stands in the database."""
    database = sqlite3.connect(folder / DATABASE)
    found = {
        table: database.execute(f"SELECT {key}, {', '.join(columns)} FROM {table} ORDER BY {key}").fetchall()
        for table, (key, columns) in JOURNALED.items()
    }
    database.close()
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p", create=True) as opened:
        opened.bind_film(FilmRow("A", "a.mp4", "aa", 60_000, {}))
        describe(opened, "a")
        yield opened


def test_the_first_description_is_no_step(store: ProjectStore) -> None:
    assert store.steps == []
    with pytest.raises(StoreError, match="nothing to undo"):
        store.undo()
    with pytest.raises(StoreError, match="nothing to do again"):
        store.redo()


def imported(store: ProjectStore, number: int) -> None:
    cues = store.cues
    lines = [ScriptLine(f"Words {number}.", Span(100 + number, 3000), "line 1", cues[0].id if cues else None)]
    lines += [ScriptLine(f"More {number}.", Span(30_000 + 1000 * number, 30_900 + 1000 * number), "line 2")]
    lines += [ScriptLine("", cue.span, "line 3", cue.id) for cue in cues[2:3]]
    kinds = tuple(CueKind)
    lines += [ScriptLine(cue.text, cue.span, "4", cue.id, kind=kinds[number % 4]) for cue in cues[3:4]]
    apply_plan(store, plan_lines(store.cues, lines, retime=True))


DONE: dict[str, Callable[[ProjectStore, int], object]] = {
    "import": imported,
    "approve": lambda store, _: apply_plan(store, plan_approval(store)),
    "describe": lambda store, number: describe(store, "b" if number % 2 else "c", PLACES[number % 3 :]),
    "restore": lambda store, number: restore_text(store, str(number % 4 + 1), 1),
}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(list(DONE)), min_size=1, max_size=6))
def test_all_steps_are_undone_and_done_again(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("A", "a.mp4", "aa", 60_000, {}))
        describe(store, "a")
        states = [state(folder)]
        for number, name in enumerate(names):
            before = len(store.steps)
            DONE[name](store, number)
            if len(store.steps) > before:
                states.append(state(folder))
            assert state(folder) == states[-1], "what is no step changes nothing"
        for former in states[-2::-1]:
            store.undo()
            assert state(folder) == former
        for later in states[1:]:
            store.redo()
            assert state(folder) == later


def test_something_new_is_done_instead_of_what_was_undone(store: ProjectStore) -> None:
    imported(store, 1)
    assert store.undo().what == "import of The script"
    assert [step.undone for step in store.steps] == [True]
    apply_plan(store, plan_approval(store, ["1"]))
    assert [step.what for step in store.steps] == ["approval of 1 cue"]
    with pytest.raises(StoreError):
        store.redo()


def test_a_new_description_that_was_stopped_is_undone_whole(store: ProjectStore) -> None:
    before = state(store.folder)
    store.begin_step("new description by b")
    store.set_plan(PLACES[:2])
    store.begin_description(DescribeRecord(model="b"))
    store.finish_plan(store.plans[0], "b at 0.", Span(0, 900))
    imported(store, 3)
    store.finish_plan(store.plans[1], "b at 5000.", Span(5000, 5900))
    assert [step.what for step in store.steps] == ["new description by b", "import of The script"]
    store.undo()
    assert [cue.text for cue in store.cues] == ["b at 0.", "b at 5000."], "what was described since stays"
    store.undo()
    assert state(store.folder) == before


def test_what_was_undone_stands_in_the_history(store: ProjectStore) -> None:
    imported(store, 1)
    new = store.cues[-1]
    store.undo()
    assert [(past.text, past.author) for past in store.history("1")] == [
        ("a at 0.", Author.MODEL), ("Words 1.", Author.HUMAN), ("a at 0.", Author.MODEL),
    ]  # fmt: skip
    assert [past.text for past in store.history(new.id)] == ["More 1.", ""]
    assert list(store.histories) == ["1", "2", "3", "4", new.id]


def test_steps_from_before_cues_had_a_kind_are_undone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / DATABASE)
    for number, migration in enumerate(MIGRATIONS[:4], 1):
        db.executescript(f"{migration} PRAGMA user_version = {number};")
    db.execute("INSERT INTO film (id, title, path, sha256, duration_ms) VALUES (1, 'A', 'a.mp4', 'aa', 60000)")
    cues = [(1, "Stays."), (2, "Goes.")]
    columns = "id, text, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, author, status"
    db.executemany(f"INSERT INTO cue ({columns}) VALUES (?, ?, 0, 900, 0, 900, 0, 'model', 'draft')", cues)
    db.execute("INSERT INTO step (what) VALUES ('import of a.csv')")
    db.execute("UPDATE cue SET text = 'Was edited.' WHERE id = 1")
    db.execute("DELETE FROM cue WHERE id = 2")
    db.execute("UPDATE step SET open = 0")
    db.commit()
    db.close()
    with ProjectStore(tmp_path) as store:
        assert [cue.text for cue in store.cues] == ["Was edited."]
        store.edit_cue(replace(store.cues[0], kind=CueKind.TITLE))
        store.undo()
        assert [(cue.text, cue.kind) for cue in store.cues] == [("Stays.", CueKind.TITLE), ("Goes.", CueKind.PICTURE)]
        store.redo()
        assert [cue.text for cue in store.cues] == ["Was edited."]


def test_a_project_from_before_cues_could_need_work_keeps_cues_steps_and_the_count_of_ids(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / DATABASE)
    for number, migration in enumerate(MIGRATIONS[:9], 1):
        db.executescript(f"{migration} PRAGMA user_version = {number};")
    db.execute("INSERT INTO film (id, title, path, sha256, duration_ms) VALUES (1, 'A', 'a.mp4', 'aa', 60000)")
    columns = "id, text, start_ms, end_ms, visual_start_ms, visual_end_ms, event_ms, author, status, kind, candidates"
    for number, text in ((1, "Stays."), (2, "Goes."), (7, "Goes too.")):
        values = (number, text, 10, 900, 5, 800, 7, "adapter", "approved", "title", '["A."]')
        db.execute(f"INSERT INTO cue ({columns}) VALUES ({', '.join('?' * len(values))})", values)
    db.execute("DELETE FROM cue WHERE id = 7")
    db.execute("INSERT INTO step (what) VALUES ('import of a.csv')")
    db.execute("DELETE FROM cue WHERE id = 2")
    db.execute("UPDATE step SET open = 0")
    db.commit()
    db.close()
    with ProjectStore(tmp_path) as store:
        old = Cue("1", Span(10, 900), "Stays.", Span(5, 800), 7, Author.ADAPTER, Status.APPROVED, kind=CueKind.TITLE)
        assert store.cues == [old]
        assert store.candidates("1") == ["A."]
        assert store.edit_cue(replace(old, status=Status.NEEDS_WORK)).status is Status.NEEDS_WORK
        assert store.add_cue(old).id == "8", "the history of cue-7 belongs to another cue"
        store.undo()
        assert [cue.text for cue in store.cues] == ["Stays.", "Goes.", "Stays."]


def test_rows_that_a_step_would_bring_back_are_checked_before_they_are_let_in(store: ProjectStore) -> None:
    with store.step("edit"):
        store.edit_cue(replace(store.cue("1"), text="Other."))
    state = store.turning(undone=False)[0][2]
    assert state is not None
    for wrong in ({"end_ms": 10**12}, {"candidates": "{}"}, {"candidates": "["}):
        with store.together():
            store._db.execute("UPDATE step_row SET state = ?", (json.dumps(state | wrong),))
        with pytest.raises(StoreError, match="damaged"):
            store.undo()
        assert store.cue("1").text == "Other."


def test_a_text_comes_back_and_so_does_a_cue(store: ProjectStore) -> None:
    first, _, third, _ = store.cues
    imported(store, 1)
    assert third.id not in [cue.id for cue in store.cues]
    cue, _ = restore_text(store, first.id)
    assert (cue.text, cue.author, cue.status) == ("a at 0.", Author.MODEL, Status.APPROVED)
    assert cue.span == Span(101, 3000), "the time is the present one"
    back, _ = restore_text(store, third.id)
    assert back == replace(third, status=Status.APPROVED)
    for wrong in (0, 2, 9):
        with pytest.raises(StoreError, match="of its texts, choose 1, 3"):
            restore_text(store, third.id, wrong)
    store.undo()
    assert third.id not in [cue.id for cue in store.cues]


def test_a_draft_that_was_described_anew_can_be_had_again(store: ProjectStore) -> None:
    describe(store, "b")
    assert [past.text for past in store.history("2")] == ["a at 5000.", ""]
    back, _ = restore_text(store, "2")
    assert (back.text, back.span, back.settled) == ("a at 5000.", Span(5000, 9000), True)


def test_a_cue_of_which_nothing_is_known_but_its_text(store: ProjectStore) -> None:
    store.delete_cue("3")
    with pytest.raises(StoreError, match="Nothing says where cue-3 was"):
        restore_text(store, "3")
    assert len(store.cues) == 3


def test_approval_is_of_cues_that_are_there(store: ProjectStore) -> None:
    with pytest.raises(StoreError, match="no cue '77'"):
        plan_approval(store, ["77"])
    apply_plan(store, plan_approval(store, ["2"]))
    assert [cue.status for cue in store.cues].count(Status.APPROVED) == 1
    plan = plan_approval(store)
    assert (len(plan.changes), plan.unchanged) == (3, 1)
    assert all(isinstance(cue, Cue) for cue in store.cues)


@pytest.mark.parametrize(
    ("place", "state"),
    [
        ("cue", '{"text": "No", "author": "human", "text = 1, start_ms": 5}'),  # what would become SQL
        ("cue", '{"text": ["No"], "author": "human"}'),
        ("cue", '{"text": "No", "author": "nobody"}'),
        ("cue", '{"text": "No", "author": "human", "candidates": "5"}'),
        ("cue", "[1]"),
        ("cue", "{"),
        ("step", "{}"),
        ("setting", '{"value": "{"}'),
    ],
)
def test_a_step_that_calvin_did_not_write_is_not_undone(tmp_path: Path, place: str, state: str) -> None:
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("A", "a.mp4", "aa", 60_000, {}))
        describe(store, "a")
        describe(store, "b")
        key = "model" if place == "setting" else store.cues[0].id
        before = store.script()
    database = sqlite3.connect(tmp_path / "p" / DATABASE)
    database.execute("DELETE FROM step_row WHERE key = ?", (key,))
    database.execute("INSERT INTO step_row SELECT max(id), ?, ?, ? FROM step", (place, key, state))
    database.commit()
    database.close()
    with ProjectStore(tmp_path / "p") as store:
        with pytest.raises(StoreError, match="is damaged"):
            store.undo()
        assert store.script() == before
    with ProjectStore(tmp_path / "p") as store:
        assert store.script() == before
