"""Errands for the captioner about one moment: a question asked, other words asked for.

The captioner stays open in the worker between them: opening it takes longer than what is asked of it. It is asked and
shown what it is when the film is described.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from calvin.captioners import open_captioner
from calvin.captioners.adapted import with_adapter
from calvin.captioners.base import Captioner, FeatureCaptioner, OpenOptions, RemoteCaptioner
from calvin.captioners.naming import NameGuard
from calvin.captioners.wearing import RoleGuard
from calvin.core.errors import UsageError
from calvin.core.progress import Listener, Progress
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.core.types import Cue, Place
from calvin.studio.adapt.scene_picks import known_presence, open_project_features
from calvin.studio.cast.characters import Cast
from calvin.studio.describe.cue_words import request_of
from calvin.studio.describe.films import Known
from calvin.studio.describe.one_moment import film_as_described, settings_of
from calvin.studio.describe.questions import Sight
from calvin.studio.edit.rows import subject_of
from calvin.studio.project.describe_settings import DescribeSources
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import FEWEST_WORDS

Values = dict[str, Any]
_STILLS = 8
"""Stills of a moment that a question is asked about."""
_AROUND_MS = 2000
_captioners: dict[str, tuple[Captioner, ExitStack]] = {}


def ask(folder: Path, options: Values, listener: Listener) -> Values:
    """What the captioner answers to a question about a moment, and which stills it saw.

    It is told and shown what it is when it describes that place, and who speaks too: the answer enters no script.
    """
    with ProjectStore(folder, read_only=True) as store:
        captioner = _captioner(store, listener, stages=False)  # a second stage sees nothing, and writes a caption
        if "frames" not in captioner.needs:
            raise UsageError(
                f"{captioner.info.name} describes scenes and answers no questions: describe the film with a video LLM "
                "or a model server (`calvin models` lists what is here), and ask again."
            )
        settings = settings_of(store, captioner)
        film = film_as_described(store, captioner, settings, cast=_cast(store))
        film.introduced = None
        place = _moment(store, int(options["at_ms"]), options.get("key"))
        request = request_of(film, place, settings)
        frames = (film.sight or Sight(film.frames)).between(place.visual, _STILLS)
    scene = replace(request.scene, frames=lambda: frames)
    request = replace(request, scene=scene, prompt=replace(request.prompt, question=options["question"]))
    listener(Progress(f"{captioner.info.name} looks at {counted(len(frames), 'still')}", 0))
    [given] = captioner.caption([request])
    text = given.said or given.text
    if not text.strip():
        why = f": {given.trouble}" if given.trouble else ""
        raise UsageError(f"{captioner.info.name} gave no answer{why}. Ask in other words.")
    return {"answer": text, "stills": [frame.time_ms for frame in frames], "by": captioner.info.name}


def again(folder: Path, options: Values, listener: Listener) -> Values:
    """Other words for a cue or an empty place, best first: shorter ones, or with names of those who are there."""
    with ProjectStore(folder, read_only=True) as store, ExitStack() as stack:
        place, text = _about(store, options["key"])
        captioner = _captioner(store, listener)
        settings, features = settings_of(store, captioner), None
        if "features" in captioner.needs and isinstance(captioner, FeatureCaptioner):
            features = stack.enter_context(open_project_features(store, captioner.encoder.hash))
        film = film_as_described(store, captioner, settings, features, _cast(store))
        names = tuple(options.get("names") or ()) or (known_presence(store) or {}).get(place.visual, ())
        film.present = {place.id: names}
        words = max(FEWEST_WORDS, len(text.split()) - 2) if options.get("shorter") else None
        request = replace(request_of(film, place, settings), max_words=words)
        listener(Progress(f"{captioner.info.name} looks at the scene again", 0))
        [given] = RoleGuard(NameGuard(captioner)).caption([request])
    found = [
        one for one, _ in given.scored
        if one.strip() and one != text and (words is None or len(one.split()) <= words)
    ]  # fmt: skip
    if not found:
        what = "no shorter words" if words else "no other words"
        raise UsageError(f"{captioner.info.name} found {what} for this; yours stay as they are.")
    return {"candidates": found, "by": captioner.info.name}


def _captioner(store: ProjectStore, listener: Listener, stages: bool = True) -> Captioner:
    """The captioner that the project is described with, with its adapter, opened once.

    Args:
        stages: whether it is asked in two stages where the project is described so.
    """
    sources = store.sources or DescribeSources()
    adapter = Path(sources.adapter) if sources.adapter else None
    made = adapter.stat().st_mtime_ns if adapter is not None and adapter.exists() else 0
    options = OpenOptions(
        frames=sources.frames, four_bit=sources.four_bit, two_stages=sources.two_stages and stages
    )  # fmt: skip
    key = repr((sources.model, options.frames, options.four_bit, options.two_stages, adapter, made))
    if key not in _captioners:
        listener(Progress("opening the model", 0))
        for _, opened in _captioners.values():
            opened.close()
        _captioners.clear()
        stack = ExitStack()
        captioner = stack.enter_context(with_adapter(open_captioner(sources.model, options), adapter))
        _captioners[key] = captioner, stack
    captioner, _ = _captioners[key]
    if isinstance(captioner, RemoteCaptioner):
        captioner.ready(listener)
    return captioner


def _cast(store: ProjectStore) -> Cast | None:
    return Known(store.described, store.sources, store.characters).cast(store.sources or DescribeSources())


def _moment(store: ProjectStore, at_ms: int, key: str | None) -> Place:
    """A time as a place: what is on screen around it, of its shot alone, and when a row that it is about is said."""
    shot = next((shot for shot in store.shots if shot.start_ms <= at_ms < shot.end_ms), None)
    start, end = max(0, at_ms - _AROUND_MS), at_ms + _AROUND_MS
    if shot is not None:
        start, end = max(start, shot.start_ms), max(start + 1, min(end, shot.end_ms))
    subject = subject_of(store, key) if key else None
    return Place(subject.span if subject else Span(at_ms, at_ms + 1), Span(start, end), at_ms)


def _about(store: ProjectStore, key: str) -> tuple[Place, str]:
    """What a row is about, as a place, and its words."""
    subject = subject_of(store, key)
    if subject is None:
        raise UsageError("There is no such place (any more): load the page again.")
    if isinstance(subject, Cue):
        known = store.places_of_cues().get(subject.id)
        return Place(subject.span, subject.visual, subject.event_ms, known.id if known else 0), subject.text
    return subject, ""


ERRANDS = {"ask": ask, "again": again}
