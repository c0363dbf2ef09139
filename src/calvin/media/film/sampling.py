"""Pictures at a steady rate out of frames that come as they come."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter

from calvin.core.time import round_half_up
from calvin.media.film.source import display_size, quarter_turns

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Size = int | tuple[int, int] | None
"""A shorter side, (height, width) exactly, or None for the film's own display size."""


def fit(width: int, height: int, size: Size) -> tuple[int, int]:
    """Width and height to scale to. A shorter side is never scaled up, an exact size is taken as it is."""
    if isinstance(size, tuple):
        return size[1], size[0]
    scale = 1.0 if size is None else min(1.0, size / min(width, height))
    return max(1, round_half_up(width * scale)), max(1, round_half_up(height * scale))


class Scaler:
    """Frames to RGB at one size: swscale's area filter, pixel aspect and rotation applied.

    The size is settled by the first frame, so that a film whose picture changes gives arrays of one shape.
    """

    def __init__(self, size: Size, sample_aspect: float = 1.0) -> None:
        self._size = size
        self._sample_aspect = sample_aspect
        self._reformatter = VideoReformatter()
        self._target: tuple[int, int] | None = None

    def rgb(self, frame: VideoFrame) -> np.ndarray:
        """uint8 [H, W, 3]."""
        rotation = quarter_turns(frame)
        if self._target is None:
            self._target = fit(*display_size(frame, self._sample_aspect, rotation), self._size)
        width, height = self._target
        if rotation % 180:
            width, height = height, width
        # Planar RGB keeps all of the colour and costs half: swscale's packed RGB takes every second column's.
        scaled = self._reformatter.reformat(
            frame, width, height, "gbrp", interpolation=Interpolation.AREA, threads=1
        ).to_ndarray()
        return np.ascontiguousarray(np.rot90(scaled, rotation // 90))


class FrameSampler:
    """Picture i is the frame on screen at time i / fps: the last one with time <= i / fps.

    A film of duration d has max(1, round(d * fps)) pictures. Only frames that are kept are converted.
    """

    def __init__(self, fps: float, scaler: Scaler) -> None:
        self._fps = Fraction(fps).limit_denominator(1001)
        self._scaler = scaler
        self._shown: VideoFrame | None = None
        self._taken = 0
        self._converted: np.ndarray | None = None
        self._waiting: np.ndarray | None = None

    def feed(self, frame: VideoFrame, time_us: int) -> Iterator[np.ndarray]:
        """Give the next frame; yields the pictures that are now settled, uint8 [H, W, 3]."""
        if self._shown is not None:
            while self._taken * 1_000_000 < time_us * self._fps:
                yield from self._take()
        self._shown, self._converted = frame, None

    def finish(self, end_us: int) -> Iterator[np.ndarray]:
        """The pictures still due in a film that ends at `end_us`."""
        count = max(1, round_half_up(float(end_us * self._fps / 1_000_000)))
        while self._shown is not None and self._taken < count:
            yield from self._take()
        if self._waiting is not None and self._taken <= count:
            yield self._waiting
        self._waiting = None

    def _take(self) -> Iterator[np.ndarray]:
        """Keep the frame on screen; it is converted once, however many times it is kept.

        The newest picture waits, because a film that ends within half a step of it does not have it.
        """
        assert self._shown is not None
        if self._converted is None:
            self._converted = self._scaler.rgb(self._shown)
        if self._waiting is not None:
            yield self._waiting
        self._waiting = self._converted
        self._taken += 1
