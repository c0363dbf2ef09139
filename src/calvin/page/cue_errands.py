"""Errands about one moment: its words spoken, a recording brought in, a question asked, other words asked for.

A voice and a captioner stay open in the worker between errands: opening them takes longer than what is asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calvin.captioners.base import Captioner, CaptionRequest, FeatureCaptioner
from calvin.core.errors import CalvinError, MediaError, UsageError
from calvin.core.progress import Listener
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Cue, Frame, Scene
from calvin.media.film.decode import LARGE
from calvin.media.film.frames import FrameStore
from calvin.media.voice.voices import Voice
from calvin.studio.edit.rows import subject_of
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import FEWEST_WORDS
from calvin.studio.sound.cue_files import voice_choice

Values = dict[str, Any]
_STILLS = 8
"""Stills of a moment that a question is asked about."""
_MOST = 32
"""Stills of a scene that is described."""
_AROUND_MS = 2000
_captioners: dict[str, Captioner] = {}
_voices: dict[str, Voice] = {}


def ask(folder: Path, options: Values, listener: Listener) -> Values:
    """What the captioner answers to a question about a moment, and which stills it saw."""
    with ProjectStore(folder, read_only=True) as store:
        captioner = _captioner(store)
        if "frames" not in captioner.needs:
            raise UsageError(
                f"{captioner.info.name} describes scenes and answers no questions: describe the film with a video LLM "
                "or a model server (`calvin models` lists what is here), and ask again."
            )
        frames = _moment(store, folder, int(options["at_ms"]))
    scene = Scene("asked", "film", Span(frames[0].time_ms, frames[-1].time_ms + 1), frames=lambda: frames)
    [given] = captioner.caption([CaptionRequest(scene, Prompt(options["question"]))])
    text = given.said or given.text
    if not text.strip():
        why = f": {given.trouble}" if given.trouble else ""
        raise UsageError(f"{captioner.info.name} gave no answer{why}. Ask in other words.")
    return {"answer": text, "stills": [frame.time_ms for frame in frames], "by": captioner.info.name}


def again(folder: Path, options: Values, listener: Listener) -> Values:
    """Other words for a cue or an empty place, best first: shorter ones, or with names of those who are there."""
    with ProjectStore(folder, read_only=True) as store:
        captioner = _captioner(store)
        visual, before, text = _about(store, options["key"])
        described = store.described
        question = described.question if described else Prompt().question
        scene = _scene(store, folder, captioner, visual)
        context = tuple(cue.text for cue in store.cues_before(before, described.context if described else 3))
    words = max(FEWEST_WORDS, len(text.split()) - 2) if options.get("shorter") else None
    names = tuple(options.get("names") or ())
    [given] = captioner.caption([CaptionRequest(scene, Prompt(question, context, names), max_words=words)])
    found = [
        one for one, _ in given.scored
        if one.strip() and one != text and (words is None or len(one.split()) <= words)
    ]  # fmt: skip
    if not found:
        what = "no shorter words" if words else "no other words"
        raise UsageError(f"{captioner.info.name} found {what} for this; yours stay as they are.")
    return {"candidates": found, "by": captioner.info.name}


def _captioner(store: ProjectStore) -> Captioner:
    """The captioner that the project is described with, opened once."""
    from calvin.captioners import open_captioner
    from calvin.captioners.base import OpenOptions

    sources = store.sources
    name = sources.model if sources else None
    key = repr((name, sources.frames if sources else None, sources.four_bit if sources else False))
    if key not in _captioners:
        _captioners.clear()
        options = OpenOptions(frames=sources.frames, four_bit=sources.four_bit) if sources else OpenOptions()
        _captioners[key] = open_captioner(name, options)
    return _captioners[key]


def _moment(store: ProjectStore, folder: Path, at_ms: int) -> Sequence[Frame]:
    """Stills around a time, of its shot alone."""
    shot = next((shot for shot in store.shots if shot.start_ms <= at_ms < shot.end_ms), None)
    start, end = max(0, at_ms - _AROUND_MS), at_ms + _AROUND_MS
    if shot is not None:
        start, end = max(start, shot.start_ms), max(start + 1, min(end, shot.end_ms))
    return _stills(folder).frames_between(Span(start, end), _STILLS)


def _stills(folder: Path) -> FrameStore:
    """The large stills of a film, where some were kept for a captioner like this one, else the small ones."""
    try:
        return FrameStore.open(folder / "frames" / LARGE)
    except MediaError:
        return FrameStore.open(folder / "frames")


def _about(store: ProjectStore, key: str) -> tuple[Span, int, str]:
    """What a row is about: its stretch of the film, when it is said, and its words."""
    subject = subject_of(store, key)
    if subject is None:
        raise UsageError("There is no such place (any more): load the page again.")
    return subject.visual, subject.span.start_ms, subject.text if isinstance(subject, Cue) else ""


def _scene(store: ProjectStore, folder: Path, captioner: Captioner, visual: Span) -> Scene:
    film = store.bound_film()
    if "features" in captioner.needs and isinstance(captioner, FeatureCaptioner):
        from calvin.studio.adapt.scene_picks import open_project_features

        with open_project_features(store, captioner.encoder.hash) as features:
            embeds = features.scene(film.sha256, visual, captioner.max_frames)
        return Scene("again", film.sha256, visual, image_embeds=embeds)
    found = _stills(folder).frames_between(visual, _MOST)
    return Scene("again", film.sha256, visual, frames=lambda: found)


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


ERRANDS = {"ask": ask, "again": again, "speak": speak, "record": record}
