"""Drawing on the stage: stage units in, pixels out, through a camera."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from calvin.puppets.draw.poses import STAGE_HEIGHT, STAGE_WIDTH

Colour = tuple[int, int, int]
INK: Colour = (22, 20, 26)
_SHIFT = 4


class Canvas:
    """An RGB image seen through a camera that shows `STAGE_WIDTH / zoom` units around `centre` (y down from the top).

    Points are complex numbers in stage units with y *up* from the ground, which lies `ground` units below the top.
    """

    def __init__(self, image: np.ndarray, ground: float, smooth: bool) -> None:
        self.image = image
        self.ground = ground
        self.line_type = cv2.LINE_AA if smooth else cv2.LINE_8
        self.look_at(complex(STAGE_WIDTH / 2, STAGE_HEIGHT / 2), 1.0)

    def look_at(self, centre: complex, zoom: float) -> None:
        height, width = self.image.shape[:2]
        self.kx, self.ky = width / STAGE_WIDTH * zoom, height / STAGE_HEIGHT * zoom
        self.ox = width / 2 - centre.real * self.kx
        self.oy = height / 2 - (centre.imag - self.ground) * self.ky
        self.unit = (self.kx + self.ky) / 2

    def pixel(self, z: complex) -> tuple[int, int]:
        return int((self.ox + z.real * self.kx) * 16), int((self.oy - z.imag * self.ky) * 16)

    def width(self, units: float) -> int:
        return max(1, round(units * self.unit))

    def disc(self, z: complex, radius: float, colour: Colour, outline: float = 0.0) -> None:
        centre = self.pixel(z)
        if outline:
            cv2.circle(self.image, centre, int((radius + outline) * self.unit * 16), INK, -1, self.line_type, _SHIFT)
        cv2.circle(self.image, centre, int(radius * self.unit * 16), colour, -1, self.line_type, _SHIFT)

    def line(self, points: Iterable[complex], units: float, colour: Colour, outline: float = 0.0) -> None:
        """A thick line with round ends and joints."""
        chain = np.array([self.pixel(z) for z in points], np.int32)
        if outline:
            cv2.polylines(self.image, [chain], False, INK, self.width(units + 2 * outline), self.line_type, _SHIFT)
        cv2.polylines(self.image, [chain], False, colour, self.width(units), self.line_type, _SHIFT)

    def shape(self, points: Iterable[complex], colour: Colour, outline: float = 0.0) -> None:
        corners = np.array([self.pixel(z) for z in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour, self.line_type, _SHIFT)
        if outline:
            cv2.polylines(self.image, [corners], True, INK, self.width(outline), self.line_type, _SHIFT)

    def box(self, low: complex, high: complex, colour: Colour, outline: float = 0.0) -> None:
        self.shape((low, complex(high.real, low.imag), high, complex(low.real, high.imag)), colour, outline)
