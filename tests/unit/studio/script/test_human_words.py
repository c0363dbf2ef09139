"""Edited scripts back in: matched, compared, applied, and refused where they make no sense."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import StoreError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, Place, Script, Status
from calvin.studio.project.contents import Choice, FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import (
    Correction,
    apply_plan,
    plan_corrections,
    plan_import,
    plan_lines,
)
from calvin.studio.script.script_files import export_script
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
    plan = plan_lines(CUES, read_script(path).lines)
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
    assert change.after == replace(CUES[0], span=Span(40_000, 43_000)), "its words are no more approved than before"
    assert change.lines() == [
        "Change cue-1, 00:00:05.000 - 00:00:08.000",
        "    time was: 00:00:05.000 - 00:00:08.000, now: 00:00:40.000 - 00:00:43.000",
        "    text: Text <1> & more.",
    ]
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
    assert "Cues overlap and are kept as they are: cue-1 (00:00:05.000" in plan.notes[0]


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


@pytest.mark.parametrize(
    ("before", "row", "text", "after"),
    [
        (Status.NEEDS_WORK, None, "New.", Status.NEEDS_WORK),
        (Status.NEEDS_WORK, Status.NEEDS_WORK, "New.", Status.NEEDS_WORK),
        (Status.DRAFT, Status.NEEDS_WORK, "New.", Status.NEEDS_WORK),
        (Status.DRAFT, Status.NEEDS_WORK, CUES[0].text, Status.NEEDS_WORK),
        (Status.NEEDS_WORK, Status.APPROVED, CUES[0].text, Status.APPROVED),
        (Status.NEEDS_WORK, Status.DRAFT, CUES[0].text, Status.DRAFT),
    ],
)
def test_that_a_cue_needs_work_is_a_persons_to_say(
    before: Status, row: Status | None, text: str, after: Status
) -> None:
    start, end = CUES[0].span.start_ms, CUES[0].span.end_ms
    plan = plan_lines([replace(CUES[0], status=before)], [line(text, start, end, CUES[0].id, row)])
    assert [step.after and step.after.status for step in plan.steps] == [after]


@pytest.mark.parametrize("words", ["needs-work", "Needs work", "NEEDS_WORK", "needs  work"])
def test_needs_work_is_read_however_it_is_written(words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'id,in,out,text,status\ncue-1,00:00:05.000,00:00:08.000,x,"{words}, extended"\n')
    [found] = read_script(path).lines
    assert (found.status, found.extended) == (Status.NEEDS_WORK, True)


def test_a_status_alone_approves_without_a_new_author() -> None:
    [change] = plan_lines(CUES[:1], [line(CUES[0].text, *times(CUES[0]), "1", Status.APPROVED)]).changes
    assert change.after == replace(CUES[0], status=Status.APPROVED)
    assert change.lines() == [
        "Change cue-1, 00:00:05.000 - 00:00:08.000",
        "    status was: draft, now: approved",
        "    text: Text <1> & more.",
    ]


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
    lines = read_script(path).lines
    second = 4480 if name == "tool.ttml" else 4500
    assert [(x.span, x.text, x.cue_id) for x in lines] == [
        (Span(1500, 3000), "He sits; she stands.", None),
        (Span(second, 6000), "Rain.", None),
    ]


BAD = {
    "empty.vtt": ("", "is empty"),
    "header.vtt": ("WEBVTT\n", "holds no lines of a script"),
    "time.srt": ("1\n00:00:61,000 --> 00:01:02,000\nx\n", "line 2: '00:00:61,000' is not a time code"),
    "kind.csv": ("in,out,text,kind\n1,2,x,banner\n", "'banner' is not a kind of cue: write picture, text, title"),
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


def test_a_kind_alone_approves_nothing_and_stays_where_a_file_does_not_carry_it(tmp_path: Path) -> None:
    path = written(tmp_path, "csv")
    path.write_text(path.read_text().replace("picture", "Title", 1))
    plan = plan_lines(CUES, read_script(path).lines)
    [change] = plan.changes
    assert change.after == replace(CUES[0], kind=CueKind.TITLE)
    assert change.lines()[1] == "    kind was: picture, now: title"
    titled = (change.after, *CUES[1:])
    for name in ("vtt", "srt", "dapt", "csv", "json"):
        assert plan_lines(titled, read_script(written(tmp_path, name, titled)).lines).changes == (), name
    without = [ScriptLine("Title: “The Lamp”", Span(50_000, 52_000), "line 1")]
    [new] = plan_lines(CUES, [replace(without[0], kind=CueKind.TITLE)]).changes
    assert new.after is not None
    assert new.after.kind is CueKind.TITLE
    [new] = plan_lines(CUES, without).changes
    assert new.after is not None
    assert new.after.kind is CueKind.PICTURE


def test_what_is_said_of_the_picture_takes_no_title_away() -> None:
    title = replace(CUES[0], text='Title: "The Yellow Crown." A puppet film.', kind=CueKind.TITLE)
    span = Span(title.span.start_ms + 700, title.span.end_ms - 300)
    [new] = plan_lines([title], [ScriptLine("Zelda, in a yellow dress, grabs it.", span, "line 1")]).changes
    assert (new.before, new.after and new.after.kind) == (None, CueKind.PICTURE)
    [change] = plan_lines([title], [ScriptLine('Title: "The Golden Crown."', span, "line 1")]).changes
    assert (change.before, change.after and change.after.kind) == (title, CueKind.TITLE)


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
        (Span(100, 900), Author.MODEL), (Span(9500, 11_000), Author.HUMAN),
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
    assert plan.lines()[-2:] == ["1 change, 0 unchanged", "Language was: English (en), now: German (de)"]
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


LONG = tuple(
    replace(cue, id=str(i), span=Span(i * 30_870 + 650, i * 30_870 + 650 + 2000 + 37 * (i % 50)), text=f"Line {i}.")
    for i, cue in enumerate(CUES * 28)
)
"""The cues of a film of 72 minutes: 140 of them, at times that need every digit."""


def excel(ms: int) -> str:
    """A time code of three decimals, as Excel shows it and saves what it shows."""
    tenths = (ms + 50) // 100
    return f"{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def libre_office(ms: int) -> str:
    hours, rest = divmod(ms, 3_600_000)
    return f"{hours:02d}:{rest // 60_000:02d}:{rest % 60_000 / 1000:06.3f}".rstrip("0").rstrip(".")


SHEETS = {
    "mm:ss.0": excel,
    "trailing zeros gone": libre_office,
    "whole seconds": lambda ms: f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}",
    "a clock of twelve hours": lambda ms: f"{ms // 3_600_000 or 12}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d} AM",
    "parts of a day": lambda ms: f"{ms / 86_400_000:.10g}",
    "eight decimals of a day": lambda ms: f"{ms / 86_400_000:.8f}",
    "as a power of ten": lambda ms: f"{ms / 86_400_000:.8E}",
    "minutes beyond an hour": lambda ms: f"{ms // 60_000:02d}:{ms // 1000 % 60:02d}.{ms // 100 % 10}",
    "a date before it": lambda ms: f"1899-12-30 {libre_office(ms)}",
    "a German date before it": lambda ms: f"30.12.1899 {libre_office(ms).partition('.')[0]}",
    "the day before the first of Excel's": lambda ms: f"1/0/1900 {libre_office(ms).partition('.')[0]}",
    "a duration": lambda ms: f"PT{ms // 3_600_000:02d}H{ms // 60_000 % 60:02d}M{ms % 60_000 / 1000:09.6f}S",
    "another apostrophe": lambda ms: f"\N{RIGHT SINGLE QUOTATION MARK}{libre_office(ms)}",
}


@pytest.mark.parametrize("separator", [",", ";", "sep=;", "\t"], ids=["comma", "semicolon", "sep", "tab"])
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_spreadsheet_that_only_opens_and_saves_changes_nothing(sheet: str, separator: str, tmp_path: Path) -> None:
    path = written(tmp_path, "csv", LONG)
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    for cue, row in zip(LONG, rows[1:], strict=True):
        assert not re.fullmatch(r"[\d:.,]+", row[1]), "no spreadsheet takes this for a time"
        row[1:3] = [SHEETS[sheet](ms) for ms in (cue.span.start_ms, cue.span.end_ms)]
        if separator != ",":
            row[1:3] = [re.sub(r"\.(?=\d+(?:[ES][-+\d]*)?$)", ",", time) for time in row[1:3]]
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        stream.write("sep=;\r\n" if separator == "sep=;" else "")
        csv.writer(stream, delimiter=separator[-1], lineterminator="\r\n").writerows(rows)
    plan = plan_lines(LONG, read_script(path).lines)
    assert (plan.changes, plan.unchanged, plan.notes) == ((), 140, ())
    text = path.read_text(encoding="utf-8-sig").replace("Line 130.", "She leaves.")
    path.write_text(text, encoding="utf-8")
    [change] = plan_lines(LONG, read_script(path).lines).changes
    assert change.after == replace(LONG[130], text="She leaves.", author=Author.HUMAN, status=Status.APPROVED), (
        "the words alone are new"
    )


WRITTEN = [
    *(
        "She stops, turns; and leaves.",
        "Übergröße — „Straße“.",
        '"No", he mouths.',
        "A man, 5'6\" tall",
        "Ein Café; 1,5 km",
    ),
    *(
        "12:30",
        "May 1945",
        "3.10",
        "007",
        "1/2",
        "10 %",
        "$5",
        "1e5",
        "5-6",
        "TRUE",
        "1984",
        "=SUM(A1)",
        "-5",
        "'5",
        "@home",
    ),
]
"""Texts of cues, such as signs and years on the screen, some of which spreadsheets take for something else."""


def spreadsheet(cell: str) -> str:
    """What a spreadsheet makes of a cell that it opens and saves."""
    known = {"12:30": "12:30:00", "May 1945": "May-45", "3.10": "3.1", "007": "7", "1/2": "02. Jan", "TRUE": "WAHR"}
    known |= {"10 %": "10%", "$5": "5,00 $", "1e5": "1,00E+05", "5-6": "05. Jun", "=SUM(A1)": "0", "@home": "#NAME?"}
    if re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", cell):
        return libre_office(
            sum(f * int(n) for f, n in zip((3_600_000, 60_000, 1000, 1), re.split("[:.]", cell), strict=True))
        )
    return known.get(cell, cell)


@pytest.mark.parametrize(
    ("encoding", "separator", "end", "quoting", "above"),
    [
        ("utf-8", ",", "\n", csv.QUOTE_MINIMAL, ""),
        ("utf-8-sig", ";", "\r\n", csv.QUOTE_ALL, ""),
        ("utf-16", "\t", "\r\n", csv.QUOTE_MINIMAL, ""),
        ("cp1252", ";", "\r\n", csv.QUOTE_MINIMAL, ""),
        ("mac_roman", ";", "\r", csv.QUOTE_MINIMAL, ""),
        ("utf-8-sig", "\t", "\r\n", csv.QUOTE_MINIMAL, "sep=\t\r\n"),
        ("utf-8", "|", "\r\n", csv.QUOTE_MINIMAL, "|||\r\n\r\n"),
    ],
)
def test_a_project_of_72_minutes_comes_back_from_a_spreadsheet_unchanged(
    encoding: str, separator: str, end: str, quoting: int, above: str, tmp_path: Path
) -> None:
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Long", "long.mp4", "aa", 72 * 60_000, {"frame_rate": 24.0}))
        for number in range(320):
            span = Span(number * 13_487 + 650, number * 13_487 + 2650 + 37 * (number % 50))
            status, author = (
                (Status.DRAFT, Status.APPROVED)[number % 5 == 0],
                (Author.MODEL, Author.HUMAN)[number % 11 == 0],
            )
            text = WRITTEN[number % len(WRITTEN)]
            store.add_cue(Cue("", span, text, span, span.start_ms, author, status, extended=number % 7 == 0))
        export_script(store, [WRITERS.find("csv").writer])
        rows = list(csv.reader((tmp_path / "p/long.csv").read_text(encoding="utf-8").splitlines()))
        rows = [
            [spreadsheet(cell).replace(".", "," if at == 6 else ".") for at, cell in enumerate(row)] for row in rows
        ]
        saved = tmp_path / "saved.csv"
        with saved.open("w", encoding=encoding, newline="") as stream:
            stream.write(above)
            csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)
        plan = plan_import(store, saved)
        assert (plan.changes, plan.unchanged) == ((), 320)
        assert all("is a guess" in note for note in plan.notes)


@pytest.mark.parametrize(
    "heading", ["Beginn;Ende;Beschreibung", "Début;Fin;Texte", "Inicio;Fin;Descripción", '"INIZIO";"FINE";"TESTO"']
)
def test_headings_in_other_languages_are_known(heading: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f"{heading}\n00:00:01,500;00:00:03,25;Es regnet, und sie geht.\n", encoding="cp1252")
    [found] = read_script(path).lines
    assert (found.text, found.span) == ("Es regnet, und sie geht.", Span(1500, 3250))


@pytest.mark.parametrize("seconds", ["1234,5", "1.234,5", "1,234.5", "1 234,5", "1\N{NO-BREAK SPACE}234,5", "1'234.5"])
def test_seconds_with_the_marks_of_thousands_are_read(seconds: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f"start;end;caption\n{seconds};1240;Rain.\n", encoding="utf-8")
    [found] = read_script(path).lines
    assert found.span == Span(1_234_500, 1_240_000)


def moved(by_ms: int, cues: tuple[Cue, ...] = CUES) -> list[ScriptLine]:
    return [line(cue.text, cue.span.start_ms + by_ms, cue.span.end_ms + by_ms, cue.id) for cue in cues]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (moved(3_600_000, CUES[:1]), "cue-1 from .* by whole hours: .*--retime"),
        (moved(36_000_400, CUES[:1]), "by whole hours"),
        (moved(2000), r"the times of all its 5 cues would move by \+2 s: .*--retime"),
        ([line(c.text, c.span.start_ms + n * 7, c.span.end_ms, c.id) for n, c in enumerate(CUES, 1)], "all its 5 cues"),
    ],
)
def test_times_that_slipped_are_refused_with_the_cure(lines: list[ScriptLine], problem: str) -> None:
    with pytest.raises(StoreError, match=problem):
        plan_lines(CUES, lines)
    assert {change.after.author for change in plan_lines(CUES, lines, retime=True).changes if change.after} == {
        Author.MODEL
    }


def test_a_cue_keeps_its_length_and_its_hours(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="line 1 gives cue-1 no length"):
        plan_lines(CUES, [line(CUES[0].text, 6000, 6000, "1")], retime=True)
    (tmp_path / "f.csv").write_text("id,in,out,text\ncue-130,07:09.0,07:11.0,Line 130.\n")
    with pytest.raises(StoreError, match="line 2 has no hours and would move cue-130 from 01:06:53"):
        plan_lines(LONG, read_script(tmp_path / "f.csv").lines)


def test_words_that_were_lost_remove_no_cue() -> None:
    """Only the id of a cue or its very times say that it was emptied on purpose."""
    blank = [line("", 5000, 8100), line("", 10_000, 13_000), line("Text <4> & more.", *times(CUES[3]))]
    plan = plan_lines(CUES, blank)
    assert [(c.before, c.after) for c in plan.changes] == [(CUES[1], None)]
    assert plan.notes[0] == "Lines without text that belong to no cue are left out: line 1."


def test_a_comma_without_quotes_cuts_no_text(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(
        "id,in,out,character,text,words,gap,status\n"
        "cue-1,00:00:05.000,00:00:08.000,,She stops, turns, and leaves.,5,,draft\n"
        "cue-2,00:00:10.000,00:00:13.000,,It rains.,2,,draft,,\n"
    )
    plan = plan_lines(CUES, read_script(path).lines)
    assert [c.after.text for c in plan.changes if c.after] == ["She stops, turns, and leaves.", "It rains."]
    assert plan.notes[0].startswith("line 2 has more cells than the heading")
    path.write_text("id,in,out,text\ncue-1,00:00:05.000,00:00:08.000\n")
    with pytest.raises(StoreError, match="line 2 ends before its text"):
        read_script(path)


PAUSED = (replace(CUES[0], extended=True), *CUES[1:])


@pytest.mark.parametrize(
    ("before", "text", "status", "extended"),
    [
        (PAUSED, CUES[0].text, "draft", False),
        (CUES, CUES[0].text, "draft, extended", True),
        (PAUSED, "New words.", "draft, extended", False),
        (PAUSED, "New words.", "approved, extended", True),
        (CUES, "New words.", "draft, extended", True),
        (PAUSED, CUES[0].text, "", True),
    ],
)
def test_the_mark_of_a_pause_is_a_persons_to_set_and_to_clear(
    before: tuple[Cue, ...], text: str, status: str, extended: bool, tmp_path: Path
) -> None:
    path = tmp_path / "f.csv"
    path.write_text(f'id,in,out,text,status\ncue-1,00:00:05.000,00:00:08.000,{text},"{status}"\n')
    found = plan_lines(before, read_script(path).lines).steps[0].after
    assert found is not None
    assert found.extended is extended
    assert found.status == ("approved" if text == "New words." else "draft")
    again = plan_lines((found, *CUES[1:]), read_script(path).lines)
    assert again.changes == (), "the same file changes nothing the second time"
    whole = {"start_ms": 5000, "end_ms": 8000, "id": "1", "text": text, "status": status.partition(",")[0]}
    path.write_text(json.dumps({"cues": [whole | {"extended": "extended" in status if status else None}]}))
    assert plan_lines(before, read_script(path).lines).steps[0].after == found


@pytest.mark.parametrize("name", ["vtt", "dapt", "csv", "json"])
def test_the_mark_of_a_pause_comes_and_goes_by_every_format_that_has_it(name: str, tmp_path: Path) -> None:
    writer = WRITERS.find(name).writer
    path = writer.write(Script("Film", PAUSED, duration_ms=200_000), tmp_path / f"f{writer.suffix}")
    text = path.read_text()
    assert not plan_lines(PAUSED, read_script(path).lines).changes, "what was exported changes nothing"
    # Somebody sets it in a project that does not have it, ...
    [set_] = plan_lines(CUES, read_script(path).lines).changes
    assert (set_.before, set_.after) == (CUES[0], PAUSED[0])
    # ... and clears it in one that does.
    cleared = text.replace("draft, extended", "draft").replace('"extended": true', '"extended": false')
    path.write_text(cleared)
    [gone] = plan_lines(PAUSED, read_script(path).lines).changes
    assert (gone.before, gone.after) == (PAUSED[0], CUES[0])


@pytest.mark.parametrize("name", ["srt", "vtt", "dapt"])
def test_a_file_that_says_nothing_of_pauses_leaves_them(name: str, tmp_path: Path) -> None:
    """SubRip has no place for the mark, and other programs may drop comments and attributes that they do not know."""
    writer = WRITERS.find(name).writer
    path = writer.write(Script("Film", CUES, duration_ms=200_000), tmp_path / f"f{writer.suffix}")
    assert not plan_lines(PAUSED, read_script(path).lines).changes


@pytest.mark.parametrize(
    ("comment", "extended"),
    [
        ("NOTE extended\n\n", True),
        ("NOTE\nextended\n\n", True),
        ("NOTE extended\n", True),
        ("NOTE Approved, EXTENDED\n \n", True),
        ("NOTE approved\n\n", False),
        ("NOTE Is this extended?\n\n", None),
        ("NOTE extended\n\nNOTE of Ann: too long?\n\n", None),
        ("", None),
    ],
)
def test_a_comment_of_webvtt_marks_the_cue_after_it(comment: str, extended: bool | None, tmp_path: Path) -> None:
    path = tmp_path / "f.vtt"
    cues = "00:00:01.000 --> 00:00:02.000\nOne.\n\n", "00:00:03.000 --> 00:00:04.000\nTwo.\n\n"
    for texts, marked in (((cues[0], comment, cues[1]), 1), ((comment, *cues), 0)):
        path.write_text(f"WEBVTT\n\n{''.join(texts)}")
        lines = read_script(path).lines
        assert [line.text for line in lines] == ["One.", "Two."]
        assert [line.extended for line in lines] == [extended if at == marked else None for at in (0, 1)]


def test_what_says_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("in,out,text,status\n0:01,0:02,x,final\n")
    with pytest.raises(StoreError, match="line 2: 'final' is not a status: write draft, needs-work or approved"):
        read_script(path)
    for text in ("null", "3", '{"a": 1}'):
        path.write_text(f'{{"cues": [{{"start_ms": 0, "end_ms": 9, "text": {text}}}]}}')
        with pytest.raises(StoreError, match="cue 1 has no text"):
            read_script(path)


def test_a_text_with_blank_lines_or_without_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text(
        "1\n00:00:00 --> 00:00:02\nA red square\n\nturns to the left.\n2\n00:00:02,300 --> 00:00:05,000\n\nIt stops."
    )
    assert [line.text for line in read_script(path).lines] == ["A red square turns to the left.", "It stops."]


def test_a_guessed_encoding_is_said_and_lost_letters_are_refused(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("in,out,text\n00:00:01.500,00:00:03.000,Žena otevírá dveře.\n".encode("cp1250"))
    plan = plan_import(store, path)
    assert any(change.after and change.after.text == "Žena otevírá dveře." for change in plan.changes)
    assert any("cp1250, which is a guess" in note for note in plan.notes)
    assert not any("guess" in note for note in plan_import(store, path, encoding="cp1250").notes)
    with pytest.raises(StoreError, match=r"cannot be read as cp932.* encoding"):
        plan_import(store, path, encoding="cp932")
    path.write_text("in,out,text\n00:00:01.500,00:00:03.000,\ufffdena otev\ufffdr\ufffd.\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"3 letters that cannot be read.*line 2.*--encoding"):
        plan_import(store, path)


@pytest.mark.parametrize("name", ["a.csv", "a.srt"])
def test_frames_are_read_by_the_films_rate(name: str, store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / name
    rows = {"a.csv": "TC IN,TC OUT,Description\n00:00:01:12,00:00:03:00,She opens.\n"}
    path.write_text(rows.get(name, "1\n00:00:01:12 --> 00:00:03:00\nShe opens.\n"))
    with pytest.raises(StoreError, match=r"00:00:01:12' counts frames, and their rate is not known.*--frame-rate"):
        plan_import(store, path)
    film = store.bound_film()
    store.bind_film(replace(film, facts={**film.facts, "frame_rate": 25.0}))
    line = plan_import(store, path).steps[0].line
    assert line is not None
    assert line.span == Span(1480, 3000)
    assert not any("frames" in note for note in plan_import(store, path).notes)
    with pytest.raises(StoreError, match=r"00:00:01:12' does not exist at 10 frames a second; `calvin import --frame"):
        plan_import(store, path, rate="10")


@pytest.mark.parametrize(("frame", "rate", "ms"), [(12, 25, 1480), (25, 30, 1833), (49, 50, 1980), (9, 10, 1900)])
def test_a_copy_with_fewer_frames_takes_a_script_that_counts_more(
    frame: int, rate: int, ms: int, store: ProjectStore, tmp_path: Path
) -> None:
    film = store.bound_film()
    store.bind_film(replace(film, facts={**film.facts, "frame_rate": 10.0}))
    path = tmp_path / "a.csv"
    path.write_text(f"TC IN,TC OUT,Description\n00:00:01:{frame:02},00:00:03:00,She opens.\n")
    plan = plan_import(store, path)
    line = plan.steps[0].line
    assert line is not None
    assert line.span == Span(ms, 3000)
    told = [note for note in plan.notes if "with 10 a second" in note]
    assert [f"read at {rate} a second" in note for note in told] == [True] * (rate != 10)


def test_frames_that_no_rate_has_are_refused(store: ProjectStore, tmp_path: Path) -> None:
    film = store.bound_film()
    store.bind_film(replace(film, facts={**film.facts, "frame_rate": 10.0}))
    path = tmp_path / "a.csv"
    path.write_text("TC IN,TC OUT,Description\n00:00:01:75,00:00:03:00,She opens.\n")
    with pytest.raises(StoreError, match=r"00:00:01:75' does not exist at 10 frames a second"):
        plan_import(store, path)
