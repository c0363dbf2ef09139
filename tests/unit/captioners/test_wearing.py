"""Who of two acts, by what a caption says that they wear."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from calvin.captioners.base import CaptionAnswer, CaptionRequest
from calvin.captioners.wearing import RoleGuard, clashes
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene

SCENE = Scene("1", "film", Span(0, 1000))
WORN = {"Gilda": "in a yellow dress", "Jabari": "in a red jacket"}


def request(*names: str, worn: dict[str, str] | None = None) -> CaptionRequest:
    looks = WORN if worn is None else worn
    return CaptionRequest(SCENE, Prompt(entities=names), worn=tuple(looks.get(name, "") for name in names))


class FirstActs:
    """Gives what it sees, a yellow one who pushes a red one, to the first and the second name."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        self.asked += [one.prompt.entities for one in requests]
        texts = []
        for one in requests:
            worn = zip(one.prompt.entities, ("yellow", "red"), strict=False)
            texts.append(" pushes ".join(f"{name}, in a {colour} coat," for name, colour in worn))
        return [CaptionAnswer(text, -1.0, (text, "Someone falls."), scores=(-1.0, -2.0)) for text in texts]


@pytest.mark.parametrize(
    ("text", "clash"),
    [
        ("Gilda, in a yellow coat, pushes Jabari, in a red coat.", 0),
        ("Jabari, in a yellow coat, pushes Gilda, in a red coat.", 4),
        ("In a yellow coat, Jabari pushes Gilda.", 2),
        ("Gilda, in a purple jacket, waves.", 1),
        ("Gilda pushes Jabari.", 0),
        ("Gilda, in a long coat, waves.", 0),
    ],
)
def test_clothes_of_the_other_one_clash_more_than_clothes_of_nobody(text: str, clash: int) -> None:
    assert clashes(text, request("Gilda", "Jabari")) == clash


def test_names_are_turned_where_the_clothes_are_the_other_ones() -> None:
    captioner = FirstActs()
    right, wrong = RoleGuard(captioner).caption([request("Gilda", "Jabari"), request("Jabari", "Gilda")])
    assert right.text == wrong.text == "Gilda, in a yellow coat, pushes Jabari, in a red coat,"
    assert captioner.asked == [("Gilda", "Jabari"), ("Jabari", "Gilda"), ("Gilda", "Jabari")]
    assert wrong.candidates == (wrong.text, "Someone falls.")


@pytest.mark.parametrize(
    "one",
    [request("Jabari", "Gilda", worn={}), request("Jabari", "Gilda", worn={"Gilda": "in yellow"}), request("Jabari")],
    ids=["nobody's looks are known", "one's are not", "one person"],
)
def test_where_looks_say_nothing_nothing_is_asked_again(one: CaptionRequest) -> None:
    captioner = FirstActs()
    RoleGuard(captioner).caption([one])
    assert len(captioner.asked) == 1


def test_what_clashes_either_way_is_left_as_it_was_where_turning_does_not_help() -> None:
    worn = {"Gilda": "in a green dress", "Jabari": "in a blue jacket"}
    [answer] = RoleGuard(FirstActs()).caption([request("Jabari", "Gilda", worn=worn)])
    assert answer.text.startswith("Jabari")
