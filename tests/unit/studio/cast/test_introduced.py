"""Who may be named where in a film that is described: by the cast, by a person's cues, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.time import Span, format_timecode
from calvin.core.types import Author, Character, DialogueLine, Status
from calvin.studio.cast.characters import Cast, Note
from calvin.studio.cast.introduced import Introduced
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import apply_plan, plan_import

SRT = """1
00:00:00,200 --> 00:00:00,900
PALOMA: You eat porridge cold?

2
00:00:01,000 --> 00:00:01,400
[MUSIC] La la la.
"""


class Namer:
    """A captioner that always names Odette, whatever is shown; asked not to, it sees somebody."""

    info = CaptionerInfo("namer")
    needs = frozenset({"frames"})

    def __init__(self) -> None:
        self.asked: list[CaptionRequest] = []

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += requests
        number = len(self.asked)
        return [
            CaptionAnswer(f"A woman, number {number}, sits." if one.barred else f"Odette, number {number}, sits.", 0.0)
            for one in requests
        ]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    path = make_film(tmp_path_factory.mktemp("film") / "a.mp4", seconds=(4.0,) * 6)
    path.with_suffix(".srt").write_text(SRT)
    return path


def texts(project: Path) -> list[str]:
    with ProjectStore(project) as store:
        return [cue.text for cue in store.cues]


def test_a_model_names_nobody_whom_nobody_introduced_unless_it_may(film: Path, tmp_path: Path) -> None:
    held = describe(film, model=(namer := Namer()), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert len(held.script.cues) >= 4
    assert not any("Odette" in cue.text for cue in held.script.cues)
    note = f"In {len(held.script.cues)} places the model named somebody whom nobody has introduced"
    assert any(one.startswith(note) and f"(Odette {len(held.script.cues)})" in one for one in held.notes)
    licence = namer.asked[0].licence
    assert licence is not None
    assert (licence.may, licence.known) == (frozenset(), {"Paloma"}), "[MUSIC] is nobody"
    free = describe(held.project, model=Namer(), names="free")  # type: ignore[arg-type]
    assert all("Odette" in cue.text for cue in free.script.cues)
    assert not any("introduced" in one for one in free.notes)
    describe(held.project, model=(again := Namer()))  # type: ignore[arg-type]
    assert again.asked == [], "the project remembers it"


def test_a_cue_of_a_person_introduces_for_as_long_as_it_is_context(film: Path, tmp_path: Path) -> None:
    project = describe(film, model=Namer(), out_dir=tmp_path / "p", context=2).project  # type: ignore[arg-type]
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[0], text="Odette, in a red coat, waits.", status=Status.APPROVED))
    describe(project, model=Namer(), context=2, language="en-GB")  # type: ignore[arg-type]
    said = texts(project)
    assert ["Odette" in text for text in said] == [True, True, True, *[False] * (len(said) - 3)]


def test_drafts_are_written_again_once_a_persons_cue_introduces_somebody(film: Path, tmp_path: Path) -> None:
    project = describe(film, model=Namer(), out_dir=tmp_path / "p").project  # type: ignore[arg-type]
    before, file = texts(project), tmp_path / "a.vtt"

    def again() -> int:
        describe(project, model=(namer := Namer()))  # type: ignore[arg-type]
        return len(namer.asked)

    def imported(words: str) -> None:
        with ProjectStore(project) as store:
            start = store.cues[0].span.start_ms
            times = f"{format_timecode(start)} --> {format_timecode(start + 900)}"
            file.write_text(f"WEBVTT\n\n{store.cues[0].id}\n{times}\n{words}\n")
            apply_plan(store, plan_import(store, file))

    assert again() == 0
    imported("Somebody grabs it.")
    assert again() == 0, "it introduces nobody"
    imported("Odette, in a yellow dress, grabs it.")
    assert again() >= len(before) - 1
    named = texts(project)
    assert "Odette, in a yellow dress, grabs it." in named, "what a person wrote stays"
    assert any(text.startswith("Odette, number") for text in named)
    assert again() == 0
    with ProjectStore(project) as store:
        described = store.described
        assert described is not None
        assert described.introduced == '{"Odette": ["in a yellow dress"]}'
        assert [line.speaker for line in store.dialogue] == ["PALOMA", ""], "the dialogue stays"
        store.undo()
        assert [cue.text for cue in store.cues][1:] == before[1:]
        store.undo()
        store.undo()
        assert [cue.text for cue in store.cues] == before
    assert again() == 0, "undone, nobody is introduced"
    describe(project, model=Namer(), names="free")  # type: ignore[arg-type]
    imported("Odette, in a yellow dress, grabs it.")
    describe(project, model=(namer := Namer()))  # type: ignore[arg-type]
    assert not namer.asked, "where anybody is named, nobody need be introduced"


def test_heard_dialogue_stays_where_somebody_is_introduced_to_a_film_named_again(film: Path, tmp_path: Path) -> None:
    project = describe(film, "none", Namer(), out_dir=tmp_path / "p").project  # type: ignore[arg-type]
    with ProjectStore(project) as store:
        store.set_dialogue([DialogueLine(Span(2000, 3000), "")])
        first, *_ = store.cues
        store.edit_cue(replace(first, text="Odette waits.", author=Author.HUMAN))
    describe(film, "none", namer := Namer(), out_dir=project)  # type: ignore[arg-type]
    assert namer.asked
    with ProjectStore(project) as store:
        assert [line.span for line in store.dialogue] == [Span(2000, 3000)]


def test_whom_the_cast_introduces_nobody_introduces_by_approving(film: Path, tmp_path: Path) -> None:
    project = describe(film, model=Namer(), out_dir=tmp_path / "p").project  # type: ignore[arg-type]
    people = Character("Ann Lee", look="in a blue coat"), Character("Bo")
    with ProjectStore(project) as store:
        first, second, *_ = store.cues
        assert Introduced.of(store, Cast(people)).identity == ""
        store.edit_cue(replace(first, text="Ann, in a red coat, sees Bo.", status=Status.APPROVED))
        assert Introduced.of(store, Cast(people)).identity == ""
        assert Introduced.of(store, None).identity == '{"Ann": ["in a red coat"], "Bo": []}'
        store.edit_cue(replace(second, text="Bo, in a green coat, goes.", status=Status.APPROVED))
        assert Introduced.of(store, Cast(people)).identity == '{"Bo": ["in a green coat"]}', "the cast knew no look"


def test_who_the_cast_puts_there_may_be_named(film: Path, tmp_path: Path) -> None:
    cast = tmp_path / "cast.toml"
    cast.write_text(
        '[[character]]\nname = "Odette Lee"\naliases = ["the captain"]\n'
        '[[scene]]\nstart = "00:00:08"\nend = "00:00:12"\npresent = ["Odette Lee"]\n'
    )
    project = describe(film, model=Namer(), out_dir=tmp_path / "p", cast=cast).project  # type: ignore[arg-type]
    with ProjectStore(project) as store:
        there = [cue.visual.end_ms > 8000 and cue.visual.start_ms < 12000
                 for cue in store.cues]  # fmt: skip
    assert ["Odette" in text for text in texts(project)] == there
    assert 0 < sum(there) < len(there)


def test_looks_are_those_of_the_cast_and_of_a_persons_cues_before(film: Path, tmp_path: Path) -> None:
    project = describe(film, model=Namer(), out_dir=tmp_path / "p").project  # type: ignore[arg-type]
    away = Note(Span(8000, 12_000), absent=("Ann Lee",))
    cy = Character("Cy", pronouns="he/him", look="a red hat", known_from_ms=16_000)
    people = (Character("Ann Lee", look="in a blue coat"), Character("Bo", look="tall"), cy)
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cues[1], text="In a red coat, Odette waits for Ann.", status=Status.APPROVED))
        plans, approved = store.plans, store.cues[1].span.start_ms
        introduced = Introduced.of(store, Cast(people, notes=(away,)), looks={"Bo": "in a green coat"})
        adapted = Introduced.of(store, Cast(people), Author.ADAPTER)
        assert introduced.licence(plans[0], (), 0).pronouns == {"Cy": "he/him"}
        looks = [introduced.licence(plan, (), 0).looks for plan in plans]
        assert not adapted.licence(plans[0], (), 0).looks, "it was taught who is who"
        assert adapted.licence(plans[0], (), 0).may == {"Odette", "Ann"}
    for plan, known in zip(plans, looks, strict=True):
        assert known["Bo"] == "in a green coat"
        assert ("Ann Lee" in known) == (not plan.visual.overlap_ms(away.span))
        assert ("Cy" in known) == (plan.visual.end_ms > 16_000)
        assert (known.get("Odette") == "in a red coat") == (plan.span.start_ms > approved)
