"""Scripts back in: VTT, SRT, DAPT or other TTML, CSV and JSON, as calvin wrote them or as other tools do."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError, StoreError, SubtitleError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, parse_timecode, to_ms
from calvin.core.types import Status
from calvin.media.subtitles import MAX_CUES, format_of, read_text, refuse_doctype
from calvin.studio.script.script_tables import is_table, read_table
from calvin.studio.script.ttml import read_ttml
from calvin.studio.script.writers import printable

_ID = re.compile(r"cue-([A-Za-z0-9_.-]+)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>")
_EXTENDED = "extended"

MAX_MS = 100 * 3_600_000
"""No film lasts longer."""


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of an edited script. `where` names the line to people; `cue_id`, `status` and the mark of a pause
    (`extended`) are None where the file does not carry them.

    Its times are off by less than `within_ms`, as finely as they are written, and may lack the hours (`no_hours`).
    `note` is what to say of how the line was read.
    """

    text: str
    span: Span
    where: str
    cue_id: str | None = None
    status: Status | None = None
    extended: bool | None = None
    within_ms: int = 1
    no_hours: bool = False
    note: str = ""


def read_script(path: str | Path, what: str = "script") -> list[ScriptLine]:
    """The lines of a script in time order; its format is told from its content.

    Args:
        what: what people call it, such as "corrections".

    Raises:
        StoreError: the file is not a script that can be read, or a line of it is wrong; the line is named.
    """
    source = Path(path)
    try:
        text, _ = read_text(source, what, "VTT, SRT, DAPT or CSV")
        text = text.removeprefix("\ufeff")
        kind = "json" if text.lstrip().startswith("{") else "csv" if is_table(text) else format_of(text) or "csv"
        if kind == "ttml":
            refuse_doctype(text, source)
    except SubtitleError as error:
        raise StoreError(str(error)) from error
    reader = _READERS.get(kind)
    if reader is None:
        raise StoreError(f"{source} is {kind.upper()}, which is not imported: save it as VTT, SRT, DAPT or CSV.")
    try:
        lines = list(reader(text))
    except RecursionError as error:
        raise StoreError(f"{source} is nested too deeply to be a script.") from error
    except (DataError, ValueError, csv.Error) as error:
        raise refusal(source, str(error)) from error
    if not lines:
        raise StoreError(f"{source} holds no lines of a script: give VTT, SRT, DAPT or CSV with times and text.")
    late = next((line for line in lines if line.span.end_ms > MAX_MS), None)
    if late is not None:
        raise refusal(source, f"{late.where} ends after 100 hours")
    if len(lines) > MAX_CUES:
        raise StoreError(f"{source} holds more than {MAX_CUES} lines, more than the script of any film.")
    return sorted(lines, key=lambda line: line.span)


def refusal(name: str | Path, problem: str) -> StoreError:
    """The one sentence in which a person's words are refused; `name` is what people call them."""
    return StoreError(f"{name} cannot be imported: {problem.rstrip('.')}; nothing was changed.")


def _vtt(text: str) -> Iterator[ScriptLine]:
    for number, name, span, said in _blocks(text):
        yield ScriptLine(html.unescape(_TAG.sub("", said)), span, f"line {number}", _own_id(name))


def _srt(text: str) -> Iterator[ScriptLine]:
    # Its numbers are counted anew by every editor, so they name nothing.
    for number, _, span, said in _blocks(text):
        yield ScriptLine(_TAG.sub("", said), span, f"line {number}")


def _blocks(text: str) -> Iterator[tuple[int, str, Span, str]]:
    """Line number, name, times and text of each cue of VTT or SRT."""
    lines = text.split("\n")
    timed = [i for i, line in enumerate(lines) if "-->" in line]
    for at, following in pairwise([*timed, len(lines) + 1]):
        start, _, rest = lines[at].partition("-->")
        end = (rest.split() or [""])[0]
        span = _span(start, end, f"line {at + 1}")
        said: list[str] = []
        for line in lines[at + 1 : following]:
            if not line.strip():
                break
            said.append(line)
        yield at + 1, lines[at - 1].strip() if at else "", span, clean_line(" ".join(said))


def _csv(text: str) -> Iterator[ScriptLine]:
    for row in read_table(text):
        status, extended = _status(row.status, row.where)
        yield ScriptLine(
            row.text, row.span, row.where, _own_id(row.name), status, extended, row.within_ms, row.no_hours, row.note
        )


def _json(text: str) -> Iterator[ScriptLine]:
    document = json.loads(text)
    cues = document.get("cues") if isinstance(document, dict) else None
    if not isinstance(cues, list) or not all(isinstance(cue, dict) for cue in cues):
        raise DataError("it is not a calvin script")
    for number, cue in enumerate(cues, start=1):
        yield _from_json(cue, f"cue {number}")


def _from_json(cue: Mapping[str, Any], where: str) -> ScriptLine:
    start, end, name, text = cue.get("start_ms"), cue.get("end_ms"), cue.get("id"), cue.get("text")
    if not isinstance(start, int) or not isinstance(end, int):
        raise DataError(f"{where} has no start_ms and end_ms")
    if not isinstance(text, str):
        raise DataError(f'{where} has no text: write "" to take the cue out')
    status, _ = _status(str(cue.get("status") or ""), where)
    extended = cue.get("extended")
    if extended is not None and not isinstance(extended, bool):
        raise DataError(f"{where}: extended is {extended!r}: write true or false")
    return ScriptLine(
        printable(text), Span(start, end), where, name if isinstance(name, str) else None, status, extended
    )


def _ttml(text: str) -> Iterator[ScriptLine]:
    for number, (name, span, said) in enumerate(read_ttml(text), start=1):
        yield ScriptLine(said, span, f"event {number}", _own_id(name))


_READERS: Mapping[str, Callable[[str], Iterator[ScriptLine]]] = {
    "vtt": _vtt,
    "srt": _srt,
    "csv": _csv,
    "json": _json,
    "ttml": _ttml,
}


def _own_id(name: str) -> str | None:
    """The cue that a name of calvin's own making means; other tools' numbers mean nothing here."""
    match = _ID.fullmatch(name)
    return match[1] if match else None


def _status(text: str, where: str) -> tuple[Status | None, bool | None]:
    """The status and the mark of a pause in words such as "draft, extended"; None for each where there are none."""
    words = re.split(r"[\s,;/+]+", text.strip().lower()) if text.strip() else []
    unknown = [word for word in words if word not in (*Status, _EXTENDED)]
    statuses = [Status(word) for word in words if word in tuple(Status)]
    if unknown or len(statuses) > 1:
        raise DataError(
            f"{where}: {text!r} is not a status: write draft or approved, with `, {_EXTENDED}` where the film is to "
            "pause, or leave it empty"
        )
    return (statuses[0] if statuses else None), (_EXTENDED in words if words else None)


def _span(start: str, end: str, where: str) -> Span:
    try:
        return Span(_time(start), _time(end))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _time(text: str) -> int:
    """A time code, or seconds."""
    text = text.strip()
    return to_ms(float(text.replace(",", "."))) if re.fullmatch(r"\d{1,6}([.,]\d+)?", text) else parse_timecode(text)
