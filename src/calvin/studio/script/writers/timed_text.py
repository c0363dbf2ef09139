"""The script as timed lines of text: WebVTT and SubRip for players and editors, and plain text to read."""

from __future__ import annotations

from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.script.writers.base import Provenance, Writer, cue_name, last_ms, spoken


class VttWriter(Writer):
    """WebVTT, for `<track kind="descriptions">` (W3C WebVTT, sections 4.1 and 4.2)."""

    name = "vtt"
    suffix = ".vtt"

    def render(self, script: Script, provenance: Provenance) -> str:
        language = " ".join(script.language.replace("-->", " ").split())
        blocks = ["WEBVTT", f"NOTE Audio description, kind=descriptions, language {language}"]
        for cue, text in spoken(script):
            times = f"{format_timecode(cue.span.start_ms)} --> {format_timecode(last_ms(cue))}"
            blocks.append(f"{cue_name(cue)}\n{times}\n{_escaped(text)}")
        return "\n\n".join(blocks) + "\n"


class SrtWriter(Writer):
    """SubRip, for players and editors that read nothing else."""

    name = "srt"
    suffix = ".srt"

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

    def render(self, script: Script, provenance: Provenance) -> str:
        lines = [
            f"{format_timecode(cue.span.start_ms)} - {format_timecode(cue.span.end_ms)}\t{text}"
            for cue, text in spoken(script)
        ]
        return "\n".join([*lines, ""]) if lines else "\n"


def _escaped(text: str) -> str:
    """Cue text: the markup characters escaped, and with `>` every literal `-->`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """SubRip has no escapes, so what its readers would take for markup becomes look-alikes."""
    return text.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")
