"""Corrections: matched with scenes, and refused as a whole where something is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Status
from calvin.studio.corrections import Correction, approve, approved_scenes, corrected_scenes
from calvin.studio.rows import FilmRow, Plan
from calvin.studio.store import ProjectStore

PLANS = [Plan(Span(1000 * i, 1000 * i + 900), Span(1000 * i, 1000 * i + 1000), 1000 * i + 400) for i in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p") as opened:
        opened.bind_film(FilmRow("Film", "/film.mp4", "abc", 4000, {}))
        opened.set_plan(PLANS)
        for number, plan in enumerate(opened.plans[:3], 1):
            opened.finish_plan(plan, f"Draft {number}.", plan.span)
        yield opened


def test_corrections_become_approved_and_the_rest_stays(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "id,in,out,text\ncue-1,00:00:00.000,00:00:00.900,Ann waves.\ncue-2,1.0,1.9,Draft 2.\n"
        ",3.0,3.9,Bob sits.\ncue-3,2.0,2.9,\n"
    )
    scenes, notes = corrected_scenes(store, path)
    assert [(scene.visual, scene.text) for scene in scenes] == [
        (PLANS[0].visual, "Ann waves."), (PLANS[1].visual, "Draft 2."), (PLANS[3].visual, "Bob sits."),
    ]  # fmt: skip
    assert notes == ["1 correction without text left out."]
    assert {cue.status for cue in store.cues} == {Status.DRAFT}, "nothing is changed before it is approved"
    approve(store, scenes)
    assert [(cue.text, cue.author, cue.status) for cue in store.cues] == [
        ("Ann waves.", Author.HUMAN, Status.APPROVED),
        ("Draft 2.", Author.MODEL, Status.APPROVED),
        ("Draft 3.", Author.MODEL, Status.DRAFT),
        ("Bob sits.", Author.HUMAN, Status.APPROVED),
    ]
    assert [scene.text for scene in approved_scenes(store)] == ["Ann waves.", "Draft 2.", "Bob sits."]
    store.set_plan(PLANS)
    assert [cue.text for cue in store.cues] == ["Ann waves.", "Draft 2.", "Bob sits."]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "0 lines with text"),
        ("cue-1,0.0,0.9,Ann waves.\n", "1 line with text"),
        ("cue-1,0.0,0.9,\ncue-2,1.0,1.9, \n", "0 lines with text"),
        ("cue-1,0.0,1.5,Ann.\ncue-2,1.0,1.9,Bob.\n", "overlap at 00:00:01.000"),
        ("cue-1,0.0,0.9,Ann.\ncue-9,1.0,1.9,Bob.\n", "corrects cue-9, which this project does not have"),
        ("cue-1,0.0,0.9,Ann.\ncue-1,1.0,1.9,Bob.\n", "cue-1 twice"),
        ("cue-1,0.0,0.9,Ann.\n,70.0,80.0,Bob.\n", "is about 00:01:10.000, where this project has no scene"),
        (",3.0,3.3,Ann.\n,3.4,3.9,Bob.\n", "are about the same scene"),
    ],
)
def test_bad_corrections_change_nothing(rows: str, told: str, store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"id,in,out,text\n{rows}")
    before = store.cues
    with pytest.raises(StoreError, match=told if rows else "holds no lines"):
        corrected_scenes(store, path)
    assert store.cues == before


def test_corrections_may_come_from_python(store: ProjectStore) -> None:
    scenes, _ = corrected_scenes(store, [Correction(Span(1000, 1900), "Bob."), Correction(Span(0, 900), "Ann.")])
    assert [scene.text for scene in scenes] == ["Ann.", "Bob."]
    with pytest.raises(StoreError, match="0 approved cues"):
        approved_scenes(store)
