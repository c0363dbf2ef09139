"""Text for pre-training the language model: puppet captions without pictures, and the curriculum that teaches it
who is who from looks.

To get from "in a red coat" to a name is recall within the context; small transformers learn it suddenly or not at all.
So the curriculum starts with `drills` and works up to the prompts of training. A phase should be left when its look-ups
are right, not after a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from calvin.core.prompts import Prompt, fewshot_caption, regularisation_caption
from calvin.puppets.lexicon import ACTIONS, COLOURS, GARMENTS, NAMES, PLACES, PROPS
from calvin.puppets.tell import drills
from calvin.puppets.tell.captions import STYLES, look_caption, with_article, write_caption
from calvin.puppets.tell.contexts import FORMS, tell_scene
from calvin.puppets.tell.screenplay import Person, Split, draw_cast, pick


def draw_prompt(
    rng: np.random.Generator, cast: tuple[Person, ...], entities: bool = False, scenes: int = 3
) -> drills.PromptText:
    """A prompt and its caption. The context is the captions of `scenes` before it or (`entities`) the names present."""
    style, introduced, context = pick(rng, STYLES), set[str](), []
    for _ in range(0 if entities else scenes):
        truth = drills.draw_truth(rng, cast)
        # In a film, people are usually introduced further back than the context reaches.
        context.append(write_caption(truth, rng, style, introduced if rng.random() < 0.5 else None))
        introduced |= set(truth.present)
    truth = drills.draw_truth(rng, cast)
    question = drills.draw_question(rng)
    if entities:
        names = tuple(str(name) for name in rng.permutation(truth.present))
        prompt, known = Prompt(question, entities=names), truth.present
    else:
        prompt = Prompt(question, tuple(context))
        known = tuple(name for name in truth.present if is_introduced(name, truth.looks[name].coat, context))
    return drills.PromptText(look_caption(truth, rng), prompt, write_caption(truth, rng, style), known)


def _prompt(
    rng: np.random.Generator, cast: tuple[Person, ...], seen: bool = True, entities: bool = False, scenes: int = 3
) -> drills.Drill:
    """What a stage-2 sample says: context, question, caption. With `seen`, a nameless description of the scene stands
    where the visual will, so that the looks in the context say who acts."""
    parts = draw_prompt(rng, cast, entities, scenes)
    made = drills.Builder()
    if seen:
        made.add(parts.stand_in)
    made.add(parts.prompt.text.strip())
    made.add(parts.caption, *(parts.known if seen or entities else ()))
    return made.drill()


_PAIRS = tuple(action for action in ACTIONS if action.people == 2)


def draw_told(rng: np.random.Generator, cast: tuple[Person, ...], form: str) -> drills.PromptText:
    """A prompt of one of `contexts.FORMS`, and a caption that names only whom it makes known."""
    # In a film the story stays with some of the cast for a while, so that the context tells who most of them are.
    count, group = 3 + 2 * int(rng.random() < 0.4), tuple(cast[i] for i in rng.permutation(len(cast))[:3])
    scenes = [drills.draw_truth(rng, group) for _ in range(int(rng.integers(3 * count + 1)))]
    # The second of two people is the harder one: left to chance, a third of the scenes has one.
    scenes.append(drills.draw_truth(rng, group, pick(rng, _PAIRS) if rng.random() < 0.5 else None))
    told = tell_scene(scenes, form, count, rng)
    prompt = replace(told.prompt, question=drills.draw_question(rng))
    return drills.PromptText(look_caption(scenes[-1], rng), prompt, told.caption, tuple(told.known.values()))


def _told(rng: np.random.Generator, cast: tuple[Person, ...], form: str) -> drills.Drill:
    """What a sample of stage 2 says whose caption names only whom the prompt makes known."""
    parts, made = draw_told(rng, cast, form), drills.Builder()
    made.add(parts.stand_in)
    made.add(parts.prompt.text.strip())
    made.add(parts.caption, *parts.known, strangers=True)
    return made.drill()


def draw_fewshot(rng: np.random.Generator, cast: tuple[Person, ...]) -> str:
    """A caption in the form of Figure 6, so that adapting to a film need not teach words that are new to the model."""
    truth = drills.draw_truth(rng, cast)
    if rng.random() < 0.5:
        return regularisation_caption(look_caption(truth, rng))
    return fewshot_caption(write_caption(truth, rng, pick(rng, STYLES)), truth.present)


def is_introduced(name: str, coat: str, context: Sequence[str]) -> bool:
    """Whether a caption of the context ties the name to its coat, on either side of it."""
    for caption in context:
        if f"{name}, in a {coat} " in caption or f"{name}, in an {coat} " in caption:
            return True
        if caption.startswith((f"In a {coat} ", f"In an {coat} ")) and f", {name} " in caption:
            return True
    return False


PHASES: dict[str, tuple[int, Callable[[np.random.Generator, tuple[Person, ...]], drills.Drill]]] = {
    "repeats": (1, lambda rng, _: drills.repeats(rng)),
    "pairs_2": (2, drills.pairs),
    "looks": (4, drills.looks),
    "short": (4, lambda rng, cast: drills.short(rng, cast, "{colour} {name}")),
    "look_first": (4, lambda rng, cast: drills.short(rng, cast, "{look}, {name}")),
    "captions": (4, drills.captions),
    "far": (4, lambda rng, cast: drills.far(rng, cast, 0)),
    "farther": (4, lambda rng, cast: drills.far(rng, cast, 3)),
    "asked": (4, drills.asked),
    "cues_2": (1, lambda rng, _: drills.cues(rng, 10, 2, looks=False, two=False)),
    "cues_4": (1, lambda rng, _: drills.cues(rng, 7, 4, looks=False)),
    "cues_looks_2": (1, lambda rng, _: drills.cues(rng, 6, 2, looks=True)),
    "cues_looks": (1, lambda rng, _: drills.cues(rng, 4, 4, looks=True)),
    "cue_2": (2, lambda rng, cast: drills.cue(rng, cast, looks=False, two=False)),
    "cue_4": (4, lambda rng, cast: drills.cue(rng, cast, looks=False)),
    "cue_looks_2": (2, drills.cue),
    "cue_looks": (4, drills.cue),
    "cue_far": (4, lambda rng, cast: drills.cue(rng, cast, film=True)),
    "cue_scene": (4, lambda rng, cast: drills.cue_scenes(rng, cast, 1)),
    "cue_scenes": (4, lambda rng, cast: drills.cue_scenes(rng, cast, 3)),
    "cue_scenes_5": (4, lambda rng, cast: drills.cue_scenes(rng, cast, 5)),
    "seen_prompt": (4, _prompt),
    "seen_prompt_5": (4, lambda rng, cast: _prompt(rng, cast, scenes=5)),
    "entities": (4, lambda rng, cast: _prompt(rng, cast, seen=rng.random() < 0.5, entities=True)),
    "prompt": (4, lambda rng, cast: _prompt(rng, cast, seen=False)),
    "strangers": (4, lambda rng, cast: drills.cue(rng, cast, film=True, strangers=0.5)),
    "strangers_many": (1, lambda rng, _: drills.cues(rng, 4, 3, looks=True, strangers=0.4)),
    **{f"form_{form}": (4, partial(_told, form=form)) for form in FORMS},
    "fewshot": (4, lambda rng, cast: drills.Drill(" ".join(draw_fewshot(rng, cast) for _ in range(3)), ())),
}
"""The curriculum in order: phase name to size of cast and maker. The last two have no look-ups: they are the plain
language of stage 2 and of adapting to a film."""


def make_drill(phase: str, rng: np.random.Generator, split: Split | None = "train") -> drills.Drill:
    """A text of one phase; the cast, names and looks are paired anew in each.

    `rng` decides everything: two generators of one seed give one text.
    """
    size, maker = PHASES[phase]
    return maker(rng, draw_cast(rng, size, split))


def lexicon_text() -> list[str]:
    """Every name, phrase, place, prop and colour at least once: to train a tokenizer that splits none of them badly."""
    phrases = [
        phrase.format(p="Mara", o="the lamp", l="the cave", his=his)
        for action in ACTIONS
        for phrase in action.phrases
        for his in ("his", "her")
    ]
    looks = [f"in {with_article(colour)} {garment}" for colour in COLOURS for garment in (*GARMENTS, "hat")]
    return [*NAMES, *phrases, *looks, *(place.at for place in PLACES), *(f"the {prop}" for prop in PROPS)]
