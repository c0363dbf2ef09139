"""Scripts in tables: CSV of calvin, of other tools, and as a spreadsheet leaves it.

Spreadsheets read times and write them as they show them: 01:12:16.650 becomes `12:16.7`, `01:12:16.65`, `1:12:16 AM` or
`0.0501927083` of a day, and where the comma is the decimal sign, semicolons part the cells. How finely a time is
written, and whether it has hours, therefore belongs to what is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from calvin.core.errors import ConfigError, DataError
from calvin.core.prompts import clean_line
from calvin.core.text_tables import from_sheet
from calvin.core.time import Span, parse_timecode, round_half_up, to_ms
from calvin.media.languages import language_tag
from calvin.media.timecode import FRAME_CODE, FrameCount
from calvin.media.timed_text import not_a_time

HOUR_MS = 3_600_000
_DAY_MS = 24 * HOUR_MS
_COLUMNS = {
    "id": ("id",),
    "in": (
        *("in", "start", "begin", "start time", "in time", "tc in", "timecode in", "start ms", "start tc", "in tc"),
        *("start timecode", "in timecode", "time code in", "in point", "in cue", "cue in", "time in", "timecode", "tc"),
        *("time code", "time", "cue point", "start point"),
        *("beginn", "anfang", "von", "startzeit", "début", "debut", "inicio", "início", "inizio", "tc début"),
    ),
    "out": (
        *("out", "end", "stop", "end time", "out time", "tc out", "timecode out", "end ms", "end tc", "out tc"),
        *("end timecode", "out timecode", "time code out", "out point", "out cue", "cue out", "time out", "end point"),
        *("ende", "bis", "endzeit", "fin", "fim", "final", "fine", "einde", "tc fin"),
    ),
    "text": (
        *("text", "description", "caption", "audio description", "narration", "content", "script", "ad script"),
        *("ad", "ad text", "description text", "narration text", "audio description text", "dialogue"),
        *(
            "beschreibung",
            "texte",
            "texto",
            "testo",
            "tekst",
            "descripción",
            "descrição",
            "descrizione",
            "audiodescription",
        ),
    ),
    "duration": ("duration", "length", "dur", "dauer", "durée", "duración", "durata"),
    "status": ("status",),
    "kind": ("kind",),
}
_NUMBER = re.compile(r"\d{1,6}(?:[.,](\d+))?(?:e([+-]?\d\d?))?", re.ASCII | re.IGNORECASE)
_TOLD = re.compile(r"(.*?)\s*(?:\((.*)\)|\[(.*)\])?")
"""The name of a column, and what stands after it in brackets."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?: (?:[a-z]{2,4}|\d{3}))?")
_NO_LANGUAGE = ("id", "no", "nr", "tc")
"""What stands behind the name of a column and means something else than Indonesian or Norwegian."""
_TOLD_MS = re.compile(r"(?:\b|_)ms\b|millisec")
_MS, _S = 1, 1000
_HALF_DAY = re.compile(r"(\d{1,2})(:\d.*?)\s*([ap])\.?m\.?", re.ASCII | re.IGNORECASE)
_SEPARATOR = re.compile(r'"?sep=(\W)"?[\s,;]*?(?:\n|\Z)', re.IGNORECASE)
HEADED_WITHIN = 20
"""How many lines are looked through for the heading."""
TIMES = ("in", "out", "duration")
"""The columns of times."""
_DATE = re.compile(r"(?:\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.]\d{2,4})[ T]+(?=\d+:)", re.ASCII)
"""The day on which a spreadsheet begins to count, such as 1899-12-30, before a time."""
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"(\d{1,3}(?:([., \u00a0\u202f'’])\d{3})(?:\2\d{3})*)(?!\2)[.,](\d+)", re.ASCII)
_MINUTES = re.compile(r"(\d{2,4}):(\d\d(?:[.,]\d+)?)", re.ASCII)
_DAY_DIGITS = 5
"""A fraction of a day with fewer decimals than this is off by more than a second."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row that is not empty. Times are off by less than `within_ms`, as finely as they are written."""

    where: str
    name: str
    span: Span
    text: str
    status: str
    kind: str
    within_ms: int
    no_hours: bool
    note: str = ""


def is_table(text: str) -> bool:
    """Whether the first line is the heading of a script."""
    heading, _ = _heading(text)
    return bool(script_columns(heading))


def read_table(text: str, count: FrameCount | None = None, language: str = "") -> Iterator[TableRow]:
    """The rows of a script in a table.

    A heading may say more in brackets, as in "Script (en)" and "In (HH:MM:SS:FF)".

    Args:
        count: of frames, by which times such as 00:00:01:12 are read.
        language: of the text to take, where there are several columns of it.

    Raises:
        DataError: no heading, a time that cannot be read, or a row without a cell for its text; the line is named.
        csv.Error: quotes that do not close.
    """
    heading, skipped = _heading(text)
    numbered = [(f"line {number}", cells) for number, cells in _numbered(text, skipped)]
    yield from read_rows(SheetTable(heading, numbered), count, language)


class SheetTable(NamedTuple):
    """A table: its heading, as `heading_of` gives it, and the cells of each row with its place."""

    heading: list[str]
    rows: list[tuple[str, list[str]]]

    def times(self) -> Iterator[str]:
        """The cells of its columns of times."""
        columns = script_columns(self.heading)
        wanted = [columns[key] for key in TIMES if columns.get(key, -1) >= 0]
        yield from (cells[at] for _, cells in self.rows for at in wanted if at < len(cells))


def read_rows(table: SheetTable, count: FrameCount | None = None, language: str = "") -> Iterator[TableRow]:
    """The rows of a script in a table; the arguments are those of `read_table`.

    Raises:
        DataError: no heading, a time that cannot be read, or a row without a cell for its text; the row is named.
    """
    heading = table.heading
    columns = script_columns(heading, language)
    if not columns:
        raise DataError("there is no heading with columns such as `in`, `out` and `text`")
    rows = [
        (where, *_cells(where, cells, heading, columns))
        for where, cells in table.rows
        if any(cell.strip() for cell in cells)
    ]
    numbers = _MS if _TOLD_MS.search(heading[columns["in"]]) else _S
    if numbers is _S and _in_days([cells[key] for _, cells, _ in rows for key in ("in", "out")]):
        numbers = _DAY_MS
    for where, cells, note in rows:
        span, within_ms, no_hours = _times(cells, numbers, count, where)
        text = clean_line(cells["text"])
        yield TableRow(where, cells["id"], span, text, cells["status"], cells["kind"], within_ms, no_hours, note)


def _heading(text: str) -> tuple[list[str], int]:
    """The names of the columns, and how many lines stand before the rows: Excel's `sep=;` and empty ones may come
    before them."""
    lines = text.split("\n", HEADED_WITHIN)[:HEADED_WITHIN]
    at = next((at for at, line in enumerate(lines) if line.strip(' "\t,;|') and not _SEPARATOR.match(line)), 0)
    names = next(csv.reader([lines[at]], delimiter=_delimiter(text)), [])
    return heading_of(names), at + 1


def heading_of(names: Sequence[str]) -> list[str]:
    """The names of columns as they are compared."""
    return [" ".join(name.lower().split()) for name in names]


def _delimiter(text: str) -> str:
    said = _SEPARATOR.match(text)
    lines = (line for line in text.split("\n", HEADED_WITHIN)[:HEADED_WITHIN] if line.strip(' "\t,;|'))
    return said[1] if said else max(",;\t|", key=next(lines, "").count)


def script_columns(heading: list[str], language: str = "") -> dict[str, int]:
    """Where each column that is known stands; empty where the heading is not that of a script.

    Raises:
        DataError: the text stands in several languages, and none of them is `language`.
    """
    parted = [_parted(name) for name in heading]
    bare = [name for name, _ in parted]
    found = {key: next((bare.index(name) for name in names if name in bare), -1) for key, names in _COLUMNS.items()}
    if found["in"] < 0 or found["text"] < 0:
        return {}
    word = bare[found["text"]]
    told = {more: at for at, (name, more) in enumerate(parted) if name == word}
    if len(told) > 1 and all(told) and language:
        wanted = language.lower()
        own = [name for name in told if name == wanted or name.split()[0] == wanted.split("-")[0]]
        if not own:
            raise DataError(f"its text stands in {', '.join(told)}: name one of them by `--language`")
        found["text"] = told[own[0]]
    return found


def _parted(heading: str) -> tuple[str, str]:
    """The name of a column, and what it tells beyond that: in brackets or, of a text, as a code of a language."""
    plain = " ".join(re.sub("[-_:|]", " ", heading).split())
    match = _TOLD.fullmatch(plain)
    name, more = (match[1].strip(), (match[2] or match[3] or "").strip()) if match else (plain, "")
    word = max((one for one in _COLUMNS["text"] if name.startswith(f"{one} ")), key=len, default="")
    behind = name.removeprefix(word).strip(" /.")
    if more or not word or name in _COLUMNS["text"] or not _LANGUAGE.fullmatch(behind) or behind in _NO_LANGUAGE:
        return name, more
    try:
        language_tag(behind.replace(" ", "-"))
    except ConfigError:
        return name, more
    return word, behind


def _numbered(text: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    rows = text.split("\n", skipped)[-1] if text.count("\n") >= skipped else ""
    reader = csv.reader(io.StringIO(rows), delimiter=_delimiter(text))
    for cells in reader:
        yield skipped + reader.line_num, cells


def _cells(where: str, cells: list[str], heading: list[str], columns: Mapping[str, int]) -> tuple[dict[str, str], str]:
    """The cells of a row by column, and what to say of it.

    What a row has too many is text with a comma and no quotes: taken together it is whole again.
    """
    while len(cells) > len(heading) and not cells[-1].strip():
        cells = cells[:-1]
    at, note = columns["text"], ""
    extra = len(cells) - len(heading)
    if extra > 0:
        whole = ",".join(cells[at : at + extra + 1])
        cells = [*cells[:at], whole, *cells[at + extra + 1 :]]
        note = f"{where} has more cells than the heading, so its text was taken to hold commas without quotes: {whole}"
    if at >= len(cells):
        raise DataError(f"{where} ends before its text: write all {len(heading)} cells of the heading")
    return {
        key: from_sheet(cells[i].strip()).strip() if 0 <= i < len(cells) else "" for key, i in columns.items()
    }, note


def _in_days(cells: list[str]) -> bool:
    """Whether numbers in the columns of times are fractions of a day, as spreadsheets keep times, and not seconds."""
    numbers = [number for cell in cells if (number := _NUMBER.fullmatch(_bare(cell)))]
    fine = sum(_decimals(number) >= _DAY_DIGITS for number in numbers)
    # 100 hours, the longest that a film may be, are 4.2 days.
    return 2 * fine > len(numbers) and all(_value(number) < 5 for number in numbers)


def _bare(cell: str) -> str:
    """A cell of times as one time code where it is a date with a time, a duration, or minutes beyond an hour."""
    cell = _DATE.sub("", cell.strip("'‘’´` \u00a0"))
    said = _DURATION.fullmatch(cell) if len(cell) > 2 else None
    if said:
        return f"{int(said[1] or 0)}:{int(said[2] or 0):02d}:{(said[3] or '0').zfill(2)}"
    if grouped := _THOUSANDS.fullmatch(cell):
        return f"{re.sub(r'[^0-9]', '', grouped[1])}.{grouped[3]}"
    long = _MINUTES.fullmatch(cell)
    return f"{int(long[1]) // 60}:{int(long[1]) % 60:02d}:{long[2]}" if long and int(long[1]) > 59 else cell


def _decimals(number: re.Match[str]) -> int:
    return max(0, len(number[1] or "") - int(number[2] or 0))


def _value(number: re.Match[str]) -> float:
    return float(number[0].replace(",", "."))


def _times(cells: Mapping[str, str], numbers: int, count: FrameCount | None, where: str) -> tuple[Span, int, bool]:
    """The span of a row, how far it may be off as it is written, and whether its times lack the hours."""
    try:
        first, within, short = _time(cells["in"], numbers, count)
        if not cells["out"] and cells["duration"]:
            lasts, other, _ = _time(cells["duration"], numbers, count)
            return Span(first, first + lasts), max(within, other), short
        last, other, also_short = _time(cells["out"] or cells["in"], numbers, count)
        if short and also_short and last < first:
            last += HOUR_MS  # from 59:59.9 to 00:02.0
        return Span(first, last), max(within, other), short and also_short
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _time(text: str, numbers: int, count: FrameCount | None) -> tuple[int, int, bool]:
    """A time code, or a number of so many ms each, in ms; the unit of its last digit; whether it has no hours."""
    text = _bare(text)
    half, number = _HALF_DAY.fullmatch(text), _NUMBER.fullmatch(text)
    if FRAME_CODE.fullmatch(text):
        if count is None:
            raise DataError(not_a_time(text))
        try:
            return count.ms(text), int(500 / count.rate) + 1, False
        except DataError as error:
            raise DataError(not_a_time(text, count)) from error
    if number is None and text.count(":") > 2:
        raise DataError(not_a_time(text, count))
    if number is None:
        if half:
            text = f"{int(half[1]) % 12 + 12 * (half[3] in 'pP')}{half[2]}"
        digits = len(re.split(r"[.,]", f"{text}.")[1])
        return parse_timecode(text), int(1000 / 10 ** min(digits, 3)), text.count(":") == 1
    unit = 10 ** -min(_decimals(number), 12)
    if numbers == _DAY_MS:
        # One more for the binary fraction that the spreadsheet computes with.
        return round_half_up(_value(number) * _DAY_MS), int(_DAY_MS * unit) + 1, False
    return to_ms(_value(number) * numbers / _S), max(1, int(numbers * unit)), False
