"""Drawing the twelve props, the stool and the chest. A prop is about 14 units wide or high at scale 1."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

from calvin.puppets.draw.stage import INK, Canvas, Colour

WHITE: Colour = (250, 250, 246)
_EDGE = 0.9
_ARC = tuple(complex(math.cos(a), math.sin(a)) for a in (i * math.pi / 8 for i in range(9)))


def _ball(c: Canvas, z: complex, k: float) -> None:
    c.disc(z, 6.6 * k, (236, 40, 44), _EDGE)
    c.line((z - 6 * k, z + 6 * k), 3.2 * k, WHITE)
    c.disc(z, 2.6 * k, (40, 80, 220))


def _lamp(c: Canvas, z: complex, k: float) -> None:
    c.line((z - 6.5j * k, z + 2j * k), 1.8 * k, (120, 90, 40), 0.5)
    c.line((z + (-4 - 6.5j) * k, z + (4 - 6.5j) * k), 2 * k, (120, 90, 40), 0.5)
    c.shape((z + (-7 - 0.5j) * k, z + (7 - 0.5j) * k, z + (3.5 + 7j) * k, z + (-3.5 + 7j) * k), (255, 236, 120), _EDGE)


def _book(c: Canvas, z: complex, k: float) -> None:
    for side in (-1, 1):
        page = (z - 4.5j * k, z + (7.5 * side - 2.5j) * k, z + (7.5 * side + 6.5j) * k, z + 4.5j * k)
        c.shape(page, (150, 30, 40), _EDGE)
        inner = (z - 3.3j * k, z + (6.2 * side - 1.5j) * k, z + (6.2 * side + 5.6j) * k, z + 4j * k)
        c.shape(inner, WHITE)
    c.line((z - 4j * k, z + 4.5j * k), 0.9 * k, INK)


def _umbrella(c: Canvas, z: complex, k: float) -> None:
    c.line((z + 6j * k, z - 6.5j * k, z + (2.5 - 7.5j) * k), 1.4 * k, (110, 70, 40), 0.4)
    c.shape([z + 8.5 * k * p for p in _ARC], (120, 60, 200), _EDGE)
    for x in (-2.8, 2.8):
        c.line((z + 8j * k, z + x * k), 0.7 * k, (226, 200, 250))


def _guitar(c: Canvas, z: complex, k: float) -> None:
    tilt = cmath.rect(k, 0.9)
    c.line((z - 2 * tilt, z + 10.5 * tilt), 2.2 * k, (70, 40, 20), 0.4)
    c.line((z + 9 * tilt, z + 10.8 * tilt), 3.4 * k, (40, 26, 16))
    c.disc(z - 5 * tilt, 5.2 * k, (222, 140, 50), _EDGE)
    c.disc(z - 0.6 * tilt, 3.8 * k, (222, 140, 50))
    c.disc(z - 3.4 * tilt, 1.9 * k, INK)


def _clock(c: Canvas, z: complex, k: float) -> None:
    c.disc(z, 6.8 * k, (60, 66, 80), _EDGE)
    c.disc(z, 5.2 * k, WHITE)
    c.line((z + 4j * k, z, z + 3 * k), 1.3 * k, INK)


def _cake(c: Canvas, z: complex, k: float) -> None:
    c.box(z + (-7.5 - 6j) * k, z + (7.5 - 0.5j) * k, (110, 60, 34), _EDGE)
    c.box(z + (-5 - 0.5j) * k, z + (5 + 3.5j) * k, (255, 170, 205), _EDGE)
    c.line((z + (-7 - 0.8j) * k, z + (7 - 0.8j) * k), 2 * k, (255, 240, 244))
    for x in (-3, 0, 3):
        c.line((z + (x + 3.5j) * k, z + (x + 6j) * k), 1.1 * k, (70, 150, 240))
        c.disc(z + (x + 7j) * k, 0.9 * k, (255, 200, 40))


def _drum(c: Canvas, z: complex, k: float) -> None:
    c.box(z + (-7 - 6j) * k, z + (7 + 4j) * k, (30, 90, 190), _EDGE)
    zigzag = [z + (x + (-4.5j if i % 2 else 2.5j)) * k for i, x in enumerate((-6, -3, 0, 3, 6))]
    c.line(zigzag, 1.2 * k, (255, 220, 60))
    c.line((z + (-6.5 + 4.5j) * k, z + (6.5 + 4.5j) * k), 2.8 * k, WHITE, 0.5)


def _flag(c: Canvas, z: complex, k: float) -> None:
    c.line((z + (-5 - 8j) * k, z + (-5 + 8j) * k), 1.4 * k, (90, 60, 40), 0.4)
    c.box(z + (-4 - 1j) * k, z + (8.5 + 8j) * k, (20, 150, 80), _EDGE)
    c.line((z + (-3.4 + 3.5j) * k, z + (8 + 3.5j) * k), 2.6 * k, (255, 240, 80))


def _fish(c: Canvas, z: complex, k: float) -> None:
    c.shape((z - 3 * k, z + (-9 + 5j) * k, z + (-9 - 5j) * k), (40, 140, 190), _EDGE)
    outline = (*_ARC, *(p.conjugate() for p in reversed(_ARC)))
    c.shape([z + k * (1 + p.real * 6.8 + 1j * p.imag * 4.8) for p in outline], (70, 190, 225), _EDGE)
    c.disc(z + (4.6 + 1.2j) * k, 1.2 * k, INK)


def _crown(c: Canvas, z: complex, k: float) -> None:
    points = (-7 - 5j, 7 - 5j, 8 + 5.5j, 3.7 - 0.2j, 0 + 7j, -3.7 - 0.2j, -8 + 5.5j)
    c.shape([z + p * k for p in points], (255, 205, 30), _EDGE)
    for x, colour in ((-4, (220, 30, 60)), (0, (40, 80, 220)), (4, (220, 30, 60))):
        c.disc(z + (x - 2.8j) * k, 1.3 * k, colour)


def _bucket(c: Canvas, z: complex, k: float) -> None:
    c.line([z + k * (p.real * 6 + 1j * (3 + p.imag * 5)) for p in _ARC], 1.0 * k, INK)
    c.shape((z + (-4.6 - 7j) * k, z + (4.6 - 7j) * k, z + (6.6 + 3j) * k, z + (-6.6 + 3j) * k), (150, 160, 172), _EDGE)
    c.line((z + (-5.6 - 1.5j) * k, z + (5.6 - 1.5j) * k), 1.4 * k, (90, 98, 110))


DRAW_PROP: dict[str, Callable[[Canvas, complex, float], None]] = {
    "ball": _ball, "lamp": _lamp, "book": _book, "umbrella": _umbrella, "guitar": _guitar, "clock": _clock,
    "cake": _cake, "drum": _drum, "flag": _flag, "fish": _fish, "crown": _crown, "bucket": _bucket,
}  # fmt: skip


def draw_stool(canvas: Canvas, x: float, scale: float) -> None:
    for side in (-4, 4):
        canvas.line((x + (side + 0j) * scale, x + (side * 0.8 + 5j) * scale), 1.6 * scale, (96, 62, 34), 0.4)
    canvas.line((x + (-5 + 5.2j) * scale, x + (5 + 5.2j) * scale), 2.4 * scale, (150, 98, 52), 0.6)


def draw_chest(canvas: Canvas, x: float, lid: float, face: int, scale: float) -> None:
    """A chest at x whose lid, hinged on the far side from the person, stands `lid` degrees open."""
    canvas.box(x + (-9 + 0j) * scale, x + (9 + 9j) * scale, (134, 84, 40), 1.0)
    canvas.box(x + (-1.5 + 5j) * scale, x + (1.5 + 8j) * scale, (240, 200, 60))
    hinge = x + (9 * face + 9j) * scale
    along = cmath.rect(1, math.radians(180 - lid) if face > 0 else math.radians(lid)) * scale
    across = along * (-1j if face > 0 else 1j)
    canvas.shape((hinge, hinge + 18 * along, hinge + 17 * along + 5 * across, hinge + 1 * along + 5 * across),
                 (176, 116, 60), 1.0)  # fmt: skip
    if lid > 30:
        canvas.line((x + (-7 + 8.8j) * scale, x + (7 + 8.8j) * scale), 1.6 * scale, (255, 214, 80))
