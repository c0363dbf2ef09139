"""Another describer of puppet films, in words that none of the usual captions has: what a model has not been taught.

The narrator names the place first, in a sentence of its own, and says what people wear and not what they are in: "The
grotto. Mara, wearing a red gown, hoists the lantern high." `in_usual_words` is the way back, so that captions in either
words are scored against the same truth.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

import numpy as np

from calvin.puppets.lexicon import ACTIONS, COLOURS
from calvin.puppets.tell.captions import finish, with_article
from calvin.puppets.tell.screenplay import Film, pick, rng_for
from calvin.puppets.truth import SLOT_PATTERNS, Look, SceneTruth

PHRASES: dict[str, tuple[str, ...]] = {
    "sleep": ("slumbers", "dozes on the floor"),
    "kneel": ("goes down on {his} knees", "drops to {his} knees"),
    "raise_arms": ("throws up {his} arms", "stretches for the sky"),
    "cover_eyes": ("shields {his} eyes", "screens {his} face with {his} palms"),
    "handstand": ("stays upright on {his} palms", "has {his} feet in the air"),
    "hips": ("stands akimbo", "rests {his} fists on {his} waist"),
    "overhead": ("hoists {o} high", "bears {o} aloft"),
    "cradle": ("cuddles {o}", "presses {o} to {his} chest"),
    "balance": ("sports {o} as headgear", "keeps {o} poised atop {his} head"),
    "point": ("gestures towards {p}", "singles out {p} with a finger"),
    "hug": ("holds {p} tight", "folds {p} in {his} arms"),
    "carry": ("totes {p} on {his} shoulders", "lugs {p} pickaback"),
    "wave": ("signals to {p}", "flaps a hand at {p}"),
    "bow": ("curtsies to {p}", "stoops low before {p}"),
    "enter": ("steps into {l}", "shows up"),
    "leave": ("departs from {l}", "heads off"),
    "sit": ("settles on the stool", "perches on the stool"),
    "stand": ("springs to {his} feet", "quits the stool"),
    "nod": ("dips {his} head", "signals yes"),
    "shake": ("signals no", "moves {his} head from side to side"),
    "jump": ("bounces", "springs upwards"),
    "turn": ("pivots", "whirls about"),
    "open": ("unlocks the trunk", "raises the cover of the trunk"),
    "close": ("slams the trunk", "drops the cover of the trunk"),
    "pick": ("scoops up {o}", "fetches {o} from the floor"),
    "put": ("deposits {o}", "abandons {o} on the floor"),
    "give": ("presents {p} with {o}", "delivers {o} to {p}"),
    "take": ("wrests {o} from {p}", "relieves {p} of {o}"),
    "throw": ("lobs {o} to {p}", "pitches {o} at {p}"),
    "push": ("bowls over {p}", "topples {p}"),
    "help": ("hauls {p} upright", "raises {p} off the floor"),
    "chase": ("races after {p}", "hunts {p}"),
}
"""By action, with the slots of `calvin.puppets.lexicon`."""

PLACES: dict[str, str] = {
    "kitchen": "in the cookhouse", "bedroom": "in the dormitory", "library": "in the archive",
    "theatre": "in the playhouse", "cave": "in the grotto", "station": "at the depot", "garden": "in the backyard",
    "beach": "on the shore", "forest": "in the woods", "street": "on the road", "desert": "in the dunes",
    "mountain": "on the summit",
}  # fmt: skip
PROPS: dict[str, str] = {
    "ball": "globe", "lamp": "lantern", "book": "volume", "umbrella": "parasol", "guitar": "banjo",
    "clock": "timepiece", "cake": "gateau", "drum": "bongo", "flag": "banner", "fish": "trout", "crown": "diadem",
    "bucket": "pail",
}  # fmt: skip
GARMENTS: dict[str, str] = {"coat": "robe", "jacket": "blazer", "dress": "gown", "hat": "cap"}

_PLACE_FIRST, _LOOK_AGAIN, _CAP = 0.75, 0.3, 0.4


def say_wearing(look: Look, hat: bool = False) -> str:
    """'wearing a red gown', or 'wearing a red gown and a blue cap' if `hat` is asked for and there is one."""
    words = f"wearing {with_article(look.coat)} {GARMENTS[look.garment]}"
    return f"{words} and {with_article(look.hat)} {GARMENTS['hat']}" if hat and look.hat else words


def other_caption(truth: SceneTruth, rng: np.random.Generator, introduced: Collection[str] = ()) -> str:
    """The narrator's caption of a scene; whoever is not `introduced` yet gets a look."""

    def called(name: str) -> str:
        again = rng.random() < _LOOK_AGAIN
        if name in introduced and not again:
            return name
        return f"{name}, {say_wearing(truth.looks[name], bool(rng.random() < _CAP))},"

    agent = called(truth.agent)
    patient = called(truth.patient) if truth.patient else ""
    at, prop = PLACES[truth.place], f"the {PROPS[truth.prop]}" if truth.prop else ""
    place = at.split(" ", 1)[1]
    slots = {"p": patient, "o": prop, "l": place, "his": truth.looks[truth.agent].his}
    sentence = f"{agent} {pick(rng, PHRASES[truth.action]).format(**slots)}"
    if place in sentence:
        return finish(sentence)
    if rng.random() < _PLACE_FIRST:
        return f"{finish(place)} {finish(sentence)}"
    return finish(f"{sentence} {at}")


def other_captions(film: Film) -> list[str]:
    """The narrator's captions of all scenes of a film, in order."""
    introduced, captions = set[str](), []
    for scene in film.scenes:
        captions.append(other_caption(scene.truth, rng_for(scene.seed, "other words"), introduced))
        introduced |= set(scene.truth.present)
    return captions


_COLOUR = "|".join(COLOURS)


@cache
def _nouns() -> tuple[tuple[re.Pattern[str], str], ...]:
    words = {**{other: usual for usual, other in (*PROPS.items(), *GARMENTS.items())}}
    words |= {at.split()[-1]: usual for usual, at in PLACES.items()}
    looks = rf"\bwearing (an? (?:{_COLOUR}) )"
    return (
        (re.compile(looks), r"in \1"),
        *((re.compile(rf"\b{other}\b"), usual) for other, usual in words.items()),
    )


@cache
def _phrases() -> tuple[tuple[re.Pattern[str], str], ...]:
    worn = r"in an? \w+ \w+(?: and an? \w+ hat)?"
    slots = {**SLOT_PATTERNS, "p": rf"(?P<p>(?:an? (?:wo)?man|\w+)(?:,? {worn})?,?)"}
    found = []
    for action in ACTIONS:
        usual = action.phrases[0].format(p=r"\g<p>", o=r"the \g<o>", l=r"the \g<l>", his="their")
        for phrase in PHRASES[action.key]:
            if "{l}" in action.phrases[0] and "{l}" not in phrase:
                # "Shows up" has no place to put into "enters the cave".
                usual = next(plain for plain in action.phrases if "{l}" not in plain)
            found.append((re.compile(rf"\b{phrase.format(**slots)}(?!\w)"), usual))
    return tuple(sorted(found, key=lambda pair: -len(pair[0].pattern)))


def in_usual_words(caption: str) -> str:
    """A caption in the words of the usual lexicon: the narrator's are put back, all others stay as they are."""
    for pattern, word in _nouns():
        caption = pattern.sub(word, caption)
    for pattern, phrase in _phrases():
        caption = pattern.sub(phrase, caption)
    return caption
