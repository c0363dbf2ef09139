"""Text for pre-training the language model: puppet captions without pictures, and the curriculum that teaches it to
tell who is who from looks.

Telling a person's name from "in a red coat" is recall within the context; small transformers learn it suddenly or not
at all. So it starts with words that come again in the same order, other words between them: each word recalled is worth
more bits than the choice between two names (induction heads: Olsson et al. 2022), and what stands between keeps recall
from being about neighbours only, which "in a red coat, Mara" are not. From there it works up to the prompts of
training. A phase is to be left when its look-ups are right, not after a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from calvin.core.prompts import (
    EVALUATION_QUESTION,
    TRAINING_QUESTIONS,
    Prompt,
    fewshot_caption,
    regularisation_caption,
)
from calvin.puppets.captions import (
    STYLES,
    finish,
    look_caption,
    say_action,
    say_look,
    with_article,
    write_caption,
)
from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS, COLOURS, GARMENTS, NAMES, PLACE_BY_KEY, PLACES, PROPS, Action
from calvin.puppets.script import Person, Split, draw_cast, draw_scene, pick
from calvin.puppets.truth import SceneTruth

FILLERS = "then and so while still near far slowly again soon here there now also".split()  # noqa: SIM905
_ALONE = tuple(action for action in ACTIONS if action.people == 1)


@dataclass(frozen=True, slots=True)
class Drill:
    """A text, and the character spans of the names in it that can be told from what stands before them."""

    text: str
    marks: tuple[tuple[int, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in self.marks)


class _Builder:
    """Joins pieces with spaces and keeps where the looked-up names came to stand."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.marks: list[tuple[int, int]] = []
        self.seen: set[str] = set()

    def add(self, piece: str, *lookups: str) -> None:
        if self.parts:
            self.length += 1
        for name in lookups:
            start = self.length + piece.index(name)
            self.marks.append((start, start + len(name)))
        self.parts.append(piece)
        self.length += len(piece)

    def once_seen(self, name: str) -> tuple[str, ...]:
        """The name as a look-up where its look stood before; from now on it did."""
        known = (name,) if name in self.seen else ()
        self.seen.add(name)
        return known

    def drill(self) -> Drill:
        return Drill(" ".join(self.parts), tuple(self.marks))


_WORDS = (*NAMES, *COLOURS, *PROPS)
_BETWEEN = (*FILLERS, *GARMENTS, "in", "a", "an", "and", "hat", "the", ",")


def _repeats(rng: np.random.Generator) -> Drill:
    """Five runs of two to four words, all different, then seven of these runs again: their later words can be told.

    Every third time or so, other words stand between.
    """
    words = iter([_WORDS[i] for i in rng.permutation(len(_WORDS))])
    runs = [[next(words) for _ in range(int(rng.integers(2, 5)))] for _ in range(5)]
    made = _Builder()
    for number, run in enumerate([*runs, *(pick(rng, runs) for _ in range(7))]):
        for place, word in enumerate(run):
            made.add(word, *((word,) if place and number >= len(runs) else ()))
            while rng.random() < 0.3:
                made.add(pick(rng, _BETWEEN))
    return made.drill()


def _looks(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """'in a red coat, Mara in a blue dress, Greta then ...': looks and names, and little else."""
    made = _Builder()
    for _ in range(14):
        person = pick(rng, cast)
        made.add(f"{say_look(person.look)}, {person.name}", *made.once_seen(person.name))
        if rng.random() < 0.3:
            made.add(pick(rng, FILLERS))
    return made.drill()


def _pairs(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    made = _Builder()
    for _ in range(16):
        person = pick(rng, cast)
        made.add(f"{person.look.coat} {person.name}", *made.once_seen(person.name))
    return made.drill()


def _truth(rng: np.random.Generator, cast: tuple[Person, ...], action: Action | None = None) -> SceneTruth:
    return draw_scene(rng, "text", 0, 0, cast, 4.0, action).truth


def _short(rng: np.random.Generator, cast: tuple[Person, ...], form: str) -> Drill:
    """Captions cut down to 'red Mara sits down in the cave.' or 'in a red coat, Mara sits down in the cave.'"""
    made = _Builder()
    for _ in range(8):
        truth = _truth(rng, cast)
        look = truth.looks[truth.agent]
        who = form.format(colour=look.coat, look=say_look(look), name=truth.agent)
        deed = say_action(ACTION_BY_KEY[truth.action], rng, truth, truth.patient or "")
        at = "" if truth.place in deed else f" {PLACE_BY_KEY[truth.place].at}"
        made.add(finish(f"{who} {deed}{at}"), *made.once_seen(truth.agent))
    return made.drill()


def _captions(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """Eight captions of a film in a describer's own style; a name is a look-up where its look stands before it."""
    made, style = _Builder(), pick(rng, STYLES)
    for _ in range(8):
        truth = _truth(rng, cast)
        caption = write_caption(truth, rng, style, made.seen)
        look_first = caption.startswith("In a")
        known = truth.agent in made.seen
        made.add(caption, *((truth.agent,) if look_first and known else ()))
        made.seen |= set(truth.present)
    return made.drill()


def _tie(rng: np.random.Generator, person: Person) -> str:
    """'in a red coat, Mara' or 'Mara, in a red coat'."""
    look = say_look(person.look)
    return f"{look}, {person.name}" if rng.random() < 0.5 else f"{person.name}, {look}"


def _far(rng: np.random.Generator, cast: tuple[Person, ...], others: int) -> Drill:
    """'Mara, in a red coat. In a blue dress, Greta. ... A man in a red coat soon here . Mara': a look that is asked for
    from further and further away, up to `others` introductions between."""

    made = _Builder()
    for index in rng.permutation(len(cast)):
        made.add(f"{_tie(rng, cast[index])}.")
    for _ in range(8):
        person = pick(rng, cast)
        made.add(f"A {person.look.noun} {say_look(person.look)}")
        for _ in range(int(rng.integers(5))):
            made.add(pick(rng, FILLERS))
        made.add(".")
        for _ in range(int(rng.integers(others + 1))):
            made.add(f"{_tie(rng, pick(rng, cast))}.")
        if rng.random() < 0.5:
            made.add(pick(rng, (EVALUATION_QUESTION, *TRAINING_QUESTIONS)))
        made.add(person.name, person.name)
    return made.drill()


def _asked(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """Everybody is introduced, then five scenes are told without names and with them, up to two others between.

    What `seen_prompt` asks once a text is asked five times here, and from nearer.
    """
    made, style = _Builder(), pick(rng, STYLES)
    for person in cast:
        tie = _tie(rng, person)
        truth = _truth(rng, (person,), pick(rng, _ALONE))
        deed = say_action(ACTION_BY_KEY[truth.action], rng, truth, "")
        comma = "," if tie.startswith(person.name) else ""
        made.add(finish(f"{tie}{comma} {deed}"))
    for _ in range(5):
        truth = _truth(rng, cast)
        made.add(look_caption(truth, rng))
        for _ in range(int(rng.integers(3))):
            made.add(write_caption(_truth(rng, cast), rng, style))
        if rng.random() < 0.5:
            made.add(EVALUATION_QUESTION)
        made.add(write_caption(truth, rng, style), *truth.present)
    return made.drill()


@dataclass(frozen=True, slots=True)
class PromptText:
    """A stage-2 sample without its pictures: `stand_in` describes the scene namelessly where the visual would be;
    `told` are the names of the caption that stand-in and prompt give away."""

    stand_in: str
    prompt: Prompt
    caption: str
    told: tuple[str, ...]


def draw_prompt(
    rng: np.random.Generator, cast: tuple[Person, ...], entities: bool = False, scenes: int = 3
) -> PromptText:
    """A prompt and its caption; its context are the captions of `scenes` before, or (`entities`) the names present."""
    style, introduced, context = pick(rng, STYLES), set[str](), []
    for _ in range(0 if entities else scenes):
        truth = _truth(rng, cast)
        # The introductions of a film lie further back than its context as a rule.
        context.append(write_caption(truth, rng, style, introduced if rng.random() < 0.5 else None))
        introduced |= set(truth.present)
    truth = _truth(rng, cast)
    # The question of evaluation is none of those of training (Table 5), but a small model should have met its words.
    question = EVALUATION_QUESTION if rng.random() < 0.25 else pick(rng, TRAINING_QUESTIONS)
    if entities:
        names = tuple(str(name) for name in rng.permutation(truth.present))
        prompt, told = Prompt(question, entities=names), truth.present
    else:
        prompt = Prompt(question, tuple(context))
        told = tuple(name for name in truth.present if is_told(name, truth.looks[name].coat, context))
    return PromptText(look_caption(truth, rng), prompt, write_caption(truth, rng, style), told)


def _prompt(
    rng: np.random.Generator, cast: tuple[Person, ...], seen: bool = True, entities: bool = False, scenes: int = 3
) -> Drill:
    """What a stage-2 sample says: context, question, caption. With `seen`, a nameless description of the scene stands
    where the visual will, so that who acts can be told from the looks in the context."""
    parts = draw_prompt(rng, cast, entities, scenes)
    made = _Builder()
    if seen:
        made.add(parts.stand_in)
    made.add(parts.prompt.text.strip())
    made.add(parts.caption, *(parts.told if seen or entities else ()))
    return made.drill()


def draw_fewshot(rng: np.random.Generator, cast: tuple[Person, ...]) -> str:
    """A caption in the form of Figure 6, so that adapting to a film need not teach words never met before."""
    truth = _truth(rng, cast)
    if rng.random() < 0.5:
        return regularisation_caption(look_caption(truth, rng))
    return fewshot_caption(write_caption(truth, rng, pick(rng, STYLES)), truth.present)


def is_told(name: str, coat: str, context: Sequence[str]) -> bool:
    """Whether a caption of the context ties the name to its coat, on either side of it."""
    for caption in context:
        if f"{name}, in a {coat} " in caption or f"{name}, in an {coat} " in caption:
            return True
        if caption.startswith((f"In a {coat} ", f"In an {coat} ")) and f", {name} " in caption:
            return True
    return False


PHASES: dict[str, tuple[int, Callable[[np.random.Generator, tuple[Person, ...]], Drill]]] = {
    "repeats": (1, lambda rng, _: _repeats(rng)),
    "pairs_2": (2, _pairs),
    "looks": (4, _looks),
    "short": (4, lambda rng, cast: _short(rng, cast, "{colour} {name}")),
    "look_first": (4, lambda rng, cast: _short(rng, cast, "{look}, {name}")),
    "captions": (4, _captions),
    "far": (4, lambda rng, cast: _far(rng, cast, 0)),
    "farther": (4, lambda rng, cast: _far(rng, cast, 3)),
    "asked": (4, _asked),
    "seen_prompt": (4, _prompt),
    "seen_prompt_5": (4, lambda rng, cast: _prompt(rng, cast, scenes=5)),
    "entities": (4, lambda rng, cast: _prompt(rng, cast, seen=rng.random() < 0.5, entities=True)),
    "prompt": (4, lambda rng, cast: _prompt(rng, cast, seen=False)),
    "fewshot": (4, lambda rng, cast: Drill(" ".join(draw_fewshot(rng, cast) for _ in range(3)), ())),
}
"""The curriculum in order: phase name to size of cast and maker. The last two have no look-ups: they are the plain
language of stage 2 and of adapting to a film."""


def make_drill(phase: str, rng: np.random.Generator, split: Split | None = "train") -> Drill:
    """A text of one phase; the cast, names and looks are paired anew in each.

    `rng` decides everything: two generators of one seed give one text.
    """
    size, maker = PHASES[phase]
    return maker(rng, draw_cast(rng, size, split))


def lexicon_text() -> list[str]:
    """Every name, phrase, place, prop and colour at least once: for training a tokenizer that splits none badly."""
    phrases = [
        phrase.format(p="Mara", o="the lamp", l="the cave", his=his)
        for action in ACTIONS
        for phrase in action.phrases
        for his in ("his", "her")
    ]
    looks = [f"in {with_article(colour)} {garment}" for colour in COLOURS for garment in (*GARMENTS, "hat")]
    return [*NAMES, *phrases, *looks, *(place.at for place in PLACES), *(f"the {prop}" for prop in PROPS)]
