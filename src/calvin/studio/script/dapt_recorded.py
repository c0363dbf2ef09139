"""DAPT as recorded: the script with the sound of each cue and how the film is turned down for it, in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from calvin.core.errors import UsageError
from calvin.core.files import atomic_path
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span, format_timecode
from calvin.core.types import Cue, Script
from calvin.media.dapt_rules import TT, TTA
from calvin.media.ttml import VOICE
from calvin.studio.project.status import SpokenCue, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.dapt import as_document, dapt_tree
from calvin.studio.script.writers import Clip, FolderWriter, Media, Provenance, cue_names, spoken

SOUND = "sound"
_GAIN, _RAMP_MS = 0.398, 300
"""As `calvin mix` does unless told otherwise: 8 dB down, over 0.3 s before a cue and back after it."""


class RecordedDaptWriter(FolderWriter):
    """`script.dapt.ttml` and, in `sound/`, a WAV file of each cue that is spoken or recorded as it now reads."""

    name = "dapt-recorded"
    suffix = ".dapt-recorded/script.dapt.ttml"
    plays_film = False

    def render(self, script: Script, provenance: Provenance) -> str:
        clips, own = provenance.media.clips, provenance.own_voices
        recorded = sum(own.get(cue) == "recorded" for cue in clips)
        told = replace(
            provenance.origin,
            synthetic=len(clips) - recorded,
            recorded=recorded,
            voice=provenance.voice if len(clips) > recorded else "",
        )
        root = dapt_tree(script, replace(provenance, origin=told), "asRecorded")
        cues = [cue for cue, _ in spoken(script)]
        heard = [_heard(cue, clips.get(cue.id)) for cue in cues]
        for at, (cue, div) in enumerate(zip(cues, root.iter(f"{{{TT}}}div"), strict=True)):
            if cue.id in clips:
                _sound(div, cue, heard, at, clips[cue.id], own.get(cue.id) == "recorded")
        return as_document(root)

    def media(self, store: ProjectStore, folder: Path) -> Media:
        return Media("", {one.cue.id: _clip(one) for one in spoken_cues(store)[0]})

    def bring(self, store: ProjectStore, folder: Path, film: Path | None = None, listener: Listener = silent) -> Media:
        found, missing = spoken_cues(store)
        if not found:
            raise UsageError("No cue is spoken or recorded yet: run `calvin voice` first.")
        stage = Stage("sound of the script", listener, len(found), "cues")
        (folder / SOUND).mkdir(parents=True, exist_ok=True)
        for number, one in enumerate(found, 1):
            target = folder / _clip(one).file
            if not target.is_file():
                with atomic_path(target) as copy:
                    shutil.copyfile(one.path, copy)
            stage.update(number)
        note = f"Not spoken yet: {cue_names([cue.id for cue in missing])}; `calvin voice` speaks them."
        return replace(self.media(store, folder), notes=(note,) if missing else ())

    def tidy(self, folder: Path, media: Media) -> None:
        wanted = {clip.file for clip in media.clips.values()}
        for path in (folder / SOUND).glob("cue-*.wav"):
            if f"{SOUND}/{path.name}" not in wanted:
                path.unlink(missing_ok=True)


def _clip(one: SpokenCue) -> Clip:
    return Clip(f"{SOUND}/cue-{one.path.name}", one.duration_ms)


def _heard(cue: Cue, clip: Clip | None) -> Span:
    """From when to when a cue is heard."""
    start_ms = cue.span.start_ms
    return Span(start_ms, max(start_ms + (clip.ms if clip else 0), cue.span.end_ms, start_ms + 1))


def _sound(div: ET.Element, cue: Cue, heard: Sequence[Span], at: int, clip: Clip, recorded: bool) -> None:
    """Put a recording into an event, and turn the film down for it: the event is as long as that takes, and its text
    has the times of the cue."""
    span = heard[at]
    # Ramps of neighbours do not overlap: the gains of both would be multiplied.
    free_before = span.start_ms - max((one.end_ms for one in heard[:at]), default=-span.start_ms)
    free_after = heard[at + 1].start_ms - span.end_ms if at + 1 < len(heard) else 2 * _RAMP_MS
    before, after = (max(0, min(_RAMP_MS, free // 2)) for free in (free_before, free_after))
    start_ms = span.start_ms - before
    last_ms = span.end_ms - start_ms
    text_end_ms = max(cue.span.end_ms, span.start_ms + 1) - start_ms
    div.set("begin", format_timecode(start_ms))
    div.set("end", format_timecode(span.end_ms + after))
    paragraph = div.find(f"{{{TT}}}p")
    assert paragraph is not None
    [text] = paragraph
    text.set("begin", format_timecode(before))
    text.set("end", format_timecode(text_end_ms))
    turns = [(0, before, f"1;{_GAIN}", "freeze"), (last_ms, last_ms + after, f"{_GAIN};1", "remove")]
    parts = []
    for begin, end, gain, fill in turns:
        times = {"begin": format_timecode(begin), "end": format_timecode(end)}
        # A ramp without length is a step.
        told = {f"{{{TTA}}}gain": gain if end > begin else gain.rpartition(";")[2], "fill": fill}
        parts.append(ET.Element(f"{{{TT}}}animate", {**times, **told}))
    sound = {"src": clip.file, "type": "audio/wav", "begin": format_timecode(before), "end": format_timecode(last_ms)}
    parts.append(ET.Element(f"{{{TT}}}audio", {**sound, VOICE: "recorded" if recorded else "synthetic"}))
    paragraph[:] = [*parts, text]
