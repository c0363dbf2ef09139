"""Corrections: matched with scenes, and refused as a whole where something is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Place, Status
from calvin.studio.adapt.described_scenes import Described, described_scenes
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import Correction, Words, apply_plan, plan_corrections

PLANS = [Place(Span(1000 * i, 1000 * i + 900), Span(1000 * i, 1000 * i + 1000), 1000 * i + 400) for i in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p", create=True) as opened:
        opened.bind_film(FilmRow("Film", "/film.mp4", "abc", 4000, {}))
        opened.set_plan(PLANS)
        for number, plan in enumerate(opened.plans[:3], 1):
            opened.finish_plan(plan, f"Draft {number}.", plan.span)
        yield opened


def corrected(store: ProjectStore, words: Words) -> tuple[list[Described], list[str]]:
    return described_scenes(store, plan_corrections(store, words))


def approve(store: ProjectStore, words: Words) -> None:
    apply_plan(store, plan_corrections(store, words))


def test_corrections_become_approved_and_the_rest_stays(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "id,in,out,text\ncue-1,00:00:00.000,00:00:00.900,Ann waves.\ncue-2,1.0,1.9,Draft 2.\n"
        ",3.0,3.9,Bob sits.\ncue-3,2.0,2.9,\n"
    )
    scenes, notes = corrected(store, path)
    assert [(scene.visual, scene.text) for scene in scenes] == [
        (PLANS[0].visual, "Ann waves."), (PLANS[1].visual, "Draft 2."), (PLANS[3].visual, "Bob sits."),
    ]  # fmt: skip
    assert notes == [
        "1 correction without text left out.",
        "In 1 of 3 corrections the words are still the model's own: they count as approved, and are learnt like yours. "
        "Empty the text of a row to leave it out.",
    ]
    assert scenes[0].where == f"{path}: line 2 at 00:00:00.000"
    assert {cue.status for cue in store.cues} == {Status.DRAFT}, "nothing is changed before it is approved"
    approve(store, path)
    assert [(cue.text, cue.author, cue.status) for cue in store.cues] == [
        ("Ann waves.", Author.HUMAN, Status.APPROVED),
        ("Draft 2.", Author.MODEL, Status.APPROVED),
        ("Draft 3.", Author.MODEL, Status.DRAFT),
        ("Bob sits.", Author.HUMAN, Status.APPROVED),
    ]
    assert [scene.text for scene in described_scenes(store)[0]] == ["Ann waves.", "Draft 2.", "Bob sits."]
    store.set_plan(PLANS)
    assert [cue.text for cue in store.cues] == ["Ann waves.", "Draft 2.", "Bob sits."]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", "0 lines with text"),
        ("cue-1,0.0,0.9,Ann waves.\n", "1 line with text"),
        ("cue-1,0.0,0.9,\ncue-2,1.0,1.9, \n", "0 lines with text"),
        ("cue-1,0.0,1.5,Ann.\ncue-2,1.0,1.9,Bob.\n", "overlap at 00:00:01.000"),
        ("cue-1,0.0,0.9,Ann.\ncue-9,1.0,1.9,Bob.\n", "is for cue-9, which this project does not have"),
        ("cue-1,0.0,0.9,Ann.\ncue-1,1.0,1.9,Bob.\n", "cue-1 stands twice"),
        ("cue-1,0.0,0.9,Ann.\n,70.0,80.0,Bob.\n", "is about 00:01:10.000, where this project has no scene"),
        (",3.0,3.3,Ann.\n,3.4,3.9,Bob.\n", "are about the same scene"),
    ],
)
def test_bad_corrections_change_nothing(rows: str, told: str, store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(f"id,in,out,text\n{rows}")
    before = store.cues
    with pytest.raises(StoreError, match=told if rows else "holds no lines"):
        corrected(store, path)
    assert store.cues == before


def test_corrections_may_come_from_python(store: ProjectStore) -> None:
    scenes, _ = corrected(store, [Correction(Span(1000, 1900), "Bob."), Correction(Span(0, 900), "Ann.")])
    assert [scene.text for scene in scenes] == ["Ann.", "Bob."]
    with pytest.raises(StoreError, match="0 approved cues"):
        described_scenes(store)


def test_what_was_approved_before_is_learnt_too_and_the_file_wins(store: ProjectStore, tmp_path: Path) -> None:
    approve(store, [Correction(Span(0, 900), "Ann."), Correction(Span(1000, 1900), "Bob.")])
    path = tmp_path / "c.csv"
    path.write_text("id,in,out,text\ncue-2,1.0,1.9,Bob waves.\n,3.0,3.9,Cy sits.\n")
    scenes, notes = corrected(store, path)
    assert [scene.text for scene in scenes] == ["Ann.", "Bob waves.", "Cy sits."]
    assert notes == ["Learnt from 2 corrections and 1 cue approved before."]
    assert scenes[0].where == "cue-1 at 00:00:00.000"
    alone, _ = corrected(store, [Correction(Span(3000, 3900), "Cy sits.")])
    assert [scene.text for scene in alone] == ["Ann.", "Bob.", "Cy sits."], "one more is enough"
    approve(store, path)
    assert [cue.text for cue in store.cues] == ["Ann.", "Bob waves.", "Draft 3.", "Cy sits."]


def test_words_that_a_person_approved_as_they_were_are_not_told_again(store: ProjectStore) -> None:
    words = [Correction(Span(0, 900), "Draft 1."), Correction(Span(1000, 1900), "Bob.")]
    for told in (1, 0):
        _, notes = corrected(store, words)
        assert sum("still the model's own" in note for note in notes) == told
        approve(store, words)
    assert [cue.author for cue in store.cues[:2]] == [Author.MODEL, Author.HUMAN]


def test_the_same_words_elsewhere_are_another_scene(store: ProjectStore) -> None:
    scenes, _ = corrected(store, [Correction(Span(0, 900), "Ann."), Correction(Span(3000, 3900), store.cues[1].text)])
    assert [scene.visual for scene in scenes] == [PLANS[0].visual, PLANS[3].visual]


def test_a_cue_that_runs_on_is_not_talked_over(store: ProjectStore) -> None:
    store.edit_cue(replace(store.cues[2], span=Span(2000, 3300)))
    approve(store, [Correction(Span(0, 900), "Ann."), Correction(Span(3300, 3900), "Bob.")])
    assert [(cue.span, cue.visual) for cue in store.cues][2:] == [
        (Span(2000, 3300), PLANS[2].visual), (Span(3300, 3900), PLANS[3].visual),
    ]  # fmt: skip


@pytest.mark.parametrize("content", [None, b"", b"\0\0\0\0binary\0"])
def test_a_file_that_cannot_be_read_is_called_what_it_is(
    content: bytes | None, store: ProjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "c.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match="corrections") as caught:
        corrected(store, path)
    assert "ubtitle" not in str(caught.value)
    assert str(path) in str(caught.value)
