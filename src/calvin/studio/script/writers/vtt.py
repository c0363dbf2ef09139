"""WebVTT, for `<track kind="descriptions">` (W3C WebVTT, sections 4.1 and 4.2)."""

from __future__ import annotations

from calvin.core.time import format_timecode
from calvin.core.types import Script
from calvin.studio.script.writers.base import Provenance, Writer, cue_name, last_ms, spoken


class VttWriter(Writer):
    name = "vtt"
    suffix = ".vtt"

    def render(self, script: Script, provenance: Provenance) -> str:
        blocks = ["WEBVTT", f"NOTE Audio description, kind=descriptions, language {_note(script.language)}"]
        for cue, text in spoken(script):
            times = f"{format_timecode(cue.span.start_ms)} --> {format_timecode(last_ms(cue))}"
            blocks.append(f"{cue_name(cue)}\n{times}\n{escape(text)}")
        return "\n\n".join(blocks) + "\n"


def escape(text: str) -> str:
    """Cue text: the markup characters escaped, and with `>` every literal `-->`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _note(text: str) -> str:
    return " ".join(text.replace("-->", " ").split())
