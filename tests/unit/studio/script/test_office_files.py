"""Workbooks and documents: written for narrators, read by other programs' libraries, edited, and read back."""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from docx.oxml.ns import qn

from calvin.core.errors import CalvinError, MissingExtraError, StoreError, UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, CueKind, Place, Script, Status
from calvin.media.timecode import FrameCount, Programme
from calvin.studio.project.comments import Comment
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import Origin
from calvin.studio.project.store import ProjectStore
from calvin.studio.script import office_tables
from calvin.studio.script.human_words import apply_plan, plan_import
from calvin.studio.script.script_files import export_script, renew_exports
from calvin.studio.script.script_lines import read_script
from calvin.studio.script.writers import WRITERS, OpenPlace, Provenance, find_writers, printable

OFFICE = ("xlsx", "docx")
TEXTS = ["Mara, in a red coat, waves.", "Ben & Ada — “hé!”", "=1+1", "12:30", "'3.10", "+ <b> -->"]


def cue(text: str, start: int = 1500, number: int = 1, **more: Any) -> Cue:
    return Cue(str(number), Span(start, start + 2750), text, Span(0, start + 3000), start, **more)


SCRIPT = Script("A Film", tuple(cue(text, 1500 + at * 150_000, at) for at, text in enumerate(TEXTS)), "de")


def content(name: str, script: Script = SCRIPT, provenance: Provenance | None = None) -> bytes:
    return WRITERS[name].writer.content(script, provenance or Provenance())


def sheet_rows(data: bytes) -> list[dict[str, Any]]:
    [sheet] = openpyxl.load_workbook(io.BytesIO(data)).worksheets
    heading, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def table_rows(data: bytes) -> list[dict[str, Any]]:
    rows = []
    for table in docx.Document(io.BytesIO(data)).tables:
        heading, *others = [[cell.text for cell in row.cells] for row in table.rows]
        rows += [dict(zip(heading, row, strict=True)) for row in others]
    return rows


READ = {"xlsx": sheet_rows, "docx": table_rows}


@pytest.mark.parametrize("name", OFFICE)
def test_another_program_finds_the_same_times_and_texts(name: str) -> None:
    about = Provenance(rooms={"0": 2750, "1": 900}, said_as={"Ada": "Aida", "Mara": "Mahra", "Bo": "Boh"}, rate=120)
    rows = READ[name](content(name, SCRIPT, about))
    assert [(row["In"], row["Out"]) for row in rows[:2]] == [
        ("00:00:01.500", "00:00:04.250"),
        ("00:02:31.500", "00:02:34.250"),
    ]
    # An apostrophe before what a spreadsheet would take for a number is doubled, since one is left out.
    assert [row["Text"] for row in rows] == [text if text != "'3.10" else "''3.10" for text in TEXTS]
    assert [str(row["No."]) for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert [row["Pronunciation"] or "" for row in rows[:3]] == ["Mara: Mahra", "Ada: Aida", ""]
    assert [str(row["Room (s)"] or "") for row in rows[:3]] == ["2.8", "0.9", ""]
    # 120 words a minute are two a second, and fewer of German ones.
    assert [str(row["Room (words)"] or "0") for row in rows[:2]] == ["4", "1"]


@pytest.mark.parametrize("name", OFFICE)
def test_times_count_frames_where_that_is_asked(name: str, tmp_path: Path) -> None:
    about = Provenance(programme=Programme(FrameCount.named("25"), "10:00:00:00"))
    data = content(name, SCRIPT, about)
    assert [row["In"] for row in READ[name](data)[:2]] == ["10:00:01:13", "10:02:31:13"]
    (tmp_path / "a").write_bytes(data)
    found = read_script(tmp_path / "a", film_rate=25)
    assert found.lines[0].span == Span(36_001_520, 36_004_240)
    assert found.frames == FrameCount.named("25")


def test_a_workbook_reads_well() -> None:
    [sheet] = openpyxl.load_workbook(io.BytesIO(content("xlsx"))).worksheets
    assert (sheet.freeze_panes, sheet.print_title_rows) == ("A2", "$1:$1")
    assert [table.ref for table in sheet.tables.values()] == ["A1:L7"]
    assert {sheet.cell(row, 3).number_format for row in range(2, 8)} == {"@"}
    formula = sheet.cell(4, 5)
    assert (formula.value, formula.data_type, formula.quotePrefix) == ("=1+1", "s", True)
    book = openpyxl.load_workbook(io.BytesIO(content("xlsx", SCRIPT, Provenance(origin=Origin(6, 6, 2, model="m")))))
    assert (book.properties.title, book.properties.language) == ("A Film", "de")
    assert "words of 6 of 6 cues by a language model (m)" in book.properties.description


def test_a_document_can_be_read_by_ear() -> None:
    document = docx.Document(io.BytesIO(content("docx", SCRIPT, Provenance(origin=Origin(6, 6, 2)))))
    headings = [(one.style.name, one.text) for one in document.paragraphs if one.style.name.startswith("Heading")]
    stretches = ["00:00:00 to 00:05:00", "00:05:00 to 00:10:00", "00:10:00 to 00:15:00"]
    assert headings == [("Heading 1", "A Film"), *(("Heading 2", one) for one in stretches)]
    about = document.core_properties
    assert (about.title, about.language) == ("A Film", "de")
    assert about.keywords.endswith("/trainedAlgorithmicMedia")
    assert [one.get(qn("w:val")) for one in document.styles.element.iter(qn("w:lang"))] == ["de-DE"]
    for table in document.tables:
        marked = [row._tr.trPr.find(qn("w:tblHeader")) is not None for row in table.rows]
        assert marked == [True] + [False] * (len(table.rows) - 1)
        assert table._tbl.tblPr.find(qn("w:tblDescription")).get(qn("w:val")).startswith("Descriptions, 00:")
    # What is in English says so, and the text is in the language of the document.
    spoken = {"Text", "Pronunciation"}
    for heading, cell in zip(document.tables[0].rows[0].cells, document.tables[0].rows[1].cells, strict=True):
        said = [one.get(qn("w:val")) for one in cell._tc.iter(qn("w:lang"))]
        assert said == ([] if heading.text in spoken else ["en-US"]), heading.text


@pytest.mark.parametrize("name", OFFICE)
def test_the_same_script_is_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = content(name)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    assert content(name) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert b"dcterms:modified" not in archive.read("docProps/core.xml")


WILD = [
    *TEXTS,
    *(f"{first}x" for first in "'=+-@\t#*|;,\"<>&{}\u2028\ufeff\u200f\u00ad\u200c\ud800\ufffe\x00\x0b\x7f\x85"),
    *("TRUE", "1e5", "May 1945", "_x0041_", "%d", "a  b", " ", "\n", "\U0001f600", "שלום", "हिन्दी", "x" * 2000),
]


@pytest.mark.parametrize("name", OFFICE)
def test_what_comes_back_is_what_was_written(name: str, tmp_path: Path) -> None:
    cues = tuple(cue(text, 359_000_000 - at * 7001, at, status=list(Status)[at % 3]) for at, text in enumerate(WILD))
    wanted = [(c.id, c.span, printable(c.text), c.status) for c in cues if printable(c.text)]
    (tmp_path / name).write_bytes(content(name, Script("T\x00itle " * 60, cues)))
    found = [(line.cue_id, line.span, line.text, line.status) for line in read_script(tmp_path / name).lines]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    (tmp_path / name).write_bytes(content(name, Script("", ())))
    with pytest.raises(CalvinError):
        read_script(tmp_path / name)


def test_all_that_a_table_tells_comes_with_it() -> None:
    place = OpenPlace(Place(Span(20_000, 23_000), Span(20_000, 24_000), 20_500, 4), "s.jpg", "Mind the gap.")
    about = Provenance(
        open=(place,),
        comments={"cue-0": [Comment(1, "0", "Which coat?", "2026-01-01", 1500)]},
        own_voices={"0": "recorded"},
    )
    for name in OFFICE:
        first, second, *_ = READ[name](content(name, SCRIPT, about))
        assert first["Comments"] == "Which coat?"
        assert (second["ID"], second["Text"] or "", second["Said before"]) == ("place-4", "", "Mind the gap.")
    assert sheet_rows(content("xlsx", SCRIPT, about))[0]["Voice"] == "recorded"


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    project = ProjectStore(tmp_path / "p", create=True)
    project.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 97_000, {"frame_rate": 25.0}))
    for at, text in ((5480, "A woman opens the door."), (21_000, "She waits."), (61_000, "She sits down.")):
        span = Span(at, at + 2000)
        project.add_cue(Cue("", span, text, span, at, Author.MODEL, Status.DRAFT, kind=CueKind.TEXT))
    return project


def edited_xlsx(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    sheet = book.active
    columns = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, columns["Text"]).value = "A woman shuts the door."
    sheet.cell(3, columns["Status"]).value = "approved"
    sheet.cell(4, columns["In"]).value = "00:01:01.500"
    book.save(path)


def edited_docx(path: Path) -> None:
    document = docx.Document(path)
    table = document.tables[0]
    columns = {cell.text: at for at, cell in enumerate(table.rows[0].cells)}
    table.rows[1].cells[columns["Text"]].text = "A woman shuts the door."
    table.rows[2].cells[columns["Status"]].text = "approved"
    table.rows[3].cells[columns["In"]].text = "00:01:01.500"
    document.save(path)


@pytest.mark.parametrize(("name", "edit"), [("xlsx", edited_xlsx), ("docx", edited_docx)])
def test_edits_and_approvals_come_in_as_from_csv(name: str, edit: Callable[[Path], None], store: ProjectStore) -> None:
    [path] = export_script(store, find_writers([name])).files
    assert not plan_import(store, path).changes, "what was exported changes nothing"
    edit(path)
    apply_plan(store, plan_import(store, path))
    first, second, third = store.cues
    assert (first.text, first.author, first.status) == ("A woman shuts the door.", Author.HUMAN, Status.APPROVED)
    assert (second.author, second.status) == (Author.MODEL, Status.APPROVED)
    assert (third.span.start_ms, third.status) == (61_500, Status.DRAFT)
    assert {one.kind for one in store.cues} == {CueKind.TEXT}
    # The export was renewed, because the import has read it, and it is not renewed again.
    assert not plan_import(store, path).changes
    before = path.stat().st_mtime_ns
    assert renew_exports(store).files == ()
    assert path.stat().st_mtime_ns == before


def test_an_export_edited_elsewhere_is_kept(store: ProjectStore) -> None:
    [path] = export_script(store, find_writers(["xlsx"])).files
    edited_xlsx(path)
    said = export_script(store, find_writers(["xlsx"])).notes
    assert any(f"kept as {path.stem}.kept-1.xlsx: `calvin import` reads it" in note for note in said)


def test_without_the_packages_a_sentence_names_them(
    store: ProjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [path] = export_script(store, find_writers(["xlsx"])).files
    for module in ("openpyxl", "docx", "opentimelineio"):
        monkeypatch.setitem(sys.modules, module, None)
    for name in (*OFFICE, "otio", "edl", "fcpxml"):
        with pytest.raises(
            MissingExtraError, match=rf"format {name} needs .* run `pip install 'calvin-ad\[exchange\]'`"
        ):
            find_writers([name])
    with pytest.raises(MissingExtraError, match="Reading a workbook needs"):
        read_script(path)
    # An edit is kept although the workbook cannot be renewed.
    said = renew_exports(store).notes
    assert [note for note in said if note.startswith(f"{path.name} is as it was: The format xlsx needs")]


# Workbooks of other people.


def book(tmp_path: Path, rows: list[list[Any]], change: Callable[[Any], None] | None = None) -> Path:
    workbook = openpyxl.Workbook()
    for row in rows:
        workbook.active.append(row)
    if change:
        change(workbook)
    workbook.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


HEADING = ["TC In", "TC Out", "Script (en)"]
ROW = ["00:00:05.000", "00:00:07.000", "A hand."]


def test_a_heading_may_stand_below_other_rows(tmp_path: Path) -> None:
    path = book(tmp_path, [["The Film, reel 1"], [], ["", "Describer:", "Mara"], HEADING, ROW])
    assert [(line.span, line.text, line.where) for line in read_script(path).lines] == [
        (Span(5000, 7000), "A hand.", "row 5")
    ]


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (time(0, 0, 5), time(0, 0, 7)),
        (timedelta(seconds=5), timedelta(seconds=7)),
        (5 / 86_400, 7 / 86_400),
        (5, 7.0),
        (datetime(2026, 5, 3, 0, 0, 5), datetime(2026, 5, 3, 0, 0, 7)),
        ("0:05.0", "0:07.0"),
    ],
)
def test_times_as_spreadsheets_keep_them(start: Any, end: Any, tmp_path: Path) -> None:
    path = book(tmp_path, [HEADING, [start, end, "A hand."]])
    assert [line.span for line in read_script(path).lines] == [Span(5000, 7000)]


def test_more_than_a_day_of_time_is_hours(tmp_path: Path) -> None:
    path = book(tmp_path, [HEADING, [timedelta(hours=25, milliseconds=40), timedelta(hours=25, seconds=2), "A hand."]])
    assert [line.span for line in read_script(path).lines] == [Span(90_000_040, 90_002_000)]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ([datetime(2026, 10, 3), ROW[1], "A hand."], "row 2: `tc in` is the date 2026-10-03 and no time"),
        ([*ROW[:2], datetime(1945, 5, 1)], "row 2: `script (en)` is a date or a time to the workbook"),
        (["=1/86400", ROW[1], "A hand."], "row 2: `tc in` is a formula whose value the workbook does not hold"),
        ([ROW[0], "soon", "A hand."], "row 2: 'soon' is not a time"),
    ],
)
def test_cells_that_cannot_be_meant_are_named(row: list[Any], problem: str, tmp_path: Path) -> None:
    path = book(tmp_path, [HEADING, row])
    with pytest.raises(StoreError, match=rf"cannot be imported: {re.escape(problem)}.*; nothing was changed\.$"):
        read_script(path)


def with_part(path: Path, name: str, change: Callable[[str], str]) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {one: archive.read(one) for one in archive.namelist()}
    parts[name] = change(parts[name].decode()).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, data in parts.items():
            archive.writestr(one, data)
    return path


def test_formulas_count_by_the_values_they_had(tmp_path: Path) -> None:
    path = book(tmp_path, [HEADING, ["=5/86400", ROW[1], "A hand."], [*ROW[:2], "=1/0"]])
    second = '<c r="A2"><f>5/86400</f><v>0.00005787037037</v></c>'
    with_part(path, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<c r="A2".*?</c>', second, xml))
    with pytest.raises(StoreError, match=r"row 3: `script \(en\)` is a formula whose value"):
        read_script(path)
    failed = '<c r="C3" t="e"><f>1/0</f><v>#DIV/0!</v></c>'
    with_part(path, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<c r="C3".*?</c>', failed, xml))
    with pytest.raises(StoreError, match=r"row 3: `script \(en\)` is #DIV/0!, an error of the spreadsheet"):
        read_script(path)
    said = '<c r="C3" t="str"><f>[1]Other!A1</f><v>A foot.</v></c>'
    with_part(path, "xl/worksheets/sheet1.xml", lambda xml: re.sub(r'<c r="C3".*?</c>', said, xml))
    found = read_script(path)
    assert [(line.span.start_ms, line.text) for line in found.lines] == [(5000, "A hand."), (5000, "A foot.")]
    assert found.notes == ("Formulas count by the values they had when the workbook was saved: A2, C3.",)


@pytest.mark.parametrize(("merged", "refused"), [("A2:A3", True), ("A2:B2", True), ("C3:D3", False), ("A1:C1", False)])
def test_merged_cells(merged: str, refused: bool, tmp_path: Path) -> None:
    rows = [["The Film"], HEADING, ROW, ["00:00:15.000", "00:00:17.000", "A foot."]]
    rows = rows if merged == "A1:C1" else rows[1:]
    path = book(tmp_path, rows, lambda workbook: workbook.active.merge_cells(merged))
    if refused:
        with pytest.raises(StoreError, match=f"the cells {merged} are merged: part them"):
            read_script(path)
    else:
        assert [line.text for line in read_script(path).lines] == ["A hand.", "A foot."]


def test_two_sheets_are_chosen_between(tmp_path: Path) -> None:
    def second(workbook: Any) -> None:
        workbook.active.title = "Reel 1"
        other = workbook.create_sheet("Reel 2")
        other.append(HEADING)
        other.append([*ROW[:2], "A foot."])
        workbook.create_sheet("Notes").append(["Thanks!"])

    path = book(tmp_path, [HEADING, ROW], second)
    with pytest.raises(UsageError, match=r"has 2 sheets with a script: name one of Reel 1, Reel 2 by --sheet\."):
        read_script(path)
    assert [line.text for line in read_script(path, sheet="reel 2").lines] == ["A foot."]
    with pytest.raises(UsageError, match=r"'Notes' holds no table with columns .*: the workbook has Reel 1, "):
        read_script(path, sheet="Notes")
    with pytest.raises(UsageError, match="The sheet 'Reel 3' is not there"):
        read_script(path, sheet="Reel 3")
    workbook = openpyxl.load_workbook(path)
    workbook["Reel 2"].sheet_state = "hidden"
    workbook.save(path)
    assert [line.text for line in read_script(path).lines] == ["A hand."]
    (tmp_path / "a.csv").write_text("in,out,text\n1,2,A hand.\n")
    with pytest.raises(UsageError, match="has no sheets, so leave --sheet out"):
        read_script(tmp_path / "a.csv", sheet="Reel 1")


def test_hidden_rows_are_read_and_told(tmp_path: Path) -> None:
    def hide(workbook: Any) -> None:
        workbook.active.row_dimensions[3].hidden = True

    found = read_script(book(tmp_path, [HEADING, ROW, ["00:00:15.000", "00:00:17.000", "A foot."]], hide))
    assert [line.text for line in found.lines] == ["A hand.", "A foot."]
    assert found.notes == ("Rows that the workbook hides were read as well: row 3.",)


def test_a_column_coloured_to_its_end_is_no_million_rows(tmp_path: Path) -> None:
    def colour(workbook: Any) -> None:
        workbook.active.cell(1_048_576, 16_000).number_format = "@"

    assert [line.text for line in read_script(book(tmp_path, [HEADING, ROW], colour)).lines] == ["A hand."]


# Documents of other people.


def document(tmp_path: Path, rows: list[list[str]], change: Callable[[Any], None] | None = None) -> Path:
    made = docx.Document()
    table = made.add_table(rows=0, cols=len(rows[0]))
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    if change:
        change(made)
    made.save(tmp_path / "a.docx")
    return tmp_path / "a.docx"


def test_tracked_changes_count_as_accepted(tmp_path: Path) -> None:
    def track(made: Any) -> None:
        [run] = made.tables[0].rows[1].cells[2].paragraphs[0].runs
        gone = run._r.makeelement(qn("w:del"), {})
        run._r.addprevious(gone)
        gone.append(run._r)
        run._r.find(qn("w:t")).tag = qn("w:delText")
        new = made.tables[0].rows[1].cells[2].paragraphs[0]
        new.add_run("A foot.")
        put = gone.makeelement(qn("w:ins"), {})
        new.runs[-1]._r.addprevious(put)
        put.append(new.runs[-1]._r)

    found = read_script(document(tmp_path, [HEADING, ROW], track))
    assert [line.text for line in found.lines] == ["A foot."]
    assert found.notes == ("Changes that the document tracks were taken as accepted.",)


def test_tables_that_are_no_script_are_told(tmp_path: Path) -> None:
    def more(made: Any) -> None:
        made.add_table(rows=1, cols=2).rows[0].cells[0].text = "Cast"

    found = read_script(document(tmp_path, [HEADING, ROW], more))
    assert [line.where for line in found.lines] == ["table 1, row 2"]
    assert found.notes == ("Tables without a heading such as `in`, `out` and `text` were left out: table 2.",)


def test_cells_of_a_document_that_rows_share_are_refused(tmp_path: Path) -> None:
    def merge(made: Any) -> None:
        made.tables[0].cell(1, 0).merge(made.tables[0].cell(2, 0))

    path = document(tmp_path, [HEADING, ROW, ["00:00:15.000", "00:00:17.000", "A foot."]], merge)
    with pytest.raises(StoreError, match="table 1, row 3 shares a cell with the row above it"):
        read_script(path)


def test_a_document_without_a_script(tmp_path: Path) -> None:
    path = document(tmp_path, [["Cast", "Role"], ["Mara", "Ada"]])
    with pytest.raises(StoreError, match="no table of it has a heading with columns such as"):
        read_script(path)
    with pytest.raises(StoreError, match="is a document, which has no sheets"):
        read_script(path, sheet="x")


# Files that mean harm, or are no script.


def archive_of(path: Path, **parts: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/").replace("_xml", ".xml"), data)
    return path


ENTITIES = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive_of(tmp_path / "a.xlsx", xl__workbook_xml=b" " * 21_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(StoreError, match=r"unpacks to 21 MB in 1 parts, more than the script of any film"):
        read_script(path)
    monkeypatch.setattr(office_tables, "_MAX_UNPACKED", 1_000_000)
    with pytest.raises(StoreError, match="unpacks to"):
        read_script(archive_of(tmp_path / "b.docx", word__document_xml=b"<a/>", word__media__1=b"\0" * 2_000_000))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(encoding: str, tmp_path: Path) -> None:
    for name in ("xl__worksheets__sheet1_xml", "word__document_xml"):
        path = archive_of(tmp_path / "a.xlsx", **{name: ENTITIES.encode(encoding)})
        with pytest.raises(StoreError, match="declares its own XML document type, which is refused"):
            read_script(path)


def test_what_is_no_script_of_an_office_program_is_told(tmp_path: Path) -> None:
    old = tmp_path / "a.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
    with pytest.raises(StoreError, match="protected by a password or of an office program from before 2007"):
        read_script(old)
    with pytest.raises(
        StoreError, match=r"no workbook or document that is read here: save it as \.xlsx, \.docx or CSV"
    ):
        read_script(archive_of(tmp_path / "a.zip", readme=b"x"))
    with pytest.raises(StoreError, match="is an OpenDocument file"):
        read_script(archive_of(tmp_path / "a.ods", mimetype=b"x", **{"META-INF__manifest_xml": b"<a/>"}))
    (tmp_path / "a.rtf").write_text(r"{\rtf1 Hello}")
    with pytest.raises(StoreError, match="is RTF, which is not imported"):
        read_script(tmp_path / "a.rtf")
    for name in OFFICE:
        whole = content(name)
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(StoreError, match="is damaged"):
            read_script(tmp_path / name)
    with pytest.raises(StoreError, match=r"is damaged \(\w+\), so the script in it cannot be read"):
        read_script(archive_of(tmp_path / "b.xlsx", xl__workbook_xml=b"<a/>"))
