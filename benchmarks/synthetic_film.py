"""A made-up film with known cuts, fades and flashes: textures, pans, moving things, grain, sound."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

RATE = 25
MARGIN = 160


@dataclass(frozen=True)
class Shot:
    """`join` says how it begins: by a cut, a fade through black or a dissolve; `flashes` are white frames in it."""

    length: int
    join: str
    flashes: tuple[int, ...]
    seed: int


def plan(seconds: int, seed: int = 0) -> list[Shot]:
    rng = np.random.default_rng(seed)
    shots: list[Shot] = []
    left = seconds * RATE
    while left > 0:
        length = int(min(left, rng.integers(1.2 * RATE, 6 * RATE)))
        left -= length
        join = str(rng.choice(["cut", "cut", "cut", "cut", "fade", "dissolve"]))
        flash = int(rng.integers(15, length - 10)) if length > 40 and rng.random() < 0.25 else None
        flashes = () if flash is None else tuple(range(flash, flash + int(rng.integers(1, 4))))
        shots.append(Shot(length, join, flashes, int(rng.integers(1 << 30))))
    return shots


def hard_cuts_ms(shots: list[Shot]) -> list[int]:
    starts = np.cumsum([0, *(shot.length for shot in shots)])
    return [int(start) * 1000 // RATE for start, shot in zip(starts[1:], shots[1:], strict=False) if shot.join == "cut"]


class Camera:
    """Renders the frames of one shot."""

    def __init__(self, shot: Shot, width: int, height: int) -> None:
        rng = np.random.default_rng(shot.seed)
        size = (width + 2 * MARGIN, height + 2 * MARGIN)
        tint = rng.uniform(0.3, 1.0, 3)
        coarse = cv2.resize(rng.integers(0, 255, (7, 12, 3), np.uint8), size, interpolation=cv2.INTER_CUBIC)
        fine = cv2.resize(rng.integers(0, 120, (size[1] // 3, size[0] // 3, 3), np.uint8), size)
        self.scene = np.clip((0.7 * coarse + 0.4 * fine) * tint + rng.uniform(-30, 40), 0, 255).astype(np.uint8)
        self.pan = rng.uniform(-3, 3, 2) * (rng.random() < 0.7)
        self.things = [
            (rng.uniform(0, 1, 2), rng.uniform(-8, 8, 2), int(rng.integers(30, 160)), rng.integers(0, 255, 3).tolist())
            for _ in range(int(rng.integers(1, 4)))
        ]
        self.width, self.height = width, height

    def frame(self, index: int) -> np.ndarray:
        shift = np.clip(MARGIN + self.pan * index, 0, 2 * MARGIN - 1).astype(int)
        picture = self.scene[shift[1] : shift[1] + self.height, shift[0] : shift[0] + self.width].copy()
        for place, speed, radius, colour in self.things:
            # They bounce off the edges: a thing that jumps across the picture would be a cut to any detector.
            size = np.array([self.width, self.height])
            at = size - np.abs((place * size + speed * index) % (2 * size) - size)
            cv2.circle(picture, (int(at[0]), int(at[1])), radius, colour, -1)
        return picture


def frames(shots: list[Shot], width: int, height: int):
    grain = np.random.default_rng(1).integers(0, 7, (height + 64, width + 64, 3), np.uint8)
    rng = np.random.default_rng(2)
    last: np.ndarray | None = None
    for position, shot in enumerate(shots):
        camera = Camera(shot, width, height)
        coming = shots[position + 1].join if position + 1 < len(shots) else "cut"
        for index in range(shot.length):
            picture = camera.frame(index)
            if shot.join == "dissolve" and index < 15 and last is not None:
                picture = cv2.addWeighted(picture, (index + 1) / 16, last, 1 - (index + 1) / 16, 0)
            if shot.join == "fade" and index < 12:
                picture = cv2.convertScaleAbs(picture, alpha=index / 12)
            if coming == "fade" and shot.length - index <= 12:
                picture = cv2.convertScaleAbs(picture, alpha=(shot.length - index - 1) / 12)
            if index in shot.flashes:
                picture = cv2.addWeighted(picture, 0.15, np.full_like(picture, 255), 0.85, 0)
            y, x = rng.integers(0, 64, 2)
            yield cv2.add(picture, grain[y : y + height, x : x + width])
        last = picture


CODINGS = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "23"}),
    "h264-no-b-frames": ("libx264", {"preset": "veryfast", "crf": "23", "bf": "0"}),
    "mpeg4": ("mpeg4", {"b": "4M"}),
}


def film(
    seconds: int, width: int = 1280, height: int = 720, seed: int = 0, coding: str = "h264"
) -> tuple[Path, list[Shot]]:
    """The film's file in one of `CODINGS`, made once and kept in the temporary folder, and its plan."""
    shots = plan(seconds, seed)
    name = f"film-{seconds}s-{width}x{height}-{seed}-{coding}-v2.mp4"
    path = Path(tempfile.gettempdir()) / "calvin-benchmarks" / name
    encoder, options = CODINGS[coding]
    if path.exists():
        return path, shots
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".part.mp4")
    with av.open(str(unfinished), "w") as container:
        video = container.add_stream(encoder, rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        clock = np.arange(48_000 // RATE) / 48_000
        for index, picture in enumerate(frames(shots, width, height)):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(video.encode(frame))
            tone = 0.2 * np.sin(2 * np.pi * 220 * (1 + index // 50 % 4) * (clock + index / RATE))
            heard = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], format="fltp", layout="mono")
            heard.sample_rate, heard.time_base = 48_000, Fraction(1, 48_000)
            heard.pts = index * len(clock)
            container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    unfinished.replace(path)
    return path, shots
