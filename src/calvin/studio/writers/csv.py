"""CSV, for spreadsheets: `id,in,out,character,text,words,gap,status`."""

from __future__ import annotations

import csv
import io
import re

from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.writers.base import Provenance, Writer, cue_name, mentioned, spoken

COLUMNS = ("id", "in", "out", "character", "text", "words", "gap", "status")

_FORMULA = re.compile(r"'*[=+\-@]")


class CsvWriter(Writer):
    """`gap` is the seconds the cue has to be spoken in; a cell that a spreadsheet would compute gets an apostrophe."""

    name = "csv"
    suffix = ".csv"

    def render(self, script: Script, provenance: Provenance) -> str:
        stream = io.StringIO()
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(COLUMNS)
        for cue, text in spoken(script):
            room = provenance.rooms.get(cue.id)
            rows.writerow(
                guarded(cell)
                for cell in (
                    cue_name(cue),
                    format_timecode(cue.span.start_ms),
                    format_timecode(cue.span.end_ms),
                    "; ".join(mentioned(script, text)),
                    text,
                    str(len(text.split())),
                    "" if room is None else f"{room / 1000:.3f}",
                    f"{cue.status}, extended" if cue.extended else str(cue.status),
                )
            )
        return stream.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What `guarded` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
