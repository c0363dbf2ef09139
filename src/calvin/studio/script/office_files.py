"""Workbooks and documents of a script, for narrators and describers; `office_tables` reads both back.

Both are for people who read by screen reader too: a document has headings to go by, tables whose first row is marked as
their heading, and says its language and its title. Nothing is said by colour or place alone.
"""

from __future__ import annotations

import io
import re
import zipfile
from copy import deepcopy
from typing import Any

from calvin.core.types import Script
from calvin.media.languages import with_country
from calvin.studio.script.narrator_columns import NarratorScript, SheetColumn, SheetRow, Value, narrator_script
from calvin.studio.script.writers import Provenance, ScriptWriter, optional, printable

_STAMPS = re.compile(rb"<dcterms:(created|modified)\b[^>]*>[^<]*</dcterms:\1>")
_PROPERTY = 255
"""Letters that a property of a document may have."""
_LABELS = "en-US"
"""The language of headings and labels."""


class OfficeWriter(ScriptWriter):
    """Writes a file of an office program, by a module of the optional packages."""

    module: str

    def ready(self) -> None:
        optional(self.module, f"The format {self.name}")


class XlsxWriter(OfficeWriter):
    """A workbook with one sheet, whose times are text: no program makes other times of them."""

    name = "xlsx"
    suffix = ".xlsx"
    module = "openpyxl"

    def content(self, script: Script, provenance: Provenance) -> bytes:
        self.ready()
        from openpyxl import Workbook
        from openpyxl.worksheet.table import Table, TableStyleInfo

        shown = narrator_script(script, provenance)
        workbook = Workbook()
        about = workbook.properties
        about.title, about.language = shown.title, printable(script.language)
        about.creator, about.description = "calvin", " ".join(shown.about)
        sheet = workbook.active
        assert sheet is not None
        sheet.title = "Script"
        _fill(sheet, shown)
        sheet.freeze_panes = "A2"
        sheet.print_title_rows = "1:1"
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.fitToHeight = 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        if shown.rows:
            # Screen readers say the headings of a table with its cells.
            table = Table(displayName="Script", ref=sheet.dimensions)
            table.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=True)
            sheet.add_table(table)
        stream = io.BytesIO()
        workbook.save(stream)
        return steady(stream.getvalue())


def _fill(sheet: Any, shown: NarratorScript) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    top = Alignment(vertical="top", wrap_text=True)
    for at, column in enumerate(shown.columns, 1):
        sheet.column_dimensions[get_column_letter(at)].width = column.width
        heading = sheet.cell(1, at, column.heading)
        heading.font, heading.alignment = Font(bold=True), top
        for line, (number, row) in enumerate(shown.rows, 2):
            value = column.cell(number, row)
            if value in (None, ""):
                continue
            cell = sheet.cell(line, at)
            cell.alignment = top
            if isinstance(value, str):
                # Neither a formula nor a time, whatever it looks like and whoever types in it.
                cell.value, cell.data_type = value, "s"
                cell.number_format, cell.quotePrefix = "@", value[:1] in ("=", "+", "-", "@")
            else:
                cell.value = value


class DocxWriter(OfficeWriter):
    """A document with a heading and a table for every stretch of the film."""

    name = "docx"
    suffix = ".docx"
    module = "docx"

    def content(self, script: Script, provenance: Provenance) -> bytes:
        self.ready()
        from docx import Document
        from docx.enum.section import WD_ORIENT
        from docx.shared import Cm

        shown = narrator_script(script, provenance).brief()
        document = Document()
        about = document.core_properties
        about.title, about.language = shown.title[:_PROPERTY], printable(script.language)[:_PROPERTY]
        about.author, about.comments = "calvin", ""
        about.keywords = str(provenance.origin.as_json().get("digital_source_type", ""))
        language = with_country(script.language) or _LABELS
        _speak(document.styles.element, language)
        page = document.sections[0]
        page.orientation, page.page_width, page.page_height = WD_ORIENT.LANDSCAPE, Cm(29.7), Cm(21)
        page.left_margin = page.right_margin = Cm(1.5)
        document.add_heading(shown.title or "Audio description", 1)
        for sentence in shown.about:
            _in_english(document.add_paragraph(sentence))
        for heading, rows in shown.chapters():
            document.add_heading("", 2)
            _in_english(document.paragraphs[-1], heading)
            _table(document, shown.columns, rows, heading, 26.7)
        stream = io.BytesIO()
        document.save(stream)
        return steady(stream.getvalue())


def _speak(styles: Any, language: str) -> None:
    """Say the language of a document: that of whatever states no other."""
    from docx.oxml.ns import qn

    for element in styles.iter(qn("w:lang")):
        for side in ("w:val", "w:eastAsia", "w:bidi"):
            element.set(qn(side), language)


def _in_english(paragraph: Any, text: str = "") -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    if text:
        paragraph.add_run(text)
    for run in paragraph.runs:
        said = OxmlElement("w:lang")
        said.set(qn("w:val"), _LABELS)
        run._r.get_or_add_rPr().append(said)


def _table(
    document: Any, columns: tuple[SheetColumn, ...], rows: list[tuple[int, SheetRow]], about: str, wide_cm: float
) -> None:
    """A table whose first row is marked as its heading, and comes again on every page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.shared import Cm

    table = document.add_table(rows=2, cols=len(columns), style="Table Grid")
    table.autofit = False
    whole = sum(column.width for column in columns)
    for at, column in enumerate(columns):
        for cell in table.columns[at].cells:
            cell.width = Cm(wide_cm * column.width / whole)
            cell.paragraphs[0].paragraph_format.space_after = 0
        heading = table.rows[0].cells[at].paragraphs[0]
        heading.add_run(column.heading).bold = True
        _in_english(heading)
        body = table.rows[1].cells[at].paragraphs[0]
        body.add_run("-")
        if not column.spoken:
            _in_english(body)
    for row, marks in ((table.rows[0], ("w:cantSplit", "w:tblHeader")), (table.rows[1], ("w:cantSplit",))):
        for mark in marks:
            row._tr.get_or_add_trPr().append(OxmlElement(mark))
    for name in ("w:tblCaption", "w:tblDescription"):
        told = OxmlElement(name)
        told.set(qn("w:val"), f"Descriptions, {about}")
        table._tbl.tblPr.append(told)
    # Rows are copies of one: python-docx goes through the whole table for each cell that it is asked for.
    model = table.rows[1]._tr
    table._tbl.remove(model)
    for number, row in rows:
        copy = deepcopy(model)
        for told, column in zip(copy.iter(qn("w:t")), columns, strict=True):
            told.text = _as_text(column.cell(number, row))
        table._tbl.append(copy)


def _as_text(value: Value) -> str:
    return "" if value is None else str(value)


def steady(data: bytes) -> bytes:
    """A file of an office program without the times at which it was written: the same bytes for the same content."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as written, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as kept:
        for member in written.infolist():
            part = written.read(member)
            part = _STAMPS.sub(b"", part) if member.filename == "docProps/core.xml" else part
            kept.writestr(zipfile.ZipInfo(member.filename), part, zipfile.ZIP_DEFLATED)
    return stream.getvalue()
