"""The words of the puppet world: actions with their paraphrases, places, props, colours, garments and names.

A verb phrase names its slots: `{p}` the other person, `{o}` the prop (always written "the lamp"), `{l}` the place
("enters {l}"), `{his}` the agent's possessive. Every phrase belongs to one action only; tests hold that over the whole
lexicon.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that people do. `motion`: a single frame does not distinguish it from its counterpart."""

    key: str
    phrases: tuple[str, ...]
    people: int = 1
    prop: bool = False
    motion: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """`at` is the prepositional phrase."""

    key: str
    at: str


def _pose(key: str, *phrases: str, people: int = 1, prop: bool = False) -> Action:
    return Action(key, phrases, people, prop, motion=False)


def _move(key: str, *phrases: str, people: int = 1, prop: bool = False) -> Action:
    return Action(key, phrases, people, prop, motion=True)


ACTIONS: tuple[Action, ...] = (
    _pose("sleep", "sleeps on the ground", "lies asleep", "is fast asleep"),
    _pose("kneel", "kneels", "is on both knees", "crouches on {his} knees"),
    _pose("raise_arms", "raises both arms", "lifts both hands high", "stretches both arms up"),
    _pose("cover_eyes", "covers {his} eyes", "hides {his} face", "buries {his} face in both hands"),
    _pose("handstand", "does a handstand", "stands upside down", "stands on {his} hands"),
    _pose("hips", "stands with hands on hips", "puts both hands on {his} hips", "plants {his} hands on {his} hips"),
    _pose("overhead", "holds {o} overhead", "raises {o} overhead", "lifts {o} over {his} head", prop=True),
    _pose("cradle", "hugs {o}", "clutches {o}", "holds {o} close", prop=True),
    _pose("balance", "balances {o} on {his} head", "wears {o} as a hat", "has {o} on {his} head", prop=True),
    _pose("point", "points at {p}", "points a finger at {p}", "points straight at {p}", people=2),
    _pose("hug", "hugs {p}", "embraces {p}", "puts both arms around {p}", people=2),
    _pose("carry", "carries {p} on {his} back", "gives {p} a piggyback", "bears {p} on {his} back", people=2),
    _pose("wave", "waves to {p}", "waves at {p}", "greets {p} with a wave", people=2),
    _pose("bow", "bows to {p}", "bows before {p}", "takes a bow before {p}", people=2),
    _move("enter", "enters {l}", "arrives", "comes into view"),
    _move("leave", "leaves {l}", "exits {l}", "walks out of view"),
    _move("sit", "sits down", "takes a seat", "sinks onto the stool"),
    _move("stand", "stands up", "gets up", "rises from the stool"),
    _move("nod", "nods", "gives a nod", "nods {his} head"),
    _move("shake", "shakes {his} head", "gives a shake of the head", "wags {his} head"),
    _move("jump", "jumps", "leaps into the air", "hops up and down"),
    _move("turn", "turns round", "spins round", "turns full circle"),
    _move("open", "opens the chest", "lifts the lid of the chest", "throws open the chest"),
    _move("close", "closes the chest", "shuts the chest", "lowers the lid of the chest"),
    _move("pick", "picks up {o}", "lifts {o} off the ground", "takes {o} from the ground", prop=True),
    _move("put", "puts down {o}", "sets down {o}", "lays {o} on the ground", prop=True),
    _move("give", "hands {p} {o}", "gives {p} {o}", "passes {o} to {p}", people=2, prop=True),
    _move("take", "takes {o} from {p}", "snatches {o} from {p}", "grabs {o} from {p}", people=2, prop=True),
    _move("throw", "throws {o} to {p}", "tosses {p} {o}", "tosses {o} to {p}", people=2, prop=True),
    _move("push", "pushes over {p}", "knocks down {p}", "shoves {p} to the ground", people=2),
    _move("help", "helps {p} up", "pulls {p} up", "helps {p} to stand", people=2),
    _move("chase", "chases {p}", "runs after {p}", "pursues {p}", people=2),
)

POSES: tuple[Action, ...] = tuple(action for action in ACTIONS if not action.motion)
TALK = Action("talk", (), people=2)
"""A conversation. Films have such shots between the described scenes; no caption mentions them."""

_AT = """
in the kitchen, in the bedroom, in the library, in the theatre, in the cave, at the station, in the garden,
on the beach, in the forest, on the street, in the desert, on the mountain
"""
PLACES: tuple[Place, ...] = tuple(Place(at.split()[-1], at.strip()) for at in _AT.split(","))

PROPS: tuple[str, ...] = (
    "ball", "lamp", "book", "umbrella", "guitar", "clock", "cake", "drum", "flag", "fish", "crown", "bucket",
)  # fmt: skip

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 30, 38),
    "orange": (250, 138, 20),
    "yellow": (250, 222, 40),
    "green": (34, 148, 52),
    "turquoise": (40, 214, 204),
    "blue": (32, 70, 214),
    "purple": (126, 36, 168),
    "pink": (255, 138, 190),
    "brown": (120, 68, 30),
    "white": (250, 250, 250),
    "grey": (136, 138, 146),
    "black": (24, 24, 30),
}
"""RGB; far enough apart to survive the changes of light."""

GARMENTS: tuple[str, ...] = ("coat", "jacket", "dress")

_NAMES = """
Ada Adil Agnes Aiko Alba Aldo Alma Amara Amir Anders Anka Anton Anya Arlo Asha Astrid Axel Aziz Bela Berta
Bianca Bodil Boris Bram Brigid Bruno Calla Camille Carlos Cassian Cedric Chidi Clara Clovis Conrad Cosima
Cyrus Dagmar Damon Daria Darius Delia Demir Desta Dimitri Dina Dora Duncan Ebba Edgar Efua Eino Elena Elias
Elif Elio Elsa Emeka Emil Enzo Erik Esme Esther Ezra Fadi Farah Felix Fergus Fidel Fiona Flavia Floyd Freya
Frida Gemma Gideon Gilda Gita Goran Greta Guido Gustav Gwen Hadi Hamza Hanna Haruto Hector Heidi Helga Henrik
Hugo Ianthe Idris Ignaz Ilse Imani Inga Ingrid Irma Isolde Ivan Ivo Jabari Jelena Jonas Jorge Juno Kaito Karim
Katya Keira Kenji Kofi Lars Laszlo Leila Lena Leon Lidia Linus Lotte Lucia Ludwig Luna Magnus Malik Manon Mara
Marek Marta Matteo Mehmet Milo Mina Mirela Moses Nadia Naomi Nestor Nico Nils Nina Noor Odette Olaf Olga Omar
Orla Oscar Otto Pablo Paloma Pavel Petra Pia Pilar Priya Quentin Rafael Ravi Rhea Rocco Roman Rosa Rufus Ruth
Sabine Samira Sanjay Selma Silas Simone Sofia Soren Stella Sven Tamar Tariq Tessa Thea Tomas Tova Ulla Umar
Ursula Vasco Vera Viktor Vito Wanda Willem Wilma Xenia Yara Yasmin Yusuf Zelda Zita Zora
"""
NAMES: tuple[str, ...] = tuple(_NAMES.split())

LINES: tuple[str, ...] = (
    "Have you been waiting long?",
    "I did not expect to see you here.",
    "We should go before it gets dark.",
    "Did you hear that?",
    "It was only the wind.",
    "Nobody must know about this.",
    "I had the strangest dream last night.",
    "You said you would be careful.",
    "Tell me again how it began.",
    "Not now, I am thinking.",
    "Do you trust me?",
    "I have never been so hungry.",
    "That is not what I meant.",
    "Wait, come back!",
    "Shall we try once more?",
    "You always say that.",
    "There is something I have to tell you.",
    "I knew it all along.",
    "Quick, before they notice.",
    "What a day it has been.",
)
"""What is said in puppet films. None of it gives away what is to be seen."""

ACTION_BY_KEY: dict[str, Action] = {action.key: action for action in ACTIONS}
PLACE_BY_KEY: dict[str, Place] = {place.key: place for place in PLACES}
