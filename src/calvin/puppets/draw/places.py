"""Drawing the twelve places, each with its own colours and silhouettes, laid out anew by a generator."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from calvin.puppets.draw.stage import Canvas, Colour

LEFT, RIGHT, TOP, BOTTOM = -20.0, 132.0, 80.0, -30.0
"""The backdrop reaches beyond the stage, so that the camera may move."""


def _halves(c: Canvas, far: Colour, near: Colour, horizon: float = 6.0) -> None:
    c.box(complex(LEFT, horizon), complex(RIGHT, TOP), far)
    c.box(complex(LEFT, BOTTOM), complex(RIGHT, horizon), near)


def _row(rng: np.random.Generator, step: float, jitter: float) -> list[float]:
    """x positions along the whole backdrop, `step` apart, shaken and shifted."""
    first = LEFT + float(rng.uniform(0, step))
    return [x + float(rng.uniform(-jitter, jitter)) for x in np.arange(first, RIGHT, step)]


def _kitchen(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (214, 232, 226), (196, 186, 170))
    for x in np.arange(LEFT, RIGHT, 9):
        c.line((complex(x, 24), complex(x, TOP)), 0.5, (186, 210, 204))
    for y in (33, 42, 51):
        c.line((complex(LEFT, y), complex(RIGHT, y)), 0.5, (186, 210, 204))
    c.box(complex(LEFT, 6), complex(RIGHT, 22), (112, 150, 152))
    c.box(complex(LEFT, 22), complex(RIGHT, 25), (70, 84, 90))
    for x in _row(rng, 17, 1):
        c.line((complex(x, 7), complex(x, 21)), 0.8, (74, 108, 112))
        c.line((complex(x + 5, 17), complex(x + 9, 17)), 1.2, (230, 236, 236))
    x = float(rng.choice([8, 92]))
    c.box(complex(x - 9, 6), complex(x + 9, 47), (236, 238, 240), 0.8)
    c.line((complex(x - 9, 30), complex(x + 9, 30)), 0.8, (120, 126, 132))


def _bedroom(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (206, 186, 218), (150, 118, 104))
    for x in _row(rng, 12, 0):
        c.line((complex(x, 6), complex(x, TOP)), 3, (196, 172, 210))
    x, side = (6.0, 1) if rng.random() < 0.5 else (106.0, -1)
    c.box(complex(min(x, x + side * 44), 6), complex(max(x, x + side * 44), 15), (226, 226, 240), 0.8)
    c.box(complex(min(x, x + side * 44), 12), complex(max(x, x + side * 32), 19), (92, 96, 170), 0.8)
    c.box(complex(x - 3, 6), complex(x + 3, 30), (104, 66, 42), 0.8)
    window = 80.0 if side > 0 else 32.0
    c.box(complex(window - 10, 30), complex(window + 10, 52), (40, 44, 92), 1.4)
    c.disc(complex(window + 4, 45), 3, (246, 240, 200))


def _library(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (92, 58, 36), (120, 44, 44))
    spines = ((150, 52, 44), (52, 88, 70), (60, 74, 120), (176, 138, 66), (98, 62, 96))
    for shelf in (10, 26, 42):
        x = LEFT
        while x < RIGHT:
            width, height = float(rng.uniform(2.6, 5)), float(rng.uniform(8, 12.5))
            c.box(complex(x, shelf), complex(x + width - 0.6, shelf + height), spines[int(rng.integers(5))])
            x += width
        c.box(complex(LEFT, shelf - 2.2), complex(RIGHT, shelf), (140, 92, 54))
    for x in _row(rng, 44, 2):
        c.box(complex(x - 1.5, 6), complex(x + 1.5, TOP), (140, 92, 54))


def _theatre(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (28, 20, 30), (176, 126, 74), 8)
    c.shape([complex(56 + float(rng.uniform(-8, 8)), TOP), complex(14, 8), complex(98, 8)], (58, 46, 58))
    for x in (*np.arange(LEFT, 22, 7), *np.arange(92, RIGHT, 7)):
        c.box(complex(x, 8), complex(x + 7, TOP), (140, 14, 34))
        c.box(complex(x, 8), complex(x + 2.5, TOP), (92, 6, 22))
    for x in np.arange(LEFT, RIGHT, 16):
        c.shape([complex(x + 8 + 8 * math.cos(a), 55 + 8 * math.sin(a)) for a in np.linspace(math.pi, 2 * math.pi, 7)],
                (160, 20, 40), 0.5)  # fmt: skip
    c.box(complex(LEFT, 54), complex(RIGHT, TOP), (160, 20, 40))


def _cave(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (66, 62, 74), (48, 44, 52), 5)
    c.disc(complex(56 + float(rng.uniform(-25, 25)), 30), 24, (96, 92, 106))
    for x in _row(rng, 13, 3):
        drop = float(rng.uniform(8, 26))
        c.shape((complex(x - 6, 66), complex(x + 6, 66), complex(x, 60 - drop)), (36, 33, 42))
        c.shape((complex(x, 4), complex(x + 8, 4), complex(x + 4, 6 + drop / 2)), (40, 37, 46))
    c.box(complex(LEFT, 58), complex(RIGHT, TOP), (36, 33, 42))


def _station(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (198, 206, 214), (150, 152, 156), 7)
    c.box(complex(LEFT, 7), complex(RIGHT, 40), (60, 104, 132), 0.8)
    c.box(complex(LEFT, 12), complex(RIGHT, 15), (236, 200, 60))
    for x in _row(rng, 21, 0):
        c.box(complex(x - 6, 22), complex(x + 6, 34), (206, 230, 240), 0.8)
    c.box(complex(LEFT, 52), complex(RIGHT, 57), (84, 88, 96))
    for x in _row(rng, 48, 0):
        c.box(complex(x - 1.2, 7), complex(x + 1.2, 52), (84, 88, 96))
    c.line((complex(LEFT, 3), complex(RIGHT, 3)), 1.4, (246, 226, 70))


def _garden(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (172, 220, 246), (112, 188, 84), 8)
    c.box(complex(LEFT, 8), complex(RIGHT, 22), (64, 132, 62))
    for x in _row(rng, 8, 1):
        c.disc(complex(x, 22), 5, (64, 132, 62))
    blooms = ((250, 90, 130), (250, 226, 80), (240, 240, 250), (224, 96, 220))
    for x in _row(rng, 6, 2):
        c.disc(complex(x, float(rng.uniform(9, 21))), 1.7, blooms[int(rng.integers(4))])
        c.disc(complex(x + 2, float(rng.uniform(-4, 4))), 1.2, blooms[int(rng.integers(4))])


def _beach(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (150, 214, 250), (242, 222, 164), 12)
    c.box(complex(LEFT, 12), complex(RIGHT, 32), (34, 128, 190))
    for y in (15, 20, 26):
        for x in _row(rng, 18, 5):
            c.line((complex(x, y), complex(x + 6, y)), 0.8, (190, 226, 244))
    c.line((complex(LEFT, 12), complex(RIGHT, 12)), 1.6, (250, 250, 250))
    c.disc(complex(float(rng.uniform(14, 98)), 50), 6, (255, 240, 140))
    x = float(rng.uniform(20, 90))
    c.shape((complex(x, 33), complex(x, 45), complex(x + 9, 33)), (250, 250, 250))


def _forest(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (110, 146, 112), (62, 78, 40), 7)
    for x in _row(rng, 15, 3):
        w = float(rng.uniform(2, 3.6))
        c.box(complex(x - w, 5), complex(x + w, TOP), (74, 54, 40))
        c.box(complex(x - w, 5), complex(x - w / 3, TOP), (54, 38, 30))
    for x in _row(rng, 11, 3):
        c.disc(complex(x, 60 + float(rng.uniform(-3, 4))), 10, (30, 86, 42))
    for x in _row(rng, 19, 6):
        c.shape((complex(x - 6, 6), complex(x + 6, 6), complex(x, 15)), (44, 104, 48))


def _street(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (214, 218, 222), (86, 88, 94), 6)
    walls = ((178, 92, 72), (206, 178, 130), (132, 108, 104), (160, 132, 110))
    x = LEFT - float(rng.uniform(0, 12))
    while x < RIGHT:
        width, height = float(rng.uniform(22, 32)), float(rng.uniform(38, 58))
        c.box(complex(x, 6), complex(x + width, height), walls[int(rng.integers(4))], 0.6)
        for wx in np.arange(x + 4, x + width - 6, 8):
            for wy in np.arange(18, height - 8, 11):
                c.box(complex(wx, wy), complex(wx + 4.5, wy + 6.5), (60, 74, 96))
        x += width
    for x in _row(rng, 20, 0):
        c.line((complex(x, -1), complex(x + 9, -1)), 1.4, (236, 236, 228))


def _desert(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (252, 206, 140), (226, 160, 92), 10)
    for x in _row(rng, 52, 10):
        c.shape((complex(x - 40, 9), complex(x + 44, 9), complex(x + 4, 26)), (206, 138, 80))
    for x in _row(rng, 50, 8):
        top = float(rng.uniform(24, 34))
        c.line((complex(x, 8), complex(x, top)), 5, (84, 128, 72))
        c.line((complex(x, 15), complex(x + 7, 15), complex(x + 7, 23)), 3.4, (84, 128, 72))
        c.line((complex(x, 19), complex(x - 7, 19), complex(x - 7, 26)), 3.4, (84, 128, 72))


def _mountain(c: Canvas, rng: np.random.Generator) -> None:
    _halves(c, (128, 164, 214), (226, 234, 244), 9)
    for x in _row(rng, 38, 8):
        top, half = float(rng.uniform(38, 54)), float(rng.uniform(24, 32))
        c.shape((complex(x - half, 8), complex(x + half, 8), complex(x, top)), (98, 110, 140))
        cap = 0.34
        c.shape((complex(x - half * cap, top - (top - 8) * cap), complex(x, top - (top - 8) * cap * 1.4),
                 complex(x + half * cap, top - (top - 8) * cap), complex(x, top)), (246, 248, 252))  # fmt: skip
    c.box(complex(LEFT, BOTTOM), complex(RIGHT, 9), (226, 234, 244))


DRAW_PLACE: dict[str, Callable[[Canvas, np.random.Generator], None]] = {
    "kitchen": _kitchen, "bedroom": _bedroom, "library": _library, "theatre": _theatre, "cave": _cave,
    "station": _station, "garden": _garden, "beach": _beach, "forest": _forest, "street": _street, "desert": _desert,
    "mountain": _mountain,
}  # fmt: skip


def draw_foreground(canvas: Canvas, kind: int, x: float) -> None:
    """Something dark close to the camera, at the edge: a bush, a post or a rock."""
    if kind == 0:
        for dx, dy in ((0, -4), (7, -6), (-7, -6), (3, 2), (-3, 1)):
            canvas.disc(complex(x + dx, dy), 6.5, (26, 48, 30))
    elif kind == 1:
        canvas.box(complex(x - 2, BOTTOM), complex(x + 2, TOP), (40, 34, 32))
    else:
        canvas.shape((complex(x - 13, -12), complex(x - 8, 2), complex(x + 2, 6), complex(x + 12, -12)), (44, 42, 46))
