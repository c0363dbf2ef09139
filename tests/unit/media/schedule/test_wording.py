"""How much is said again, by counts done by hand."""

from __future__ import annotations

import pytest

from calvin.core.time import Span
from calvin.media.schedule.items import Candidate, Item, ScheduleSettings
from calvin.media.schedule.wording import (
    BANNED,
    costs_in_turn,
    distinct,
    people_in,
    redundancy,
    repetition,
    said_share,
    says_again,
)

RULES = ScheduleSettings(repetition=1000, look=10, not_again=2, recent=3)


def test_groups_of_four_words() -> None:
    assert said_share("She opens the old door.", ["Now she opens the old one."]) == 0.5
    assert said_share("She opens.", ["He opens."]) == 0
    assert said_share("She opens!", ["she opens", "x"]) == 1
    assert said_share("She opens the old door.", []) == 0
    assert said_share("...", ["..."]) == 0


def test_measures_of_a_whole_description() -> None:
    texts = ["A man sits down here.", "A man sits down there.", "a man sits down here"]
    assert repetition(texts) == pytest.approx((0 + 0.5 + 1) / 3)
    assert repetition(texts, recent=1) == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert redundancy(texts) == pytest.approx((0 + 0.8 + 1) / 3)
    assert distinct(texts) == pytest.approx(2 / 3)
    assert (repetition([]), redundancy([]), distinct([])) == (0, 0, 1)


def test_all_of_a_text_is_part_of_another() -> None:
    assert says_again("sits down", "Olga sits down.")
    assert not says_again("Olga sits down.", "sits down")


def test_who_is_named_and_who_with_a_look() -> None:
    names = {"Mara": "Mara", "Otto": "Otto", "Ott": "Ottilie"}
    assert people_in("Mara, in a red coat, hugs Otto.", names) == ({"Mara", "Otto"}, {"Mara"})
    assert people_in("In a blue hat, Otto waits.", names) == ({"Otto"}, {"Otto"})
    assert people_in("Maras wait, in a row.", names) == (frozenset(), frozenset())
    assert people_in("Otto, a tall man, waits.", names)[1] == {"Otto"}
    assert people_in("Mara, Otto and Ott wait.", names) == ({"Mara", "Otto", "Ottilie"}, frozenset())


def item(name: str, *texts: str, fixed: bool = False) -> Item:
    words = tuple(Candidate(text, 1000, 0.0, 0, *people_in(text, {"Mara": "Mara"})) for text in texts)
    span = Span(0, 1000)
    return Item(name, words, span, 0, span, fixed=span if fixed else None)


def test_what_is_said_before_makes_words_dear() -> None:
    items = [
        item("a", "Mara, in red, opens the door."),
        item("b", "opens the door", "Mara, in red, closes the door.", "Mara closes it."),
        item("c", "A bell."),
        item("d", "A bell.", "Now opens the door.", "opens the door"),
    ]
    said = {one.id: one.candidates[0] for one in items if one.id != "b"}
    costs = costs_in_turn(items, said, RULES)
    assert costs["b", 0] == BANNED
    assert costs["b", 1] == round(1000 * 0 / 3) + 10, "her look is known by now"
    assert ("b", 2) not in costs
    assert costs["d", 0] == BANNED
    assert ("d", 1) not in costs, "only groups of four words count"
    assert costs["d", 2] == BANNED, "b was not said, so this is within two cues"


def test_somebody_is_introduced_with_a_look() -> None:
    costs = costs_in_turn([item("a", "Mara sits.", "Mara, in red, sits.")], {}, RULES)
    assert costs == {("a", 0): 10}


def test_what_a_person_placed_later_is_not_taken_away() -> None:
    items = [
        item("a", "The bell rings.", "A dog."),
        item("b", "A cat."),
        item("c", "Again, the bell rings.", fixed=True),
    ]
    assert costs_in_turn(items, {}, RULES) == {("a", 0): BANNED}
