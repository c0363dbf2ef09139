"""Pictures at a steady rate: of a film as its frames come, of a clip, of a folder of numbered stills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image, UnidentifiedImageError

from calvin.core.errors import MediaError, UsageError
from calvin.core.time import round_half_up
from calvin.core.types import FPS, IMAGE_SUFFIXES
from calvin.media.film.colour import BT2020, UNSPECIFIED, is_wide, settle_colours, to_bt709
from calvin.media.film.reader import FilmReader
from calvin.media.film.source import MediaLimits, display_size, probe, quarter_turns
from calvin.media.film.trial import check_survivable

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


@dataclass(frozen=True, slots=True)
class LongerSide:
    """A size of pictures by their longer side, in pixels."""

    pixels: int


Size = int | LongerSide | tuple[int, int] | None
"""A shorter side, a longer side, (height, width) exactly, or None for the film's own display size."""


def fit(width: int, height: int, size: Size) -> tuple[int, int]:
    """Width and height to scale to. Nothing is scaled up by its sides, an exact size is taken as it is."""
    if isinstance(size, tuple):
        return size[1], size[0]
    if isinstance(size, LongerSide):
        scale = size.pixels / max(width, height)
    else:
        scale = 1.0 if size is None else size / min(width, height)
    scale = min(1.0, scale)
    return max(1, round_half_up(width * scale)), max(1, round_half_up(height * scale))


class Scaler:
    """Frames to RGB at one size: swscale's area filter, pixel aspect and rotation applied, HDR and wide gamut
    brought to BT.709.

    The size is settled by the first frame, so that a film whose picture changes gives arrays of one shape.
    """

    def __init__(self, size: Size, sample_aspect: float = 1.0) -> None:
        self._size = size
        self._sample_aspect = sample_aspect
        self._reformatter = VideoReformatter()
        self._target: tuple[int, int] | None = None

    def rgb(self, frame: VideoFrame) -> np.ndarray:
        """uint8 [H, W, 3]."""
        settle_colours(frame)
        rotation = quarter_turns(frame)
        if self._target is None:
            self._target = fit(*display_size(frame, self._sample_aspect, rotation), self._size)
        width, height = self._target
        if rotation % 180:
            width, height = height, width
        wide = is_wide(frame)
        if wide and frame.colorspace == UNSPECIFIED:
            frame.colorspace = BT2020  # the same number stands for the matrix
        # Planar RGB keeps all of the colour and costs half: swscale's packed RGB takes every second column's.
        scaled = self._reformatter.reformat(
            frame, width, height, "gbrp16le" if wide else "gbrp", interpolation=Interpolation.AREA, threads=1
        ).to_ndarray()
        if wide:
            scaled = to_bt709(scaled, frame.color_trc, frame.color_primaries)
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
        """The pictures uint8 [H, W, 3] that are still due in a film that ends at `end_us`."""
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


def iter_clip_frames(
    path: str | Path,
    fps: float = FPS,
    size: Size = None,
    folder_fps: float | None = None,
    limits: MediaLimits | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """(time in ms, uint8 RGB [H, W, 3]) of each picture of a clip at `fps`.

    A folder's stills are taken in natural order (2 before 10) as shot at `folder_fps`, by default at `fps` itself,
    so that each is taken once. `size` is a shorter side, (height, width), or None for the clip's own.

    Raises:
        MediaError: nothing there can be read.
    """
    if fps <= 0 or (folder_fps is not None and folder_fps <= 0):
        raise UsageError(f"A frame rate must be above 0, not {min(fps, folder_fps or fps):g}.")
    clip, limits = Path(path), limits or MediaLimits()
    pictures = (
        _folder_pictures(clip, fps, folder_fps or fps, size, limits)
        if clip.is_dir()
        else _film_pictures(clip, fps, size, limits)
    )
    for index, rgb in enumerate(pictures):
        yield round_half_up(index * 1000 / fps), rgb


def read_image(path: str | Path, size: Size = None, limits: MediaLimits | None = None) -> np.ndarray:
    """A still as uint8 RGB [H, W, 3], scaled like a clip's pictures.

    Raises:
        MediaError: not an image, or too large.
    """
    limits = limits or MediaLimits()
    try:
        with Image.open(path) as image:
            if image.width * image.height > limits.max_pixels:
                raise MediaError(f"{path} has more than {limits.max_pixels} pixels: scale it down.")
            rgb = image.convert("RGB")
            target = fit(*rgb.size, size)
            return np.asarray(rgb if target == rgb.size else rgb.resize(target, Image.Resampling.BOX))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path} is not an image that can be read: give a JPEG or PNG file.") from error


def _film_pictures(clip: Path, fps: float, size: Size, limits: MediaLimits) -> Iterator[np.ndarray]:
    check_survivable(clip)  # one clip of a data set must not take the others along
    facts = probe(clip, limits, fingerprint=False)
    sampler = FrameSampler(fps, Scaler(size, facts.sample_aspect))
    reader = FilmReader(clip, limits)
    for frame, time_us in reader:
        yield from sampler.feed(frame, time_us)
    yield from sampler.finish(reader.end_us)


def _folder_pictures(
    folder: Path, fps: float, folder_fps: float, size: Size, limits: MediaLimits
) -> Iterator[np.ndarray]:
    files = sorted(
        (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")),
        key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name)],
    )
    if not files:
        raise MediaError(f"{folder} holds no images: give a folder of JPEG or PNG frames, or a film file.")
    first = read_image(files[0], size, limits)
    exact = first.shape[:2]
    for index in range(max(1, round_half_up(len(files) * fps / folder_fps))):
        source = min(int(index * folder_fps / fps + 1e-9), len(files) - 1)
        yield first if source == 0 else read_image(files[source], (exact[0], exact[1]), limits)
