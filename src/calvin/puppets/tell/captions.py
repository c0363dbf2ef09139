"""Captions as a describer writes them: one sentence, present tense, third person, names tied to looks.

A film has one describer, whose style decides the order of the sentence and how often looks and places are said. The
action and the names are in every caption, the prop wherever the action has one, the place in most.

Scenes may be described anew in each epoch: other names, another describer's style, other words. A film's names and
looks are paired once, so a model that sees it often can learn its cast by heart; with other names each time, only the
context says who is who.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calvin.puppets.lexicon import ACTION_BY_KEY, PLACE_BY_KEY, Action
from calvin.puppets.tell.screenplay import Film, Scene, names_for, pick, rng_for
from calvin.puppets.truth import Look, SceneTruth, read_told

PRONOUNS = ("he", "she")
"""What the one who acts may be called where it was said before who that is."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one describer writes. Each field is the share of captions (or people) to which it applies."""

    key: str
    look: float
    look_first: float
    place: float
    place_first: float
    hat: float


STYLES: tuple[Style, ...] = (
    Style("full", look=0.85, look_first=0.2, place=0.95, place_first=0.1, hat=0.3),
    Style("place_first", look=0.7, look_first=0.1, place=0.95, place_first=0.8, hat=0.2),
    Style("look_first", look=0.8, look_first=0.8, place=0.85, place_first=0.0, hat=0.2),
    Style("brief", look=0.65, look_first=0.2, place=0.75, place_first=0.0, hat=0.0),
)


def say_look(look: Look, hat: bool = False) -> str:
    """'in a red coat', or 'in a red coat and a blue hat' if `hat` is asked for and there is one."""
    words = f"in {with_article(look.coat)} {look.garment}"
    return f"{words} and {with_article(look.hat)} hat" if hat and look.hat else words


def with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def film_style(film: Film) -> Style:
    """The style of the film's describer, from its seed."""
    return pick(rng_for(film.seed, film.split, "style"), STYLES)


def write_caption(
    truth: SceneTruth,
    rng: np.random.Generator,
    style: Style = STYLES[0],
    introduced: Collection[str] | None = None,
    known: Mapping[str, str] | None = None,
) -> str:
    """The caption of a scene.

    Args:
        introduced: names whose look was said before; all others get theirs now. None: the style alone decides (for
            scenes on their own).
        known: what people are called; those left out are told by their looks. None: everybody by name.
    """
    agent, patient = truth.agent, truth.patient
    said = {
        name: say_look(truth.looks[name], bool(rng.random() < style.hat))
        for name in truth.present
        if rng.random() < style.look or (introduced is not None and name not in introduced)
    }
    called = {name: name for name in truth.present} if known is None else dict(known)
    for name in truth.present:
        if name not in called:
            look = truth.looks[name]
            called[name] = f"a {look.noun} {said.pop(name, '') or say_look(look)}"
        elif called[name] in PRONOUNS:
            said.pop(name, None)
    him = called[patient] if patient else ""
    if patient in said:
        him = f"{him}, {said[patient]},"
    sentence = say_action(ACTION_BY_KEY[truth.action], rng, truth, him)
    at = PLACE_BY_KEY[truth.place].at
    wants_place = rng.random() < style.place and truth.place not in sentence
    place_first = wants_place and rng.random() < style.place_first
    look_first = agent in said and rng.random() < style.look_first and not place_first
    if look_first:
        sentence = f"{said[agent]}, {called[agent]} {sentence}"
    elif agent in said:
        sentence = f"{called[agent]}, {said[agent]}, {sentence}"
    else:
        sentence = f"{called[agent]} {sentence}"
    if place_first:
        sentence = f"{at}, {sentence}"
    elif wants_place:
        sentence = f"{sentence} {at}"
    return finish(sentence)


def say_action(action: Action, rng: np.random.Generator, truth: SceneTruth, patient: str) -> str:
    """One of the action's phrases with its slots filled."""
    slots = {"p": patient, "o": f"the {truth.prop}", "l": f"the {truth.place}", "his": truth.looks[truth.agent].his}
    return pick(rng, action.phrases).format(**slots)


def finish(sentence: str) -> str:
    """Capital letter, full stop, no comma before the stop or doubled."""
    sentence = sentence.rstrip(", ").replace(",,", ",")
    return f"{sentence[0].upper()}{sentence[1:]}."


def look_caption(truth: SceneTruth, rng: np.random.Generator) -> str:
    """The caption of someone who knows no names: 'A woman in a red coat hands a man in a blue jacket the lamp ...'."""
    people = {}
    for name in truth.present:
        look = truth.looks[name]
        people[name] = f"a {look.noun} {say_look(look, bool(rng.random() < 0.3))}"
    deed = say_action(ACTION_BY_KEY[truth.action], rng, truth, people.get(truth.patient or "", ""))
    sentence = f"{people[truth.agent]} {deed}"
    if truth.place not in sentence and rng.random() < 0.9:
        sentence = f"{sentence} {PLACE_BY_KEY[truth.place].at}"
    return finish(sentence)


def list_details(truth: SceneTruth) -> str:
    """What is to be seen, without what happens: 'The lamp, a man in a red coat, a woman in a blue dress, in the cave.'

    Three words in twenty of a caption are like that, and it has no prop unless one is carried; here nearly every word
    must be seen.
    """
    things = [f"the {truth.prop}"] if truth.prop else []
    looks = [truth.looks[name] for name in truth.present]
    people = [f"a {look.noun} {say_look(look, hat=True)}" for look in looks]
    return finish(", ".join([*things, *people, PLACE_BY_KEY[truth.place].at]))


def film_captions(film: Film) -> list[str]:
    """The describer's captions of all scenes, in order: looks at each introduction, afterwards as the style wants."""
    style, introduced, captions = film_style(film), set[str](), []
    for scene in film.scenes:
        # A generator of its own per scene: what one caption draws does not change the next.
        captions.append(write_caption(scene.truth, caption_rng(scene), style, introduced))
        introduced |= set(scene.truth.present)
    return captions


def caption_rng(scene: Scene, variant: int = 0) -> np.random.Generator:
    return rng_for(scene.seed, variant, "caption")


@dataclass(frozen=True, slots=True)
class RetoldScene:
    """A scene's caption, those of the scenes before it (oldest first), and who is in it, in the caption's order."""

    caption: str
    context: tuple[str, ...]
    names: tuple[str, ...]


def retell(
    scenes: Sequence[SceneTruth], number: int, context: int, rng: np.random.Generator, fresh: float = 0.6
) -> RetoldScene:
    """Scene `number` of a film, and up to `context` before it, with names, style and words drawn anew.

    Args:
        scenes: the film's, in order.
        fresh: with this probability the context introduces everybody itself, as if the film began there.
    """
    first = max(0, number - context)
    names = new_names(scenes, rng)
    earlier = () if rng.random() < fresh else scenes[:first]
    introduced = {names[name] for scene in earlier for name in scene.present}
    style, captions = pick(rng, STYLES), list[str]()
    for scene in scenes[first : number + 1]:
        renamed = rename(scene, names)
        captions.append(write_caption(renamed, rng, style, introduced))
        introduced |= set(renamed.present)
    return RetoldScene(captions[-1], tuple(captions[:-1]), tuple(sorted(renamed.present, key=captions[-1].index)))


def new_names(scenes: Sequence[SceneTruth], rng: np.random.Generator) -> dict[str, str]:
    """Another name for each member of the cast, one that may wear the coat in training films."""
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
