"""CSV, for spreadsheets: `id,in,out,character,text,words,gap,status`."""

from __future__ import annotations

from calvin.core.text_tables import csv_text
from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.script.writers.base import Provenance, Writer, cue_name, mentioned, spoken

COLUMNS = ("id", "in", "out", "character", "text", "words", "gap", "status")


class CsvWriter(Writer):
    """`gap` is the seconds the cue has to be spoken in; a cell that a spreadsheet would compute gets an apostrophe."""

    name = "csv"
    suffix = ".csv"

    def render(self, script: Script, provenance: Provenance) -> str:
        rows = []
        for cue, text in spoken(script):
            room = provenance.rooms.get(cue.id)
            rows.append(
                (
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
        return csv_text(COLUMNS, rows)
