"""Edited scripts back in: matched, compared, applied, and refused where they make no sense."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, Place, Script, Status
from calvin.studio.project.contents import Choice, FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import (
    Correction,
    apply_plan,
    plan_corrections,
    plan_import,
    plan_lines,
)
from calvin.studio.script.script_lines import ScriptLine, read_script
from calvin.studio.script.writers import WRITERS

CUES = tuple(
    Cue(str(i), Span(i * 5000, i * 5000 + 3000), f"Text <{i}> & more.", Span(i * 5000, i * 5000 + 4000), i * 5000 + 100)
    for i in range(1, 6)
)


def written(tmp_path: Path, name: str, cues: tuple[Cue, ...] = CUES) -> Path:
    return WRITERS[name].writer.write(Script("F", cues), tmp_path / f"f{WRITERS[name].writer.suffix}")


@pytest.mark.parametrize("name", ["vtt", "srt", "dapt", "csv", "json"])
def test_three_lines_edited_are_three_human_cues_and_the_rest_untouched(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name)
    text = path.read_text()
    for number, word in ((1, "One"), (3, "Three"), (5, "Five")):
        at = text.index(
            "Text", text.index(str(number) + next(s for s in ("&gt;", ">", "›") if str(number) + s in text)) - 12
        )
        text = text[:at] + word + text[at + 4 :]
    path.write_text(text)
    plan = plan_lines(CUES, read_script(path))
    assert [change.before.id for change in plan.changes if change.before] == ["1", "3", "5"]
    for change in plan.changes:
        assert change.after is not None
        assert change.before is not None
        assert change.after.text.startswith(("One", "Three", "Five"))
        assert (change.after.author, change.after.status) == (Author.HUMAN, Status.APPROVED)
        assert change.after.span == change.before.span
        assert change.after.event_ms == change.before.event_ms
    assert plan.unchanged == 2
    assert plan.notes == ()


def line(text: str, start: int, end: int, cue_id: str | None = None, status: Status | None = None) -> ScriptLine:
    return ScriptLine(text, Span(start, end), "line 1", cue_id, status)


def test_by_id_a_line_may_move_far() -> None:
    plan = plan_lines(CUES, [line(CUES[0].text, 40_000, 43_000, "1")])
    [change] = plan.changes
    assert change.after == replace(CUES[0], span=Span(40_000, 43_000), author=Author.HUMAN, status=Status.APPROVED)
    assert change.lines()[0] == "~ cue-1  00:00:40.000 - 00:00:43.000  (was 00:00:05.000 - 00:00:08.000)  approved"
    assert plan.notes == ("4 cues are not in the file and stay: cue-2, cue-3, cue-4, cue-5; --remove takes them out.",)


def test_without_ids_by_times_then_text_then_shared_time() -> None:
    lines = [
        line("Other words.", 5000, 8000),
        line("Text <2> & more.", 11_500, 14_900),
        line("Moved and rewritten.", 16_000, 18_500),
        line("Wholly new.", 28_500, 29_500),
    ]
    found = {
        change.after.text: change.before and change.before.id
        for change in plan_lines(CUES, lines).changes
        if change.after
    }
    assert found == {"Other words.": "1", "Text <2> & more.": "2", "Moved and rewritten.": "3", "Wholly new.": None}


def test_unknown_ids_are_told_and_nothing_is_lost() -> None:
    plan = plan_lines(CUES, [line("New.", 50_000, 51_000, "77"), line("Text <1> & more.", 5000, 8000, "78")])
    assert [change.before for change in plan.changes] == [None]
    assert plan.unchanged == 1
    assert "Ids that this project does not have" in plan.notes[0]
    assert "cue-77" in plan.notes[0]


def test_an_id_twice_is_refused() -> None:
    with pytest.raises(StoreError, match="cue-1 stands twice"):
        plan_lines(CUES, [line("A.", 0, 1, "1"), line("B.", 5, 9, "1")])


def test_times_that_overlap_are_kept_and_told() -> None:
    plan = plan_lines(CUES, [line("Long.", 5000, 11_000, "1"), *(line(c.text, *times(c), c.id) for c in CUES[1:])])
    assert len(plan.changes) == 1
    assert "Cues overlap and are kept as they are: 00:00:05.000" in plan.notes[0]


def times(cue: Cue) -> tuple[int, int]:
    return cue.span.start_ms, cue.span.end_ms


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("a.json", f'{{"cues": [{{"start_ms": 0, "end_ms": {10**30}, "text": "x"}}]}}', "cue 1"),
        ("a.csv", "in,out,text\n00:00:01.000,400000.5,x\n", "line 2"),
    ],
)
def test_times_that_no_film_has_are_refused(tmp_path: Path, name: str, text: str, where: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StoreError, match=f"{where} ends after 100 hours; nothing was changed"):
        read_script(tmp_path / name)


def test_an_emptied_line_removes_its_cue_and_so_does_an_absent_one_on_request() -> None:
    emptied = plan_lines(CUES, [line(" ", *times(CUES[0]), "1"), *(line(c.text, *times(c), c.id) for c in CUES[1:])])
    assert [(c.before, c.after) for c in emptied.changes] == [(CUES[0], None)]
    absent = plan_lines(CUES, [line(c.text, *times(c), c.id) for c in CUES[:4]], remove=True)
    assert [(c.before, c.after) for c in absent.changes] == [(CUES[4], None)]


def test_a_status_alone_approves_without_a_new_author() -> None:
    [change] = plan_lines(CUES[:1], [line(CUES[0].text, *times(CUES[0]), "1", Status.APPROVED)]).changes
    assert change.after == replace(CUES[0], status=Status.APPROVED)
    assert change.lines() == ["~ cue-1  00:00:05.000 - 00:00:08.000  approved", "    Text <1> & more."]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 6000), st.text(max_size=9)), max_size=12))
def test_no_line_and_no_cue_is_lost(rows: list[tuple[int, int, str]]) -> None:
    lines = sorted(
        (ScriptLine(t, Span(s, s + d), f"line {i}") for i, (s, d, t) in enumerate(rows)), key=lambda x: x.span
    )
    plan = plan_lines(CUES, lines)
    before = [change.before.id for change in plan.changes if change.before]
    assert len(set(before)) == len(before)
    removed = sum(change.after is None for change in plan.changes)
    said = sum(any(c.isprintable() and not c.isspace() for c in line.text) for line in lines)
    assert sum(change.after is not None for change in plan.changes) + plan.unchanged == said
    assert removed <= len(lines) - said


def test_applying_keeps_history_and_closes_places(tmp_path: Path) -> None:
    with ProjectStore(tmp_path, create=True) as store:
        store.bind_film(FilmRow("A", "a.mp4", "aa", 60_000, {}))
        store.set_plan([Place(Span(0, 4000), Span(0, 4000), 100), Place(Span(9000, 12_000), Span(4000, 12_000), 9500)])
        first = store.finish_plan(store.plans[0], "He sits.", Span(0, 900))
        assert first is not None
        lines = [line("Ben sits.", 0, 900, first.id), line("Ada comes in.", 9500, 11_000)]
        apply_plan(store, plan_lines(store.cues, lines))
        assert [(c.text, c.author, c.status) for c in store.cues] == [
            ("Ben sits.", Author.HUMAN, Status.APPROVED),
            ("Ada comes in.", Author.HUMAN, Status.APPROVED),
        ]
        assert [(r.text, r.author) for r in store.history(first.id)] == [
            ("He sits.", Author.MODEL),
            ("Ben sits.", Author.HUMAN),
        ]
        assert [plan.done for plan in store.plans] == [True, True], "a person described it, so no model will"
        assert store.decisions[1].choice is Choice.HUMAN
        apply_plan(store, plan_lines(store.cues, [line("", 0, 900, first.id)]))
        assert [(r.text, r.author) for r in store.history(first.id)][-1] == ("", Author.HUMAN)


FOREIGN = {
    "tool.csv": "\ufeffStart Time;End Time;Description\r\n"
    '00:00:01,500;00:00:03,000;"He sits; she stands."\r\n\r\n4.5;6;Rain.\r\n',
    "tool.srt": "1\r\n00:00:01,500 --> 00:00:03,000\r\nHe sits; <i>she</i>\r\nstands.\r\n\r\n"
    "9\r\n00:00:04,500 --> 00:00:06,000\r\nRain.\r\n",
    "tool.vtt": "WEBVTT - AD\n\nNOTE by hand\n\n1\n00:01.500 --> 00:03.000 align:start\n"
    "<v Narrator>He sits; she stands.\n\n00:04.500 --> 00:06.000\nRain.",
    "tool.ttml": '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
    'ttp:frameRate="25" ttp:tickRate="1000"><head><metadata>x</metadata></head><body begin="1s">'
    '<div begin="0.5s" end="00:00:02.000"><desc>not this</desc><p>He sits;<br/>she <span>stands.</span></p></div>'
    '<div><p begin="00:00:03:12" end="5000t"><span>Rain.</span></p></div></body></tt>',
}


@pytest.mark.parametrize("name", FOREIGN)
def test_scripts_of_other_tools_come_in(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FOREIGN[name], newline="")
    lines = read_script(path)
    second = 4480 if name == "tool.ttml" else 4500
    assert [(x.span, x.text, x.cue_id) for x in lines] == [
        (Span(1500, 3000), "He sits; she stands.", None),
        (Span(second, 6000), "Rain.", None),
    ]


BAD = {
    "empty.vtt": ("", "is empty"),
    "header.vtt": ("WEBVTT\n", "holds no lines of a script"),
    "time.srt": ("1\n00:00:61,000 --> 00:01:02,000\nx\n", "line 2: '00:00:61,000' is not a time code"),
    "backwards.srt": ("1\n00:00:09,000 --> 00:00:02,000\nx\n", "line 2: A span must have"),
    "letter.txt": ("Dear Ada,\nhow are you?\n", "no heading with columns"),
    "column.csv": ("id,text\n1,x\n", "no heading with columns"),
    "time.csv": ("in,out,text\nsoon,later,x\n", "line 2: 'soon' is not a time code"),
    "other.json": ('{"a": 1}', "it is not a calvin script"),
    "broken.json": ('{"a": ', "cannot be imported"),
    "doctype.ttml": ('<!DOCTYPE tt [<!ENTITY a "b">]><tt xmlns="http://www.w3.org/ns/ttml"/>', "document type"),
    "broken.ttml": ('<tt xmlns="http://www.w3.org/ns/ttml"><body>', "not whole XML"),
    "untimed.ttml": (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p>Hm.</p></div></body></tt>',
        "has no begin and end",
    ),
    "deep.ttml": (
        '<tt xmlns="http://www.w3.org/ns/ttml"><body>' + "<div>" * 99 + "</div>" * 99 + "</body></tt>",
        "deep",
    ),
    "style.ass": ("[Script Info]\n[V4+ Styles]\n", "is ASS, which is not imported"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_script_is_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    text, sentence = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(StoreError, match=sentence) as caught:
        read_script(tmp_path / name)
    assert name in str(caught.value)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProjectStore]:
    with ProjectStore(tmp_path / "p", create=True) as opened:
        opened.bind_film(FilmRow("A", "a.mp4", "aa", 60_000, {}))
        opened.set_plan([Place(Span(0, 4000), Span(0, 4000), 100), Place(Span(9000, 12_000), Span(4000, 12_000), 9500)])
        opened.finish_plan(opened.plans[0], "He sits.", Span(0, 900))
        yield opened


def test_a_list_comes_in_through_the_same_door_with_and_without_approval(store: ProjectStore) -> None:
    words = [Correction(Span(9500, 11_000), "Ada comes in."), Correction(Span(100, 900), "He sits.")]
    imported, approved = plan_import(store, words), plan_corrections(store, words)
    assert [step.after and (step.after.span, step.after.author) for step in imported.steps] == [
        (Span(100, 900), Author.HUMAN), (Span(9500, 11_000), Author.HUMAN),
    ]  # fmt: skip
    assert [step.after and (step.after.span, step.after.author, step.after.status) for step in approved.steps] == [
        (Span(0, 900), Author.MODEL, Status.APPROVED), (Span(9000, 12_000), Author.HUMAN, Status.APPROVED),
    ]  # fmt: skip
    apply_plan(store, approved)
    assert [plan.done for plan in store.plans] == [True, True]
    assert plan_corrections(store, words).changes == ()


def test_the_language_changes_with_the_words_or_not_at_all(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("id,in,out,text\ncue-1,0.0,0.9,Er sitzt.\n")
    plan = plan_import(store, path, language="deu")
    assert plan.lines()[-2:] == ["1 change, 0 unchanged", "Language: en -> de"]
    assert store.script().language == "en"
    apply_plan(store, plan)
    assert (store.script().language, store.cues[0].text) == ("de", "Er sitzt.")
    assert plan_import(store, path, language="de").lines() == ["0 changes, 1 unchanged"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("cue-1,2.0,2.9,He.", "cue-1 stands twice, at line 2 and line 3: keep one, or give one no id"),
        (f"{','.join(('', '2.0', '2.9', 'x' * 2001))}", "line 3 has 2001 characters, too many to speak"),
        (",soon,2.9,He.", "line 3: 'soon' is not a time code"),
    ],
)
def test_imports_and_corrections_are_refused_in_the_same_words(
    row: str, problem: str, store: ProjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f"id,in,out,text\ncue-1,0.0,0.9,He waves.\n{row}\n")
    said = []
    for plan in (plan_import, plan_corrections):
        with pytest.raises(StoreError) as caught:
            plan(store, path)
        said.append(str(caught.value))
    assert said[0].startswith(f"{path} cannot be imported: {problem}")
    assert said[0].endswith("; nothing was changed.")
    assert len(set(said)) == 1


def test_a_word_keeps_its_joiners(store: ProjectStore) -> None:
    word = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    apply_plan(store, plan_corrections(store, [Correction(Span(0, 900), f"{word}\u200c\x07 a\x07b\u00adc")]))
    assert store.cues[0].text == f"{word}\u200c a b\u00adc"
    assert plan_import(store, [Correction(Span(0, 900), "\u200c \u00ad")]).changes[0].after is None
