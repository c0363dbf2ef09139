"""Small films of scenes that are told apart by picture and sound, put together in whatever order a test needs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE, SOUND_HZ = 10, 16_000
WIDTH, HEIGHT = 96, 64


def write_scenes(path: Path, scenes: Sequence[tuple[int, float]], speed: Fraction = Fraction(1)) -> Path:
    """A film of scenes, each a number that settles how it looks and sounds, and its length in seconds.

    With a `speed` above 1 the film runs, and sounds, so much faster.
    """
    rate = RATE * speed
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "24"})
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = container.add_stream("aac", rate=SOUND_HZ, layout="mono")
        shown = 0
        for number, seconds in scenes:
            for frame in range(round(seconds * RATE)):
                made = av.VideoFrame.from_ndarray(_picture(number, frame), "rgb24")
                made.pts, made.time_base = shown, 1 / rate
                container.mux(picture.encode(made))
                shown += 1
        container.mux(picture.encode(None))
        heard = np.concatenate([_sound(number, seconds) for number, seconds in scenes])
        if speed != 1:
            places = np.arange(int(len(heard) / speed)) * float(speed)
            heard = np.interp(places, np.arange(len(heard)), heard).astype(np.float32)
        for start in range(0, len(heard), 1024):
            block = av.AudioFrame.from_ndarray(heard[None, start : start + 1024].copy(), "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SOUND_HZ, start, Fraction(1, SOUND_HZ)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


def _picture(number: int, frame: int) -> np.ndarray:
    """uint8 [H, W, 3]: coarse patches of light, and a bar that moves across them."""
    rng = np.random.default_rng(number)
    patches = rng.integers(30, 220, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
    picture = np.kron(patches, np.ones((16, 16, 1), np.uint8))
    room = WIDTH - 12
    at = int(rng.integers(0, room) + frame * rng.integers(1, 4)) % (2 * room)
    at = room - abs(room - at)  # it bounces off the sides: a jump would be a cut
    picture[:, at : at + 12] = rng.integers(0, 255, 3)
    return picture


def _sound(number: int, seconds: float) -> np.ndarray:
    """float32 [N]: bursts of noise, at times and of colours that are this scene's."""
    rng = np.random.default_rng(1000 + number)
    length = round(seconds * RATE) * SOUND_HZ // RATE
    sound = np.zeros(length, np.float32)
    at = 0
    while at < length:
        size = int(rng.uniform(0.08, 0.4) * SOUND_HZ)
        burst = rng.normal(0, rng.uniform(0.02, 0.2), size).astype(np.float32)
        width = int(rng.integers(1, 12))
        burst = np.convolve(burst, np.ones(width, np.float32) / width, "same").astype(np.float32)
        sound[at : at + size] = burst[: max(0, min(size, length - at))]
        at += size + int(rng.uniform(0.05, 0.7) * SOUND_HZ)
    return sound
