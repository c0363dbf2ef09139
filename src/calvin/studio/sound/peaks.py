"""How loud a film is from moment to moment, to be drawn: peaks of the sound that was kept when it was decoded."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np

from calvin.core.errors import MediaError, UsageError
from calvin.core.files import atomic_path
from calvin.media.film.decode import sounds_in
from calvin.media.film.source import audio_streams, choose_audio, open_film
from calvin.media.sound.film_sound import SOUND_RATE, programme_blocks
from calvin.studio.project.store import ProjectStore

_MOST = 200
_MARK = 32
"""Bytes before the peaks in the file that keeps them, which tell of what sound they are."""
_AT_ONCE_S = 20


def peaks(store: ProjectStore, per_second: int = 20) -> bytes:
    """The highest absolute sample of each stretch of the film's sound, one byte each: 255 is as loud as can be.

    As many as the film lasts. They are kept beside the sound, and made anew when that is another. Memory does not grow
    with the film. Silence where the film has no sound, or cannot be read and none of its sound was kept.

    Args:
        per_second: how many stretches a second has, 1 to 200.

    Raises:
        UsageError: another number.
    """
    if not 1 <= per_second <= _MOST:
        raise UsageError(f"The film's sound is drawn by 1 to {_MOST} peaks a second, not {per_second}.")
    film, described = store.bound_film(), store.described
    sounds = sounds_in(store.folder / "frames")
    count = -(-film.duration_ms * per_second // 1000)
    language = described.audio_language if described else None
    path = Path(film.path)
    mark = sha256(repr([count, *map(_stamp, sounds or [path])]).encode()).digest()
    cache = store.folder / "frames" / f"peaks-{per_second}.bin"
    with suppress(OSError):
        known = cache.read_bytes()
        if known[:_MARK] == mark and len(known) == _MARK + count:
            return known[_MARK:]
    found = np.zeros(count, np.uint8)
    sources = [_kept_blocks(sound) for sound in sounds] or [_film_blocks(path, language)]
    with suppress(MediaError):
        for blocks in sources:
            np.maximum(found, _peaks(blocks, count, per_second), out=found)
    if cache.parent.is_dir():
        with suppress(OSError), atomic_path(cache) as temporary:  # a read-only project is drawn each time
            temporary.write_bytes(mark + found.tobytes())
    return found.tobytes()


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return path.name, 0, 0
    return path.name, status.st_size, status.st_mtime_ns


def _peaks(blocks: Iterator[np.ndarray], count: int, per_second: int) -> np.ndarray:
    """uint8 [count] of samples at 16 kHz, which come in blocks [N] of absolute values."""
    highest = np.zeros(count + 1, np.float32)
    at = 0
    for block in filter(len, blocks):
        # Not at equal steps: 16,000 samples need not be a whole number of stretches.
        first = at * per_second // SOUND_RATE
        bins = np.arange(first, (at + len(block) - 1) * per_second // SOUND_RATE + 1)
        starts = np.maximum(0, -(-bins * SOUND_RATE // per_second) - at)
        fit = bins < count
        if not fit.any():
            break
        highest[bins[fit]] = np.maximum(highest[bins[fit]], np.maximum.reduceat(block, starts)[fit])
        at += len(block)
    return np.ceil(np.clip(highest[:count], 0, 1) * 255).astype(np.uint8)


def _kept_blocks(path: Path) -> Iterator[np.ndarray]:
    with suppress(OSError, EOFError, wave.Error), wave.open(str(path)) as sound:
        while data := sound.readframes(_AT_ONCE_S * SOUND_RATE):
            yield np.abs(np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32)) / 32768


def _film_blocks(path: Path, language: str | None) -> Iterator[np.ndarray]:
    with open_film(path) as container:
        track = choose_audio(audio_streams(container), language)
    if track is not None:
        for block in programme_blocks(path, track.index, "mono", rate=SOUND_RATE):
            yield np.abs(block[:, 0])
