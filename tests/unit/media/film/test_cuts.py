"""The cuts of our small grid of points against PySceneDetect on every full-size frame."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scenedetect import FrameTimecode
from scenedetect.common import Timecode
from scenedetect.detectors import AdaptiveDetector

from calvin.core.time import Span
from calvin.media.film.cuts import MIN_SHOT_S, CutFinder, GridDetector, shots_between

Film = Callable[..., Path]


def lively(seed: int, width: int = 320, height: int = 180) -> list[np.ndarray]:
    """Eight shots of panned texture and grain, joined by cuts and fades, with flashes."""
    rng = np.random.default_rng(seed)
    pictures: list[np.ndarray] = []
    for shot in range(8):
        coarse = cv2.resize(rng.integers(0, 255, (5, 9, 3), np.uint8), (width + 60, height + 60))
        wide = cv2.add(coarse // 2, rng.integers(0, 90, (height + 60, width + 60, 3), np.uint8))
        length, pan = int(rng.integers(25, 45)), rng.uniform(-0.7, 0.7, 2)
        for index in range(length):
            x, y = (30 + pan * index).astype(int)
            picture = wide[y : y + height, x : x + width]
            if shot % 3 == 1 and index < 10:
                picture = cv2.convertScaleAbs(picture, alpha=index / 10)
            if shot % 3 == 2 and index in (18, 19):
                picture = cv2.addWeighted(picture, 0.2, np.full_like(picture, 255), 0.8, 0)
            pictures.append(cv2.add(picture, rng.integers(0, 6, picture.shape, np.uint8)))
    return pictures


def reference(path: Path) -> list[int]:
    detector = AdaptiveDetector(min_scene_len=MIN_SHOT_S)
    cuts: list[FrameTimecode] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            now = FrameTimecode(Timecode(frame.pts, Fraction(frame.time_base)), Fraction(25))
            cuts += detector.process_frame(now, frame.to_ndarray(format="bgr24"))
    return [round(cut.seconds * 1_000_000) for cut in cuts]


def ours(path: Path) -> list[int]:
    finder = CutFinder(Fraction(25))
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            finder.feed(frame, round(frame.time * 1_000_000))
    return finder.finish()


def test_agreement_with_the_full_size_detector(film: Film) -> None:
    hits = found = expected = 0
    for seed in range(3):
        path = film(f"{seed}.mp4", pictures=lively(seed))
        a, b = set(ours(path)), set(reference(path))
        hits, found, expected = hits + len(a & b), found + len(a), expected + len(b)
    assert expected >= 15
    assert 2 * hits / (found + expected) >= 0.95


def test_the_quick_score_is_the_detectors_own() -> None:
    rng = np.random.default_rng(0)
    now = FrameTimecode(0, Fraction(25))
    quick, own = GridDetector(), AdaptiveDetector()
    for _ in range(4):
        picture = rng.integers(0, 255, (36, 64, 3), np.uint8)
        quick.process_frame(now, picture)
        own.process_frame(now, picture)
        assert quick._frame_score == pytest.approx(own._frame_score, rel=1e-12)


def test_shots_between() -> None:
    assert shots_between([], 500) == (Span(0, 500),)
    assert shots_between([300, 100, 100, 0, 500, 900], 500) == (Span(0, 100), Span(100, 300), Span(300, 500))
