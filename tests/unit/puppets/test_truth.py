from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.puppets.truth import Look, SceneTruth, action_of, names_in, place_of, score_caption

CAST = ("Mara", "Otto", "Ada", "Bram")
RED, BLUE = Look("red", "coat", None, True), Look("blue", "jacket", "green", False)
GIVE = SceneTruth("f", 0, 0, 4000, 2000, "give", "Mara", "Otto", "lamp", "kitchen", ("Mara", "Otto"),
                  {"Mara": RED, "Otto": BLUE})  # fmt: skip
NOD = SceneTruth("f", 1, 0, 4000, 2000, "nod", "Mara", None, None, "beach", ("Mara",), {"Mara": RED})


def test_all_right() -> None:
    score = score_caption("Mara, in a red coat, hands Otto the lamp in the kitchen.", GIVE, CAST)
    assert score == {
        "action": True, "agent": True, "patient": True, "names_exact": True, "wrong_name": False, "prop": True,
        "place": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("caption", "wrong"),
    [
        ("Otto hands Mara the lamp in the kitchen.", {"agent", "patient"}),
        ("Mara takes the lamp from Otto in the kitchen.", {"action"}),
        ("Mara passes the drum to Otto, in a blue jacket, in the kitchen.", {"prop"}),
        ("On the beach, Mara gives Otto the lamp.", {"place"}),
        ("In a red coat, Ada hands Otto the lamp in the kitchen.", {"agent", "names_exact", "wrong_name"}),
        ("Mara hands the lamp in the kitchen.", {"action", "agent", "patient", "prop", "names_exact"}),
    ],
)
def test_each_mistake_is_told_apart(caption: str, wrong: set[str]) -> None:
    score = score_caption(caption, GIVE, CAST)
    assert {key for key, value in score.items() if value is (key == "wrong_name")} == wrong


def test_nothing_to_judge_is_none() -> None:
    score = score_caption("Mara gives a nod.", NOD, CAST)
    assert score["patient"] is score["prop"] is score["place"] is None
    assert score["action"]
    assert score["agent"]
    assert score["names_exact"]


def test_a_second_name_is_not_exact() -> None:
    score = score_caption("Mara nods. Otto nods.", NOD, CAST)
    assert not score["names_exact"]
    assert score["wrong_name"]


def test_two_actions_are_none() -> None:
    assert action_of("Mara nods and sits down.") is None
    assert action_of("") is None
    assert action_of("Mara sits.") is None


def test_names_are_whole_words() -> None:
    assert names_in("Maras lamp, Otto's hat", CAST) == {"Otto"}
    assert place_of("In the cave, then in the forest.") is None
    assert place_of("In the cave.") == "cave"


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200))
def test_any_text_is_scored(text: str) -> None:
    score = score_caption(text, GIVE, CAST)
    assert set(score) == {"action", "agent", "patient", "names_exact", "wrong_name", "prop", "place"}
