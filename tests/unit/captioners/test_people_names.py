"""People's names in captions, and what only looks like one."""

from __future__ import annotations

import pytest

from calvin.captioners.people_names import PeopleFinder, is_label, named_twice, names_said, speaker_names

CAST = ("Ann Lee", "Bob", "Paloma", "Will", "Rose", "Grace", "May")


def named(text: str, known: tuple[str, ...] = CAST, **options: str) -> list[str]:
    return [one.name for one in PeopleFinder(known, ["the water is cold, and we wait"], **options).mentions(text)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Odette, in a yellow dress, sets down the flag.", ["Odette"]),
        ("In a yellow dress, Odette sets down the flag.", ["Odette"]),
        ("Odette lowers the lid.", ["Odette"]),
        ("She hands Jonas the lamp; Mehmet's brother waves.", ["Jonas", "Mehmet"]),
        ("Captain Smith salutes Mrs. Lee.", ["Smith", "Lee"]),
        ("Ann Lee nods to Bob Lee.", ["Ann Lee", "Bob Lee"]),
        ("Aziz, Paloma and Zita dance.", ["Aziz", "Paloma", "Zita"]),
        ("Suddenly Yara jumps.", ["Yara"]),
        ("PALOMA waves.", ["PALOMA"]),
        ("PALOMA WAVES TO ODETTE.", ["Paloma"]),  # where all is capital, only known names tell
        ("He looks for Élodie and Åsa.", ["Élodie", "Åsa"]),
    ],
)
def test_people_are_found_by_capitals_and_by_known_names(text: str, names: list[str]) -> None:
    assert named(text) == names


@pytest.mark.parametrize(
    "text",
    [
        "Someone walks through Paris on a Monday in May.",
        "On Christmas Eve, a German tourist leaves Vienna for Tokyo.",
        "He drives a Mercedes past the Eiffel Tower.",
        "The Captain hands the Queen a Coca-Cola.",
        "An American flag hangs in the Grand Hotel.",
        "Two Frenchmen drink Pepsi on Fifth Avenue.",
        "He reads the Evening Post under a TV.",
        'A sign reads "Welcome to Odette\'s".',
        "Water drips from the tap.",
        "Lightning flashes. Waves crash. Snow falls.",
        "Someone opens the door. Nobody is there.",
        "Outside, rain falls; inside, I wait.",
        "In the kitchen, his Jeep keys lie beside an FBI badge.",
        "The Reverend prays to God.",
        "Christmas lights glow on her iPhone.",
    ],
)
def test_places_makes_days_peoples_and_titles_are_nobody(text: str) -> None:
    assert named(text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Will opens the door.", ["Will"]),
        ("She turns to Will, and Rose laughs.", ["Will", "Rose"]),
        ("Grace's hat falls.", ["Grace"]),
        ("May sits down in May.", ["May"]),
        ("Will they come? A rose lies there. She nods to May.", ["May"]),
        ("Rose and Bob dance.", ["Rose", "Bob"]),
        ("A rose falls. It will rain.", []),
        ("Dawn breaks. Ivy climbs the wall. She waves to Hazel.", ["Hazel"]),
        ("Willow branches sway over a rosebush in Maytime.", []),
        ("Annabelle, Bobby and Rosemary sing.", ["Annabelle", "Bobby", "Rosemary"]),
    ],
)
def test_names_that_are_words_and_names_within_words(text: str, names: list[str]) -> None:
    assert named(text) == names


def test_what_the_film_writes_small_opens_no_sentence_as_a_name() -> None:
    assert names_said(["Quinoa boils."], PeopleFinder()) == {"Quinoa"}
    assert names_said(["Quinoa boils."], PeopleFinder(corpus=["Eat your quinoa!"])) == frozenset()


def test_a_language_that_writes_nouns_with_capitals_knows_only_known_names() -> None:
    assert named("Paloma gibt dem Mann den Hut, und Odette winkt.", language="de-AT") == ["Paloma"]
    assert named("パロマ waves.", ("パロマ",)) == ["パロマ"]


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ("Aziz, in a blue jacket, pursues Aziz, in an orange jacket, on the mountain.", ("Aziz",)),
        ("Odette pushes over Odette.", ("Odette",)),
        ("Aziz and Aziz dance.", ("Aziz",)),
        ("Bob hugs Paloma, and Paloma hugs Bob.", ()),
        ("Bob takes Bob's hat.", ()),
        ("Bob sits while Paloma stands behind Bob.", ()),
    ],
)
def test_one_name_for_two_people(text: str, twice: tuple[str, ...]) -> None:
    assert named_twice(text, PeopleFinder(CAST)) == twice


@pytest.mark.parametrize(
    "label", ["[MUSIC]", "MAN 1", "Narrator", "WOMAN ON TV", "♪", "BOTH", "Young Man", "crowd", ""]
)
def test_labels_of_subtitles_that_are_nobody(label: str) -> None:
    assert is_label(label)
    assert not is_label("PALOMA")
    assert speaker_names(["PALOMA", label, "Ann  Lee", "Paloma"]) == ["Paloma", "Ann Lee"]
