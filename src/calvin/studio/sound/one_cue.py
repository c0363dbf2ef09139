"""One cue spoken on its own, while somebody waits for it: kept as `voice_project` keeps it, which won't say it again.

To speak takes seconds and needs nothing but plain values; to keep what was spoken takes milliseconds and needs the
project. The two are apart, so that a process may speak while another one works on the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calvin.core.errors import UsageError
from calvin.media.voice.voices import Voice
from calvin.studio.project.contents import SpokenRecord, VoiceRecord
from calvin.studio.project.status import VOICE_FOLDER
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import rooms
from calvin.studio.script.writers import printable
from calvin.studio.sound.cue_files import CueFiles, VoiceChoice, voice_choice


@dataclass(frozen=True, slots=True)
class Said:
    """The `text` of a cue as a voice said it: the name of its file in the folder `voice/`, and how long that lasts."""

    cue: str
    text: str
    file: str
    ms: int
    voice: str


@dataclass(frozen=True, slots=True)
class Measured:
    """How long a cue takes to say, and the time it has, both in ms: until the next line or cue, or the film's end."""

    ms: int
    room_ms: int


def speak_words(folder: str | Path, cue_id: str, text: str, choice: VoiceChoice, speaker: Voice | None = None) -> Said:
    """Speak a cue's text into a project's folder; a file that says it already is taken as it is.

    Args:
        speaker: a voice that is open already; None opens the one chosen, and closes it.

    Raises:
        UsageError: there is nothing to say.
        CalvinError: the voice cannot be opened, or failed.
    """
    files = CueFiles(Path(folder), choice, (lambda: speaker) if speaker is not None else None)
    try:
        made = files.say(cue_id, printable(text))
        if made is None:
            raise UsageError(f"cue-{cue_id} has no words to speak: write some first.")
        return Said(cue_id, text, made[0].name, made[1], files.name)
    finally:
        if speaker is None and files.name:
            files.speaker().close()


def note_spoken(store: ProjectStore, said: Said, choice: VoiceChoice | None = None) -> Measured:
    """Keep what was spoken, unless the cue reads otherwise by now.

    Args:
        choice: how it was spoken; None: as the project is spoken.

    Raises:
        StoreError: no such cue.
    """
    cue = store.cue(said.cue)
    if cue.text == said.text:
        record = SpokenRecord(text=said.text, ms=said.ms, file=f"{VOICE_FOLDER}/{said.file}")
        known, choice = store.voice, choice or voice_choice(store)
        known = known or VoiceRecord(
            name=said.voice,
            rate=choice.settings.rate,
            lufs=choice.settings.lufs,
            cues={},
            asked=choice.asked,
            pronunciation=choice.pronunciation,
            language=choice.language,
        )
        store.voice = known.changed(cues={**known.cues, said.cue: record})
    return Measured(said.ms, room_of(store, said.cue))


def speak_cue(store: ProjectStore, cue_id: str, speaker: Voice | None = None) -> Measured:
    """Speak one cue as the project is spoken, and keep that.

    Raises:
        StoreError: no such cue.
        UsageError: it has no words.
        CalvinError: the voice cannot be opened, or failed.
    """
    choice = voice_choice(store)
    cue = store.cue(cue_id)
    return note_spoken(store, speak_words(store.folder, cue.id, cue.text, choice, speaker), choice)


def room_of(store: ProjectStore, cue_id: str) -> int:
    """The milliseconds that a cue may be spoken for."""
    lines = [line.span for line in store.dialogue]
    return rooms(store.cues, lines, store.film.duration_ms if store.film else None)[cue_id]
