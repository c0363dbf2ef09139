"""Cast files written, and what a person wrote in them kept."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.studio.cast.cast_file import Addition, add_to_cast, merge
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.cast.portraits import Portrait

LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)
MINE = """\
# my people
[[character]]
name   =  "Ann Lee"   # the captain
portraits = [{at = "0:12.4", box = [0.0, 0.0, 0.5, 1.0]}]  # from the bridge
known_from = "00:12:00"

[presence]
threshold = 0.6 # sure
"""


def test_a_new_file_is_one_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    people = [
        Addition("Ann Lee", ("the captain",), (Portrait(12_400, LEFT), Portrait(3_723_000))),
        Addition("Bob", remarks=("perhaps\tat\x07 once",)),
    ]
    assert add_to_cast(path, people)
    cast = read_cast_file(path)
    assert [(one.name, one.aliases) for one in cast.characters] == [("Ann Lee", ("the captain",)), ("Bob", ())]
    assert cast.portraits == {"Ann Lee": (Portrait(12_400, LEFT), Portrait(3_723_000))}
    assert "# perhaps at  once" in path.read_text()
    assert not add_to_cast(path, people), "the same again changes nothing"


def test_what_a_person_wrote_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    path.write_text(MINE)
    found = [Addition("ann lee", ("Ann",), (Portrait(12_400, LEFT), Portrait(60_000, RIGHT))), Addition("Bob")]
    assert add_to_cast(path, found)
    text = path.read_text()
    kept = ("# my people", 'name   =  "Ann Lee"   # the captain', 'known_from = "00:12:00"', "threshold = 0.6 # sure")
    assert all(line in text for line in kept)
    cast = read_cast_file(path)
    assert cast.portraits == {"Ann Lee": (Portrait(12_400, LEFT), Portrait(60_000, RIGHT))}
    assert [person.name for person in cast.characters] == ["Ann Lee", "Bob"]
    assert cast.settings.threshold == 0.6
    assert cast.characters[0].known_from_ms == 720_000


def test_what_does_not_go_with_the_file_leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    path.write_text(MINE)
    with pytest.raises(UsageError, match="both Ann Lee and Bob"):
        add_to_cast(path, [Addition("Bob", portraits=(Portrait(12_400, LEFT),))])
    assert path.read_text() == MINE
    with pytest.raises(UsageError, match="is not TOML"):
        merge("[[", [Addition("Bob")], path)


def test_stills_that_are_offered_can_be_taken_one_by_one_or_together(tmp_path: Path) -> None:
    path = tmp_path / "cast.toml"
    offered = ((Portrait(500), 'while Ann says\n"Yes."?'), (Portrait(7000), "beside?"), (Portrait(12_400), "there?"))
    add_to_cast(
        path, [Addition("Ann", ("A",), (Portrait(12_400, LEFT),), offered=offered), Addition("Bob", offered=offered)]
    )
    text = path.read_text()
    assert text.count("portraits = [") == 2
    assert '    # {at = "00:07.000"},  # beside?\n' in text
    cast = read_cast_file(path)
    assert cast.portraits == {"Ann": (Portrait(12_400, LEFT),)}, "the still of a portrait is not offered"
    taken = tomllib.loads(text.replace("# {at", "{at"))["character"]
    assert [[row["at"] for row in one["portraits"]] for one in taken] == [
        ["00:12.400", "00:00.500", "00:07.000"],
        ["00:00.500", "00:07.000", "00:12.400"],
    ]
    assert not add_to_cast(path, [Addition("Bob", offered=offered)])
    add_to_cast(path, [Addition("Bob", portraits=(Portrait(9000), Portrait(9500)))])
    assert path.read_text().count("# beside?") == 2, "what is offered stays"
    assert read_cast_file(path).portraits["Bob"] == (Portrait(9000), Portrait(9500))
    assert len(tomllib.loads(path.read_text().replace("# {at", "{at"))["character"][1]["portraits"]) == 5
