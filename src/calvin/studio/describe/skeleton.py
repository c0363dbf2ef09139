"""Films that the model at hand does not know: what is said first, and the skeleton that is made in place of words.

A skeleton is a project with places, stills, dialogue and what stands on the screen, but without descriptions: a person
writes them, or a model that is named later.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.captioners.at_hand import best
from calvin.captioners.base import CaptionAnswer, Captioner, CaptionerInfo, CaptionRequest, Need
from calvin.captioners.hub import bundled_models
from calvin.captioners.known_drawing import PICTURES, Drawing
from calvin.captioners.known_footage import World
from calvin.core.errors import CalvinError
from calvin.core.files import atomic_folder
from calvin.core.time import Span, sample_indices
from calvin.media.film import ocr
from calvin.media.film.frames import FrameStore
from calvin.media.film.glance import FEW, glance
from calvin.media.film.trial import check_survivable
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.open_places import STILLS, still_name

NOBODY = "nobody"
WAYS = (
    "calvin describe {project} --model smolvlm2",
    "calvin describe {project} --model openai:http://127.0.0.1:11434/v1#qwen3-vl",
)
"""To get words: a model in this process, and one that Ollama runs."""
UNREAD = (
    "Writing on the screen was not read, for want of the extra `ocr`: run `pip install 'calvin-ad[ocr]'` and give the "
    "same command again with --text."
)


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What a bundled model makes of a film before anything is decoded: `known` is what it knows, in words."""

    foreign: bool
    known: str


def look_first(film: Path, model: str) -> FirstLook | None:
    """Look at a few pictures of a film, and say whether a bundled model knows such films; None where none can tell.

    It takes seconds at most, however long the film is, and loads no model. The judgement on all the film's stills comes
    when it is decoded, and stands.
    """
    folder = bundled_models().get(model)
    drawing = Drawing.load(folder) if folder else None
    if folder is None or drawing is None or not film.is_file():
        return None
    try:
        check_survivable(film, sound=True)
    except CalvinError:
        return None  # said when the film is opened
    seen = drawing.likeness(pictures) if len(pictures := glance(film)) >= FEW else None
    if seen is None or not drawing.tells(seen):
        return None
    return FirstLook(not drawing.knows(seen), _in_words(World.load(folder)))


class Nobody:
    """In place of a captioner: every place is left to a person."""

    info, needs = CaptionerInfo(NOBODY), frozenset[Need]()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        return [CaptionAnswer("", 0.0) for _ in requests]


def is_foreign(captioner: Captioner, frames: FrameStore) -> bool:
    """Whether a film is surely none of those that the captioner was trained on, by some of its stills."""
    drawing: Drawing | None = getattr(captioner, "drawing", None)
    if drawing is None or not len(frames):
        return False
    chosen = sample_indices(0, len(frames), PICTURES)
    return not drawing.knows(drawing.likeness([np.ascontiguousarray(frames.rgb(index)) for index in chosen]))


def foreign_note(model: str, known: str) -> str:
    """What to say where a model that knows other films describes one because somebody named it."""
    return (
        f"This film is none of those that {model} knows ({known}), so what it says of it is wrong. Name a model "
        "trained on films like this one with --model."
    )


def skeleton_notes(known: str, project: Path, stem: str) -> list[str]:
    """What to say first of a film that is left without words, how to get words, and what was not read."""
    table = project / f"{stem}.csv"
    first, second = (way.format(project=project) for way in WAYS)
    return [
        f"The bundled model knows only {known}, and this film is none of them, so it is left without words: its "
        "places, stills and dialogue are laid out, and their texts are empty.",
        _at_hand(project)
        or f"To have it described, name a model: `{first}` (fetches a video LLM, after asking), or, where Ollama runs, "
        f"`{second}`; `calvin models` lists what is here.",
        f"To write it yourself, fill the column `text` of {table} (stills are in {project / STILLS}) and run "
        f"`calvin import {project} {table}`.",
        *([] if ocr.can_read() else [UNREAD]),
    ]


def known_after_all(known: str) -> str:
    """What to say where a first look took a film for another kind, and all of its stills do not."""
    return (
        f"A first look at some of its pictures took this film for none of those that the bundled model knows "
        f"({known}); going by stills from all of it, it is one of them, so it was described."
    )


def _at_hand(project: Path) -> str | None:
    """How to have the film described by what is here already."""
    try:
        model, why = best()
    except CalvinError:
        return None
    return (
        f"To have it described, run `calvin describe {project} --model {model.model}` ({why}); `calvin models` lists "
        "what else is here, and others can be fetched, such as --model smolvlm2."
    )


def keep_skeleton(store: ProjectStore, frames: FrameStore) -> int:
    """Leave the open places of a project to be filled, with a still of each. Returns how many there are."""
    places = [place for place in store.plans if not place.done]
    leave_skeleton(store)
    store.skeleton = True
    if places:
        with atomic_folder(store.folder / STILLS) as temporary:
            for place in places:
                [still] = frames.frames_between(Span(place.event_ms, place.event_ms + 1), 1)
                (temporary / still_name(place.span)).write_bytes(still.jpeg)
    return len(places)


def empty_note(project: Path, stem: str) -> str:
    """What to say of a film that is to be described by hand."""
    return (
        f"Nothing was described: places, stills and dialogue are here, and the texts are yours to write, with "
        f"`calvin studio {project}` or in the column `text` of {project / stem}.csv."
    )


def leave_skeleton(store: ProjectStore) -> int:
    """The project is an ordinary one again, whose places have words."""
    if store.skeleton:
        shutil.rmtree(store.folder / STILLS, ignore_errors=True)
        store.skeleton = False
    return 0


def known_films(captioner: Captioner) -> str:
    """Which films a captioner knows, in words."""
    return _in_words(getattr(captioner, "world", None))


def _in_words(world: World | None) -> str:
    return world.description if world is not None else "films of another kind"
