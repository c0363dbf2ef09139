"""Tiny films made on the spot."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

CODECS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".ts": "libx264", ".avi": "mpeg4", ".webm": "libvpx"}

Picture = Callable[[int], np.ndarray]


def grey(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A picture that tells its number by its brightness (see `number_of`)."""
    return np.full((height, width, 3), 20 + 4 * index, np.uint8)


def number_of(rgb: np.ndarray) -> int:
    return round((float(rgb.mean()) - 20) / 4)


def write_film(
    path: Path,
    pictures: Sequence[np.ndarray],
    times: Sequence[float] | None = None,
    rate: int = 25,
    sample_aspect: Fraction | None = None,
    rotation: int = 0,
    audio: dict[str, float] | None = None,
    options: dict[str, str] | None = None,
    time_base: Fraction = Fraction(1, 90_000),
    fast_start: bool = False,
) -> Path:
    """Encode pictures, at `times` in seconds (default: at `rate`); `audio` is {language: start in seconds}."""
    times = times if times is not None else [index / rate for index in range(len(pictures))]
    with av.open(str(path), "w", options={"movflags": "faststart"} if fast_start else {}) as container:
        stream = container.add_stream(CODECS[path.suffix], rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, rate) if path.suffix == ".avi" else time_base
        stream.options = options or {}
        if sample_aspect:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        tracks = []
        for language, start in (audio or {}).items():
            track = container.add_stream("libmp3lame" if path.suffix == ".avi" else "aac", rate=48_000)
            track.metadata["language"] = language
            tracks.append((track, start))
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(time / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for track, start in tracks:
            _write_tone(container, track, start, max(times) - start)
    if rotation:
        turn_mp4(path, rotation)
    return path


def turn_mp4(path: Path, degrees: int) -> None:
    """Writes quarter turns, counter-clockwise, into the matrix of an MP4 file's first track (ISO 14496-12, 8.3.2)."""
    file = bytearray(path.read_bytes())
    cosine, sine = round(np.cos(np.radians(degrees))), round(np.sin(np.radians(degrees)))
    matrix = [cosine << 16, -sine << 16, 0, sine << 16, cosine << 16, 0, 0, 0, 1 << 30]
    struct.pack_into(">9i", file, file.index(b"tkhd") + 44, *matrix)
    path.write_bytes(file)


def _write_tone(container: av.container.OutputContainer, track: av.AudioStream, start: float, seconds: float) -> None:
    for block in range(max(1, int(seconds * 48_000 / 1152))):
        clock = (np.arange(1152) + 1152 * block) / 48_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * clock)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = 48_000, Fraction(1, 48_000)
        frame.pts = round(start * 48_000) + 1152 * block
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """film("x.mp4", count=50, **options of write_film): grey pictures numbered by brightness."""

    def make(name: str, count: int = 50, pictures: Sequence[np.ndarray] | None = None, **options: object) -> Path:
        return write_film(tmp_path / name, pictures or [grey(i) for i in range(count)], **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def number() -> Callable[[np.ndarray], int]:
    return number_of
