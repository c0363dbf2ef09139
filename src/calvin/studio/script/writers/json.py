"""JSON: all that is known of every cue, for other programs and for reading back."""

from __future__ import annotations

import json
from typing import Any

from calvin.core.time import format_timecode
from calvin.core.types import Cue, Script
from calvin.studio.project.contents import Decision
from calvin.studio.script.writers.base import Provenance, Writer

VERSION = 1


class JsonWriter(Writer):
    name = "json"
    suffix = ".json"

    def render(self, script: Script, provenance: Provenance) -> str:
        document = {
            "format": "calvin-script",
            "version": VERSION,
            "title": script.title,
            "language": script.language,
            "duration_ms": script.duration_ms,
            "film": dict(provenance.film),
            "model": dict(provenance.model),
            "notes": list(provenance.notes),
            "cues": [_cue(cue) for cue in script.cues],
            "decisions": [_decision(decision) for decision in provenance.decisions],
        }
        return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _cue(cue: Cue) -> dict[str, Any]:
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
    }


def _decision(decision: Decision) -> dict[str, Any]:
    span = decision.span
    return {
        "cue": decision.cue_id,
        "start_ms": span.start_ms if span else None,
        "end_ms": span.end_ms if span else None,
        "choice": str(decision.choice),
        "reason": decision.reason,
    }
