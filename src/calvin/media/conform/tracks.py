"""What of a film is compared with another release: small grey pictures, and how loud its sound is in each band."""

from __future__ import annotations

import io
import itertools
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from calvin.core.progress import Stage
from calvin.media.film.frames import FrameStore

SIDES = 9, 16
"""Rows and columns of a picture: enough to tell scenes apart, and too few for a caption burnt in to matter."""
SOUND_RATE_HZ = 50.0
_WINDOW = 1024
_EDGES_HZ = np.geomspace(90, 6500, 11)
_BLOCK_S = 60
_QUIET = 1e-7
"""Power below which nothing is told apart: hiss of a tape, or what a codec leaves of silence."""
_SLOW_S = 4.0
"""Over how long the level of a band is levelled out: what another mix or master changes is slower."""


@dataclass(frozen=True, slots=True, eq=False)
class FilmTrace:
    """A film as numbers: `values` float32 [T, D], step i at i / `rate` seconds; each row of a picture has length 1."""

    values: np.ndarray
    rate: float

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """The rows [N, D] at some times, between steps by a straight line; zeros outside of the film."""
        place = np.asarray(times_s) * self.rate
        low = np.floor(place).astype(int)
        share = (place - low)[:, None].astype(np.float32)
        padded = np.concatenate([np.zeros_like(self.values[:1]), self.values, np.zeros_like(self.values[:2])])
        first = np.clip(low + 1, 0, len(self.values) + 1)
        return padded[first] * (1 - share) + padded[np.clip(first + 1, 0, len(self.values) + 1)] * share

    def held(self, times_s: np.ndarray) -> np.ndarray:
        """The rows [N, D] of the steps that some times lie in; zeros outside of the film."""
        steps = np.floor(np.asarray(times_s) * self.rate + 1e-6).astype(int)
        inside = (steps >= 0) & (steps < len(self.values))
        return np.where(inside[:, None], self.values[np.clip(steps, 0, max(len(self.values) - 1, 0))], 0)

    def stretched(self, factor: float) -> FilmTrace:
        """The same, lasting `factor` times as long."""
        if factor == 1:
            return self
        steps = max(1, round(len(self.values) * factor))
        return FilmTrace(self.at(np.arange(steps) / self.rate / factor), self.rate)

    def slowed(self, rate: float) -> FilmTrace:
        """The same at a lower rate, each step the mean of those it stands for."""
        size = max(1, round(self.rate / rate))
        if size == 1 or len(self.values) < size:
            return self
        whole = len(self.values) // size * size
        return FilmTrace(self.values[:whole].reshape(-1, size, self.values.shape[1]).mean(axis=1), self.rate / size)


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """One release of a film, to be compared: its `tracks` (picture, sound), length and cuts in ms."""

    tracks: tuple[FilmTrace, ...]
    duration_ms: int
    cuts_ms: tuple[int, ...] = ()


def fewer(tracks: Sequence[FilmTrace], columns: int) -> list[FilmTrace]:
    """Tracks of one kind in their `columns` main components (those of the first one)."""
    first = tracks[0].values
    if first.shape[1] <= columns or len(first) < 2:
        return list(tracks)
    _, vectors = np.linalg.eigh((first.T @ first).astype(np.float64))
    main = vectors[:, -columns:].astype(np.float32)
    return [FilmTrace(track.values @ main, track.rate) for track in tracks]


def picture_track(frames: FrameStore, stage: Stage | None = None) -> FilmTrace:
    """Of each still a grey picture [T, 144], levelled so that another grade, brightness or contrast does not matter.

    Black bars are cut off first, by what is black through the whole film.

    Raises:
        MediaError: a still cannot be read.
    """
    kept = brightest = np.zeros((0, 0), np.uint8)
    for number in range(len(frames)):
        with Image.open(io.BytesIO(frames.jpeg(number))) as still:
            still.draft("L", (4 * SIDES[1], 4 * SIDES[0]))  # the JPEG is unpacked at an eighth of its size
            grey = np.asarray(still.convert("L"))
        if not number:
            kept, brightest = np.zeros((len(frames), *grey.shape), np.uint8), np.zeros_like(grey)
        kept[number] = grey
        brightest = np.maximum(brightest, grey)
        if stage is not None and number % 100 == 0:
            stage.update(number)
    if not len(kept):
        return FilmTrace(np.zeros((0, SIDES[0] * SIDES[1]), np.float32), frames.fps)
    rows, columns = _lit(brightest.max(axis=1)), _lit(brightest.max(axis=0))
    values = np.stack([_levelled(picture[rows, columns]) for picture in kept])
    return FilmTrace(values, frames.fps)


def _lit(brightest: np.ndarray) -> slice:
    """The part of a picture, by rows or columns, that is not black all along."""
    lit = np.flatnonzero(brightest > 32)
    return slice(int(lit[0]), int(lit[-1]) + 1) if len(lit) > len(brightest) // 3 else slice(None)


def _levelled(grey: np.ndarray) -> np.ndarray:
    """float32 [144] of length 1; zeros for a picture that is the same all over."""
    small = np.asarray(Image.fromarray(grey).resize((SIDES[1], SIDES[0]), Image.Resampling.BOX), np.float32).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 8 else np.zeros_like(small)


def sound_track(wav: Path | None, length_s: float) -> FilmTrace:
    """How loud each of ten bands of a film's sound is, in dB [T, 10], less what it is around that moment.

    A film without sound is silent throughout. Its bands are wide, so that one that runs 4% faster, and sounds higher
    for it, is still like itself.
    """
    steps = max(1, round(length_s * SOUND_RATE_HZ))
    levels = np.full((steps, len(_EDGES_HZ) - 1), _QUIET, np.float32)
    if wav is not None and wav.is_file():
        done = 0
        for block in _band_levels(wav):
            room = min(len(block), steps - done)
            levels[done : done + room] = block[:room]
            done += room
    decibels = 10 * np.log10(levels)
    slow = running_mean(decibels, int(_SLOW_S * SOUND_RATE_HZ))
    return FilmTrace(np.clip(decibels - slow, -30, 30).astype(np.float32), SOUND_RATE_HZ)


def running_mean(values: np.ndarray, size: int) -> np.ndarray:
    """Of each row [T, ...] and those around it, `size` in all; at the ends of those that there are."""
    total = np.concatenate([np.zeros_like(values[:1], np.float64), np.cumsum(values, axis=0, dtype=np.float64)])
    steps = np.arange(len(values))
    first, last = np.maximum(steps - size // 2, 0), np.minimum(steps - size // 2 + size, len(values))
    count = (last - first).reshape(-1, *[1] * (values.ndim - 1))
    return ((total[last] - total[first]) / count).astype(np.float32)


def _band_levels(wav: Path) -> Iterator[np.ndarray]:
    """Mean square of each band [N, 10], block by block, step i around i / `SOUND_RATE_HZ` seconds."""
    with wave.open(str(wav), "rb") as sound:
        rate = sound.getframerate()
        hop = round(rate / SOUND_RATE_HZ)
        bins = np.fft.rfftfreq(_WINDOW, 1 / rate)
        bands = np.stack([(bins >= low) & (bins < high) for low, high in itertools.pairwise(_EDGES_HZ)])
        window = np.hanning(_WINDOW).astype(np.float32)
        tail = np.zeros(_WINDOW // 2, np.float32)
        while data := sound.readframes(_BLOCK_S * rate):
            heard = np.frombuffer(data, np.int16).reshape(-1, sound.getnchannels()).mean(axis=1, dtype=np.float32)
            joined = np.concatenate([tail, heard / 32768])
            if len(joined) < _WINDOW:
                return
            views = np.lib.stride_tricks.sliding_window_view(joined, _WINDOW)[::hop]
            power = np.abs(np.fft.rfft(views * window)) ** 2 / _WINDOW**2
            yield power.astype(np.float32) @ bands.T.astype(np.float32) + _QUIET
            tail = joined[len(views) * hop :]
