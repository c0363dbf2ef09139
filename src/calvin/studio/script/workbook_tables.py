"""The tables of a workbook (.xlsx): its cells as text, as they would stand in CSV."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any

from calvin.core.errors import DataError, UsageError
from calvin.core.text_tables import listed
from calvin.core.time import format_timecode
from calvin.studio.script.script_tables import HEADED_WITHIN, TIMES, SheetTable, heading_of, script_columns
from calvin.studio.script.writers import optional

_DAY_MS = 86_400_000
_FIRST_YEARS = 1900
"""Spreadsheets begin to count days at the end of 1899: a time of more than 24 hours is a date of then."""


def workbook_tables(data: bytes, language: str = "", sheet: str | None = None) -> tuple[list[SheetTable], list[str]]:
    """The script in a workbook, and sentences on how it was read.

    Formulas count by the values that they had when the workbook was saved.

    Raises:
        DataError: a cell has no value that can be read, or cells are merged so that rows share them.
        UsageError: no sheet, or several sheets hold a script, or not the one named.
        MissingExtraError: openpyxl is not installed.
    """
    openpyxl = optional("openpyxl", "Reading a workbook")
    book = openpyxl.load_workbook(io.BytesIO(data), keep_links=False)
    headed = {one.title: found for one in book.worksheets if (found := _headed(one, language)) is not None}
    chosen = _chosen(book, headed, sheet)
    formulas = [at for at, cell in _cells(chosen).items() if cell.data_type == "f"]
    values = openpyxl.load_workbook(io.BytesIO(data), keep_links=False, data_only=True) if formulas else book
    table = _Sheet(chosen, values[chosen.title], headed[chosen.title], language)
    return [table.read()], table.notes


def _chosen(book: Any, headed: Mapping[str, int], wanted: str | None) -> Any:
    """The sheet to read."""
    names = ", ".join(one.title for one in book.worksheets)
    if wanted is not None:
        title = next((title for title in headed if title.strip().lower() == wanted.strip().lower()), None)
        if title is None:
            there = wanted.strip().lower() in (one.title.strip().lower() for one in book.worksheets)
            why = "holds no table with columns such as `in`, `out` and `text`" if there else "is not there"
            raise UsageError(f"The sheet {wanted!r} {why}: the workbook has {names}.")
        return book[title]
    shown = [title for title in headed if book[title].sheet_state == "visible"] or list(headed)
    if not shown:
        raise DataError("no sheet of it has a heading with columns such as `in`, `out` and `text`")
    if len(shown) > 1:
        raise UsageError(
            f"The workbook has {len(shown)} sheets with a script: name one of {', '.join(shown)} by --sheet."
        )
    return book[shown[0]]


def _cells(sheet: Any) -> dict[tuple[int, int], Any]:
    # All that is there. What openpyxl offers makes every cell of a rectangle, and a sheet may say that it has a million
    # rows because somebody coloured a column.
    cells: dict[tuple[int, int], Any] = sheet._cells
    return cells


def _rows(sheet: Any) -> dict[int, dict[int, Any]]:
    rows: dict[int, dict[int, Any]] = {}
    for (row, column), cell in sorted(_cells(sheet).items()):
        if cell.value is not None:
            rows.setdefault(row, {})[column] = cell
    return rows


def _headed(sheet: Any, language: str) -> int | None:
    """The row of a sheet that is the heading of a script."""
    for row, cells in islice(_rows(sheet).items(), HEADED_WITHIN):
        if script_columns(_heading(cells), language):
            return row
    return None


def _heading(cells: Mapping[int, Any]) -> list[str]:
    return heading_of([str(cells[at].value) if at in cells else "" for at in range(1, max(cells, default=0) + 1)])


class _Sheet:
    """A sheet that holds a script; `values` is the same one with what its formulas came to."""

    def __init__(self, sheet: Any, values: Any, headed: int, language: str) -> None:
        self.sheet, self.headed = sheet, headed
        self.rows = {row: cells for row, cells in _rows(sheet).items() if row >= headed}
        self.values = _cells(values)
        self.heading = _heading(self.rows[headed])
        # Columns are counted from 1.
        self.keys = {at + 1: key for key, at in script_columns(self.heading, language).items() if at >= 0}
        self.computed: list[str] = []
        self.notes: list[str] = []

    def read(self) -> SheetTable:
        self._check_merged()
        rows = []
        for row, cells in self.rows.items():
            if row > self.headed:
                where = f"row {row}"
                rows.append((where, [self._text(where, at, cells.get(at)) for at in range(1, len(self.heading) + 1)]))
        hidden = [f"row {row}" for row in self.rows if (at := self.sheet.row_dimensions.get(row)) and at.hidden]
        if hidden:
            self.notes.append(f"Rows that the workbook hides were read as well: {listed(hidden)}.")
        if self.computed:
            self.notes.append(
                f"Formulas count by the values they had when the workbook was saved: {listed(self.computed)}."
            )
        return SheetTable(self.heading, rows)

    def _check_merged(self) -> None:
        for merged in self.sheet.merged_cells.ranges:
            known = [at for at in range(merged.min_col, merged.max_col + 1) if at in self.keys]
            filled = merged.max_row > self.headed and merged.min_row in self.rows
            if filled and known and (len(known) > 1 or merged.max_row > merged.min_row):
                raise DataError(f"the cells {merged.coord} are merged: part them, so that each row has its own")

    def _text(self, where: str, at: int, cell: Any) -> str:
        """A cell as it would stand in CSV; of columns that are not read, nothing."""
        key = self.keys.get(at)
        if cell is None or key is None:
            return ""
        name = f"{where}: `{self.heading[at - 1]}`"
        value = cell.value
        if cell.data_type == "f":
            self.computed.append(cell.coordinate)
            found = self.values.get((cell.row, cell.column))
            value = None if found is None else found.value
            if value is None:
                raise DataError(
                    f"{name} is a formula whose value the workbook does not hold: save it in a spreadsheet, or "
                    "write the value"
                )
        if isinstance(value, str):
            if cell.data_type == "e" or (cell.data_type == "f" and value.startswith("#")):
                raise DataError(f"{name} is {value}, an error of the spreadsheet: write the value")
            return value
        return _time(value, name) if key in TIMES else _plain(value, name)


def _time(value: object, name: str) -> str:
    """A time of a spreadsheet as a time code; numbers as they are.

    Raises:
        DataError: it is a date.
    """
    if isinstance(value, datetime):
        if value.year > _FIRST_YEARS:
            if value.time() == time():
                raise DataError(
                    f"{name} is the date {value:%Y-%m-%d} and no time: write it as text, such as 00:03:10.000"
                )
            value = value.time()  # as of a time with a date in CSV
        else:
            from openpyxl.utils.datetime import to_excel

            return format_timecode(round(to_excel(value) * _DAY_MS))
    if isinstance(value, time):
        value = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    if isinstance(value, timedelta):
        if value < timedelta():
            raise DataError(f"{name} is before 0: write a time such as 00:03:10.000")
        return format_timecode(round(value / timedelta(milliseconds=1)))
    return _plain(value, name)


def _plain(value: object, name: str) -> str:
    if isinstance(value, date | time | timedelta):  # a datetime is a date
        raise DataError(f"{name} is a date or a time to the workbook ({value}): write it as text")
    if isinstance(value, bool):
        return str(value).upper()
    return repr(value) if isinstance(value, float) else str(value)
