"""Poses: how a puppet stands at one moment, in numbers.

The stage is 112 units wide, x to the right, y up from the ground. A pose is written as if the person faced right
("forward" is +x); `face` = -1 mirrors it. Points are complex numbers: x + 1j * y.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

STAGE_WIDTH = 112.0
STAGE_HEIGHT = 64.0
TORSO, NECK = 14.0, 9.0
HIP = 15.0
DOWN, DOWN_FAR = complex(8, -14), complex(-8, -14)


@dataclass(slots=True)
class Pose:
    """One person at one moment. Angles in degrees.

    `yaw` 0 shows the front, 90 the profile, 180 the back; `rot` tips the whole figure backwards about the feet;
    `bend` leans the torso forward. Hands count from between the shoulders, feet and hip from the spot stood on.
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

    @property
    def up(self) -> complex:
        """Along the spine, in the forward frame."""
        return 1j * cmath.rect(1, -math.radians(self.bend))

    @property
    def shoulder(self) -> complex:
        return 1j * self.hip + self.up * TORSO

    @property
    def head(self) -> complex:
        return self.shoulder + self.up * NECK

    def world(self, local: complex, scale: float) -> complex:
        """A point of the forward frame on the stage."""
        turned = local * cmath.rect(1, math.radians(self.rot)) + 1j * self.lift
        return self.x + scale * complex(turned.real * self.face, turned.imag)

    def hand(self, scale: float, near: bool = True) -> complex:
        return self.world(self.shoulder + (self.near if near else self.far), scale)


@dataclass(slots=True)
class Instant:
    """Everything that moves in a scene at one moment, in the order it is drawn. `stool` and `chest` are x positions."""

    people: list[Pose]
    prop: complex | None = None
    prop_behind: bool = False
    stool: float | None = None
    chest: float | None = None
    lid: float = 0.0
    agent_first: bool = True


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
    return v * v * (3 - 2 * v)


def mix(a: float, b: float, v: float) -> float:
    return a + (b - a) * v


def mixc(a: complex, b: complex, v: float) -> complex:
    return a + (b - a) * v


def walking(pose: Pose, phase: float, stride: float = 6.0) -> Pose:
    """The same pose in mid-walk."""
    swing = math.sin(phase)
    pose.foot_near, pose.foot_far = (
        complex(stride * swing, max(0, math.cos(phase)) * 2),
        complex(-stride * swing, max(0, -math.cos(phase)) * 2),
    )
    pose.near, pose.far = complex(-7 * swing, -14), complex(7 * swing, -14)
    pose.yaw, pose.lift = 75, abs(math.cos(phase))
    return pose
