"""Tables and counts as text.

In CSV, a cell that a spreadsheet would compute gets an apostrophe, and loses it when it is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence

from calvin.core.time import format_timecode

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def sheet_time(ms: int, stamp: Callable[[int], str] = format_timecode) -> str:
    """A time code that spreadsheets leave as it is: with the apostrophe they take it for text."""
    return f"'{stamp(ms)}"


_MONTH = (
    "(?:jan|ene|gen|feb|fév|mar|mär|apr|avr|abr|mai|may|mag|maj|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt|ott|out|"
    r"nov|dec|dez|déc|dic)\w*\.?"
)
_VALUE = re.compile(
    r"(?=.*\d)[\d\s.,:/%$€£¥+–-]{1,40}(?:[ap]\.?m\.?|e\+?\d+)?"
    rf"|(?:\d{{1,2}}\.? ?)?{_MONTH}(?:,? ?-?\d{{1,4}}){{1,2}}|\d{{1,2}}\.? ?{_MONTH}"
    "|true|false|wahr|falsch|vrai|faux|verdadero|falso|vero",
    re.IGNORECASE,
)
"""Texts that spreadsheets take for a number, a time, a date or a truth, and save as what that looks like."""


def sheet_text(text: str) -> str:
    """A text that spreadsheets leave as it is: "3.10", "12:30" and "May 1945" get an apostrophe."""
    return f"'{text}" if _VALUE.fullmatch(text.lstrip("'")) else text


def from_sheet(cell: str) -> str:
    """What `sheet_text` was given, or `guarded` after it."""
    cell = unguarded(cell)
    return cell[1:] if cell.startswith("'") and _VALUE.fullmatch(cell.lstrip("'")) else cell


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV table; all cells but numbers are guarded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([text if _NUMBER.fullmatch(text) else guarded(text) for text in map(str, row)] for row in rows)
    return stream.getvalue()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, without a line end after it."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(header)}", *lines[1:]])


def listed(names: Sequence[str]) -> str:
    """The first of some names, with a sign that there are more."""
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")


def counted(number: int, noun: str) -> str:
    """'1 line', '2 lines'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
