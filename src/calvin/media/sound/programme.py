"""The sound of a film as a stream of blocks in film time, and sound files read the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import cast

import av
import av.error
import numpy as np

from calvin.core.errors import MediaError
from calvin.media.film.reader import PresentationClock
from calvin.media.film.source import FORMATS, MediaLimits, open_film, start_us, stated_us
from calvin.media.sound.film_sound import SteadySound

MIX_RATE = 48_000
_FADE_MS = 15


@dataclass(frozen=True, order=True, slots=True)
class Pause:
    """The film stands still at `at_ms` (of its own time) for `length_ms`."""

    at_ms: int
    length_ms: int


class Timeline:
    """Film time to the time of a version in which the film pauses. Pauses are in order; several may share a place."""

    def __init__(self, pauses: Sequence[Pause] = ()) -> None:
        self.pauses = tuple(sorted(pauses))
        self.total_ms = sum(pause.length_ms for pause in pauses)
        self._at = np.array([pause.at_ms * 1000 for pause in self.pauses], np.int64)
        self._added = np.array([0, *accumulate(pause.length_ms * 1000 for pause in self.pauses)], np.int64)

    def added_us(self, time_us: int) -> int:
        """How much later a moment of the film comes; what begins with a pause comes after it."""
        if not self.pauses:
            return 0
        return int(self._added[np.searchsorted(self._at, time_us, side="right")])


def programme_blocks(
    film: str | Path, track: int | None, layout: str, duration_ms: int = 0, rate: int = MIX_RATE,
    limits: MediaLimits | None = None,
) -> Iterator[np.ndarray]:  # fmt: skip
    """float32 [N, channels] blocks of a film's sound from film time 0, silence where there is none.

    Args:
        track: index of the stream in the file; None for silence all along.
        layout: FFmpeg's name of the channels wanted, such as stereo or 5.1.
        duration_ms: the least length.

    Raises:
        MediaError: the film or its sound cannot be read.
    """
    sound = SteadySound("flt", layout, rate)
    held: list[np.ndarray] = []
    if track is not None:
        for frame, time_us in _frames(Path(film), track, limits or MediaLimits()):
            held += sound.feed(frame, time_us)
            # Second by second: what is done to a block costs more than its samples do.
            if sum(map(len, held)) >= rate:
                yield np.concatenate(held)
                held = []
        held += sound.finish()
    if held:
        yield np.concatenate(held)
    yield from sound.silence(duration_ms * rate // 1000 - sound.samples)


def _frames(film: Path, track: int, limits: MediaLimits) -> Iterator[tuple[av.AudioFrame, int]]:
    with open_film(film, limits, f"{FORMATS},wav") as container:
        stream = next((s for s in container.streams.audio if s.index == track), None)
        if stream is None or stream.codec_context is None:
            raise MediaError(f"{film} has no sound that can be decoded in its stream {track}: choose another track.")
        pictures = container.streams.video
        origin = start_us(container, pictures[0]) if pictures else 0
        trusted_us = 0 if container.format.name == "mpegts" else stated_us(container)
        clock = PresentationClock(origin, 0, trusted_us, Fraction(stream.time_base or 0))
        for frame in _decoded(container.demux(stream)):
            if frame.samples:
                clock.step_us = round(frame.samples * 1_000_000 / frame.sample_rate)
                # An encoder's delay lies before zero: the clock would push it, and all after it, forward.
                if clock.last_us is None and frame.pts is not None and origin is not None:
                    early_us = clock.length_us(frame.pts) - origin
                    if early_us < 0 and early_us + clock.step_us <= 1000:
                        continue
                yield frame, clock.film_time(frame.pts)


def _decoded(packets: Iterable[av.Packet]) -> Iterator[av.AudioFrame]:
    """Frames of what can be decoded; a damaged packet is passed over, a broken end ends the sound."""
    iterator = iter(packets)
    while True:
        try:
            packet = next(iterator)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            yield from cast("list[av.AudioFrame]", packet.decode())
        except av.error.FFmpegError:
            continue


def with_pauses(blocks: Iterable[np.ndarray], pauses: Sequence[Pause], rate: int = MIX_RATE) -> Iterator[np.ndarray]:
    """The same sound with silence where the film pauses, faded out and in for a moment so that nothing clicks."""
    waiting = sorted(pauses)
    fade = _FADE_MS * rate // 1000
    ramp = np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    at, channels = 0, 2
    for block in blocks:
        channels = block.shape[1]
        while waiting and waiting[0].at_ms * rate // 1000 <= at + len(block):
            pause = waiting.pop(0)
            cut = max(0, pause.at_ms * rate // 1000 - at)
            before, block = block[:cut].copy(), block[cut:].copy()
            before[-fade:] *= ramp[fade - min(fade, len(before)) :]
            block[:fade] *= ramp[::-1][: len(block)]
            yield before
            yield from silence(pause.length_ms * rate // 1000, channels)
            at += cut
        yield block
        at += len(block)
    for pause in waiting:
        yield from silence(pause.length_ms * rate // 1000, channels)


def silence(samples: int, channels: int) -> Iterator[np.ndarray]:
    """Blocks [N, channels] of at most a second each."""
    for start in range(0, samples, MIX_RATE):
        yield np.zeros((min(MIX_RATE, samples - start), channels), np.float32)
