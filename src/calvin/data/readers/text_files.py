"""Reading text as real files hold it: byte order marks, CRLF, bytes that are not UTF-8, stray quotes.

Tables come as rows by column name, JSON lines as dicts; what cannot be used is dropped and counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError
from calvin.core.prompts import clean_line
from calvin.data.samples import DUPLICATE, DropReport, printable

BAD_BYTES = "bytes that are not UTF-8"
STRAY_QUOTE = "stray quote"
NO_CHECKSUM = "reference without a checksum"
_JOIN_LIMIT = 50  # lines that a quoted field may run over


def clean_text(text: str, report: DropReport) -> str:
    """One line of text, with what cannot be encoded replaced by U+FFFD and counted."""
    text, count = printable(text)
    if count:
        report.repair(BAD_BYTES, text, count)
    return clean_line(text.replace("\0", " "))


def _decoded(path: Path) -> Iterator[str]:
    """Lines without their ends; undecodable bytes as lone surrogates, for `clean_text` to count."""
    try:
        # Only \n, \r\n and \r end a line, never U+2028 and its like.
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline=None) as stream:
            for line in stream:
                yield line.removesuffix("\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_json(path: str | Path, report: DropReport | None = None) -> Any:
    """A whole JSON file. Of a key given twice in one object the last value is taken, and `report` counts it.

    Raises:
        DataError: not there, or not JSON.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig", errors="surrogateescape")
        return json.loads(text, object_pairs_hook=partial(_object, report or DropReport()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not whole JSON: {error}.") from error


def _object(report: DropReport, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, value in pairs:
            if key in seen:
                report.repair(f"{DUPLICATE}, the last is taken", f"{key}: {value}")
            seen.add(key)
    return made


def read_jsonl(path: str | Path, report: DropReport) -> Iterator[dict[str, Any]]:
    """One JSON object per line; blank lines are skipped, broken ones dropped and counted.

    Raises:
        DataError: the file is not there, or no line of it is JSON.
    """
    good, first_error = 0, ""
    for line in _decoded(Path(path)):
        if not line.strip():
            continue
        report.read += 1
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            value, first_error = None, first_error or str(error)
        if isinstance(value, dict):
            good += 1
            yield value
        else:
            report.drop("line is not a JSON object", line)
    if not good and report.dropped:
        raise DataError(f"{path} holds no JSON object on any line: {first_error or 'other values'}.")


def read_table(path: str | Path, needed: Collection[Collection[str]], report: DropReport) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by column name, the names lower-cased.

    Args:
        needed: for each thing needed, the names its column may have.

    Raises:
        DataError: the file is empty, or a column is missing.
    """
    rows = Delimited(path, ",", report).rows()
    header = [name.strip().lower() for name in next(rows, [])]
    missing = ["/".join(names) for names in needed if not set(names) & set(header)]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(header) or 'none'}.")
    for row in rows:
        report.read += 1
        if len(row) != len(header):
            report.drop(f"row does not have the header's {len(header)} columns", ",".join(row))
            continue
        yield dict(zip(header, row, strict=True))


class Delimited:
    """Rows of a CSV or TSV file.

    A quote opens a field only at its start and closes it only before a delimiter or the line's end, so that quotes
    inside captions do no harm. A field may run over several lines; but where the line is a whole record with the
    quote taken literally, and so is a line that the field would swallow, the quote was stray.
    """

    def __init__(self, path: str | Path, delimiter: str, report: DropReport, columns: int | None = None) -> None:
        self.path = Path(path)
        self.delimiter = delimiter
        self.report = report
        self.columns = columns
        mark = re.escape(delimiter)
        self._field = re.compile(rf'"((?:[^"]+|""|"(?!{mark}|\Z))*+)"(?={mark}|\Z)|([^{mark}]*)')

    def rows(self) -> Iterator[list[str]]:
        """Fields of each record; blank lines are skipped."""
        waiting: list[str] = []
        lines = _decoded(self.path)
        while True:
            line = waiting.pop(0) if waiting else next(lines, None)
            if line is None:
                return
            if not line.strip():
                continue
            fields, is_open = self._split(line)
            if is_open:
                fields = self._continued(line, fields, waiting, lines)
            self.columns = self.columns or len(fields)
            yield fields

    def _continued(self, line: str, alone: list[str], waiting: list[str], lines: Iterator[str]) -> list[str]:
        """Fields of a record whose quote is still open at the end of `line`; takes up the lines it needs."""
        joined, used, whole = line, 0, len(alone) == self.columns
        while used < _JOIN_LIMIT:
            if used == len(waiting):
                further = next(lines, None)
                if further is None:
                    break
                waiting.append(further)
            further = waiting[used]
            used += 1
            if whole and len(self._split(further)[0]) == self.columns:
                break  # a record of its own: it must not be swallowed
            joined = f"{joined}\n{further}"
            fields, is_open = self._split(joined)
            if not is_open and (self.columns is None or len(fields) == self.columns):
                del waiting[:used]
                return fields
        self.report.repair(STRAY_QUOTE, line)
        return alone

    def _split(self, record: str) -> tuple[list[str], bool]:
        """Fields, and whether a quote that opened a field is never closed."""
        if '"' not in record:
            return record.split(self.delimiter), False
        fields: list[str] = []
        is_open, position = False, 0
        while True:
            match = self._field.match(record, position)
            assert match is not None  # the second alternative matches anything
            if match[1] is not None:
                fields.append(match[1].replace('""', '"'))
            else:
                fields.append(match[2])
                is_open = is_open or match[2].startswith('"')
            if match.end() >= len(record):
                return fields, is_open
            position = match.end() + 1
