"""Scripts back in: VTT, SRT, DAPT or other TTML, CSV, JSON, XLSX and DOCX, as calvin or other tools write them."""

from __future__ import annotations

import csv
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from calvin.core.errors import DataError, StoreError, SubtitleError, UsageError
from calvin.core.prompts import clean_line
from calvin.core.time import Span
from calvin.core.types import CueKind, DialogueLine, Status
from calvin.media.script_events import as_heard, in_language, parted
from calvin.media.timecode import FRAME_CODE, FrameCount, Programme, counting, drop_and_not
from calvin.media.timed_text import (
    MAX_CUES,
    DecodedText,
    ScriptEvent,
    TimedCue,
    TimedText,
    format_of,
    read_cues,
    read_text,
    without_tags,
)
from calvin.media.ttml import read_ttml, stated_programme
from calvin.studio.script.dapt import kind_represented
from calvin.studio.script.office_tables import is_office, read_office
from calvin.studio.script.script_tables import SheetTable, TableRow, is_table, read_rows, read_table
from calvin.studio.script.writers import READABLE, printable

_ID = re.compile(r"cue-([A-Za-z0-9_.-]+)")
_EXTENDED = "extended"

MAX_MS = 100 * 3_600_000
"""No film lasts longer."""


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """A line of an edited script. `where` names the line to people; `cue_id`, `status`, the mark of a pause
    (`extended`) and the `kind` of cue are None where the file does not carry them.

    Its times are off by less than `within_ms`, as finely as they are written, and may lack the hours (`no_hours`).
    `note` is what to say of how the line was read, and `event` what TTML says of it.
    """

    text: str
    span: Span
    where: str
    cue_id: str | None = None
    status: Status | None = None
    extended: bool | None = None
    kind: CueKind | None = None
    within_ms: int = 1
    no_hours: bool = False
    note: str = ""
    event: ScriptEvent | None = None


class ScriptText(NamedTuple):
    """The lines of a script in time order, and sentences on how it was read; `frames` is how its codes count frames,
    None where it has none. `programme` is the programme's own time where the file states it beside its times, which are
    then the film's. `dialogue` is what the script writes down of what is said in the film."""

    lines: list[ScriptLine]
    notes: tuple[str, ...] = ()
    frames: FrameCount | None = None
    programme: Programme | None = None
    dialogue: tuple[DialogueLine, ...] = ()


def read_script(
    path: str | Path,
    what: str = "script",
    encoding: str | None = None,
    count: FrameCount | None = None,
    film_rate: float | None = None,
    language: str = "",
    sheet: str | None = None,
) -> ScriptText:
    """Read a script; its format is told from its content.

    Args:
        what: what people call it, such as "corrections".
        encoding: of the file; None: found out.
        count: of frames, by which times such as 00:00:01:12 are read.
        film_rate: the film's frames per second, for where `count` is not given.
        language: of the text to take, where it stands in several.
        sheet: of a workbook; None: the only one that holds a script.

    Raises:
        StoreError: the file is not a script that can be read, letters of it are lost, or a line of it is wrong.
        UsageError: several sheets of a workbook hold a script, or not the one named.
        MissingExtraError: the packages that read workbooks and documents are not installed.
    """
    source = Path(path)
    text, kind, tables, notes = _opened(source, what, encoding, language, sheet)
    counts = kind not in ("json", "ttml")
    if count is None and film_rate and counts:
        count = _count_of(source, text, film_rate, notes)
    try:
        if kind == "ttml":
            found = _ttml(text, language)
        else:
            read = _office(tables, count, language) if tables else _READERS[kind](text, count, language)
            found = ScriptText(list(read))
    except RecursionError as error:
        raise StoreError(f"{source} is nested too deeply to be a script.") from error
    except (DataError, ValueError, csv.Error) as error:
        raise refusal(source, str(error)) from error
    if not (found.lines or found.dialogue):
        raise StoreError(f"{source} holds no lines of a script: give {READABLE}, with times and text.")
    late = next((line for line in found.lines if line.span.end_ms > MAX_MS), None)
    if late is not None or any(line.span.end_ms > MAX_MS for line in found.dialogue):
        raise refusal(source, f"{late.where if late else 'what is said in it'} ends after 100 hours")
    if len(found.lines) + len(found.dialogue) > MAX_CUES:
        raise StoreError(f"{source} holds more than {MAX_CUES} lines, more than the script of any film.")
    counted = count if counts and FRAME_CODE.search(text) else None
    if counted and (kind == "csv" or tables):
        notes += _on_the_clock(source, found.lines, counted)
    in_order = sorted(found.lines, key=lambda line: line.span)
    return found._replace(lines=in_order, notes=(*notes, *found.notes), frames=counted)


def _count_of(source: Path, text: str, film_rate: float, notes: list[str]) -> FrameCount:
    """By which count the codes of a script are read, with a note where that is not the film's.

    Raises:
        StoreError: some count with drop-frame and others without.
    """
    film = FrameCount.of(film_rate)
    count, mixed = counting(text, film), drop_and_not(text)
    if mixed and count.may_drop:
        raise refusal(
            source,
            f"{mixed[0]} counts with drop-frame and {mixed[1]} without: write all its codes alike, or say how they "
            f"count by --frame-rate {float(film.rate):.4g}df",
        )
    if count.rate != film.rate:
        notes.append(
            f"{source.name} counts frames that the film, with {film} a second, does not have: its times are "
            f"read at {count} a second. If it was written at another rate, import it with --frame-rate."
        )
    return count


def _on_the_clock(source: Path, lines: Sequence[ScriptLine], count: FrameCount) -> list[str]:
    """What to say of a table of which some times count frames and others do not.

    Raises:
        StoreError: that means different times, as at 29.97 frames a second.
    """
    frames_ms = int(500 / count.rate) + 1
    told = next((line for line in lines if line.within_ms != frames_ms), None)
    coded = next((line for line in lines if line.within_ms == frames_ms), None)
    if told is None or coded is None:
        return []
    both = f"{told.where} tells its times by the clock and {coded.where} in frames"
    if count.rate.denominator != 1 and not count.drop:
        raise refusal(source, f"{both}, which are not the same at {count} frames a second: write all times alike")
    return [f"{both[0].upper()}{both[1:]}: each was read as it is written."]


def _decoded(source: Path, what: str, encoding: str | None) -> DecodedText:
    try:
        decoded = read_text(source, what, READABLE, encoding)
    except SubtitleError as error:
        raise StoreError(str(error)) from error
    if decoded.loss:
        raise refusal(
            source, f"{decoded.loss[0].lower()}{decoded.loss[1:-1]}: save it as UTF-8, or name its `--encoding`"
        )
    return decoded


def _opened(
    source: Path, what: str, encoding: str | None, language: str, sheet: str | None
) -> tuple[str, str, list[SheetTable], list[str]]:
    """The text of a script (of a workbook or document its times alone), what kind of file it is, the tables of such a
    file, and what to say of it."""
    if is_office(source):
        office = read_office(source, what, language, sheet)
        return office.times, "office", office.tables, list(office.notes)
    if sheet is not None:
        raise UsageError(f"{source} has no sheets, so leave --sheet out: it is for workbooks (.xlsx).")
    decoded = _decoded(source, what, encoding)
    text = decoded.text
    if text.lstrip().startswith("{\\rtf"):
        raise StoreError(f"{source} is RTF, which is not imported: save it as .docx.")
    kind = "json" if text.lstrip().startswith("{") else "csv" if is_table(text) else format_of(text) or "csv"
    if kind not in (*_READERS, "ttml"):
        raise StoreError(f"{source} is {kind.upper()}, which is not imported: save it as {READABLE}.")
    return text, kind, [], [decoded.doubt] if decoded.doubt else []


def refusal(name: str | Path, problem: str) -> StoreError:
    """The one sentence in which a person's words are refused; `name` is what people call them."""
    return StoreError(f"{name} cannot be imported: {problem.rstrip('.')}; nothing was changed.")


def _timed(text: str, count: FrameCount | None, _: str, kind: str) -> Iterator[ScriptLine]:
    """The lines of VTT or SRT."""
    within_ms = int(500 / count.rate) + 1 if count and FRAME_CODE.search(text) else 1
    for cue in _all_read(read_cues(text, kind, count)):
        said = without_tags(cue.text, kind == "srt")
        said = clean_line(html.unescape(said) if kind == "vtt" else said)
        # The numbers of SRT are counted anew by every editor, so they name nothing.
        own = _own_id(cue.name) if kind != "srt" else None
        yield ScriptLine(said, _span(cue), cue.where, own, *_marks(cue.note), None, within_ms)


def _ttml(text: str, language: str) -> ScriptText:
    """A document of TTML: what describes in it, and what is said in the film."""
    found = parted(_all_read(read_ttml(text, as_declared=True)))
    described, notes = in_language(found.described, language)
    lines = []
    for cue in described:
        status, extended = _marks(cue.note)
        if status is None and cue.event.transcript:
            status = Status.DRAFT  # it says what is there, and nobody wrote it to be spoken
        about = (_own_id(cue.name), status, extended, kind_represented(cue.event.represents))
        lines.append(ScriptLine(clean_line(cue.text), _span(cue), cue.where, *about, event=cue.event))
    heard = [cue for cue in as_heard(found.spoken, language) if cue.text]
    dialogue = tuple(DialogueLine(_span(cue), cue.text, cue.speaker) for cue in heard)
    return ScriptText(lines, (*found.notes, *notes), programme=stated_programme(text), dialogue=dialogue)


def _all_read(text: TimedText) -> list[TimedCue]:
    """The cues; what cannot be read is refused, so that no text is lost."""
    if text.unread:
        raise DataError(text.unread[0])
    return text.cues


def _span(cue: TimedCue) -> Span:
    try:
        return Span(cue.start_ms, cue.end_ms)
    except DataError as error:
        raise DataError(f"{cue.where}: {error}") from error


def _csv(text: str, count: FrameCount | None, language: str) -> Iterator[ScriptLine]:
    return _of_rows(read_table(text, count, language))


def _office(tables: list[SheetTable], count: FrameCount | None, language: str) -> Iterator[ScriptLine]:
    for table in tables:
        yield from _of_rows(read_rows(table, count, language))


def _of_rows(rows: Iterable[TableRow]) -> Iterator[ScriptLine]:
    for row in rows:
        status, extended = _status(row.status, row.where)
        about = (_own_id(row.name), status, extended, _kind(row.kind, row.where))
        yield ScriptLine(row.text, row.span, row.where, *about, row.within_ms, row.no_hours, row.note)


def _json(text: str, *_: object) -> Iterator[ScriptLine]:
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
    own = name if isinstance(name, str) else None
    kind = _kind(str(cue.get("kind") or ""), where)
    return ScriptLine(printable(text), Span(start, end), where, own, status, extended, kind)


_READERS: Mapping[str, Callable[[str, FrameCount | None, str], Iterator[ScriptLine]]] = {
    "vtt": partial(_timed, kind="vtt"),
    "srt": partial(_timed, kind="srt"),
    "csv": _csv,
    "json": _json,
}


def _own_id(name: str) -> str | None:
    """The cue that a name of calvin's own making means; other tools' numbers mean nothing here."""
    match = _ID.fullmatch(name)
    return match[1] if match else None


def _kind(text: str, where: str) -> CueKind | None:
    """A kind of cue by its name; None where nothing is said."""
    word = text.strip().lower()
    if word and word not in tuple(CueKind):
        raise DataError(f"{where}: {text!r} is not a kind of cue: write {', '.join(CueKind)}, or leave it empty")
    return CueKind(word) if word else None


def _marks(note: str) -> tuple[Status | None, bool | None]:
    """What a note says in the words of a status; a note in other words is somebody's comment."""
    try:
        return _status(note, "")
    except DataError:
        return None, None


def _status(text: str, where: str) -> tuple[Status | None, bool | None]:
    """The status and the mark of a pause in words such as "draft, extended"; None for each where there are none."""
    joined = re.sub(r"needs[\s_]+work", Status.NEEDS_WORK, text.strip().lower())
    words = re.split(r"[\s,;/+]+", joined) if joined else []
    unknown = [word for word in words if word not in (*Status, _EXTENDED)]
    statuses = [Status(word) for word in words if word in tuple(Status)]
    if unknown or len(statuses) > 1:
        raise DataError(
            f"{where}: {text!r} is not a status: write draft, needs-work or approved, with `, {_EXTENDED}` where "
            "the film is to pause, or leave it empty"
        )
    return (statuses[0] if statuses else None), (_EXTENDED in words if words else None)
