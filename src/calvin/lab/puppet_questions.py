"""Questions about the story of puppet films, made from what happens in them, and a listener who knows their words.

Three kinds: who has a thing now, where somebody was last seen, and what somebody did last. The listener needs no model:
it reads description by the phrases of the puppet world, keeps count of what it was told, and never guesses.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from calvin.evaluation.story_questions import StoryQuestion
from calvin.puppets.lexicon import ACTIONS, PLACES
from calvin.puppets.tell.other_words import in_usual_words
from calvin.puppets.truth import SceneTruth, Told, told_in
from calvin.puppets.world import ZERO

NOBODY = "nobody"
FARTHEST = 8
"""Scenes back to which a question may reach."""
_CHOICES = 4
_SLOTS = {"p": "somebody", "o": "something", "l": "the place", "his": "the"}
_DEEDS = {action.key: action.phrases[0].format(**_SLOTS) for action in ACTIONS}
_RECEIVED = frozenset({"give", "throw"})
_HOLDS = frozenset({"overhead", "cradle", "balance", "pick", "take"})
T = TypeVar("T")


@dataclass
class _Story:
    """What is known so far, each with the scene in which it happened."""

    holders: dict[str, tuple[int, str]] = field(default_factory=dict)
    places: dict[str, tuple[int, str]] = field(default_factory=dict)
    deeds: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, number: int, told: Told, present: Sequence[str]) -> None:
        holder = None
        if told.action in _HOLDS:
            holder = told.agent
        elif told.action in _RECEIVED:
            holder = told.patient
        elif told.action == "put":
            holder = NOBODY
        if told.prop is not None and told.action is not None:
            self.holders.pop(told.prop, None)
            if holder is not None:
                self.holders[told.prop] = number, holder
        for person in present:
            if told.place is not None:
                self.places[person] = number, told.place
        if told.agent is not None and told.action is not None:
            self.deeds[told.agent] = number, _DEEDS[told.action]


def puppet_questions(films: Mapping[str, Sequence[tuple[str, SceneTruth]]]) -> list[StoryQuestion]:
    """At most one question of each kind before each scene; the same films give the same questions.

    Args:
        films: (id, truth) of the scenes of each film, in time order.
    """
    found = []
    for movie, scenes in films.items():
        cast = sorted({name for _, truth in scenes for name in truth.present})
        story = _Story()
        for number, (key, truth) in enumerate(scenes):
            found += _asked(movie, key, number, story, cast)
            happened = Told(truth.action, truth.agent, truth.patient, truth.prop, truth.place)
            story.add(number, happened, truth.present)
    return found


def _asked(movie: str, key: str, number: int, story: _Story, cast: Sequence[str]) -> list[StoryQuestion]:
    def near(known: Mapping[str, tuple[int, str]]) -> list[tuple[str, int, str]]:
        return [(who, number - at, what) for who, (at, what) in known.items() if number - at <= FARTHEST]

    found = []
    if len(cast) > 1 and (holders := near(story.holders)):
        prop, back, who = _pick(holders, movie, key, "holder")
        asked = f"Who has the {prop} now?"
        found.append(StoryQuestion(movie, key, asked, (*cast, NOBODY), who, "who has it", back))
    if places := near(story.places):
        who, back, where = _pick(places, movie, key, "place")
        options = _options(where, [place.key for place in PLACES], movie, key)
        found.append(StoryQuestion(movie, key, f"Where was {who} last seen?", options, where, "where", back))
    if deeds := near(story.deeds):
        who, back, deed = _pick(deeds, movie, key, "deed")
        options = _options(deed, list(_DEEDS.values()), movie, key)
        found.append(StoryQuestion(movie, key, f"What did {who} do last?", options, deed, "what", back))
    return found


def _pick(things: Sequence[T], *seed: str) -> T:
    return things[zlib.crc32("|".join(seed).encode()) % len(things)]


def _options(right: str, all_of: Sequence[str], *seed: str) -> tuple[str, ...]:
    """The right one among others, in an order that says nothing of which it is."""
    ranked = sorted(all_of, key=lambda one: zlib.crc32("|".join((*seed, one)).encode()))
    return tuple(sorted({right, *[one for one in ranked if one != right][: _CHOICES - 1]}))


class PuppetReader:
    """A listener who knows the phrases of the puppet world. "He" and "she" are whoever acted last."""

    name = "rules for puppet films"

    def answer(self, sentences: Sequence[str], question: StoryQuestion) -> str | None:
        story = _Story()
        actor: str | None = None
        for number, sentence in enumerate(sentences):
            told = told_in(in_usual_words(sentence) if question.movie.startswith(ZERO) else sentence)
            if told.agent in ("He", "She"):
                told = Told(told.action, actor, told.patient, told.prop, told.place)
            actor = told.agent or actor
            patient = [told.patient] if told.patient and told.patient[0].isupper() else []
            story.add(number, told, [*([told.agent] if told.agent else []), *patient])
        asked = question.question
        if question.kind == "who has it":
            return _known(story.holders, asked.removeprefix("Who has the ").removesuffix(" now?"))
        if question.kind == "where":
            return _known(story.places, asked.removeprefix("Where was ").removesuffix(" last seen?"))
        return _known(story.deeds, asked.removeprefix("What did ").removesuffix(" do last?"))


def _known(facts: Mapping[str, tuple[int, str]], of: str) -> str | None:
    return facts[of][1] if of in facts else None
