"""Errands about the sound of one cue: its words spoken, or a recording of them brought in.

The voice stays open in the worker between errands: opening it takes longer than what is asked of it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError
from calvin.core.progress import Listener
from calvin.media.voice.voices import Voice
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.cue_files import voice_choice

Values = dict[str, Any]
_voices: dict[str, Voice] = {}


def speak(folder: Path, options: Values, listener: Listener) -> Values:
    """Speak a cue as the project is spoken; the voice stays open for the next."""
    from calvin.studio.sound.one_cue import speak_words

    with ProjectStore(folder, read_only=True) as store:
        cue, choice = store.cue(options["cue"]), voice_choice(store)
    key = repr((choice.asked, choice.language))
    if key not in _voices:
        for old in _voices.values():
            old.close()
        _voices.clear()
        _voices[key] = choice.open()
    try:
        return asdict(speak_words(folder, cue.id, cue.text, choice, _voices[key]))
    except CalvinError:
        _voices.pop(key).close()  # it may be what is wrong
        raise


def record(folder: Path, options: Values, listener: Listener) -> Values:
    """Make a recording ready to be kept."""
    from calvin.studio.sound.recorded_cues import prepare_recording

    return asdict(prepare_recording(folder, options["cue"], options["wav"], options["lufs"]))


ERRANDS = {"speak": speak, "record": record}
