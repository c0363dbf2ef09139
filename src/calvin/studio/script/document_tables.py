"""The tables of a document (.docx): their cells as text, with tracked changes taken as accepted."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from calvin.core.errors import DataError
from calvin.core.text_tables import listed
from calvin.studio.script.script_tables import SheetTable, heading_of, script_columns
from calvin.studio.script.writers import optional

_HEADED_WITHIN = 3
"""How many rows of a table are looked through for its heading."""
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TABLE, _ROW, _CELL, _PARAGRAPH, _TEXT = (f"{_W}{name}" for name in ("tbl", "tr", "tc", "p", "t"))
_GONE = (f"{_W}del", f"{_W}moveFrom")
_TRACKED = (*_GONE, f"{_W}ins", f"{_W}moveTo")
_SPACES = (f"{_W}tab", f"{_W}br", f"{_W}cr")
_MERGED = "\0merged"
"""What stands for a cell that belongs to the one above it; no text holds the first letter."""


def document_tables(data: bytes, language: str = "", _: str | None = None) -> tuple[list[SheetTable], list[str]]:
    """The tables of a document that hold a script, and sentences on how they were read.

    Raises:
        DataError: none does, or a cell reaches over several rows.
        MissingExtraError: python-docx is not installed.
    """
    docx = optional("docx", "Reading a document")
    body = docx.Document(io.BytesIO(data)).element.body
    tables, left_out = [], []
    for number, element in enumerate(_parts(body, _TABLE, _CELL), 1):
        rows = [list(_cells(row)) for row in _parts(element, _ROW, _CELL) if not _is_gone(row)]
        at = next((at for at, row in enumerate(rows[:_HEADED_WITHIN]) if _columns(row, language)), None)
        if at is None:
            left_out.append(f"table {number}")
        else:
            tables.append(_table(f"table {number}", rows, at, language))
    if not tables:
        raise DataError("no table of it has a heading with columns such as `in`, `out` and `text`")
    notes = []
    if left_out:
        notes.append(f"Tables without a heading such as `in`, `out` and `text` were left out: {listed(left_out)}.")
    if next(body.iter(*_TRACKED), None) is not None:
        notes.append("Changes that the document tracks were taken as accepted.")
    return tables, notes


def _columns(row: Sequence[str], language: str) -> dict[str, int]:
    return script_columns(heading_of(list(row)), language)


def _table(name: str, rows: list[list[str]], headed: int, language: str) -> SheetTable:
    heading = heading_of(rows[headed])
    known = _columns(rows[headed], language)
    read = []
    for number, cells in enumerate(rows[headed + 1 :], headed + 2):
        where = f"{name}, row {number}"
        cells = (cells + [""] * len(heading))[: len(heading)]
        if any(cells[at] == _MERGED for at in known.values() if at >= 0):
            raise DataError(f"{where} shares a cell with the row above it: part them, so that each row has its own")
        read.append((where, ["" if cell == _MERGED else cell for cell in cells]))
    return SheetTable(heading, read)


def _parts(element: Any, tag: str, around: str) -> Iterator[Any]:
    """The elements of a tag in another, but for those within a further cell."""
    for one in element.iter(tag):
        above = one.getparent()
        while above is not element and above.tag != around:
            above = above.getparent()
        if above is element:
            yield one


def _is_gone(row: Any) -> bool:
    """Whether a row was deleted while changes were tracked."""
    return row.find(f"{_W}trPr/{_W}del") is not None


def _cells(row: Any) -> Iterator[str]:
    """The text of each cell; one that takes several columns is followed by empty ones."""
    before = row.find(f"{_W}trPr/{_W}gridBefore")
    yield from [""] * (int(before.get(f"{_W}val")) if before is not None else 0)
    for cell in row.iter(_CELL):
        if next(cell.iterancestors(_ROW)) is not row:
            continue
        merged = cell.find(f"{_W}tcPr/{_W}vMerge")
        yield _MERGED if merged is not None and merged.get(f"{_W}val") != "restart" else _text(cell)
        span = cell.find(f"{_W}tcPr/{_W}gridSpan")
        yield from [""] * (int(span.get(f"{_W}val")) - 1 if span is not None else 0)


def _text(cell: Any) -> str:
    """A cell on one line. What python-docx gives leaves out what was written while changes were tracked."""
    return " ".join("".join(_letters(paragraph)) for paragraph in cell.iter(_PARAGRAPH)).strip()


def _letters(paragraph: Any) -> Iterator[str]:
    for one in paragraph.iter(_TEXT, *_SPACES):
        if next(one.iterancestors(_PARAGRAPH)) is paragraph and next(one.iterancestors(*_GONE), None) is None:
            yield (one.text or "") if one.tag == _TEXT else " "
