"""Drills that teach a small language model to recall a name from a look, each a text of its own.

They start with words that come again in the same order, with other words in between: each word recalled is worth more
bits than the choice between two names (induction heads: Olsson et al. 2022), and the words in between keep recall from
being about neighbours only, because in "in a red coat, Mara" name and colour are not neighbours. Then come looks,
captions, and looks that are asked about much later. The last step needs a circuit of its own: the look of a scene comes
first and who is who only after it, as in a prompt of stage 2; `cue` drills teach it from its smallest form upwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from calvin.core.prompts import EVALUATION_QUESTION, TRAINING_QUESTIONS, Prompt
from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS, COLOURS, GARMENTS, NAMES, PLACE_BY_KEY, PROPS, Action
from calvin.puppets.tell.captions import STYLES, finish, look_caption, say_action, say_look, write_caption
from calvin.puppets.tell.screenplay import Person, draw_cast, draw_scene, pick
from calvin.puppets.truth import SceneTruth

FILLERS = "then and so while still near far slowly again soon here there now also".split()  # noqa: SIM905
_ALONE = tuple(action for action in ACTIONS if action.people == 1)


@dataclass(frozen=True, slots=True)
class Drill:
    """A text, and the character spans of the names in it that can be recalled from what stands before them."""

    text: str
    marks: tuple[tuple[int, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in self.marks)


class Builder:
    """Joins pieces with spaces and keeps where the looked-up names came to stand."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.length = 0
        self.marks: list[tuple[int, int]] = []
        self.seen: set[str] = set()

    def add(self, piece: str, *lookups: str, strangers: bool = False) -> None:
        """Add a piece; `lookups` are the names in it that can be recalled, and with `strangers` it is known of those
        without a name that they have none."""
        if self.parts:
            self.length += 1
        for name in lookups:
            # Counted as the text grows, for the same name may stand in it several times.
            start = self.length + piece.index(name)
            self.marks.append((start, start + len(name)))
        if strangers:
            self.marks += [(self.length + m.start(), self.length + m.end()) for m in _STRANGER.finditer(piece)]
        self.parts.append(piece)
        self.length += len(piece)

    def once_seen(self, name: str) -> tuple[str, ...]:
        """The name as a look-up where its look stood before; from now on it did."""
        known = (name,) if name in self.seen else ()
        self.seen.add(name)
        return known

    def drill(self) -> Drill:
        return Drill(" ".join(self.parts), tuple(sorted(self.marks)))


_STRANGER = re.compile(r"\b[Aa](?= (?:wo)?man in an? )")
_WORDS = (*NAMES, *COLOURS, *PROPS)
_BETWEEN = (*FILLERS, *GARMENTS, "in", "a", "an", "and", "hat", "the", ",")


def repeats(rng: np.random.Generator) -> Drill:
    """Five runs of two to four words, all different, then seven of these runs again: their later words can be recalled.

    About every third time, other words stand between.
    """
    words = iter([_WORDS[i] for i in rng.permutation(len(_WORDS))])
    runs = [[next(words) for _ in range(int(rng.integers(2, 5)))] for _ in range(5)]
    made = Builder()
    for number, run in enumerate([*runs, *(pick(rng, runs) for _ in range(7))]):
        for place, word in enumerate(run):
            made.add(word, *((word,) if place and number >= len(runs) else ()))
            while rng.random() < 0.3:
                made.add(pick(rng, _BETWEEN))
    return made.drill()


def looks(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """'in a red coat, Mara in a blue dress, Greta then ...': looks and names, and little else."""
    made = Builder()
    for _ in range(14):
        person = pick(rng, cast)
        made.add(f"{say_look(person.look)}, {person.name}", *made.once_seen(person.name))
        if rng.random() < 0.3:
            made.add(pick(rng, FILLERS))
    return made.drill()


def pairs(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    made = Builder()
    for _ in range(16):
        person = pick(rng, cast)
        made.add(f"{person.look.coat} {person.name}", *made.once_seen(person.name))
    return made.drill()


def draw_truth(rng: np.random.Generator, cast: tuple[Person, ...], action: Action | None = None) -> SceneTruth:
    return draw_scene(rng, "text", 0, 0, cast, 4.0, action).truth


def short(rng: np.random.Generator, cast: tuple[Person, ...], form: str) -> Drill:
    """Captions cut down to 'red Mara sits down in the cave.' or 'in a red coat, Mara sits down in the cave.'"""
    made = Builder()
    for _ in range(8):
        truth = draw_truth(rng, cast)
        look = truth.looks[truth.agent]
        who = form.format(colour=look.coat, look=say_look(look), name=truth.agent)
        deed = say_action(ACTION_BY_KEY[truth.action], rng, truth, truth.patient or "")
        at = "" if truth.place in deed else f" {PLACE_BY_KEY[truth.place].at}"
        made.add(finish(f"{who} {deed}{at}"), *made.once_seen(truth.agent))
    return made.drill()


def captions(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """Eight captions of a film in a describer's own style; a name is a look-up where its look stands before it."""
    made, style = Builder(), pick(rng, STYLES)
    for _ in range(8):
        truth = draw_truth(rng, cast)
        caption = write_caption(truth, rng, style, made.seen)
        look_first = caption.startswith("In a")
        known = truth.agent in made.seen
        made.add(caption, *((truth.agent,) if look_first and known else ()))
        made.seen |= set(truth.present)
    return made.drill()


def say_tie(rng: np.random.Generator, person: Person) -> str:
    """'in a red coat, Mara' or 'Mara, in a red coat'."""
    look = say_look(person.look)
    return f"{look}, {person.name}" if rng.random() < 0.5 else f"{person.name}, {look}"


def far(rng: np.random.Generator, cast: tuple[Person, ...], others: int) -> Drill:
    """'Mara, in a red coat. In a blue dress, Greta. ... A man in a red coat soon here . Mara': a look that is asked for
    from further and further away, up to `others` introductions between."""
    made = Builder()
    for index in rng.permutation(len(cast)):
        made.add(f"{say_tie(rng, cast[index])}.")
    for _ in range(8):
        person = pick(rng, cast)
        made.add(f"A {person.look.noun} {say_look(person.look)}")
        for _ in range(int(rng.integers(5))):
            made.add(pick(rng, FILLERS))
        made.add(".")
        for _ in range(int(rng.integers(others + 1))):
            made.add(f"{say_tie(rng, pick(rng, cast))}.")
        if rng.random() < 0.5:
            made.add(pick(rng, (EVALUATION_QUESTION, *TRAINING_QUESTIONS)))
        made.add(person.name, person.name)
    return made.drill()


def asked(rng: np.random.Generator, cast: tuple[Person, ...]) -> Drill:
    """Everybody is introduced, then five scenes are described without names and with them, up to two others in between.

    What `seen_prompt` asks once per text is asked five times here, and from nearer.
    """
    made, style = Builder(), pick(rng, STYLES)
    for person in cast:
        tie = say_tie(rng, person)
        truth = draw_truth(rng, (person,), pick(rng, _ALONE))
        deed = say_action(ACTION_BY_KEY[truth.action], rng, truth, "")
        comma = "," if tie.startswith(person.name) else ""
        made.add(finish(f"{tie}{comma} {deed}"))
    for _ in range(5):
        truth = draw_truth(rng, cast)
        made.add(look_caption(truth, rng))
        for _ in range(int(rng.integers(3))):
            made.add(write_caption(draw_truth(rng, cast), rng, style))
        if rng.random() < 0.5:
            made.add(EVALUATION_QUESTION)
        made.add(write_caption(truth, rng, style), *truth.present)
    return made.drill()


def cue(
    rng: np.random.Generator,
    cast: tuple[Person, ...],
    looks: bool = True,
    two: bool = True,
    film: bool = False,
    strangers: float = 0.0,
) -> Drill:
    """'red. red Mara, Greta blue. Mara.': a look, then who wears what, then whose look it was.

    Args:
        looks: 'A man in a red coat' and 'Mara, in a red coat' instead of bare colours.
        two: in two of five texts two people are asked for, first one, then the other.
        film: with other words in between and, as a rule, the question of a prompt before the answer.
        strangers: this share of those asked for is not said to wear anything; the answer is their look again.
    """
    made = Builder()
    _add_cue(rng, made, cast, looks, two, film, strangers)
    return made.drill()


def cues(
    rng: np.random.Generator, blocks: int, size: int, looks: bool, two: bool = True, strangers: float = 0.0
) -> Drill:
    """Many cues in one text, each with a cast of its own: they teach that a look is asked for at all; single cues then
    teach how it is found."""
    made = Builder()
    for _ in range(blocks):
        _add_cue(rng, made, draw_cast(rng, size, "train"), looks, two, False, strangers)
    return made.drill()


def _add_cue(
    rng: np.random.Generator,
    made: Builder,
    cast: tuple[Person, ...],
    looks: bool,
    two: bool,
    film: bool,
    strangers: float,
) -> None:
    asked_for = [cast[i] for i in rng.permutation(len(cast))[: 1 + int(two and rng.random() < 0.4)]]
    first = " and ".join(_say_seen(rng, person, looks, film) for person in asked_for)
    made.add(f"{first[0].upper()}{first[1:]}" if looks else first)
    _add_fillers(rng, made, film)
    made.add(".")
    unknown = [person for person in asked_for if strangers and rng.random() < strangers]
    # Either word may come first, so that position alone never gives the answer away.
    for index in rng.permutation(len(cast)):
        person = cast[index]
        if person in unknown:
            continue
        look = say_look(person.look, film and bool(rng.random() < 0.2)) if looks else person.look.coat
        pair = [person.name, look] if rng.random() < 0.55 else [look, person.name]
        made.add((", " if looks else " ").join(pair))
        _add_fillers(rng, made, film)
        made.add(",")
    made.add(draw_question(rng, 0.5) if film and rng.random() < 0.7 else ".")
    for number, person in enumerate(asked_for):
        if number:
            made.add("and")
        if person in unknown:
            made.add(f"a {person.look.noun} {say_look(person.look)}", strangers=True)
        else:
            made.add(person.name, person.name)
    made.add(".")


def _say_seen(rng: np.random.Generator, person: Person, looks: bool, film: bool) -> str:
    if not looks:
        return person.look.coat
    return f"a {person.look.noun} {say_look(person.look, film and bool(rng.random() < 0.3))}"


def _add_fillers(rng: np.random.Generator, made: Builder, wanted: bool) -> None:
    while wanted and rng.random() < 0.5:
        made.add(pick(rng, FILLERS))


def draw_question(rng: np.random.Generator, fixed: float = 0.25) -> str:
    """One of training's questions, or with probability `fixed` that of evaluation, which is not among them (Table 5): a
    small model should have met its words."""
    return EVALUATION_QUESTION if rng.random() < fixed else pick(rng, TRAINING_QUESTIONS)


@dataclass(frozen=True, slots=True)
class PromptText:
    """A stage-2 sample without its pictures: `stand_in` describes the scene namelessly where the visual would be;
    `known` are the names of the caption that can be recalled from stand-in and prompt."""

    stand_in: str
    prompt: Prompt
    caption: str
    known: tuple[str, ...]


def draw_known_scene(rng: np.random.Generator, cast: tuple[Person, ...], least: int) -> PromptText:
    """A scene, not asked about yet, whose context of `least` captions or more introduces everybody in it: all its names
    can be recalled."""
    style, introduced, context = pick(rng, STYLES), set[str](), list[str]()
    truth = draw_truth(rng, cast)
    nameless = look_caption(truth, rng)
    while len(context) < least or not set(truth.present) <= introduced:
        before = draw_truth(rng, cast)
        if len(context) < least or set(before.present) & set(truth.present) - introduced:
            context.append(write_caption(before, rng, style, introduced))
            introduced |= set(before.present)
    return PromptText(nameless, Prompt(None, tuple(context)), write_caption(truth, rng, style), truth.present)


def cue_scenes(rng: np.random.Generator, cast: tuple[Person, ...], least: int) -> Drill:
    """A prompt with a nameless scene where its visual will be, but all its names can be recalled."""
    made = Builder()
    parts = draw_known_scene(rng, cast, least)
    for sentence in (parts.stand_in, *parts.prompt.context):
        made.add(sentence)
    if rng.random() < 0.7:
        made.add(draw_question(rng, 0.5))
    made.add(parts.caption, *parts.known)
    return made.drill()
