"""Casts: what a file may hold, names and aliases in text, pronouns, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Character
from calvin.studio.cast import Cast, cast_of_names, read_cast_file

FILE = """
[[character]]
name = "Ann Lee"
aliases = ["the captain"]
pronouns = "she/her"
pictures = ["ann.jpg"]
known_from = "00:01:00"

[[character]]
name = "Bob"
pronouns = "he/him"

[[scene]]
start = "00:00:10"
end = "00:00:20"
present = ["BOB"]
absent = ["the captain"]

[presence]
threshold = 0.7
"""


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    (tmp_path / "cast.toml").write_text(FILE)
    (tmp_path / "ann.jpg").write_bytes(b"")
    return read_cast_file(tmp_path / "cast.toml")


def test_a_file_is_read_whole(cast: Cast, tmp_path: Path) -> None:
    assert [person.name for person in cast.characters] == ["Ann Lee", "Bob"]
    assert cast.characters[0].known_from_ms == 60_000
    assert cast.pictures == {"Ann Lee": (tmp_path / "ann.jpg",)}
    assert cast.told[0].span == Span(10_000, 20_000)
    assert (cast.told[0].present, cast.told[0].absent) == (("Bob",), ("Ann Lee",))
    assert cast.settings.threshold == 0.7


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
        ('[[character]]\nname = "Ann"\n[[character]]\nname = "B"\naliases = ["Ann"]', "Two characters"),
        ('[[character]]\nname = "Ann and Bob"', "is not one name"),
        ('[[character]]\nname = "Ann"\npictures = ["no.jpg"]', "is not there"),
        ('[[character]]\nname = "Ann"\nage = 3', "age"),
        ('[[character]]\nname = "Ann"\n[[scene]]\nstart = "0:01"\nend = "0:02"\npresent = ["Cy"]', "where Cy is"),
        ("", "character"),
        ("[[", "is not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(text: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_cast_file(path)


def test_names_that_two_people_share_a_part_of_need_the_whole_name() -> None:
    cast = Cast((Character("Ann Lee"), Character("Bob Lee")))
    assert cast.resolve("Lee") is None
    assert cast.mentioned("Lee sees Ann.") == ("Ann Lee",)
    assert [person.name for person in cast_of_names(["Ann", "ann", "Cy and Di", ""]).characters] == ["ann"]
    assert cast_of_names([]).mentioned("Ann") == ()
