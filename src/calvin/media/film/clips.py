"""Pictures of short clips: a film file, or a folder of numbered stills."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from calvin.core.errors import MediaError, UsageError
from calvin.core.time import round_half_up
from calvin.core.types import FPS
from calvin.media.film.reader import FilmReader
from calvin.media.film.sampling import FrameSampler, Scaler, Size, fit
from calvin.media.film.source import MediaLimits, probe

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


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
