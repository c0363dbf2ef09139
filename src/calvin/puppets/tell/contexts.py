"""Contexts as a film's description leaves them, and captions that name only whom the prompt makes known.

A describer's captions name everybody. A model's own do not: it says looks where nobody was introduced, uses a pronoun,
or errs. What such a context makes known is read from its words alone (`told_names`), and a caption that follows it
names these people and tells the others by their looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calvin.core.prompts import Prompt
from calvin.puppets.lexicon import COLOURS, GARMENTS, NAMES
from calvin.puppets.tell.captions import STYLES, Style, new_names, rename, say_look, write_caption
from calvin.puppets.tell.screenplay import pick
from calvin.puppets.truth import Look, SceneTruth

_COAT = rf"in an? (?P<coat>{'|'.join(COLOURS)}) (?:{'|'.join(GARMENTS)})"
_TIES = (
    re.compile(rf"\b(?P<name>[A-Z]\w+), {_COAT}\b"),
    re.compile(rf"^{_COAT}(?: and an? \w+ hat)?, (?P<name>[A-Z]\w+)\b".replace("in an?", "In an?", 1)),
)


def told_names(context: Sequence[str]) -> dict[str, str]:
    """Who is who by colour of the coat, as captions tell it.

    Whoever is told in two ways is left out: if two people are said to wear a colour, or one is said to wear two,
    nothing says which is right.
    """
    ties = {(m["coat"], m["name"]) for caption in context for tie in _TIES for m in tie.finditer(caption)}
    coats, names = [coat for coat, _ in ties], [name for _, name in ties]
    return {coat: name for coat, name in sorted(ties) if coats.count(coat) == 1 and names.count(name) == 1}


def known_people(truth: SceneTruth, context: Sequence[str]) -> dict[str, str]:
    """What those in a scene are called by captions before it (see `told_names`); those not known are left out."""
    told = told_names(context)
    return {name: told[look.coat] for name in truth.present if (look := truth.looks[name]).coat in told}


FORMS = ("none", "told", "bare", "corrected", "muddled", "own", "entities", "looks")
"""What a prompt can hold beside the question: nothing; a describer's captions; captions without any names; a model's
own with a describer's between them; the same with pronouns, wrong and made-up names; captions of the model in training
(`corrected` where there are none); names of those present, or names with looks and maybe others of the cast, either
with a context half of the time."""
_CONTEXTS = ("told", "bare", "corrected", "muddled")
_BY_PERSON = 0.35  # share of a `corrected` context that a describer wrote
_MUDDLED = 0.4  # share of a `muddled` context's captions that have a pronoun or a wrong name
_OTHERS = 0.4  # how often people who are not in the scene are listed with their looks


def draw_context(
    scenes: Sequence[SceneTruth], form: str, count: int, rng: np.random.Generator, style: Style, fresh: bool = True
) -> list[str]:
    """Captions of the last `count` of `scenes`, oldest first.

    Args:
        fresh: the context introduces everybody itself, as if the film began there.
    """
    first = max(0, len(scenes) - count)
    introduced = set() if fresh else {name for scene in scenes[:first] for name in scene.present}
    # What a model says depends on what it said before: its film begins further back than the context.
    lines = list[str]()
    for scene in scenes if form in ("corrected", "muddled") else scenes[first:]:
        if form == "told" or (form in ("corrected", "muddled") and rng.random() < _BY_PERSON):
            lines.append(write_caption(scene, rng, style, introduced))
            introduced |= set(scene.present)
            continue
        known = {} if form == "bare" else known_people(scene, lines[-count:])
        if form == "muddled" and rng.random() < _MUDDLED:
            known = _muddle(scene, scenes, known, rng)
        lines.append(write_caption(scene, rng, style, known=known))
    return lines[-count:] if count else []


def _muddle(
    scene: SceneTruth, scenes: Sequence[SceneTruth], known: Mapping[str, str], rng: np.random.Generator
) -> dict[str, str]:
    """`known` with a pronoun for the one who acts, or somebody else's or nobody's name for one of those present."""
    if rng.random() < 0.35:
        return {**known, scene.agent: "she" if scene.looks[scene.agent].woman else "he"}
    cast = sorted({name for other in scenes for name in other.present})
    return {**known, pick(rng, scene.present): pick(rng, cast if rng.random() < 0.6 else NAMES)}


@dataclass(frozen=True, slots=True)
class ToldScene:
    """A scene, its prompt without the question, its caption, and what those are called whom the prompt makes known."""

    truth: SceneTruth
    prompt: Prompt
    caption: str
    known: Mapping[str, str]


def tell_scene(
    scenes: Sequence[SceneTruth],
    form: str,
    count: int,
    rng: np.random.Generator,
    style: Style | None = None,
    context: Sequence[str] | None = None,
) -> ToldScene:
    """The last of `scenes`, told after a prompt of this form with up to `count` captions of those before.

    Args:
        form: one of `FORMS`.
        context: captions that are there already, for the form `own`.
    """
    truth, style, entities = scenes[-1], style or pick(rng, STYLES), form in ("entities", "looks")
    if entities:
        form_before = pick(rng, _CONTEXTS) if rng.random() < 0.5 else "none"
    else:
        form_before = "corrected" if form == "own" else form
    if context is None:
        before = scenes[:-1][-3 * count :]
        wanted = count if form_before != "none" else 0
        context = draw_context(before, form_before, wanted, rng, style, fresh=bool(rng.random() < 0.6))
    if not entities:
        known = known_people(truth, context)
        return ToldScene(truth, Prompt(None, tuple(context)), write_caption(truth, rng, style, known=known), known)
    names, looks = list(truth.present), {name: look for scene in scenes for name, look in scene.looks.items()}
    if form == "looks" and rng.random() < _OTHERS:
        names += [name for name in sorted(looks) if name not in names]
    # In any order: that of the caption would give away who acts.
    order = [names[i] for i in rng.permutation(len(names))]
    said = tuple(draw_cast_look(looks[name], rng) for name in order) if form == "looks" else ()
    known = {name: name for name in truth.present}
    prompt = Prompt(None, tuple(context), tuple(order), said)
    return ToldScene(truth, prompt, write_caption(truth, rng, style, known=known), known)


def draw_cast_look(look: Look, rng: np.random.Generator) -> str:
    """How a cast may say what somebody looks like: mostly by the coat, sometimes with or only by the hat."""
    words = say_look(look, hat=bool(rng.random() < 0.4))
    if look.hat and rng.random() < 0.15:
        words = f"in {'an' if look.hat[0] in 'aeiou' else 'a'} {look.hat} hat"
    return f"a {look.noun} {words}" if rng.random() < 0.3 else words


def retell(
    scenes: Sequence[SceneTruth],
    number: int,
    count: int,
    rng: np.random.Generator,
    form: str,
    own: Sequence[str] | None = None,
) -> ToldScene:
    """Scene `number` of a film, told as `tell_scene` does, with names, style and words drawn anew.

    Args:
        own: the model's captions of the film's scenes, in the film's own names.
    """
    names = new_names(scenes, rng)
    renamed = [rename(scene, names) for scene in scenes[: number + 1]]
    lines = None
    if form == "own" and own is not None:
        lines = [rename_text(text, names) for text in own[max(0, number - count) : number]]
    return tell_scene(renamed, form, count, rng, context=lines)


def rename_text(text: str, names: Mapping[str, str]) -> str:
    """A caption with everybody under another name."""
    return re.sub(r"\b[A-Z]\w+", lambda word: names.get(word[0], word[0]), text)
