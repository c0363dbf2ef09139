from __future__ import annotations

import re

import pytest

from calvin.puppets.draw.actions import MOVERS
from calvin.puppets.lexicon import ACTIONS, COLOURS, GARMENTS, LINES, NAMES, PLACES, PROPS
from calvin.puppets.tell.drills import FILLERS
from calvin.puppets.truth import action_of


def test_the_world_is_as_large_as_promised() -> None:
    assert len(ACTIONS) >= 24
    assert 2 * sum(action.motion for action in ACTIONS) >= len(ACTIONS)
    assert len(PLACES) == len(PROPS) == len(COLOURS) == 12
    assert len(NAMES) == len(set(NAMES)) == 200
    assert len({action.key for action in ACTIONS}) == len(ACTIONS)
    assert all(len(set(action.phrases)) >= 3 for action in ACTIONS)


def test_no_name_is_a_word_of_the_language() -> None:
    said = [phrase for action in ACTIONS for phrase in action.phrases]
    said += [
        *LINES,
        *FILLERS,
        *COLOURS,
        *GARMENTS,
        *PROPS,
        *(place.at for place in PLACES),
        "a an in and hat man woman",
    ]
    words = {word.lower() for text in said for word in re.findall(r"\w+", text)}
    assert not words & {name.lower() for name in NAMES}
    assert all(re.fullmatch("[A-Z][a-z]+", name) for name in NAMES)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.key)
def test_every_phrase_tells_its_own_action_and_no_other(action) -> None:
    for phrase in action.phrases:
        for prop in PROPS:
            for place in PLACES:
                for his in ("his", "her"):
                    deed = phrase.format(p="Otto", o=f"the {prop}", l=f"the {place.key}", his=his)
                    for caption in (
                        f"Mara {deed}.",
                        f"In a red coat, Mara {deed} {place.at}.",
                        f"{place.at.capitalize()}, Mara, in an orange dress and a blue hat, {deed}.",
                    ):
                        assert action_of(caption) == action.key, caption


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.key)
def test_slots_fit_the_action(action) -> None:
    for phrase in action.phrases:
        slots = set(re.findall(r"{(\w+)}", phrase))
        assert ("p" in slots) == (action.people == 2), phrase
        assert ("o" in slots) == action.prop, phrase
        assert slots <= {"p", "o", "l", "his"}


def test_every_action_can_be_played() -> None:
    assert {action.key for action in ACTIONS} | {"talk"} == set(MOVERS)
