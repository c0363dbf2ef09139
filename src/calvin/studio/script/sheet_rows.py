"""The rows of a script as tables for people hold them: cues, and the places that are still without words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calvin.core.time import Span
from calvin.core.types import Script
from calvin.studio.script.writers import Provenance, cue_name, mentioned, printable, spoken, status_words

if TYPE_CHECKING:  # lazy: it loads pydantic, and writers are listed by `calvin --help`
    from calvin.studio.project.comments import Comment


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A cue, or a place without words, whose `text`, `status` and `kind` are "".

    `name` is "cue-3" or "place-40"; `room_ms` how long may be spoken, None where that is not known. `voice` says if
    somebody recorded it, `still` and `heard` belong to a place, and `remark` are comments that are not dealt with.
    """

    name: str
    span: Span
    text: str = ""
    characters: tuple[str, ...] = ()
    room_ms: int | None = None
    status: str = ""
    kind: str = ""
    voice: str = ""
    still: str = ""
    heard: str = ""
    remark: str = ""


def sheet_rows(script: Script, provenance: Provenance) -> list[SheetRow]:
    """All rows, in the order of the film."""
    remarks = {key: open_words(comments) for key, comments in provenance.comments.items()}
    rows = []
    for one in provenance.open:
        name, span = f"place-{one.place.id}", one.place.span
        remark = remarks.get(name, "")
        rows.append(
            SheetRow(name, span, room_ms=span.duration_ms, still=one.still, heard=one.heard, remark=remark),
        )
    rows += [
        SheetRow(
            cue_name(cue),
            cue.span,
            text,
            tuple(mentioned(script, text)),
            provenance.rooms.get(cue.id),
            status_words(cue),
            str(cue.kind),
            provenance.own_voices.get(cue.id, ""),
            remark=remarks.get(f"cue-{cue.id}", ""),
        )
        for cue, text in spoken(script)
    ]
    return sorted(rows, key=lambda row: row.span)


def open_words(comments: Sequence[Comment]) -> str:
    """The comments that are not dealt with, on one line."""
    return " / ".join(printable(one.text) for one in comments if not one.done)
