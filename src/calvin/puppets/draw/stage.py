"""The stage: how a puppet stands on it at one moment, in numbers, and drawing there through a camera.

The stage is 112 units wide, x to the right, y up from the ground. A pose is written as if the person faced right
("forward" is +x); `face` = -1 mirrors it. Points are complex numbers: x + 1j * y.
"""

from __future__ import annotations

import cmath
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

DRAWING = int(os.environ.get("CALVIN_PUPPETS", "1"))
"""Which drawing of the puppets everything uses: films, clips, stills, evaluation. The shipped model and the bundled
film are of drawing 1. In drawing 2, raised arms reach above the head, hands before the eyes hide them, and a head nods
further: a model of drawing 1 took these for one another. The environment overrides it, for training the next model."""

STAGE_WIDTH = 112.0
STAGE_HEIGHT = 64.0
TORSO, NECK = 14.0, 9.0
HIP = 15.0
ARM = 8.2
"""Half its length: a longer one would reach the knees."""
DOWN, DOWN_FAR = complex(8, -14), complex(-8, -14)


@dataclass(slots=True)
class Pose:
    """One person at one moment. Angles in degrees.

    `yaw` 0 shows the front, 90 the profile, 180 the back; `rot` tips the whole figure backwards about the feet;
    `bend` leans the torso forward. Hands count from between the shoulders, feet and hip from the spot stood on.
    `head_drop` lowers the head, `reach` is half the length of a raised arm, `palm` the radius of a hand.
    """

    x: float
    face: int = 1
    yaw: float = 25.0
    rot: float = 0.0
    lift: float = 0.0
    bend: float = 0.0
    hip: float = HIP
    near: complex = DOWN
    far: complex = DOWN_FAR
    foot_near: complex = complex(4, 0)
    foot_far: complex = complex(-4, 0)
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    asleep: bool = False
    mouth: float = 0.0
    head_drop: float = 0.0
    reach: float = ARM
    palm: float = 2.5

    @property
    def up(self) -> complex:
        """Along the spine, in the forward frame."""
        return 1j * cmath.rect(1, -math.radians(self.bend))

    @property
    def shoulder(self) -> complex:
        return 1j * self.hip + self.up * TORSO

    @property
    def head(self) -> complex:
        return self.shoulder + self.up * (NECK - self.head_drop)

    def world(self, local: complex, scale: float) -> complex:
        """A point of the forward frame on the stage: turned about the feet first, then mirrored."""
        turned = local * cmath.rect(1, math.radians(self.rot)) + 1j * self.lift
        return self.x + scale * complex(turned.real * self.face, turned.imag)

    def hand(self, scale: float) -> complex:
        return self.world(self.shoulder + self.near, scale)


@dataclass(slots=True)
class Instant:
    """Everything that moves in a scene at one moment, in the order it is drawn. `stool` and `chest` are x positions."""

    people: list[Pose]
    prop: complex | None = None
    stool: float | None = None
    chest: float | None = None
    lid: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the action takes place: the agent's spot and direction, the patient's spot, figure scale, tempo."""

    x: float
    face: int
    other: float
    scale: float
    tempo: float = 1.0


def ramp(u: float, start: float = 0.2, end: float = 0.8) -> float:
    """0 before `start`, 1 after `end`, smooth between."""
    v = min(max((u - start) / (end - start), 0.0), 1.0)
    # Speed is zero at both ends: a body that starts and stops at once looks like a machine.
    return v * v * (3 - 2 * v)


def mix(a: float, b: float, v: float) -> float:
    return a + (b - a) * v


def mixc(a: complex, b: complex, v: float) -> complex:
    return a + (b - a) * v


def walking(pose: Pose, phase: float, stride: float = 6.0) -> Pose:
    """The same pose in mid-walk."""
    swing = math.sin(phase)
    pose.foot_near = complex(stride * swing, max(0, math.cos(phase)) * 2)
    pose.foot_far = complex(-stride * swing, max(0, -math.cos(phase)) * 2)
    pose.near, pose.far = complex(-7 * swing, -14), complex(7 * swing, -14)
    pose.yaw, pose.lift = 75, abs(math.cos(phase))
    return pose


Colour = tuple[int, int, int]
INK: Colour = (22, 20, 26)


@dataclass(frozen=True, slots=True)
class Pen:
    """How everything is drawn, whatever it is: `corners` of what is round otherwise (0: it is round), the colour of
    outlines and their width as a share of the usual, and how far backdrops are washed out (0 to 1)."""

    corners: int = 0
    ink: Colour = INK
    outline: float = 1.0
    wash: float = 0.0


PLAIN = Pen()
PAPER = Pen(corners=6, ink=(250, 246, 236), outline=1.5, wash=0.5)
"""Cut out of paper: six corners in place of circles, pale edges, pale backdrops with strips across them."""
_SHIFT = 4  # OpenCV takes coordinates with so many binary places


class Canvas:
    """An RGB image seen through a camera that shows `STAGE_WIDTH / zoom` units around `centre` (y down from the top).

    Points are complex numbers in stage units with y *up* from the ground, which lies `ground` units below the top.
    """

    def __init__(self, image: np.ndarray, ground: float, smooth: bool, pen: Pen = PLAIN) -> None:
        self.image, self.pen = image, pen
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
        """Where a point lies, in sixteenths of a pixel: whole ones would make slow motion jerk."""
        return int((self.ox + z.real * self.kx) * 16), int((self.oy - z.imag * self.ky) * 16)

    def width(self, units: float) -> int:
        return max(1, round(units * self.unit))

    def disc(self, z: complex, radius: float, colour: Colour, outline: float = 0.0) -> None:
        if self.pen.corners:
            ring = (cmath.rect(radius, 2 * math.pi * i / self.pen.corners) for i in range(self.pen.corners))
            self.shape([z + corner for corner in ring], colour, 2 * outline)
            return
        centre = self.pixel(z)
        outline *= self.pen.outline
        if outline:
            edge = int((radius + outline) * self.unit * 16)
            cv2.circle(self.image, centre, edge, self.pen.ink, -1, self.line_type, _SHIFT)
        cv2.circle(self.image, centre, int(radius * self.unit * 16), colour, -1, self.line_type, _SHIFT)

    def line(self, points: Iterable[complex], units: float, colour: Colour, outline: float = 0.0) -> None:
        """A thick line with round ends and joints."""
        chain = np.array([self.pixel(z) for z in points], np.int32)
        outline *= self.pen.outline
        if outline:
            wide = self.width(units + 2 * outline)
            cv2.polylines(self.image, [chain], False, self.pen.ink, wide, self.line_type, _SHIFT)
        cv2.polylines(self.image, [chain], False, colour, self.width(units), self.line_type, _SHIFT)

    def shape(self, points: Iterable[complex], colour: Colour, outline: float = 0.0) -> None:
        corners = np.array([self.pixel(z) for z in points], np.int32)
        cv2.fillPoly(self.image, [corners], colour, self.line_type, _SHIFT)
        outline *= self.pen.outline
        if outline:
            cv2.polylines(self.image, [corners], True, self.pen.ink, self.width(outline), self.line_type, _SHIFT)

    def box(self, low: complex, high: complex, colour: Colour, outline: float = 0.0) -> None:
        self.shape((low, complex(high.real, low.imag), high, complex(low.real, high.imag)), colour, outline)
