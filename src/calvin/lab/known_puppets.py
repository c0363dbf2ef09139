"""Pictures of puppet films as they are drawn, without making the films: from them a model knows its own footage."""

from __future__ import annotations

from bisect import bisect_right

import cv2
import numpy as np

from calvin.captioners.known_drawing import Drawing
from calvin.core.types import FRAME_SIZE
from calvin.puppets.draw.render import SceneRenderer
from calvin.puppets.draw.video import draw_card
from calvin.puppets.tell.screenplay import Card, Film, Scene, Split, make_film
from calvin.puppets.tell.writings import with_writing

FILMS, PICTURES = 30, 24
FIRST_SEED = 1000


def puppet_drawing(films: int = FILMS, pictures: int = PICTURES) -> Drawing:
    """How puppet films are drawn, from films of the training split."""
    return Drawing.fit([puppet_pictures(FIRST_SEED + number, "train", pictures) for number in range(films)])


def puppet_pictures(
    seed: int,
    split: Split = "heldout",
    count: int = PICTURES,
    size: tuple[int, int] = (640, 360),
    writing: bool = False,
) -> list[np.ndarray]:
    """Pictures evenly through one film, as stills, uint8 RGB [H, W, 3] each; `size` is the film's width and height."""
    film = make_film(seed, 18, 4, split, card_ms=3000, seconds=(3.0, 5.6), talk=0.3)
    film = with_writing(film) if writing else film
    times = (np.arange(count) + 0.5) / count * film.duration_ms
    return [_still(_picture(film, float(time), size)) for time in times]


def _picture(film: Film, time_ms: float, size: tuple[int, int]) -> np.ndarray:
    signs = {id(film.shots[sign.shot]): sign for sign in film.signs}
    parts: list[Card | Scene] = [film.cards[0], *film.shots, *film.inserts, film.cards[-1]]
    parts.sort(key=_start_ms)
    part = parts[max(bisect_right([_start_ms(each) for each in parts], time_ms) - 1, 0)]
    if isinstance(part, Card):
        return draw_card(part, *size)
    return SceneRenderer(part, *size, signs.get(id(part))).frame((time_ms - _start_ms(part)) / 1000)


def _start_ms(part: Card | Scene) -> int:
    return part.start_ms if isinstance(part, Card) else part.truth.start_ms


def _still(picture: np.ndarray) -> np.ndarray:
    """A picture as a project keeps it."""
    height, width = picture.shape[:2]
    scale = min(1.0, FRAME_SIZE / min(height, width))
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
