from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, DialogueLine, Place, Status
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.database import DATABASE
from calvin.studio.project.migrations import MIGRATIONS
from calvin.studio.project.store import MAX_TEXT, ProjectStore

FILM = FilmRow("A Film", "/films/a.mp4", "ab" * 32, 60_000, {"width": 640})
PLANS = [Place(Span(i * 5000, i * 5000 + 4000), Span(i * 5000, i * 5000 + 5000), i * 5000 + 2500) for i in range(4)]


@pytest.fixture
def store(tmp_path: Path):
    with ProjectStore(tmp_path / "project", create=True) as opened:
        opened.bind_film(FILM)
        yield opened


def reopened(store: ProjectStore) -> ProjectStore:
    store.close()
    return ProjectStore(store.folder)


def a_cue(text: str = "She waves.", start_ms: int = 1000) -> Cue:
    span = Span(start_ms, start_ms + 2000)
    return Cue("made-up-id", span, text, Span(0, start_ms + 2000), start_ms + 500)


def test_everything_is_there_after_reopening(store: ProjectStore) -> None:
    store.set_shots([Span(0, 5000), Span(5000, 60_000)])
    store.set_dialogue([DialogueLine(Span(100, 900), "Hello.", "Ann"), DialogueLine(Span(50, 90), "Hm")])
    store.set_plan(PLANS)
    cue = store.add_cue(a_cue())
    store.model = {"name": "micro"}
    with reopened(store) as again:
        assert again.film == FILM
        assert again.shots == [Span(0, 5000), Span(5000, 60_000)]
        assert [line.text for line in again.dialogue] == ["Hm", "Hello."]
        assert [(plan.span, plan.visual, plan.event_ms, plan.done) for plan in again.plans] == [
            (plan.span, plan.visual, plan.event_ms, False) for plan in PLANS
        ]
        assert again.cues == [cue]
        assert again.model == {"name": "micro"}
        assert (again.notes, again.voice, again.decoded, again.described) == ((), None, None, None)
        assert again.script().cues == (cue,)
        assert again.script().duration_ms == 60_000


def test_the_kind_of_a_cue_is_stored_and_changed(store: ProjectStore) -> None:
    title = store.add_cue(replace(a_cue("Title: “Night”."), kind=CueKind.TITLE))
    credit = store.edit_cue(replace(store.add_cue(a_cue("By Ann.", 9000)), kind=CueKind.CREDIT))
    with reopened(store) as again:
        assert [(cue.id, cue.kind) for cue in again.cues] == [(title.id, CueKind.TITLE), (credit.id, CueKind.CREDIT)]


def test_the_store_gives_the_ids(store: ProjectStore) -> None:
    one, two = store.add_cue(a_cue()), store.add_cue(a_cue())
    assert one.id != two.id
    assert "made-up-id" not in (one.id, two.id)
    store.delete_cue(two.id)
    assert store.add_cue(a_cue()).id not in (one.id, two.id)


@pytest.mark.parametrize("cue_id", ["99", "-1", "", "1; DROP TABLE cue", "../1", "١", "9" * 40])
def test_an_unknown_cue_is_named(store: ProjectStore, cue_id: str) -> None:
    store.add_cue(a_cue())
    with pytest.raises(StoreError, match="There is no cue"):
        store.cue(cue_id)


def test_the_history_keeps_every_text_and_its_author(store: ProjectStore) -> None:
    cue = store.add_cue(a_cue("She waves."))
    store.edit_cue(replace(cue, text="Mara waves.", author=Author.HUMAN))
    approved = store.edit_cue(replace(store.cue(cue.id), status=Status.APPROVED))
    assert approved.text == "Mara waves."
    assert approved.status is Status.APPROVED
    assert [(r.text, r.author) for r in store.history(cue.id)] == [
        ("She waves.", Author.MODEL),
        ("Mara waves.", Author.HUMAN),
    ]


def test_a_new_plan_replaces_drafts_and_keeps_what_people_wrote(store: ProjectStore) -> None:
    store.set_plan(PLANS)
    plans = store.plans
    made = [store.finish_plan(plan, f"Text {plan.id}.", plan.span) for plan in plans[:3]]
    assert made[0] is not None
    assert made[1] is not None
    store.edit_cue(replace(made[0], text="By hand.", author=Author.HUMAN))
    store.edit_cue(replace(made[1], status=Status.APPROVED))
    store.set_plan(PLANS)
    assert [cue.text for cue in store.cues] == ["By hand.", f"Text {plans[1].id}."]
    assert [plan.span for plan in store.plans] == [plan.span for plan in PLANS[2:]]
    assert not any(plan.done for plan in store.plans)


@pytest.mark.parametrize(
    ("span", "visual", "planned"),
    [
        (Span(0, 4000), Span(0, 5000), [1]),  # its own place
        (Span(0, 5900), Span(0, 5000), [1]),  # runs on into the next
        (Span(0, 7600), Span(0, 5000), [1]),  # most of the next, but it is about the first
        (Span(0, 7600), Span(0, 7600), []),  # most of the next
        (Span(6000, 6500), Span(6000, 6500), [0]),  # begins in the second
        (Span(4200, 4900), Span(5000, 10_000), [0]),  # spoken before, but about the second
    ],
)
def test_a_place_is_planned_unless_a_kept_cue_takes_it(
    store: ProjectStore, span: Span, visual: Span, planned: list[int]
) -> None:
    store.add_cue(Cue("", span, "By hand.", visual, span.start_ms, Author.HUMAN))
    store.set_plan(PLANS[:2])
    assert [plan.span for plan in store.plans] == [PLANS[index].span for index in planned]


def test_a_place_whose_cue_was_split_is_not_planned_again(store: ProjectStore) -> None:
    """The model would describe the scene a second time, beside both halves."""
    for start in (0, 2500):
        half = Span(start, start + 2500)
        store.add_cue(Cue("", Span(start, start + 1500), "By hand.", half, start + 1000, Author.HUMAN, Status.APPROVED))
    store.set_plan(PLANS[:2])
    assert [plan.span for plan in store.plans] == [PLANS[1].span]


def test_a_finished_plan_is_done_with_its_cue_and_blank_text_makes_none(store: ProjectStore) -> None:
    store.set_plan(PLANS[:2])
    first, second = store.plans
    cue = store.finish_plan(first, "He sits.", Span(0, 1500), ["He sits.", "He rests."])
    assert cue is not None
    assert (cue.span, cue.visual, cue.event_ms) == (Span(0, 1500), first.visual, first.event_ms)
    assert store.candidates(cue.id) == ["He sits.", "He rests."]
    assert store.finish_plan(second, "  ", second.span) is None
    assert [plan.done for plan in store.plans] == [True, True]
    assert store.cues == [cue]


def test_changes_together_are_all_or_none(store: ProjectStore) -> None:
    def fail_half_way() -> None:
        with store.together():
            store.add_cue(a_cue())
            store.notes = ("A note.",)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert store.cues == []
    assert store.notes == ()


def test_another_film_is_refused_and_a_renamed_one_is_not(store: ProjectStore) -> None:
    store.bind_film(replace(FILM, path="/elsewhere/b.mp4", duration_ms=60_040))
    assert store.film is not None
    assert store.film.path == "/elsewhere/b.mp4"
    with pytest.raises(StoreError, match="is the project of A Film"):
        store.bind_film(replace(FILM, sha256="cd" * 32))
    with pytest.raises(StoreError, match="has changed since the project"):
        store.bind_film(replace(FILM, path="/elsewhere/b.mp4", sha256="cd" * 32))


def test_a_second_process_is_told(store: ProjectStore) -> None:
    code = f"from calvin.studio.project.store import ProjectStore; ProjectStore({str(store.folder)!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "is open in another calvin process" in result.stderr
    store.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_killed_process_loses_nothing_that_was_stored_and_holds_no_lock(tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from calvin.core.time import Span\n"
        "from calvin.core.types import Cue\n"
        "from calvin.studio.project.store import FilmRow, ProjectStore\n"
        f"store = ProjectStore({str(tmp_path / 'p')!r}, create=True)\n"
        "store.bind_film(FilmRow('A', 'a.mp4', 'aa', 9000, {}))\n"
        "store.add_cue(Cue('', Span(0, 900), 'He sits.', Span(0, 900), 400))\n"
        "store._db.execute('BEGIN')\n"
        "store.add_cue(Cue('', Span(0, 900), 'Half done.', Span(0, 900), 400))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with ProjectStore(tmp_path / "p") as store:
        assert [cue.text for cue in store.cues] == ["He sits."]


def test_what_is_no_project_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"my diary, not a database" * 50)
    with pytest.raises(StoreError, match="is not a calvin project"):
        ProjectStore(tmp_path)
    assert (tmp_path / DATABASE).read_bytes().startswith(b"my diary")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be used"):
        ProjectStore(tmp_path / "file", create=True)


def test_a_project_of_a_newer_calvin_is_refused(store: ProjectStore) -> None:
    store.close()
    with sqlite3.connect(store.folder / DATABASE) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()
    with pytest.raises(StoreError, match="made by a newer calvin"):
        ProjectStore(store.folder)


def test_too_long_a_text_is_refused_and_odd_text_is_kept(store: ProjectStore) -> None:
    with pytest.raises(StoreError, match="too long to speak"):
        store.add_cue(a_cue("x" * (MAX_TEXT + 1)))
    odd = "'); DROP TABLE cue; -- <b>\u202e é 🎬\n"
    assert store.add_cue(a_cue(odd)).text == odd
    assert store.add_cue(a_cue("lone \ud800 half")).text == "lone ? half"


def test_the_settings_of_the_database_are_safe(store: ProjectStore) -> None:
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert store._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_script_needs_a_film(tmp_path: Path) -> None:
    with ProjectStore(tmp_path, create=True) as store, pytest.raises(StoreError, match="holds no film yet"):
        store.script()


def test_the_context_of_a_cue_is_what_was_said_before_it(store: ProjectStore) -> None:
    for start_ms in (9000, 1000, 5000, 13_000):
        store.add_cue(a_cue(f"At {start_ms}.", start_ms))
    assert [cue.text for cue in store.cues_before(13_000, 2)] == ["At 5000.", "At 9000."]
    assert store.cues_before(13_000, 0) == []
    assert store.cues_before(1000, 3) == []


def test_a_decision_is_kept_with_its_reason_and_an_extended_cue_is_marked(store: ProjectStore) -> None:
    store.set_plan(PLANS)
    first, second, *_ = store.plans
    paused = store.finish_plan(first, "He sits.", first.span, decision=Decision(Choice.EXTENDED, "Too long."))
    store.finish_plan(second, "", second.span, decision=Decision(Choice.REPEATED, "Said before."))
    store.close_plans(Span(10_500, 16_000), "By hand.")
    assert paused is not None
    assert paused.extended
    assert [(d.choice, d.reason, d.span, d.cue_id) for d in store.decisions] == [
        (Choice.EXTENDED, "Too long.", first.span, paused.id),
        (Choice.REPEATED, "Said before.", second.span, None),
        (Choice.HUMAN, "By hand.", PLANS[2].span, None),
        (Choice.HUMAN, "By hand.", PLANS[3].span, None),
    ]
    assert store.places_of_cues() == {
        paused.id: first.__class__(first.span, first.visual, first.event_ms, first.id, True)
    }


def test_candidates_keep_their_scores(store: ProjectStore) -> None:
    cue = store.add_cue(a_cue("She waves."), candidates=["She waves.", "She nods."], scores=[-0.25, -1])
    other = store.add_cue(a_cue("He sits."), candidates=["He sits.", "He rests."])
    assert store.scored_candidates()[cue.id] == [("She waves.", -0.25), ("She nods.", -1.0)]
    assert store.scored_candidates()[other.id] == [("He sits.", None), ("He rests.", None)]
    store.offer(other.id, [("He sits.", None), ("He rests.", None), ("He is still.", -0.5)])
    assert store.scored_candidates()[other.id][-1] == ("He is still.", None), "of all or of none"
    assert store.candidates(other.id) == ["He sits.", "He rests.", "He is still."]


def test_the_history_outlives_its_cue(store: ProjectStore) -> None:
    cue = store.add_cue(a_cue("She waves."))
    store.delete_cue(cue.id)
    assert [(r.text, r.author) for r in store.history(cue.id)] == [("She waves.", Author.MODEL), ("", Author.HUMAN)]
    with pytest.raises(StoreError, match="There is no cue '99'"):
        store.history("99")


def test_one_may_look_while_another_is_at_work_but_not_write(store: ProjectStore) -> None:
    store.add_cue(a_cue())
    with ProjectStore(store.folder, read_only=True) as looker:
        assert looker.cues == store.cues
        with pytest.raises(StoreError, match=r"cannot be written .*readonly"):
            looker.add_cue(a_cue())
    assert len(store.cues) == 1


def test_a_full_disk_is_told_in_a_sentence_and_loses_nothing(store: ProjectStore) -> None:
    store.add_cue(a_cue())
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"cannot be written \(database or disk is full\): see that its disk has room"):
        store.notes = ("x" * 100_000,)
    store._db.execute("PRAGMA max_page_count = 100000")
    store.notes = ("x" * 100_000,)
    assert (len(store.cues), len(store.notes[0])) == (1, 100_000)


def test_a_commit_that_fails_leaves_no_transaction_open(store: ProjectStore) -> None:
    store._db.execute("PRAGMA defer_foreign_keys = ON")
    store._db.execute("CREATE TABLE part (whole INTEGER REFERENCES film (id) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(StoreError, match="FOREIGN KEY"), store.together():
        store._db.execute("INSERT INTO part VALUES (99)")
    assert not store._db.in_transaction
    assert store._db.execute("SELECT count(*) FROM part").fetchone() == (0,)
    store.add_cue(a_cue())


def test_a_folder_without_a_project_is_not_made_one_by_opening_it(tmp_path: Path) -> None:
    for read_only in (False, True):
        with pytest.raises(StoreError, match="is not a calvin project: make one with"):
            ProjectStore(tmp_path / "none", read_only=read_only)
    assert not (tmp_path / "none").exists()
