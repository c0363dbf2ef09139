"""Errands about what is brought in or asked for of one thing: a cue spoken, a recording, a picture of somebody.

The voice stays open in the worker between errands: opening it takes longer than what is asked of it.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError, UsageError
from calvin.core.files import atomic_path
from calvin.core.progress import Listener
from calvin.media.voice.voices import Voice
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.cue_files import voice_choice

Values = dict[str, Any]
_MOST_PIXELS, _LEAST_SIDE, _LONGEST_SIDE = 40_000_000, 32, 1024
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


def picture(folder: Path, options: Values, listener: Listener) -> Values:
    """Decode a picture of somebody, and keep it upright, as a JPEG of at most 1024 pixels a side.

    Raises:
        UsageError: it is no PNG or JPEG, or too large or too small to be of use.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(options["given"], formats=("PNG", "JPEG")) as opened:
            width, height = opened.size
            if width * height > _MOST_PIXELS:
                raise UsageError(f"This picture has {width} x {height} pixels: at most 40 million are taken.")
            if min(width, height) < _LEAST_SIDE:
                raise UsageError(f"This picture has {width} x {height} pixels, in which nobody can be told.")
            made = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError("This is no PNG or JPEG picture that can be read: save it again, or bring another.") from error
    made.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    with atomic_path(options["target"]) as temporary:
        made.save(temporary, "JPEG", quality=92)
    return {"width": made.width, "height": made.height}


ERRANDS = {"speak": speak, "record": record, "picture": picture}
