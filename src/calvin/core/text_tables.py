"""Tables and counts as text.

In CSV, a cell that a spreadsheet would compute gets an apostrophe, and loses it when it is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from calvin.core.time import format_timecode

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def sheet_time(ms: int) -> str:
    """A time code that spreadsheets leave as it is: they take it for text."""
    return f"'{format_timecode(ms)}"


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


def counted(number: int, noun: str) -> str:
    """'1 line', '2 lines'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
