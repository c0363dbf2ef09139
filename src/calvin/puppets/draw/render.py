"""From scene to pixels. Everything not in the truth (camera, light, clutter, scale) is drawn from the scene's seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from calvin.core.time import round_half_up
from calvin.puppets.draw.actions import movers
from calvin.puppets.draw.figure import Figure
from calvin.puppets.draw.places import DRAW_PLACE, draw_foreground
from calvin.puppets.draw.props import DRAW_PROP, draw_chest, draw_stool
from calvin.puppets.draw.stage import DRAWING, PLAIN, STAGE_WIDTH, Canvas, Instant, Pen, Stage
from calvin.puppets.draw.writing import draw_sign
from calvin.puppets.lexicon import PROPS
from calvin.puppets.tell.screenplay import Scene, Sign, rng_for

TRAINING_SIZE = (112, 64)
"""Width and height of the frames the small vision tower sees."""

_MARGIN = 1.2
FALLS = ("push", "help")
"""Actions in which the other person lies on the ground, away from the agent: they are played further back."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What stays the same throughout a scene, but for the truth: `light` is a table of colours, uint8 [1, 256, 3]."""

    stage: Stage
    ground: float
    camera_from: complex
    camera_to: complex
    zoom_from: float
    zoom_to: float
    light: np.ndarray
    clutter: tuple[tuple[str, float, float], ...]
    foreground: tuple[tuple[int, float], ...]


def frame_times(scene: Scene, fps: float) -> list[float]:
    """Seconds from the start of the scene at which its frames are taken: the frames of `fps` that fall inside it."""
    return [i / fps for i in range(max(1, round_half_up(scene.duration_ms / 1000 * fps)))]


def draw_setup(scene: Scene) -> Setup:
    rng = rng_for(scene.seed, "setup")
    pair = scene.truth.patient is not None
    scale = float(rng.uniform(0.74, 0.92))
    face = 1 if rng.random() < 0.5 else -1
    if pair:
        middle, gap = 56 + float(rng.uniform(-8, 8)), float(rng.uniform(40, 48))
        if scene.truth.action in FALLS:
            middle -= face * 20
        x, other = middle - face * gap / 2, middle + face * gap / 2
    else:
        x, other = 56 + float(rng.uniform(-17, 17)), 0.0
    stage = Stage(x, face, other, scale, tempo=float(rng.uniform(0.85, 1.1)))
    clutter = []
    if rng.random() < 0.35:
        choices = [prop for prop in PROPS if prop != scene.truth.prop]
        spot = float(rng.choice([rng.uniform(6, 16), rng.uniform(96, 106)]))
        clutter.append((str(rng.choice(choices)), spot, float(rng.uniform(0.5, 0.7))))
    foreground = []
    if rng.random() < 0.3:
        foreground.append((int(rng.integers(3)), float(rng.choice([rng.uniform(-2, 12), rng.uniform(100, 114)]))))
    still = rng.random() < 0.4
    start = complex(56 + float(rng.uniform(-4, 4)), 32 + float(rng.uniform(-1, 0.5)))
    end = start if still else complex(56 + float(rng.uniform(-4, 4)), 32 + float(rng.uniform(-1, 0.5)))
    zoom = float(rng.uniform(0.96, 1.06))
    zoom_to = zoom if still else float(rng.uniform(0.96, 1.06))
    tint = rng.uniform(0.94, 1.06, 3) * rng.uniform(0.75, 1.12)
    light = np.clip(np.arange(256)[:, None] * tint[None], 0, 255).astype(np.uint8)[None]
    return Setup(stage, float(rng.uniform(56.5, 59.5)), start, end, zoom, zoom_to, light, tuple(clutter),
                 tuple(foreground))  # fmt: skip


class SceneRenderer:
    """Draws any moment of one scene at one size. Small frames are drawn at twice their size and reduced by area."""

    def __init__(
        self, scene: Scene, width: int, height: int, sign: Sign | None = None, drawing: int = DRAWING, pen: Pen = PLAIN
    ) -> None:
        self.scene, self.size, self.sign, self.pen = scene, (width, height), sign, pen
        self.reduced = width < 200
        factor = 2 if self.reduced else 1
        self.image = np.empty((height * factor, width * factor, 3), np.uint8)
        self.setup = draw_setup(scene)
        self.canvas = Canvas(self.image, self.setup.ground, smooth=not self.reduced, pen=pen)
        self.mover = movers(drawing)[scene.truth.action]
        self.backdrop = self._backdrop()
        self.looks = [scene.truth.looks[name] for name in scene.truth.present]

    def _backdrop(self) -> np.ndarray:
        height, width = self.image.shape[:2]
        image = np.zeros((round(height * _MARGIN), round(width * _MARGIN), 3), np.uint8)
        canvas = Canvas(image, self.setup.ground, smooth=not self.reduced, pen=self.pen)
        canvas.look_at(complex(56, 32), 1 / _MARGIN)
        DRAW_PLACE[self.scene.truth.place](canvas, rng_for(self.scene.seed, "place"))
        if self.pen.wash:
            washed = (1 - self.pen.wash) * image + self.pen.wash * np.array(self.pen.ink)
            image[:] = washed.astype(np.uint8)
            for strip in range(-80, 140, 14):
                canvas.line((complex(strip, -30), complex(strip + 80, 80)), 1.2, self.pen.ink)
        for prop, x, size in self.setup.clutter:
            DRAW_PROP[prop](canvas, complex(x, 7.5 * size), size)
        if self.sign is not None:
            draw_sign(canvas, self.sign)
        return image

    def instant(self, seconds: float) -> Instant:
        """Who and what is where at `seconds` after the start of the scene."""
        return self.mover(self._progress(seconds), seconds, self.setup.stage)

    def box(self, person: int, seconds: float) -> list[float]:
        """Where one of the people stands in the frame: [left, top, right, bottom] as shares of its size."""
        pose, k, height, width = self.instant(seconds).people[person], self.setup.stage.scale, *self.image.shape[:2]
        self.frame(seconds)
        marks = [pose.head + 8.5 * way for way in (1, -1, 1j, -1j)]
        marks += [pose.shoulder + pose.near, pose.shoulder + pose.far, pose.foot_near, pose.foot_far]
        pixels = [self.canvas.pixel(pose.world(mark, k)) for mark in marks]
        across, down = [x / 16 / width for x, _ in pixels], [y / 16 / height for _, y in pixels]
        return [round(min(max(value, 0.0), 1.0), 2) for value in (min(across), min(down), max(across), max(down))]

    def _progress(self, seconds: float) -> float:
        return min(seconds * 1000 / max(self.scene.duration_ms, 1), 1.0)

    def frame(self, seconds: float) -> np.ndarray:
        """RGB uint8 [H, W, 3] at `seconds` after the start of the scene."""
        u, setup = self._progress(seconds), self.setup
        eased = (1 - math.cos(math.pi * u)) / 2
        centre = setup.camera_from + (setup.camera_to - setup.camera_from) * eased
        zoom = setup.zoom_from + (setup.zoom_to - setup.zoom_from) * eased
        self.canvas.look_at(centre, zoom)
        self._place_backdrop(centre, zoom)
        self._draw(self.instant(seconds))
        for kind, x in setup.foreground:
            draw_foreground(self.canvas, kind, x)
        image = cv2.resize(self.image, self.size, interpolation=cv2.INTER_AREA) if self.reduced else self.image
        return cv2.LUT(image, setup.light)

    def _place_backdrop(self, centre: complex, zoom: float) -> None:
        # The place is drawn once, larger than the picture; each frame cuts out what its camera sees.
        height, width = self.image.shape[:2]
        back_height, back_width = self.backdrop.shape[:2]
        unit_x, unit_y = width / STAGE_WIDTH, height / 64.0
        x0 = back_width / 2 + ((centre.real - 56) * unit_x - width / 2 / zoom)
        y0 = back_height / 2 + ((centre.imag - 32) * unit_y - height / 2 / zoom)
        matrix = np.array([[1 / zoom, 0, x0], [0, 1 / zoom, y0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(self.backdrop, matrix, (width, height), self.image, flags, cv2.BORDER_REPLICATE)

    def _draw(self, now: Instant) -> None:
        stage, canvas, truth = self.setup.stage, self.canvas, self.scene.truth
        k = stage.scale
        if now.stool is not None:
            draw_stool(canvas, now.stool, k)
        if now.chest is not None:
            draw_chest(canvas, now.chest, now.lid, stage.face, k)
        figures = [Figure(canvas, pose, look, k) for pose, look in zip(now.people, self.looks, strict=False)]
        # From back to front: the patient, the agent, what the agent holds, and the agent's arms around it.
        for figure in figures[1:]:
            figure.body()
            figure.arms()
        figures[0].body()
        if now.prop is not None and truth.prop is not None:
            DRAW_PROP[truth.prop](canvas, now.prop, 1.15 * k)
        figures[0].arms()


def render_scene(
    scene: Scene, width: int = TRAINING_SIZE[0], height: int = TRAINING_SIZE[1], fps: float = 5.0
) -> np.ndarray:
    """All frames of a scene, RGB uint8 [T, H, W, 3] with T = max(1, round(seconds * fps))."""
    return np.stack(list(iter_frames(scene, frame_times(scene, fps), width, height)))


def render_at(
    scene: Scene, seconds: Iterable[float], width: int = TRAINING_SIZE[0], height: int = TRAINING_SIZE[1]
) -> np.ndarray:
    """The frames at the given times after the start of the scene, RGB uint8 [N, H, W, 3]."""
    return np.stack(list(iter_frames(scene, seconds, width, height)))


def iter_frames(scene: Scene, seconds: Iterable[float], width: int, height: int) -> Iterator[np.ndarray]:
    """The picture of each of these times, RGB uint8 [height, width, 3]."""
    renderer = SceneRenderer(scene, width, height)
    for time in seconds:
        yield renderer.frame(time)
