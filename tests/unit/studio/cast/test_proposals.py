"""Who may be in a film by its dialogue."""

from __future__ import annotations

import pytest

from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.studio.cast.proposals import means_nobody, proper, propose


def lines(*said: tuple[str, str] | str) -> list[DialogueLine]:
    pairs = [one if isinstance(one, tuple) else ("", one) for one in said]
    return [DialogueLine(Span(1000 * i, 1000 * i + 900), text, speaker) for i, (speaker, text) in enumerate(pairs)]


def names(*said: tuple[str, str] | str) -> list[str]:
    return [one.name for one in propose(lines(*said))[0]]


def test_those_who_speak_are_proposed_who_speaks_most_first_and_labels_of_nobody_are_told() -> None:
    said = (("ANN", "Yes."), ("BOB", "No."), ("BOB", "Never."), ("MAN 1", "Hm."), ("ALL", "Hooray!"), ("MUSIC", "La."))
    people, nobody = propose(lines(*said))
    assert [(one.name, one.why) for one in people] == [("Bob", "speaks twice"), ("Ann", "speaks once")]
    assert nobody == ["Man 1", "All", "Music"]


@pytest.mark.parametrize(
    "text",
    [
        "Come here, Paloma!", "Thank you, Paloma.", "You know, Paloma, it is late.", "Hi Paloma.",
        "Is that you, Paloma?", "Good night, Paloma", "Dear Paloma, be well.",
    ],
)  # fmt: skip
def test_who_is_called_is_proposed(text: str) -> None:
    assert names(text) == ["Paloma"]


@pytest.mark.parametrize(
    "text",
    [
        "Come here, darling!", "Yes, Doctor.", "Well, come in.", "Marvellous, come in.", "Oh, God!", "Thank you, Sir.",
        "I have been to Paris.", "Stop!", "COME HERE, PALOMA!", "Go away, you fool.", "Bravo, Maestro!", "Paloma came.",
        "Hello, Mother.", "On Monday, come early.",
    ],
)  # fmt: skip
def test_who_could_be_anybody_or_is_not_called_is_not(text: str) -> None:
    assert names(text) == []


def test_the_first_word_of_a_sentence_is_a_name_where_it_comes_again_and_is_never_small() -> None:
    assert names("Paloma, it rains.") == []
    assert names("Paloma, it rains.", "Paloma! Where are you?") == ["Paloma"]
    assert names("Marvellous, come in.", "Marvellous! Sit.", "How marvellous it is.") == []
    assert names("Paloma, come in.", ("PALOMA", "No.")) == ["Paloma"]


def test_who_is_told_to_do_something_is_called() -> None:
    assert names("Paloma, come in.") == names("No. Paloma, please don't go.") == ["Paloma"]
    [faith] = propose(lines("Faith, wait.", "Have faith."))[0]
    assert (faith.name, faith.doubt) == ("Faith", "'faith' is also a word of the dialogue")
    assert names("Emily, wait.") == ["Emily"]
    said = (
        "Quickly, run.",
        "Careful, look out.",
        "Monday, go there.",
        "Beautiful, stay so.",
        "Doctor, wait.",
        "Dust, go.",
    )
    assert names(*said, "The dust.") == []


def test_voices_that_tell_are_nobody() -> None:
    labels = ("NARRATOR", "Narrator 2", "Female Voice", "VOICEOVER", "V.O.", "Woman's voice", "Announcer", "ERZÄHLER")
    people, nobody = propose(lines(*((label, "Once upon a time.") for label in labels), "Go on, Narrator."))
    assert people == []
    assert nobody[0] == "Narrator"
    assert len(nobody) == len(labels)


def test_a_name_that_is_also_a_word_is_proposed_with_a_doubt() -> None:
    [hope] = propose(lines("Come here, Hope!", "I hope that it rains."))[0]
    assert (hope.name, hope.doubt) == ("Hope", "'hope' is also a word of the dialogue")
    assert propose(lines("Come here, Hope!"))[0][0].doubt == ""
    assert propose(lines(("HOPE", "I hope that it rains.")))[0][0].doubt == "", "who speaks is somebody"


def test_two_names_of_one_person_are_joined_where_only_one_person_can_be_meant() -> None:
    [smith] = propose(lines(("JOHN SMITH", "Yes."), ("SMITH", "No."), "Thank you, Mr. Smith.", "Come, John!"))[0]
    assert (smith.name, smith.aliases, len(smith.spoken), len(smith.called)) == ("John Smith", ("Mr. Smith",), 2, 2)
    smiths = names(("JOHN SMITH", "Yes."), ("MARY SMITH", "No."), ("SMITH", "Hm."))
    assert sorted(smiths) == ["John Smith", "Mary Smith", "Smith"]


def test_names_in_capitals_are_written_as_names() -> None:
    assert [proper(name) for name in ("PALOMA", "DR. O'NEIL", "McKay", " ANN: ")] == [
        "Paloma", "Dr. O'Neil", "McKay", "Ann",
    ]  # fmt: skip
    assert all(map(means_nobody, ("Man", "Woman 2", "Young Man", "The Waiter", "All", "Music", "Captain", "Both")))
    assert not any(map(means_nobody, ("Ann", "Captain Ahab", "Old Ben")))
