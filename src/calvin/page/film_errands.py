"""Errands about what is seen and heard: the cues spoken, mixed into the film, and a copy that the browser plays."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError, StoreError
from calvin.core.progress import Listener
from calvin.core.time import in_s
from calvin.studio.project.status import PROXY, SpokenCue
from calvin.studio.project.store import ProjectStore

Values = dict[str, Any]
DELIVERY = "delivery"
"""The folder, in a project, of the mixes that the page makes."""


def voice(folder: Path, options: Values, listener: Listener) -> Values:
    """Speak what is not spoken yet, as the project was spoken before, and find out how loud it is to be in the film."""
    from calvin.studio.sound.balance import measure_film
    from calvin.studio.sound.voiced_cues import voice_project, voice_settings

    with ProjectStore(folder, read_only=True) as store:
        settings = voice_settings(store.voice, rate=options.get("rate"), lufs=options.get("level"))
    made = voice_project(folder, options.get("voice"), settings, listener=listener)
    with suppress(CalvinError):  # what cannot be measured is said when it is mixed
        measure_film(folder, listener)
    return {"said": f"{made.in_words}.", "notes": [*made.on_lengths(), *made.notes]}


def mix(folder: Path, options: Values, listener: Listener) -> Values:
    """Mix the spoken cues into the film; say what was measured, and what is left out and why."""
    from calvin.media.sound.ducking import MixSettings
    from calvin.media.sound.levels import loudness_spec
    from calvin.studio.sound.film_mix import mix_project, remember_mix

    extended, suffix = bool(options.get("extended")), f".{options.get('format') or 'mkv'}"
    with ProjectStore(folder, read_only=True) as store:
        film, language = Path(store.bound_film().path), store.mix_language
    kind, spec = ".extended" if extended else ".ad", options.get("spec") or None
    target = folder / DELIVERY / f"{film.stem}{kind}{f'.{spec}' if spec else ''}{suffix}"
    loudness_spec(spec)  # before it is part of a name
    settings = MixSettings.load({"duck_db": options.get("duck", -8)}, "mix")
    made = mix_project(folder, target, settings, extended, language, None, listener, spec)
    with ProjectStore(folder) as store:
        remember_mix(store, target)
    left_out = [_left_out(one) for one in made.placed.left_out]
    said = f"{target.name}: {made.in_words(extended)}."
    levels = made.levels_in_words()
    return {"said": said, "files": [path.name for path in made.files], "left_out": left_out, "notes": made.notes,
            "levels": levels, "spec": spec}  # fmt: skip


def _left_out(one: SpokenCue) -> Values:
    """A cue that a mix does not say, and why."""
    why = "The film would have to pause for it." if one.cue.extended else (
        f"It takes {in_s(one.duration_ms)}, and there is less room for it before the next line or cue."
    )  # fmt: skip
    return {"key": f"cue-{one.cue.id}", "start_ms": one.cue.span.start_ms, "text": one.cue.text, "why": why}


def proxy(folder: Path, options: Values, listener: Listener) -> Values:
    """Make the copy of the film that every browser plays."""
    from calvin.media.film.proxy import make_proxy

    with ProjectStore(folder, read_only=True) as store:
        film = Path(store.bound_film().path)
    if not film.is_file():
        raise StoreError("The film is no longer where it was: bring it back, or describe it where it is now.")
    make_proxy(film, folder / PROXY, listener)
    return {"said": "The browser can play the film now."}


ERRANDS = {"voice": voice, "mix": mix, "proxy": proxy}
