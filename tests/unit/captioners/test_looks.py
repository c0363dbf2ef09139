"""Looks in captions, and names put where somebody looks as one who is known to."""

from __future__ import annotations

import pytest

from calvin.captioners.looks import fits, look_of, put_names, usual_look
from calvin.captioners.people_names import PeopleFinder, looks_told

KNOWN = {"Ann": "in a yellow coat and a grey hat", "Bob": "in a blue jacket", "Cy": "in a red coat"}


@pytest.mark.parametrize(
    ("text", "whole", "short"),
    [
        (
            "A man in a yellow coat passes the lamp to a woman in a blue dress in the forest.",
            "Ann, in a yellow coat, passes the lamp to Bob, in a blue dress, in the forest.",
            "Ann passes the lamp to Bob in the forest.",
        ),
        ("She waves to a man in a red coat.", "She waves to Cy, in a red coat.", "She waves to Cy."),
        (
            "In the cave, a young woman, wearing a blue jacket, sits.",
            "In the cave, Bob, wearing a blue jacket, sits.",
            "In the cave, Bob sits.",
        ),
        ("Someone in a yellow coat sits.", "Ann, in a yellow coat, sits.", "Ann sits."),
    ],
)
def test_names_stand_where_a_look_is_known(text: str, whole: str, short: str) -> None:
    assert put_names(text, KNOWN)[::2] == (whole, short)


@pytest.mark.parametrize(
    "text",
    [
        "A man in a green coat sits.",
        "A man in a coat sits.",
        "A woman in a blue coat hugs a man in a blue jacket.",  # one of them, but which?
        "A man in a red coat's dog barks.",
        "The blue sea glitters.",
        "A man in a red hotel sleeps.",
    ],
)
def test_else_the_caption_stays_as_it_is(text: str) -> None:
    assert put_names(text, KNOWN) == (text, (), text)


def test_nobody_is_named_where_two_look_alike() -> None:
    text = "A man in a red coat sits."
    assert put_names(text, {"Cy": "in a red coat", "Dee": "in a red dress"}) == (text, (), text)


def test_coats_decide_and_hats_where_there_is_nothing_else() -> None:
    ann = look_of("in a yellow coat and a grey hat")
    assert ann == {("body", "yellow"), ("head", "grey")}
    assert fits(look_of("in a yellow jacket and a red hat"), ann)
    assert fits(look_of("in a gray cap"), ann)
    assert not fits(look_of("in a red jacket and a grey hat"), ann)
    assert not fits(look_of("in yellow boots and a red hat"), look_of("in a red hat and a blue coat"))
    assert not fits(frozenset(), ann)


def test_looks_are_told_after_and_before_names() -> None:
    lines = [
        "In a turquoise coat, Paloma takes the umbrella from Gilda, in a yellow dress, in the garden.",
        "Cy waits.",
    ]
    assert looks_told(lines, PeopleFinder()) == {"Paloma": "in a turquoise coat", "Gilda": "in a yellow dress"}
    assert looks_told([*lines, "Gilda, in a red hat, sits."], PeopleFinder())["Gilda"] == "in a red hat"


def test_several_pictures_show_the_usual_look_whoever_else_is_in_them() -> None:
    told = [
        ("A man in a red coat hugs a man in a yellow jacket.", 1.0),
        ("A man in a yellow jacket and a grey hat sits.", 1.0),
        ("A woman in a black coat waits in the theatre.", 0.5),
        ("The lamp stands in the theatre.", 1.0),
    ]
    assert usual_look(told) == "in a yellow jacket"
    assert usual_look([*told, ("A man in a yellow coat and a grey hat nods.", 1.0)]).endswith("and a grey hat")
    assert usual_look([("The lamp stands there.", 1.0)]) == ""
    assert usual_look([]) == ""
