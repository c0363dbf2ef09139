"""Scenes of puppet films told anew: other names, another describer's style, other words, in a new way each epoch.

A film's names and looks are paired once, so a model that sees it often can learn its cast by heart; told with other
names each time, only the context says who is who.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calvin.puppets.tell.captions import STYLES, write_caption
from calvin.puppets.tell.screenplay import names_for, pick
from calvin.puppets.truth import SceneTruth, read_told


@dataclass(frozen=True, slots=True)
class Told:
    """A scene's caption, those of the scenes before it (oldest first), and who is in it, in the caption's order."""

    caption: str
    context: tuple[str, ...]
    names: tuple[str, ...]


def retell(
    scenes: Sequence[SceneTruth], number: int, context: int, rng: np.random.Generator, fresh: float = 0.6
) -> Told:
    """Scene `number` of a film, and up to `context` before it, with names, style and words drawn anew.

    Args:
        scenes: the film's, in order.
        fresh: with this probability the context introduces everybody itself, as if the film began there.
    """
    first = max(0, number - context)
    names = _new_names(scenes, rng)
    earlier = () if rng.random() < fresh else scenes[:first]
    introduced = {names[name] for scene in earlier for name in scene.present}
    style, captions = pick(rng, STYLES), list[str]()
    for scene in scenes[first : number + 1]:
        told = rename(scene, names)
        captions.append(write_caption(told, rng, style, introduced))
        introduced |= set(told.present)
    return Told(captions[-1], tuple(captions[:-1]), tuple(sorted(told.present, key=captions[-1].index)))


def _new_names(scenes: Sequence[SceneTruth], rng: np.random.Generator) -> dict[str, str]:
    """Another name for each member of the cast, of those that may wear the coat in training films."""
    coats = {name: look.coat for scene in scenes for name, look in scene.looks.items()}
    names: dict[str, str] = {}
    for old in sorted(coats):
        new = pick(rng, names_for(coats[old], "train"))
        while new in names.values():
            new = pick(rng, names_for(coats[old], "train"))
        names[old] = new
    return names


def rename(scene: SceneTruth, names: Mapping[str, str]) -> SceneTruth:
    """The scene with everybody under another name."""
    return replace(
        scene,
        agent=names[scene.agent],
        patient=names[scene.patient] if scene.patient else None,
        present=tuple(names[name] for name in scene.present),
        looks={names[name]: look for name, look in scene.looks.items()},
    )


def read_films(truth: Path) -> dict[str, list[SceneTruth]]:
    """The scenes of each film from a world's `truth.jsonl`, in order."""
    films: dict[str, list[SceneTruth]] = {}
    for media, _, scene in read_told(truth):
        films.setdefault(media, []).append(scene)
    return films
