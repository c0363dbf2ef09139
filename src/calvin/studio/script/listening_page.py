"""The listening page: a folder that plays a film with its descriptions in any browser, from disk and without a network.

The page says each description itself: by the project's voice where it has spoken, else by a voice of the listener's own
computer or screen reader. That is why it takes the spoken cues and no finished mix: how much is described, how fast,
how loud and whether the film may pause is the listener's choice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.core.types import CueKind, DialogueLine, Script
from calvin.media.languages import language_name
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.page_media import bring_media, page_media, remove_old_media
from calvin.studio.script.text_formats import VttWriter, markup_escaped
from calvin.studio.script.transcript import PAGES, html_transcript, page_template, script_doubts
from calvin.studio.script.writers import FolderWriter, Media, Provenance, cue_name, printable, spoken

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; media-src 'self' file: blob:; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)
"""Nothing but the folder's own files. Not every browser takes a page on disk for its own origin: hence `file:`."""


class ListeningPageWriter(FolderWriter):
    """`index.html` holds the cues and their times; the script and the style lie beside it."""

    name = "html"
    suffix = ".listen/index.html"

    def render(self, script: Script, provenance: Provenance) -> str:
        captions = _captions(provenance.dialogue)
        text: str = page_template("listen.html").render(
            title=printable(script.title),
            language=printable(script.language),
            heard_in=printable(provenance.heard_in or script.language),
            about=_about(script),
            notes=script_doubts(script, provenance),
            policy=POLICY,
            film=provenance.media.film or "film.mp4",
            captions=bool(captions),
            written=any(cue.kind is not CueKind.PICTURE for cue, _ in spoken(script)),
            data=inline_json(_data(script, provenance, captions)),
        )
        return f"{text.strip()}\n"

    def beside(self, script: Script, provenance: Provenance) -> Mapping[str, str]:
        captions = _captions(provenance.dialogue)
        return {
            **{name: (PAGES / name).read_text(encoding="utf-8") for name in ("listen.css", "listen.js")},
            "descriptions.vtt": VttWriter().render(script, provenance),
            **({"dialogue.vtt": captions} if captions else {}),
            "transcript.html": html_transcript(script, provenance, "index.html"),
        }

    def media(self, store: ProjectStore, folder: Path) -> Media:
        return page_media(store, folder)

    def bring(self, store: ProjectStore, folder: Path, film: Path | None = None, listener: Listener = silent) -> Media:
        return bring_media(store, folder, film, listener)

    def tidy(self, folder: Path, media: Media) -> None:
        remove_old_media(folder, media)


def inline_json(value: Any) -> str:
    """JSON for a `script` element: no text in it can end the element, or begin a comment or another script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _about(script: Script) -> str:
    count = len(list(spoken(script)))
    return f"{counted(count, 'description')} in {language_name(script.language)}."


def _data(script: Script, provenance: Provenance, captions: str) -> dict[str, Any]:
    """What the page's script works with; times in milliseconds."""
    cues = []
    for cue, text in spoken(script):
        clip = provenance.media.clips.get(cue.id)
        cues.append(
            {
                "id": cue_name(cue),
                "start": cue.span.start_ms,
                "end": cue.span.end_ms,
                "text": text,
                "kind": str(cue.kind),
                "extended": cue.extended,
                **({"clip": clip.file, "ms": clip.ms} if clip else {}),
            }
        )
    return {
        "language": printable(script.language),
        "voice": printable(provenance.voice),
        "cues": cues,
        "dialogue": sorted([line.span.start_ms, line.span.end_ms] for line in provenance.dialogue),
        "tracks": {"descriptions": VttWriter().render(script, provenance), "captions": captions},
    }


def _captions(dialogue: Sequence[DialogueLine]) -> str:
    """The dialogue as WebVTT with its speakers; "" where its words are not known."""
    blocks = ["WEBVTT"]
    for line in dialogue:
        text, speaker = printable(line.text), printable(line.speaker)
        if text:
            start, end = line.span.start_ms, max(line.span.end_ms, line.span.start_ms + 1)
            voice = f"<v {markup_escaped(speaker)}>" if speaker else ""
            blocks.append(f"{format_timecode(start)} --> {format_timecode(end)}\n{voice}{markup_escaped(text)}")
    return "\n\n".join(blocks) + "\n" if len(blocks) > 1 else ""
