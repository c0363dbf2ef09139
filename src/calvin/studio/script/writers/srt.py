"""SubRip, for players and editors that read nothing else."""

from __future__ import annotations

from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.script.writers.base import Provenance, Writer, last_ms, spoken


class SrtWriter(Writer):
    name = "srt"
    suffix = ".srt"

    def render(self, script: Script, provenance: Provenance) -> str:
        blocks = []
        for number, (cue, text) in enumerate(spoken(script), start=1):
            times = f"{format_timecode(cue.span.start_ms, ',')} --> {format_timecode(last_ms(cue), ',')}"
            blocks.append(f"{number}\n{times}\n{plain(text)}\n")
        return "\n".join(blocks)


def plain(text: str) -> str:
    """The format has no escapes, so what its readers would take for markup is put in look-alikes."""
    return text.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")
