"""A sound track of descriptions alone, laid anew: each stretch of speech where its scene is in another release."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path
from calvin.core.time import Span, joined
from calvin.media.film.source import FORMATS, open_film
from calvin.media.sound.film_sound import MIX_RATE, programme_blocks
from calvin.media.sound.stems import BroadcastWav

_FRAME_MS = 20
_QUIET_DB = -50.0
_APART_MS = 700
"""Pauses within a sentence are shorter."""
_AROUND_MS = 60
_ALL_ALONG = 0.7
"""Of a track that sounds for so much of the time, not only the description is heard."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of speech, and from when on it is heard in the other release."""

    span: Span
    start_ms: int


def _sound_in(track: Path) -> tuple[int, int]:
    """Index of a file's sound stream, and how many channels it has.

    Raises:
        MediaError: it has none, or several, or pictures beside it.
    """
    with open_film(track, formats=f"{FORMATS},wav") as container:
        sounds = container.streams.audio
        if len(sounds) != 1 or container.streams.video:
            raise MediaError(f"{track} is no sound track by itself: name a WAV, M4A or MKA file with one.")
        return sounds[0].index, sounds[0].codec_context.channels


def spoken_stretches(track: Path) -> list[Span]:
    """Where a track of descriptions is not silent, pauses within sentences left out of account.

    Raises:
        MediaError: it cannot be read, is silent, or sounds all along, as a mix with the film does.
    """
    stream, _ = _sound_in(track)
    frame = _FRAME_MS * MIX_RATE // 1000
    loud, held = list[bool](), np.zeros(0, np.float32)
    for block in programme_blocks(track, stream, "mono"):
        held = np.concatenate([held, block[:, 0]])
        whole = len(held) // frame * frame
        power = np.square(held[:whole].reshape(-1, frame)).mean(axis=1)
        loud += (power > 10 ** (_QUIET_DB / 10)).tolist()
        held = held[whole:]
    if not any(loud):
        raise MediaError(f"{track} is silent: name a sound track of descriptions.")
    if sum(loud) > _ALL_ALONG * len(loud):
        raise MediaError(
            f"{track} sounds all along, so it is no description by itself: name the track without the film's sound."
        )
    spans = [Span(at * _FRAME_MS, (at + 1) * _FRAME_MS) for at, one in enumerate(loud) if one]
    return [Span(max(0, s.start_ms - _AROUND_MS), s.end_ms + _AROUND_MS) for s in joined(spans, _APART_MS)]


def write_moved(track: Path, target: Path, stretches: list[Stretch], length_ms: int, about: str) -> None:
    """Write a Broadcast WAV of `length_ms` in which each stretch of a track is heard at its new time, else silence.

    Memory does not grow with the track.

    Raises:
        MediaError: the track cannot be read.
        OSError: the file cannot be written.
    """
    stream, channels = _sound_in(track)
    layout = "mono" if channels == 1 else "stereo"
    width, samples = 1 if channels == 1 else 2, length_ms * MIX_RATE // 1000
    waiting = sorted(stretches, key=lambda one: one.span)
    with tempfile.TemporaryFile(dir=target.parent) as room:  # a file with holes: silence takes no space
        room.truncate(max(1, samples) * width * 4)
        laid = np.memmap(room, np.float32, "r+", shape=(samples, width))
        at = 0
        for block in programme_blocks(track, stream, layout):
            for one in waiting:
                _lay(laid, block, at, one)
            at += len(block)
            waiting = [one for one in waiting if one.span.end_ms * MIX_RATE // 1000 > at]
        with atomic_path(target) as partial, BroadcastWav(partial, layout, about) as out:
            for start in range(0, samples, 10 * MIX_RATE):
                out.write(np.asarray(laid[start : start + 10 * MIX_RATE]))
        del laid


def _lay(laid: np.memmap, block: np.ndarray, at: int, one: Stretch) -> None:
    """Put into its new place what of a stretch lies in a block that begins with sample `at`."""
    first, last = (ms * MIX_RATE // 1000 for ms in (one.span.start_ms, one.span.end_ms))
    low, high = max(first, at), min(last, at + len(block))
    start = one.start_ms * MIX_RATE // 1000 + low - first
    length = min(high - low, len(laid) - start)
    if length > 0:
        laid[start : start + length] += block[low - at : low - at + length]


def in_turn(wanted: list[Stretch]) -> Iterator[Stretch]:
    """The same, none of which begins while another is heard: it then comes later."""
    free_ms = 0
    for one in sorted(wanted, key=lambda one: one.start_ms):
        start_ms = max(one.start_ms, free_ms)
        yield Stretch(one.span, start_ms)
        free_ms = start_ms + one.span.duration_ms
