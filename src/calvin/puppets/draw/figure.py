"""Drawing people and props."""

from __future__ import annotations

import math

from calvin.puppets.draw.stage import ARM, INK, Canvas, Colour, Pose
from calvin.puppets.lexicon import COLOURS
from calvin.puppets.truth import Look

SKIN: tuple[Colour, ...] = ((250, 212, 178), (226, 172, 126), (172, 116, 76), (118, 76, 50))
HAIR: tuple[Colour, ...] = ((40, 28, 22), (104, 62, 30), (206, 168, 88), (164, 66, 30), (150, 150, 156))
TROUSERS: Colour = (58, 64, 92)
_HALF_CIRCLE = tuple(complex(math.cos(a), math.sin(a)) for a in (i * math.pi / 7 for i in range(8)))
_HEM = {"coat": (6.5, 8.5), "jacket": (-1.0, 6.5), "dress": (8.0, 11.5)}
"""How far below the hip the garment reaches, and half its width there."""


def _bent(a: complex, b: complex, length: float, toward: complex) -> tuple[complex, complex, complex]:
    """A limb of two parts of `length` from a to b (or as near as it reaches), its joint on the side of `toward`."""
    reach = abs(b - a)
    if reach >= 2 * length or reach < 1e-6:
        b = a + (b - a) * (2 * length / max(reach, 1e-6)) if reach >= 2 * length else b
        return a, (a + b) / 2, b
    # Half of the limb, half of the reach and the joint's distance from the line a-b make a right triangle.
    out = math.sqrt(length * length - reach * reach / 4) * 1j * (b - a) / reach
    if out.real * toward.real + out.imag * toward.imag < 0:
        out = -out
    return a, (a + b) / 2 + out, b


class Figure:
    """One person on a canvas; `body` draws all but the arms, `arms` the rest, so that a prop can lie between."""

    def __init__(self, canvas: Canvas, pose: Pose, look: Look, scale: float) -> None:
        self.canvas, self.pose, self.look, self.scale = canvas, pose, look, scale
        yaw = math.radians(pose.yaw)
        self.turn, self.open = math.sin(yaw), math.cos(yaw)

    def at(self, local: complex) -> complex:
        return self.pose.world(local, self.scale)

    def body(self) -> None:
        # Each part covers what lies behind it: the hair falls behind the coat, the head stands before its collar.
        self._legs()
        if self.look.woman:
            self._long_hair()
        self._garment()
        self._head()

    def _legs(self) -> None:
        pose, k = self.pose, self.scale
        hip = 1j * pose.hip
        for side, foot in ((-1, pose.foot_far), (1, pose.foot_near)):
            start = hip + 2.5 * side * abs(self.open)
            knee = complex(1) if self.turn > 0.3 else complex(side)
            limb = [self.at(z) for z in _bent(start, foot + 1j, 7.6, knee)]
            self.canvas.line(limb, 4.2 * k, TROUSERS, 0.7 * k)
            toe = limb[-1] + k * complex(1.8 * self.pose.face * (self.turn or 0.3), 0)
            self.canvas.line((limb[-1], toe), 3.6 * k, INK)

    def _garment(self) -> None:
        pose, look = self.pose, self.look
        colour = COLOURS[look.coat]
        drop, half = _HEM[look.garment]
        hem = 1j * pose.hip - pose.up * min(drop, pose.hip - 1.5) if drop > 0 else 1j * pose.hip + pose.up * 1
        across = -1j * pose.up * (0.72 + 0.28 * abs(self.open))
        shoulder = pose.shoulder + pose.up * 1.5
        corners = (shoulder - 6 * across, shoulder + 6 * across, hem + half * across, hem - half * across)
        self.canvas.shape([self.at(z) for z in corners], colour, 1.3 * self.scale)
        if self.open > -0.2:
            front = 5 * self.turn * (-1j * pose.up)
            shade: Colour = INK if sum(colour) > 200 else (190, 190, 190)
            self.canvas.line((self.at(shoulder + front), self.at(hem + front)), 0.8 * self.scale, shade)

    def _long_hair(self) -> None:
        pose, k = self.pose, self.scale
        turn = math.sin(math.radians(pose.yaw + pose.head_yaw))
        crown = pose.head - 5.0 * max(turn, 0)
        strand = (self.at(crown), self.at(crown - pose.up * 11))
        self.canvas.line(strand, (17 - 5 * abs(turn)) * k, HAIR[self.look.hair], 0.7 * k)

    def _head(self) -> None:
        pose, look, k, canvas = self.pose, self.look, self.scale, self.canvas
        hair, skin = HAIR[look.hair], SKIN[look.skin]
        up, right = pose.up, -1j * pose.up
        angle = math.radians(pose.yaw + pose.head_yaw)
        turn, facing = math.sin(angle), math.cos(angle)
        head = pose.head - up * max(pose.head_pitch, -1) * 0.5
        centre = self.at(head)
        if facing < -0.25:
            canvas.disc(centre, 8.2 * k, hair, 0.9 * k)
        else:
            canvas.disc(centre, 8.2 * k, skin, 0.9 * k)
            cap = [self.at(head + up * (2.2 - pose.head_pitch * 0.5) - right * 1.2 * turn
                           + (right * z.real * 8.2 + up * z.imag * 6.2)) for z in _HALF_CIRCLE]  # fmt: skip
            canvas.shape(cap, hair)
            if turn > 0.5 or turn < -0.5:
                back = head - right * 5.5 * math.copysign(1, turn)
                canvas.line((self.at(back + up * 2), self.at(back - up * 3)), 4.5 * k, hair)
            self._face(head, turn, facing)
        if look.hat is not None:
            self._hat(head, up, right)

    def _face(self, head: complex, turn: float, facing: float) -> None:
        pose, k, canvas = self.pose, self.scale, self.canvas
        up, right = pose.up, -1j * pose.up
        middle = head + right * 5.6 * turn - up * pose.head_pitch
        # In profile one eye is seen; two would run together.
        for side in (-1, 1) if abs(turn) < 0.8 else (0,):
            eye = middle + right * 3.1 * side * max(facing, 0.15) + up * 0.6
            if pose.asleep:
                canvas.line((self.at(eye - right * 1.2), self.at(eye + right * 1.2)), 0.8 * k, INK)
            else:
                canvas.disc(self.at(eye), 1.25 * k, INK)
        if abs(turn) > 0.4:
            nose = head + right * (8.4 * math.copysign(1, turn)) - up * (1 + pose.head_pitch)
            canvas.disc(self.at(nose), 1.7 * k, SKIN[self.look.skin], 0.5 * k)
        mouth = middle - up * 4.2
        if pose.mouth > 0.1:
            canvas.disc(self.at(mouth), (0.7 + 1.4 * pose.mouth) * k, (130, 24, 30))
        else:
            half = right * 1.8 * max(facing, 0.4)
            canvas.line((self.at(mouth - half), self.at(mouth + half)), 0.9 * k, (130, 40, 40))

    def _hat(self, head: complex, up: complex, right: complex) -> None:
        assert self.look.hat is not None
        colour, k = COLOURS[self.look.hat], self.scale
        base = head + up * (5.6 - max(self.pose.head_pitch, -1) * 0.4)
        crown = (base - right * 6, base + right * 6, base + right * 5 + up * 6, base - right * 5 + up * 6)
        self.canvas.shape([self.at(z) for z in crown], colour, 1.1 * k)
        self.canvas.line((self.at(base - right * 9), self.at(base + right * 9)), 1.8 * k, colour, 0.5 * k)

    def arms(self) -> None:
        pose, k = self.pose, self.scale
        r, g, b = COLOURS[self.look.coat]
        sleeve = (r * 4 // 5, g * 4 // 5, b * 4 // 5) if r + g + b > 90 else (60, 60, 70)
        right = -1j * pose.up
        for side, hand in ((-1, pose.far), (1, pose.near)):
            start = pose.shoulder + right * side * (5.5 * self.open if abs(self.open) > 0.3 else side * 0.5)
            elbow = right * side if self.turn < 0.7 else -pose.up - right * 0.3
            limb = [self.at(z) for z in _bent(start, pose.shoulder + hand, pose.reach if hand.imag > 0 else ARM, elbow)]
            self.canvas.line(limb, 3.4 * k, sleeve, 0.7 * k)
            self.canvas.disc(limb[-1], pose.palm * k, SKIN[self.look.skin], 0.6 * k)
