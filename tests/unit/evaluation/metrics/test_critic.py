"""CRITIC and identity IoU, counted by hand."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from calvin.core.errors import UsageError
from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.critic import Critic, FastCoref, NameIoU, identity_iou, people_meant
from calvin.evaluation.names import from_names

NAMES = from_names(["Ann", "Bob", "Cy"], "test")
GIVEN = ["Ann waves at Bob.", "He bows.", "A door shuts."]
SAID = ["Ann waves.", "Bob bows to Ann.", "She leaves."]


class ByHand:
    """Groups of mentions, each found by its words and which occurrence of them it is."""

    setting = "by hand"

    def __init__(self, *groups: dict[str, tuple[tuple[str, int], ...]]) -> None:
        self.groups = groups
        self.asked: list[str] = []

    def clusters(self, text: str) -> list[list[tuple[int, int]]]:
        wanted = self.groups[len(self.asked)]
        self.asked.append(text)
        found = []
        for mentions in wanted.values():
            spans = []
            for words, nth in mentions:
                at = -1
                for _ in range(nth):
                    at = text.index(words, at + 1)
                spans.append((at, at + len(words)))
            found.append(spans)
        return found


def test_iou_of_people() -> None:
    assert identity_iou({"Ann", "Bob"}, {"Bob", "Cy"}) == pytest.approx(1 / 3)
    assert identity_iou((), ()) == 0.0


def test_pronouns_count_for_whom_they_stand() -> None:
    # References: Ann in 1; Bob in 1 and, as "He", in 2. Captions: Ann in 1, 2 and, as "She", in 3; Bob in 2.
    given = {"ann": (("Ann", 1), ("Ann", 2)), "bob": (("Bob", 1), ("Bob", 2), ("He", 1)), "door": (("A door", 1),)}
    said = {"ann": (("Ann", 1), ("Ann", 2), ("Ann", 3), ("She", 1)), "bob": (("Bob", 1), ("Bob", 2))}
    coreference = ByHand(given, said)
    pairs = Pairs(("1", "2", "3"), tuple(SAID), tuple((text,) for text in GIVEN))
    [found] = Critic(coreference).score_films(pairs, dict.fromkeys("123", "f"), NAMES)
    assert coreference.asked[0] == "Ann and Bob. Ann waves at Bob. He bows. A door shuts."
    # Scene 1: {Ann, Bob} against {Ann}, a half. Scene 2: {Bob} against {Bob, Ann}, a half. Scene 3 means nobody.
    assert found.values == {"1": 0.5, "2": 0.5}
    assert "over 2 scenes" in found.setting


def test_a_group_with_two_of_the_cast_is_nobodys_and_one_over_two_captions_is_of_neither() -> None:
    both = ByHand({"mixed": (("Ann", 2), ("Bob", 2)), "ann": (("Ann", 1), ("Bob. He", 1))})
    assert people_meant(GIVEN, ["Ann", "Bob"], both) == [[], [], []]


def test_names_alone() -> None:
    pairs = Pairs(("1", "2", "3"), tuple(SAID), tuple((text,) for text in GIVEN))
    [found] = NameIoU().score_films(pairs, dict.fromkeys("123", "f"), NAMES)
    assert found.values == {"1": 0.5}  # {Ann, Bob} against {Ann}; "He" and "A door" name nobody
    assert not found.comparable
    with pytest.raises(UsageError, match="no reference names anybody"):
        NameIoU().score_films(Pairs(("1",), ("Ann waves.",), (("He waves.",),)), {"1": "f"}, NAMES)
    with pytest.raises(UsageError, match="no name is known"):
        NameIoU().score_films(pairs, dict.fromkeys("123", "f"), from_names([], "test"))


def test_without_fastcoref_it_is_refused_and_with_it_its_spans_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calvin.evaluation.metrics.critic.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs the package fastcoref"):
        Critic.of().check_installed()

    class FCoref:
        def __init__(self, **options: object) -> None:
            assert options["device"] == "cpu"

        def predict(self, texts: list[str]) -> list[SimpleNamespace]:
            return [SimpleNamespace(get_clusters=lambda as_strings: [[(0, 3), (9, 12)]])]

    monkeypatch.setitem(sys.modules, "fastcoref", SimpleNamespace(FCoref=FCoref))  # type: ignore[arg-type]
    assert FastCoref().clusters("Ann. Yes Ann") == [[(0, 3), (9, 12)]]
