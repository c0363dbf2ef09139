"""Likeness by the colours that somebody wears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.time import Span
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast.colours import ColourBank, film_colours
from calvin.studio.cast.portraits import WHOLE, Box, Portrait

WEAR = {"Ann": ((200, 30, 30), (40, 40, 160)), "Bob": ((30, 160, 40), (220, 190, 60)), "Cy": ((200, 30, 30), (9, 9, 9))}
"""Coat and trousers."""
BACKDROPS = ((90, 120, 150), (150, 140, 120), (70, 70, 80))


def stage(people: dict[str, float], backdrop: tuple[int, int, int], light: float = 1.0) -> np.ndarray:
    """A still [72, 128, 3] with people, 16 wide and 40 high, whose left sides are at shares of the width."""
    picture = np.full((72, 128, 3), backdrop, np.uint8)
    for name, share in people.items():
        left = round(share * 128)
        coat, trousers = WEAR[name]
        picture[24:48, left : left + 16] = coat
        picture[48:64, left : left + 16] = trousers
    return np.clip(picture * light, 0, 255).astype(np.uint8)


def box(left: float) -> Box:
    return left, 24 / 72, 16 / 128, 40 / 72


PORTRAITS = {
    "Ann": [
        (stage({"Ann": 0.25, "Bob": 0.75}, BACKDROPS[0]), box(0.25)),
        (stage({"Ann": 0.5}, BACKDROPS[1]), box(0.5)),
    ],
    "Bob": [(stage({"Ann": 0.25, "Bob": 0.75}, BACKDROPS[0]), box(0.75))],
}
SCENES = [
    [stage({"Ann": 0.5}, BACKDROPS[0])],
    [stage({"Bob": 0.125}, BACKDROPS[1])],
    [
        stage({"Bob": 0.125, "Ann": 0.5}, BACKDROPS[2], light=0.9),
        stage({}, BACKDROPS[2]),
        stage({"Ann": 0.3, "Bob": 0.8}, BACKDROPS[2]),
    ],
    [stage({}, BACKDROPS[0])],
    [stage({}, WEAR["Ann"][0])],
    [stage({"Cy": 0.5}, BACKDROPS[1])],
]


def test_people_are_found_by_what_they_wear_wherever_they_stand() -> None:
    found = ColourBank.build(SCENES, PORTRAITS).likeness
    assert found["Ann"][0] == pytest.approx(1, abs=0.15)
    assert found["Bob"][1] == pytest.approx(1, abs=0.15)
    for name, there in (("Ann", (0, 2)), ("Bob", (1, 2))):
        elsewhere = [i for i in range(len(SCENES)) if i not in there]
        assert min(found[name][list(there)]) > 2 * max(found[name][elsewhere][:2]), name


def test_a_curtain_of_somebodys_colour_is_nobody() -> None:
    ann = ColourBank.build(SCENES, PORTRAITS).likeness["Ann"]
    assert ann[4] < 0.75 > ann[5], "one colour of two, however much of it"
    assert ann[4] < ann[2]


def test_what_portraits_do_not_share_is_not_the_person() -> None:
    wide = [(still, (max(0.0, place[0] - 0.2), 0.1, 0.5, 0.9)) for still, place in PORTRAITS["Ann"]]
    loose = ColourBank.build(SCENES, {"Ann": wide}).likeness["Ann"]
    assert loose[0] > 1.5 * loose[3], "the backdrop of one portrait is in the box, but not the other's"


def test_a_whole_still_alone_does_not_say_whose_its_colours_are() -> None:
    first, second = (still for still, _ in PORTRAITS["Ann"])
    assert ColourBank.build(SCENES, {"Ann": [(first, WHOLE)]}).likeness == {}
    both = ColourBank.build(SCENES, {"Ann": [(first, WHOLE), (second, WHOLE)]}).likeness["Ann"]
    assert min(both[[0, 2]]) > 1.5 * max(both[[1, 3]]), "two of them have Ann in common"


def test_half_of_the_picture_is_drawn_in_around_the_person() -> None:
    halves = [(PORTRAITS["Ann"][0][0], (0.0, 0.0, 0.5, 1.0)), (PORTRAITS["Ann"][1][0], (0.25, 0.0, 0.5, 1.0))]
    found = ColourBank.build(SCENES, {"Ann": halves}).likeness["Ann"]
    assert min(found[[0, 2]]) > 2 * max(found[[1, 3]])


def test_stills_of_a_film_are_compared(tmp_path: Path) -> None:
    with FrameWriter(tmp_path, 5.0) as writer:
        for people in ({"Ann": 0.25}, {"Bob": 0.5}, {"Ann": 0.6}):
            for _ in range(5):
                writer.add(stage(people, BACKDROPS[0]).copy())
    spans = [Span(0, 1000), Span(1000, 2000), Span(2000, 3000)]
    ann = film_colours(FrameStore.open(tmp_path), spans, {"Ann": (Portrait(400, box(0.25)),)}).likeness["Ann"]
    assert ann[0] == pytest.approx(1, abs=0.05)
    assert ann[2] > 0.8 > 0.4 > ann[1]


def test_what_somebody_else_wears_too_explains_some_of_a_likeness() -> None:
    backdrop = BACKDROPS[1]
    alike = {"Ann": [(stage({"Ann": 0.5}, backdrop), box(0.5))], "Cy": [(stage({"Cy": 0.5}, backdrop), box(0.5))]}
    scenes = [[stage({"Ann": 0.2}, backdrop)], [stage({"Cy": 0.7}, backdrop)], [stage({}, backdrop)]]
    found = ColourBank.build(scenes, alike)
    assert found.likeness["Cy"][0] > 0.4, "both wear the same coat"
    assert found.explained["Cy"][0] == pytest.approx(found.likeness["Cy"][0], abs=0.1), "which is Ann's"
    assert found.likeness["Cy"][1] - found.explained["Cy"][1] > 0.4, "where Cy is, Ann does not explain it"
    assert found.explained["Ann"][2] == pytest.approx(0, abs=0.1)
    alone = ColourBank.build(scenes, {"Ann": alike["Ann"]})
    assert alone.explained["Ann"].tolist() == [0, 0, 0]
