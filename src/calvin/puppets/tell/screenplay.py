"""Films before they are drawn: a cast, and scenes that follow one another, all from a seed.

Name and look are paired anew in each film. Actions are drawn independently of place, prop and cast. Whether a pairing
of name and coat belongs to training or to held-out films is decided by a hash, so the two never share one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np

from calvin.core.errors import UsageError
from calvin.core.prompts import join_names
from calvin.puppets.lexicon import ACTIONS, COLOURS, GARMENTS, LINES, NAMES, PLACES, POSES, PROPS, TALK, Action
from calvin.puppets.truth import Look, SceneTruth

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
T = TypeVar("T")
_COLOURS = tuple(COLOURS)
HELDOUT_SHARE = 5
"""One pairing in this many is kept for held-out films."""
_SPOKEN_CARD_MS = 2800


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    look: Look


@dataclass(frozen=True, slots=True)
class Scene:
    """One shot: its truth, and `seed`, from which everything that is not truth (camera, light, clutter) is drawn."""

    seed: int
    truth: SceneTruth

    @property
    def duration_ms(self) -> int:
        return self.truth.end_ms - self.truth.start_ms


@dataclass(frozen=True, slots=True)
class Line:
    """A line of dialogue: `speaker` is heard from start_ms to end_ms, and subtitled."""

    start_ms: int
    end_ms: int
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card of opening or closing credits; or, between shots, of a later time (`intertitle`) or a letter."""

    start_ms: int
    end_ms: int
    kind: Literal["opening", "closing", "intertitle", "letter"]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """A board with writing on it that hangs in a shot (its number in the film): middle and letter height in units of
    the stage."""

    shot: int
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    x: float
    y: float
    size: float
    style: int = 0


@dataclass(frozen=True, slots=True)
class Film:
    """A cast, the shots in order, without gaps, between the cards of the opening and closing credits, the dialogue.

    Films with writing in them also have `inserts`, cards between shots, and `signs` (see `with_writing`).
    """

    id: str
    seed: int
    split: Split
    cast: tuple[Person, ...]
    shots: tuple[Scene, ...]
    cards: tuple[Card, ...]
    lines: tuple[Line, ...] = ()
    inserts: tuple[Card, ...] = ()
    signs: tuple[Sign, ...] = ()

    @property
    def scenes(self) -> tuple[Scene, ...]:
        """The shots in which one of the described actions takes place."""
        return tuple(shot for shot in self.shots if shot.truth.action != TALK.key)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(person.name for person in self.cast)

    @property
    def title(self) -> str:
        return self.cards[0].lines[0]

    @property
    def duration_ms(self) -> int:
        return self.cards[-1].end_ms


def pairing_split(name: str, coat: str) -> Split:
    """Which split a pairing of name and coat colour belongs to, whatever the seed."""
    # A hash and not a draw: films made apart, even years apart, agree on it without a list.
    return "heldout" if zlib.crc32(f"{name}|{coat}".encode()) % HELDOUT_SHARE == 0 else "train"


def rng_for(*parts: int | str) -> np.random.Generator:
    """An independent generator for each tuple of parts."""
    return np.random.default_rng([part if isinstance(part, int) else zlib.crc32(part.encode()) for part in parts])


@cache
def names_for(coat: str, split: Split | None) -> tuple[str, ...]:
    """The names that may wear `coat` in films of `split` (None: all)."""
    return tuple(name for name in NAMES if split in (None, pairing_split(name, coat)))


def pick(rng: np.random.Generator, things: Sequence[T]) -> T:
    return things[int(rng.integers(len(things)))]


def draw_look(rng: np.random.Generator, coat: str) -> Look:
    woman = bool(rng.random() < 0.5)
    garment = pick(rng, GARMENTS if woman else GARMENTS[:2])
    hat = pick(rng, [colour for colour in _COLOURS if colour != coat]) if rng.random() < 0.5 else None
    return Look(coat, garment, hat, woman, int(rng.integers(4)), int(rng.integers(5)))


def draw_cast(rng: np.random.Generator, size: int, split: Split | None) -> tuple[Person, ...]:
    """`size` people whose names and coat colours all differ; every pairing belongs to `split` (None: either)."""
    if not 1 <= size <= 6:
        raise UsageError(f"A puppet film has a cast of 1 to 6, not {size}.")
    cast: list[Person] = []
    # Colours without repeats: two people in one colour could not be told apart by a caption.
    for i in rng.permutation(len(_COLOURS))[:size]:
        coat, taken = _COLOURS[i], {person.name for person in cast}
        names = names_for(coat, split)
        name = pick(rng, names)
        while name in taken:
            name = pick(rng, names)
        cast.append(Person(name, draw_look(rng, coat)))
    return tuple(cast)


def draw_scene(
    rng: np.random.Generator, film: str, number: int, start_ms: int, cast: tuple[Person, ...], seconds: float,
    action: Action | None = None,
) -> Scene:  # fmt: skip
    """One scene of `cast`: the action (drawn if not given), then who, what and where, each on its own."""
    # Everything is drawn, needed or not, so that the same seed gives the same rest whichever action it is.
    action = action or pick(rng, ACTIONS)
    people = [cast[i] for i in rng.permutation(len(cast))[: action.people]]
    place = pick(rng, PLACES).key
    prop = pick(rng, PROPS)
    length = int(seconds * 1000)
    names = tuple(person.name for person in people)
    truth = SceneTruth(
        film=film,
        scene=number,
        start_ms=start_ms,
        end_ms=start_ms + length,
        event_ms=start_ms + length // 2,
        action=action.key,
        agent=names[0],
        patient=names[1] if action.people == 2 else None,
        prop=prop if action.prop else None,
        place=place,
        present=names,
        looks={person.name: person.look for person in people},
    )
    return Scene(int(rng.integers(2**31)), truth)


def make_film(
    seed: int, scenes: int = 20, cast: int = 4, split: Split = "train", card_ms: int = 2000,
    seconds: tuple[float, float] = (2.0, 6.0), focus: int = 3, talk: float = 0.0,
) -> Film:  # fmt: skip
    """A film of `scenes` scenes of 2-6 s (in steps of 0.2 s) between cards of credits of `card_ms` each.

    The story stays with `focus` of the cast for about six scenes, then with others, so that the context of a scene
    usually says who is who. Before a scene, with probability `talk`, two people talk.
    """
    if split not in SPLITS:
        raise UsageError(f"A split is one of {', '.join(SPLITS)}, not {split!r}.")
    rng = rng_for(seed, split)
    film_id = f"{split}_{seed:05d}"
    people = draw_cast(rng, cast, split)
    title = f"The {pick(rng, _COLOURS).title()} {pick(rng, PROPS).title()}"
    now, number, shots, lines, group = card_ms, 0, list[Scene](), list[Line](), people
    while number < scenes:
        if number == 0 or rng.random() < 1 / 6:
            group = tuple(people[i] for i in rng.permutation(cast)[: min(cast, max(2, focus))])
        if rng.random() < talk and len(group) > 1:
            words = pick(rng, LINES)
            shot = draw_scene(rng, film_id, number, now, group, 0.8 + speaking_ms(words) / 1000, TALK)
            lines.append(_line(now + 400, shot.truth.agent, words))
            shots.append(shot)
            now = shot.truth.end_ms
        length = round(float(rng.uniform(*seconds)) * 5) / 5
        shots.append(draw_scene(rng, film_id, number, now, group, length))
        if length > 4.6 and rng.random() < talk / 2:
            # Heard as the action comes to its end: the gap before it is long enough for description.
            words = pick(rng, [line for line in LINES if speaking_ms(line) < 2000])
            lines.append(_line(now + 2700, pick(rng, group).name, words))
        now = shots[-1].truth.end_ms
        number += 1
    names = tuple(person.name for person in people)
    if talk and card_ms >= _SPOKEN_CARD_MS:
        # As in many films, somebody is heard over the credits, which leaves no room to describe them.
        over = [line for line in LINES if 1600 <= speaking_ms(line) <= card_ms - 600]
        lines.insert(0, _line(300, pick(rng, people).name, pick(rng, over)))
        lines.append(_line(now + 300, pick(rng, people).name, pick(rng, over)))
    cards = (
        Card(0, card_ms, "opening", (title, "A puppet film")),
        Card(now, now + card_ms, "closing", ("The End", f"With {join_names(names)}")),
    )
    return Film(film_id, seed, split, people, tuple(shots), cards, tuple(lines))


def _line(start_ms: int, speaker: str, words: str) -> Line:
    return Line(start_ms, start_ms + speaking_ms(words), speaker, words)


def speaking_ms(text: str) -> int:
    """About how long a line takes to say, in steps of 200 ms."""
    return -(-(500 + 50 * len(text)) // 200) * 200


def random_scene(seed: int, split: Split | None = "train", seconds: float | None = None, still: bool = False) -> Scene:
    """A scene on its own, for stills and clips: `split` None takes any pairing of name and look.

    `still` keeps to actions that one frame shows.
    """
    rng = rng_for(seed, "scene", split or "any")
    length = seconds or round(float(rng.uniform(2.0, 6.0)) * 5) / 5
    action = pick(rng, POSES) if still else None
    return draw_scene(rng, f"scene_{seed:06d}", 0, 0, draw_cast(rng, 2, split), length, action)
