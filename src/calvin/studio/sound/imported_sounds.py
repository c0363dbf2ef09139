"""The recordings that a script of DAPT brings: in the document, or in files of its own folder and nowhere else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from calvin.core.errors import MediaError
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.media.timed_text import SoundSource
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_lines import refusal
from calvin.studio.script.words_plan import WordsPlan
from calvin.studio.sound.recorded_cues import has_recording, keep_prepared, prepare_recording, recording_level

_MOST_MS = 200_000
"""Of a recording whose part has no end, so much is looked at; longer ones are refused."""


@dataclass
class ImportedSounds:
    """Files of recordings by the place of their step in a plan, and sentences on those that are not there."""

    files: dict[int, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def in_words(self) -> str:
        """'3 recordings come with it'."""
        return f"{counted(len(self.files), 'recording')} come{'s' if len(self.files) == 1 else ''} with it"


def imported_sounds(store: ProjectStore, plan: WordsPlan, folder: Path, parts: Path) -> ImportedSounds:
    """The recordings that come with the lines of a plan and that their cues do not have yet.

    Args:
        folder: that of the document, which files must lie in.
        parts: a folder for what has to be unpacked, to be kept until the recordings are.

    Raises:
        StoreError: a recording that is there is none that can be used; nothing is changed then.
    """
    from calvin.media.sound.own_voice import read_own_voice

    found, level = ImportedSounds(), recording_level(store)
    for at, step in enumerate(plan.steps):
        sounds = step.line.event.sounds if step.line and step.line.event else ()
        if step.line is None or step.after is None or not sounds:
            continue
        where = f"{step.line.where} ({step.after.text[:40]})"
        try:
            path = _file_of(sounds[0], folder, parts / str(at))
            if path is None:
                found.notes.append(f"The recording of {where} was not taken: {_missing(sounds[0], folder)}.")
                continue
            same = step.before is not None and step.before.text == step.after.text
            if not (same and has_recording(store, step.after.id, path)):
                found.notes += [f"The recording of {where}: {note}" for note in read_own_voice(path, level).notes]
                found.files[at] = path
        except MediaError as error:
            raise refusal(plan.name, f"the recording of {where}: {error}") from error
    return found


def keep_sounds(store: ProjectStore, sounds: ImportedSounds, ids: Mapping[int, str]) -> None:
    """Keep the recordings for their cues, by the place of their step, in the step that is open."""
    level = recording_level(store)
    for at, path in sounds.files.items():
        keep_prepared(store, prepare_recording(store.folder, ids[at], path, level))


def _file_of(sound: SoundSource, folder: Path, target: Path) -> Path | None:
    """The file of a recording, unpacked and cut where it has to be; None where it is not in the folder.

    Raises:
        MediaError: it cannot be unpacked or cut.
    """
    path = _inside(sound.src, folder)
    if sound.data:
        try:
            content = base64.b64decode(sound.data, validate=True)
        except binascii.Error as error:
            raise MediaError("its data are not whole base64") from error
        path = target.with_suffix(".flac" if content.startswith(b"fLaC") else ".wav")
        path.write_bytes(content)
    if path is None or (not sound.first_ms and sound.last_ms is None):
        return path
    from calvin.media.sound.film_sound import write_wav
    from calvin.media.sound.own_voice import stretches

    last_ms = sound.first_ms + _MOST_MS if sound.last_ms is None else max(sound.first_ms, sound.last_ms)
    [(samples, rate)] = stretches(path, [Span(sound.first_ms, last_ms)])
    cut = target.with_name(f"{target.name}.part.wav")
    write_wav(cut, samples, rate)
    return cut


def _inside(src: str, folder: Path) -> Path | None:
    """The file of that name in a folder or below it; None where it is elsewhere, or not there."""
    parts = urlsplit(src)
    name = unquote(parts.path)
    if parts.scheme or parts.netloc or not name or "\0" in name or "\\" in name:
        return None
    home = folder.resolve()
    path = (home / name).resolve()
    return path if path.is_relative_to(home) and path.is_file() else None


def _missing(sound: SoundSource, folder: Path) -> str:
    return f"{sound.src[:200] or 'what it refers to'} is no file in {folder}" if sound.src else "it names no file"
