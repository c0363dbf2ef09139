"""A glance at a film before it is decoded: some of its pictures, spread over all of it, within seconds.

Where the file can be searched, only pictures that stand by themselves (key frames) are decoded, one near each of the
places looked at. A short film may have hardly any; it is then read through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av.error
import numpy as np

from calvin.core.errors import MediaError
from calvin.core.types import FRAME_SIZE
from calvin.media.film.reader import FilmReader
from calvin.media.film.sampling import FrameSampler, Scaler, Size
from calvin.media.film.source import MediaLimits, open_film, pixel_aspect, start_us, stated_us, video_stream

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

PLACES = 24
LONGEST_S = 5.0
FEW = 12
"""So many different pictures are worth a judgement (of 12, 0.3% of puppet films were taken for others; of 24, none)."""
_SHORT_US = 120_000_000
_PACKETS = 400
"""Looked through from where a search ended to the next picture that stands by itself."""
_WAITING = 4
"""How much longer a look may take on a machine or disk that is busy otherwise."""


class _Patience:
    """Whether a look has had its time, in seconds of work."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._worked, self._began = time.process_time(), time.monotonic()

    @property
    def over(self) -> bool:
        worked, passed = time.process_time() - self._worked, time.monotonic() - self._began
        return max(worked, passed / _WAITING) > self._longest_s


def glance(
    path: str | Path,
    places: int = PLACES,
    size: Size = FRAME_SIZE,
    longest_s: float = LONGEST_S,
    limits: MediaLimits | None = None,
) -> list[np.ndarray]:
    """Pictures of a film, uint8 RGB [H, W, 3] each, from near `places` moments evenly through it, in no order.

    They come as far as time allows: after `longest_s` seconds of work those found by then are given. None where the
    film does not say how long it is, or cannot be read or searched; what is wrong with it is left to be said by those
    who decode it.
    """
    film, limits, patience = Path(path), limits or MediaLimits(), _Patience(longest_s)
    try:
        with open_film(film, limits) as container:
            stream = video_stream(container, film, limits)
            length_us = stated_us(container, stream) or stated_us(container)
            scaler = Scaler(size, pixel_aspect(stream))
            found = [scaler.rgb(frame) for frame in _key_frames(container, stream, length_us, places, patience)]
        if len(found) < FEW and 0 < length_us < _SHORT_US:
            passed = _passed_through(film, length_us, places, scaler, limits, patience)
            found = max(found, passed, key=len)
    except (MediaError, OSError, av.error.FFmpegError):
        return []
    return found


def _key_frames(
    container: InputContainer, stream: VideoStream, length_us: int, places: int, patience: _Patience
) -> Iterator[VideoFrame]:
    """The picture that stands by itself before each place, once each."""
    tick, origin = Fraction(stream.time_base or 0), start_us(container, stream) or 0
    if not tick or length_us <= 0:
        return
    stream.thread_type = "SLICE"  # of threads that take a frame each, one would wait for frames that never come
    seen: set[int | None] = set()
    for share in _spread(places):
        if patience.over:
            return
        try:
            container.seek(int((origin + share * length_us) / 1_000_000 / tick), stream=stream)
            frame = _next_key_frame(container, stream, seen, patience)
        except av.error.FFmpegError:
            continue
        if frame is not None:
            yield frame


def _next_key_frame(
    container: InputContainer, stream: VideoStream, seen: set[int | None], patience: _Patience
) -> VideoFrame | None:
    for count, packet in enumerate(container.demux(stream)):
        if count > _PACKETS or patience.over:
            return None
        if not packet.is_keyframe or packet.size == 0:
            continue
        if packet.pts in seen:
            return None
        seen.add(packet.pts)
        # The decoder holds a picture back until it knows that none comes before it: at an end of the film it gives it.
        return next(iter([*packet.decode(), *stream.decode(None)]), None)
    return None


def _passed_through(
    film: Path, length_us: int, places: int, scaler: Scaler, limits: MediaLimits, patience: _Patience
) -> list[np.ndarray]:
    """Pictures of a short film that is read from its beginning, as far as time allows."""
    sampler, reader = FrameSampler(places * 1e6 / length_us, scaler), FilmReader(film, limits)
    found: list[np.ndarray] = []
    for frame, time_us in reader:
        found += sampler.feed(frame, time_us)
        if patience.over:
            return found
    return [*found, *sampler.finish(reader.end_us)]


def _spread(count: int) -> list[float]:
    """Where to look, as shares of the film: the middles of `count` parts, so that any first few of them lie apart."""
    bits = max(1, math.ceil(math.log2(count)))
    turned = (int(format(number, f"0{bits}b")[::-1], 2) for number in range(1 << bits))
    return [(number + 0.5) / count for number in turned if number < count]
