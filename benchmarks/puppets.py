"""How fast the puppet world is drawn and told, on one core: `python benchmarks/puppets.py`.

The aim is at least 1,000 frames per second at 112x64, and 20,000 captions per second for the language model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from calvin.puppets import TRAINING_SIZE, make_film, random_scene, render_scene
from calvin.puppets.draw.video import film_frames, write_video
from calvin.puppets.tell.curriculum import make_drill
from calvin.puppets.world import CLIP_SIZE


def drawn(width: int, height: int, scenes: int) -> int:
    return sum(len(render_scene(random_scene(seed), width, height)) for seed in range(scenes))


def encoded() -> int:
    film = make_film(1)
    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "film.mp4", film_frames(film, *CLIP_SIZE, 5), *CLIP_SIZE, 5)
    return round(film.duration_ms / 200)


def told(count: int) -> int:
    rng = np.random.default_rng(0)
    return sum(make_drill("captions", rng).text.count(".") for _ in range(count))


def rate(work: Callable[[], int]) -> float:
    """Units per second of processor time, the best of three."""
    best = 0.0
    for _ in range(3):
        started = time.process_time()
        best = max(best, work() / (time.process_time() - started))
    return best


def main() -> None:
    cv2.setNumThreads(1)
    width, height = TRAINING_SIZE
    print(f"frames at {width}x{height}:       {rate(lambda: drawn(width, height, 60)):8,.0f} per second and core")
    print(f"film at {CLIP_SIZE[0]}x{CLIP_SIZE[1]}, encoded: {rate(encoded):8,.0f} per second and core")
    print(f"frames at 640x360:      {rate(lambda: drawn(640, 360, 10)):8,.0f} per second and core")
    print(f"captions of text:       {rate(lambda: told(1000)):8,.0f} per second and core")


if __name__ == "__main__":
    main()
