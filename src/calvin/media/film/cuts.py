"""Shot cuts: PySceneDetect's detector, fed from our own decode pass with a grid of points of each frame.

The detector's score is a mean over pixels of how far hue, saturation and brightness moved. The mean over a grid of
points is an unbiased estimate of it and costs a twentieth of a picture scaled down with an area filter, which
besides averages motion away and so scores lower than the full picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import cv2
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from scenedetect import FrameTimecode
from scenedetect.common import Timecode
from scenedetect.detectors import AdaptiveDetector

from calvin.core.time import Span

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

GRID = 128
"""Points along the longer side."""

MIN_SHOT_S = 0.6
_MICROSECOND = Fraction(1, 1_000_000)


class GridDetector(AdaptiveDetector):
    """PySceneDetect's adaptive detector with the same score from one pass over the points instead of nine.

    Should PySceneDetect call its score otherwise one day, its own is used and nothing but speed changes.
    """

    _last_hsv: np.ndarray | None = None

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: np.ndarray) -> float:
        hsv = cv2.cvtColor(frame_img, cv2.COLOR_BGR2HSV)
        last, self._last_hsv = self._last_hsv, hsv
        return 0.0 if last is None else float(cv2.norm(hsv, last, cv2.NORM_L1)) / hsv.size


class CutFinder:
    """Feed it every frame with its film time; `cuts_us` are the starts of new shots."""

    def __init__(self, rate: Fraction, grid: int = GRID) -> None:
        self._detector = GridDetector(min_scene_len=MIN_SHOT_S)
        self._reformatter = VideoReformatter()
        # Timecodes take the rate from another timecode, which is quicker than from a fraction each time.
        self._rate = FrameTimecode(0, rate)
        self._grid = grid
        self._size: tuple[int, int] | None = None
        self._last: FrameTimecode | None = None
        self.cuts_us: list[int] = []

    def feed(self, frame: VideoFrame, time_us: int) -> None:
        if self._size is None:
            scale = min(1.0, self._grid / max(frame.width, frame.height))
            self._size = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        points = self._reformatter.reformat(
            frame, *self._size, "bgr24", interpolation=Interpolation.POINT, threads=1
        ).to_ndarray()
        self._last = FrameTimecode(Timecode(time_us, _MICROSECOND), self._rate)
        self._found(self._detector.process_frame(self._last, points))

    def finish(self) -> list[int]:
        if self._last is not None:
            self._found(self._detector.post_process(self._last))
        return self.cuts_us

    def _found(self, cuts: Sequence[FrameTimecode]) -> None:
        self.cuts_us.extend(cut.pts for cut in cuts)


def shots_between(cuts_ms: Sequence[int], duration_ms: int) -> tuple[Span, ...]:
    """The shots of a film, end to end from 0 to `duration_ms`."""
    inner = sorted({cut for cut in cuts_ms if 0 < cut < duration_ms})
    edges = [0, *inner, duration_ms]
    return tuple(Span(start, end) for start, end in itertools.pairwise(edges))
