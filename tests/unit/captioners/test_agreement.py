"""Pronouns that follow a name that is put in, and those that are somebody else's."""

from __future__ import annotations

import pytest

from calvin.captioners.agreement import agreeing, gender_told
from calvin.captioners.looks import put_names

PRONOUNS = {"Hadi": "he/him", "Paloma": "she/her", "Kit": "they/them", "Will": ""}
LOOKS = {"Hadi": "in a yellow coat", "Paloma": "in a red coat", "Kit": "in a blue coat", "Will": "in a green coat"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hadi crouches on her knees.", "Hadi crouches on his knees."),
        ("Hadi has the crown on her head.", "Hadi has the crown on his head."),
        ("Paloma puts both hands on his hips.", "Paloma puts both hands on her hips."),
        ("In the cave, Paloma sees himself.", "In the cave, Paloma sees herself."),
        ("Kit shakes his head.", "Kit shakes their head."),
    ],
)
def test_what_can_only_be_the_subjects_follows_it(text: str, said: str) -> None:
    assert agreeing(text, PRONOUNS) == said


@pytest.mark.parametrize(
    "text",
    [
        "Hadi takes her hand.",
        "Hadi puts the crown on her head.",
        "Hadi and Paloma get on her knees.",
        "Hadi sees a woman on her knees.",
        "A dog bites Hadi, who has a hat on her head.",
        "Hadi's dog crouches on her knees.",
        "Will crouches on her knees.",
        "She hugs Hadi on her knees.",
        "A door closes.",
    ],
)
def test_what_may_be_somebody_elses_stays(text: str) -> None:
    assert agreeing(text, PRONOUNS) == text


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("A woman in a yellow coat takes her hat to the door.", "Hadi takes his hat to the door."),
        ("A woman in a yellow coat shuts the door behind her.", "Hadi shuts the door behind him."),
        ("A woman in a yellow coat hands her the lamp and hugs her.", "Hadi hands her the lamp and hugs her."),
        ("A woman in a yellow coat sits as she reads. Her book falls.", "Hadi sits as he reads. His book falls."),
        ("A man in a red coat says that the book is his.", "Paloma says that the book is hers."),
        ("A man in a red coat lifts his hat to a man on his left.", "Paloma lifts her hat to a man on his left."),
        ("A man in a red coat waves. Bob lifts his hat.", "Paloma waves. Bob lifts his hat."),
        ("A man in a yellow coat takes her hand.", "Hadi takes her hand."),
        ("A woman in a green coat lifts her hat.", "Will lifts her hat."),
        ("A woman in a yellow coat gives a man in a red coat his hat.", "Hadi gives Paloma his hat."),
    ],
)
def test_pronouns_follow_the_name_that_is_put_in_until_somebody_else_is_mentioned(text: str, short: str) -> None:
    assert put_names(text, LOOKS, PRONOUNS)[2] == short


def test_the_look_stands_between_and_without_pronouns_nothing_changes() -> None:
    text = "A woman in a yellow coat lifts her hat."
    assert put_names(text, LOOKS, PRONOUNS)[0] == "Hadi, in a yellow coat, lifts his hat."
    assert put_names(text, LOOKS)[0] == "Hadi, in a yellow coat, lifts her hat."
    assert [gender_told(who) for who in ("A young man", "the girl", "Someone")] == ["he", "she", ""]
