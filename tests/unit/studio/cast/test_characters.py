"""Casts: what a file may hold, names and aliases in text, pronouns, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from calvin.core.errors import DataError, UsageError
from calvin.core.time import Span
from calvin.core.types import Character
from calvin.studio.cast.characters import Cast, cast_of_identity, cast_of_names, read_cast_file
from calvin.studio.cast.portraits import WHOLE, Portrait

FILE = """
[[character]]
name = "Ann Lee"
aliases = ["the captain"]
pronouns = "she/her"
pictures = ["ann.jpg"]
portraits = [{at = "0:12.4", box = [0.3, 0.1, 0.2, 0.9]}, {at = "1:00"}]
known_from = "00:01:00"

[[character]]
name = "Bob"
pronouns = "he/him"

[[scene]]
start = "00:00:13"
end = "00:00:20"
present = ["BOB"]
absent = ["the captain"]

[presence]
threshold = 0.7
"""

ANN = '[[character]]\nname = "Ann"\n'
SCENE = '[[scene]]\nstart = "0:01"\nend = "0:02"\n'


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    (tmp_path / "cast.toml").write_text(FILE)
    (tmp_path / "ann.jpg").write_bytes(b"")
    return read_cast_file(tmp_path / "cast.toml")


def test_a_file_is_read_whole(cast: Cast, tmp_path: Path) -> None:
    assert [person.name for person in cast.characters] == ["Ann Lee", "Bob"]
    assert cast.characters[0].known_from_ms == 60_000
    assert cast.pictures == {"Ann Lee": (tmp_path / "ann.jpg",)}
    assert cast.portraits == {"Ann Lee": (Portrait(12_400, (0.3, 0.1, 0.2, 0.9)), Portrait(60_000, WHOLE))}
    assert cast.notes[0].span == Span(13_000, 20_000)
    assert (cast.notes[0].present, cast.notes[0].absent) == (("Bob",), ("Ann Lee",))
    assert cast.settings.threshold == 0.7


def test_a_project_that_keeps_a_cast_keeps_its_portraits() -> None:
    plain = Cast((Character("Ann"),))
    seen = Cast((Character("Ann"),), portraits={"Ann": (Portrait(1500, (0.1, 0.0, 0.5, 1.0)),)})
    assert cast_of_identity(seen.identity, seen.characters) == seen
    for damaged in ("", "[]", "{}", '{"pictures":{},"told":[1],"settings":{}}', "[" * 20_000):
        with pytest.raises(DataError, match="is damaged: name the cast with --cast"):
            cast_of_identity(damaged, seen.characters)
    assert seen.identity != plain.identity
    assert "portraits" not in plain.identity, "casts of projects that were described before stay the same"


def test_names_aliases_and_parts_of_names_are_found(cast: Cast) -> None:
    assert cast.mentioned("Bob salutes the captain; The captain nods.") == ("Bob", "Ann Lee")
    assert cast.mentioned("Ann's hat") == ("Ann Lee",)
    assert cast.mentioned("Bobby and Annabel") == ()
    assert cast.resolve("ANN") == cast.resolve("the Captain") == "Ann Lee"
    assert cast.resolve("Cy") is None


def test_a_pronoun_means_the_last_one_named_whose_it_is(cast: Cast) -> None:
    before = ["Ann Lee bows.", "Bob waves."]
    assert cast.meant("She sits down.", before) == ("Ann Lee",)
    assert cast.meant("He hands her a lamp.", before) == ("Bob", "Ann Lee")
    assert cast.meant("Ann Lee takes her hat.", before) == ("Ann Lee",)
    assert cast.meant("She sits down.", ()) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[character]]\nname = "Ann"\n[[character]]\nname = "ann"', "Two characters of the cast are called ann"),
        (
            '[[character]]\nname = "Ann"\n[[character]]\nname = "B"\naliases = ["Ann"]',
            "cast, Ann and B, are called Ann",
        ),
        ('[[character]]\nname = "Ann and Bob"', "is not one name"),
        ('[[character]]\nname = "Ann"\npictures = ["no.jpg"]', "is not there"),
        ('[[character]]\nname = "Ann"\nage = 3', "age"),
        ('[[character]]\nname = "Ann"\n[[scene]]\nstart = "0:01"\nend = "0:02"\npresent = ["Cy"]', "names Cy, but"),
        ('[[character]]\nname = "Ann"\npronouns = "(xe/xem)"', r"cast.toml, character 'Ann'.*he/him, she/her"),
        ('[[character]]\nname = "Ann"\npronouns = "??"', r"cast.toml, character 'Ann'.*not known"),
        ('[[character]]\nname = "Ann"\nknown_from = "twelve"', r"cast.toml, character 'Ann': known_from is 'twelve'"),
        (
            '[[character]]\nname = "Ann"\n[[scene]]\nstart = "0:01"\nend = "0:02"\n'
            '[[scene]]\nstart = "0:09"\nend = "0:02"',
            r"cast.toml, scene 2: the end, 0:02, must lie after",
        ),
        ('[[character]]\nname = "Ann"\n[[scene]]\nstart = "x"\nend = "0:02"', r"cast.toml, scene 1: start is 'x'"),
        (f'{ANN}portraits = [{{at = "x"}}]', "a portrait is at 'x', which is not a time"),
        (f'{ANN}portraits = [{{at = "0:01", box = [0.5, 0, 0.6, 1]}}]', r"\[0.5, 0.0, 0.6, 1.0\].*outside of the pict"),
        (f'{ANN}portraits = [{{at = "0:01", box = [80, 20, 60, 90]}}]', "as shares of it, each from 0 to 1"),
        (f'{ANN}portraits = [{{at = "0:01", box = [0, 0, 0, 1]}}]', "outside of the picture"),
        (f'{ANN}portraits = [{{at = "0:01", box = [0, 1]}}]', "outside of the picture"),
        (
            f'{ANN}portraits = [{{at = "0:01"}}]\n[[character]]\nname = "B"\nportraits = [{{at = "0:01"}}]',
            "at 00:00:01.000 is that of both Ann and B: give each a box",
        ),
        (f'{ANN}{SCENE}present = ["Ann"]\nabsent = ["ANN"]', "scene 1: Ann is both present and absent"),
        (f'{ANN}portraits = [{{at = "0:01.5"}}]\n{SCENE}absent = ["Ann"]', "Ann is absent, but has a portrait at 00:"),
        ("", "character"),
        ("[[", "is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told) as error:
        read_cast_file(path)
    assert not re.search(r"\. [A-Z]", str(error.value).replace(str(path), "cast"))


def test_names_that_two_people_share_a_part_of_need_the_whole_name() -> None:
    cast = Cast((Character("Ann Lee"), Character("Bob Lee")))
    assert cast.resolve("Lee") is None
    assert cast.mentioned("Lee sees Ann.") == ("Ann Lee",)
    assert [person.name for person in cast_of_names(["Ann", "ann", "Cy and Di", ""]).characters] == ["ann"]
    assert cast_of_names([]).mentioned("Ann") == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("The Captain", "The dog runs."),
        ("Man in Black", "Man walks."),
        ("Man in Black", "Black smoke rises."),
        ("Mrs Smith", "Mrs Jones waves."),
        ("King Arthur", "King Edward sits."),
        ("Old Woman", "Old men sit."),
        ("Dr. Long", "Long shadows fall; Dr. Who."),
    ],
)
def test_words_that_mean_anybody_are_nobodys_name(name: str, text: str) -> None:
    cast = Cast((Character(name),))
    assert cast.mentioned(text) == ()
    assert cast.mentioned(f"Here {name} sits.") == (name,)
    assert [cast.resolve(word) for word in ("THE", "MAN", "WOMAN", "KING", "MRS", "IN", "DR.")] == [None] * 7


def test_proper_names_among_them_still_mean_the_person() -> None:
    cast = Cast((Character("King Arthur"), Character("Mrs Smith"), Character("The Captain")))
    assert cast.mentioned("Arthur sits by Smith.") == ("King Arthur", "Mrs Smith")
    assert cast.resolve("ARTHUR") == "King Arthur"
    assert cast.mentioned("Rain. Then the Captain nods.") == ("The Captain",)


def test_a_word_that_an_alias_of_somebody_else_holds_names_neither() -> None:
    cast = Cast((Character("Ann Lee"), Character("Cy", ("Bruce Lee",))))
    assert cast.mentioned("Lee waves.") == ()
    assert cast.resolve("LEE") is None


def test_pronouns_may_stand_in_brackets(tmp_path: Path) -> None:
    (tmp_path / "cast.toml").write_text('[[character]]\nname = "Ann"\npronouns = "(She/Her)"')
    assert read_cast_file(tmp_path / "cast.toml").meant("She sits.", ["Ann bows."]) == ("Ann",)
