"""Puppets drawn in another style: the same story, other pictures."""

from __future__ import annotations

import numpy as np

from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.stage import PAPER, PLAIN, Canvas, Pen
from calvin.puppets.draw.video import film_frames
from calvin.puppets.tell.screenplay import make_film


def test_a_disc_has_the_corners_that_its_pen_says() -> None:
    areas = []
    for corners in (0, 4, 6):
        image = np.zeros((256, 448, 3), np.uint8)
        Canvas(image, 58, smooth=False, pen=Pen(corners=corners)).disc(complex(56, 28), 20, (200, 0, 0))
        areas.append(int((image[..., 0] > 0).sum()))
    circle, square, hexagon = areas
    # By hand: of a circle's pi, a square within it has 2 and a hexagon 2.598.
    assert abs(square / circle - 2 / np.pi) < 0.03
    assert abs(hexagon / circle - 2.598 / np.pi) < 0.03


def test_people_move_alike_in_either_style_and_no_picture_is_the_same() -> None:
    [scene, *_] = make_film(7).scenes
    plain, paper = (SceneRenderer(scene, 224, 128, pen=pen) for pen in (PLAIN, PAPER))
    assert plain.instant(1.0) == paper.instant(1.0)
    one, other = plain.frame(1.0).astype(int), paper.frame(1.0).astype(int)
    assert np.abs(one - other).mean() > 15
    assert paper.backdrop.mean() > plain.backdrop.mean()  # washed out


def test_a_film_is_drawn_with_the_pen_from_the_first_shot_to_the_last() -> None:
    film = make_film(7, scenes=5, seconds=(0.4, 0.6))
    pairs = zip(film_frames(film, 112, 64, 5.0), film_frames(film, 112, 64, 5.0, pen=PAPER), strict=True)
    differ = [not np.array_equal(one, other) for one, other in pairs]
    first, last = film.cards
    cards = [t * 200 < first.end_ms or t * 200 >= last.start_ms for t in range(len(differ))]
    assert differ == [not card for card in cards]
