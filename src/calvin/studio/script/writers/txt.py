"""Plain text, for reading: one line a cue."""

from __future__ import annotations

from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.script.writers.base import Provenance, Writer, spoken


class TxtWriter(Writer):
    name = "txt"
    suffix = ".txt"

    def render(self, script: Script, provenance: Provenance) -> str:
        lines = [
            f"{format_timecode(cue.span.start_ms)} - {format_timecode(cue.span.end_ms)}\t{text}"
            for cue, text in spoken(script)
        ]
        return "\n".join([*lines, ""]) if lines else "\n"
