"""The script as text: WebVTT and SubRip for players and editors, plain text to read, CSV and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from calvin.core.text_tables import csv_text, sheet_text, sheet_time
from calvin.core.time import format_timecode
from calvin.core.types import Cue, CueKind, Script
from calvin.studio.project.contents import Decision
from calvin.studio.script.sheet_rows import open_words, sheet_rows
from calvin.studio.script.writers import (
    OpenPlace,
    Provenance,
    Writer,
    cue_name,
    last_ms,
    spoken,
    status_words,
)

if TYPE_CHECKING:
    from calvin.studio.project.comments import Comment

COLUMNS = ("id", "in", "out", "character", "text", "words", "gap", "status", "kind")
OPEN_COLUMNS = ("still", "said before")
"""Further columns where there are places without words."""
COMMENTS = "comments"
"""A further column where somebody's comment is not dealt with. It is not read back."""
VOICE_COLUMN = "voice"
"""A further column where somebody recorded cues."""
JSON_VERSION = 1


class VttWriter(Writer):
    """WebVTT, for `<track kind="descriptions">` (W3C WebVTT, sections 4.1 and 4.2).

    A comment, which players pass over, stands before each cue for which the film is to pause. Another at the top says
    which of the words a model wrote.
    """

    name = "vtt"
    suffix = ".vtt"

    def render(self, script: Script, provenance: Provenance) -> str:
        language = " ".join(script.language.replace("-->", " ").split())
        blocks = ["WEBVTT", f"NOTE Audio description, kind=descriptions, language {language}"]
        blocks += [f"NOTE {provenance.origin.mark()}"] if provenance.origin.marked else []
        for cue, text in spoken(script):
            times = f"{format_timecode(cue.span.start_ms)} --> {format_timecode(last_ms(cue))}"
            blocks += [f"NOTE {status_words(cue)}"] if cue.extended else []
            blocks.append(f"{cue_name(cue)}\n{times}\n{markup_escaped(text)}")
        return "\n\n".join(blocks) + "\n"


class SrtWriter(Writer):
    """SubRip, for players and editors that read nothing else."""

    name = "srt"
    suffix = ".srt"
    marks_pauses = False

    def render(self, script: Script, provenance: Provenance) -> str:
        blocks = []
        for number, (cue, text) in enumerate(spoken(script), start=1):
            times = f"{format_timecode(cue.span.start_ms, ',')} --> {format_timecode(last_ms(cue), ',')}"
            blocks.append(f"{number}\n{times}\n{plain(text)}\n")
        return "\n".join(blocks)


class TxtWriter(Writer):
    """Plain text, for reading: one line per cue."""

    name = "txt"
    suffix = ".txt"
    marks_pauses = False

    def render(self, script: Script, provenance: Provenance) -> str:
        lines = [
            f"{provenance.stamp(cue.span.start_ms)} - {provenance.stamp(cue.span.end_ms)}\t{text}"
            for cue, text in spoken(script)
        ]
        return "\n".join([*lines, ""]) if lines else "\n"


def markup_escaped(text: str) -> str:
    """Cue text: the markup characters escaped, and with `>` every literal `-->`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """SubRip has no escapes, so what its readers would take for markup becomes look-alikes."""
    return text.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")


class CsvWriter(Writer):
    """`gap` is the seconds the cue has to be spoken in; a cell that a spreadsheet would compute or take for a time of
    day, a number or a date gets an apostrophe. Places without words are rows with an empty text."""

    name = "csv"
    suffix = ".csv"

    def render(self, script: Script, provenance: Provenance) -> str:
        rows = sheet_rows(script, provenance)
        recorded = bool(provenance.own_voices)
        commented = any(open_words(comments) for comments in provenance.comments.values())
        columns = (*COLUMNS, *([VOICE_COLUMN] if recorded else []), *(OPEN_COLUMNS if provenance.open else ()))
        cells = [
            (
                row.name,
                sheet_time(row.span.start_ms, provenance.stamp),
                sheet_time(row.span.end_ms, provenance.stamp),
                "; ".join(row.characters),
                sheet_text(row.text),
                str(len(row.text.split())),
                "" if row.room_ms is None else f"{row.room_ms / 1000:.3f}",
                row.status,
                row.kind,
                *([row.voice] if recorded else []),
                *([row.still, sheet_text(row.heard)] if provenance.open else []),
                *([sheet_text(row.remark)] if commented else []),
            )
            for row in rows
        ]
        return csv_text((*columns, *((COMMENTS,) if commented else ())), cells)


class JsonWriter(Writer):
    """Everything, for reading back: times in milliseconds and as time codes, decisions with their reasons."""

    name = "json"
    suffix = ".json"

    def render(self, script: Script, provenance: Provenance) -> str:
        document = {
            "format": "calvin-script",
            "version": JSON_VERSION,
            "title": script.title,
            "language": script.language,
            "duration_ms": script.duration_ms,
            "film": dict(provenance.film),
            "model": dict(provenance.model),
            **({"origin": provenance.origin.as_json()} if provenance.origin.marked else {}),
            "notes": list(provenance.notes),
            **_programme(provenance),
            "cues": [
                _cue(cue, provenance.own_voices.get(cue.id)) | _remarks(provenance.comments.get(f"cue-{cue.id}", ()))
                for cue in script.cues
            ],
            "decisions": [_decision(decision) for decision in provenance.decisions],
            **({"open": [_open(one) for one in provenance.open]} if provenance.open else {}),
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _programme(provenance: Provenance) -> dict[str, Any]:
    """The programme's own time; the cues are in the film's."""
    own = provenance.programme
    return {"programme": {"starts_at": own.starts_at, "frame_rate": own.count.name}} if own else {}


def _cue(cue: Cue, voice: str | None) -> dict[str, Any]:
    return {
        "id": cue.id,
        "start": format_timecode(cue.span.start_ms),
        "end": format_timecode(cue.span.end_ms),
        "start_ms": cue.span.start_ms,
        "end_ms": cue.span.end_ms,
        "visual_start_ms": cue.visual.start_ms,
        "visual_end_ms": cue.visual.end_ms,
        "event_ms": cue.event_ms,
        "text": cue.text,
        "author": str(cue.author),
        "status": str(cue.status),
        "extended": cue.extended,
        # Scripts that only describe the picture are written as by versions that knew no other kind.
        **({} if cue.kind is CueKind.PICTURE else {"kind": str(cue.kind)}),
        **({"voice": voice} if voice else {}),
    }


def _remarks(comments: Sequence[Comment]) -> dict[str, Any]:
    values = [{"text": one.text, "written_at": one.written_at, "done": one.done} for one in comments]
    return {COMMENTS: values} if values else {}


def _open(one: OpenPlace) -> dict[str, Any]:
    place = one.place
    times = {"start_ms": place.span.start_ms, "end_ms": place.span.end_ms, "event_ms": place.event_ms}
    return {"start": format_timecode(place.span.start_ms), **times, "still": one.still, "said_before": one.heard}


def _decision(decision: Decision) -> dict[str, Any]:
    span = decision.span
    return {
        "cue": decision.cue_id,
        "start_ms": span.start_ms if span else None,
        "end_ms": span.end_ms if span else None,
        "choice": str(decision.choice),
        "reason": decision.reason,
    }
