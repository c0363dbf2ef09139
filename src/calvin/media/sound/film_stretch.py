"""A few seconds of a film's sound from anywhere in it, without what comes before: as `programme_blocks` gives them.

A container finds the packets of a moment by its index. Where their samples belong is then counted from the film's
first one, because times of packets are rounded; and the sound that was kept when the film was decoded says whether that
is so.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
import numpy as np
from av.audio.frame import AudioFrame

from calvin.core.errors import MediaError
from calvin.media.film.source import FORMATS, audio_streams, choose_audio, open_film
from calvin.media.sound.film_sound import (
    MIX_RATE,
    SOUND_RATE,
    SteadySound,
    decoded_frames,
    film_origin_us,
    heard_frames,
    programme_blocks,
    resampled,
)

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer

_FROM_START_MS = 3000
"""What begins earlier than this is read from the film's beginning."""
_BACK_MS = (800, 4000, 20_000, 90_000)
"""How long before a stretch reading begins: further back where a file finds only later packets."""
_UNSETTLED = 3
"""Frames after a jump that a decoder may still get wrong."""
_EDGE_MS = 120
"""Read before and after a stretch, so that it can be moved by this much, and no resampling ends in it."""
_LIKE = 0.8
"""Correlation with the sound that was kept, from which on it is the same place of the film."""
_SILENT = 1e-4


@dataclass(frozen=True, slots=True)
class FilmStretch:
    """float32 samples [N, channels] of a stretch, and in one sentence what they lack, if anything."""

    samples: np.ndarray
    note: str = ""


def film_stretch(
    film: str | Path,
    language: str | None,
    start_ms: int,
    end_ms: int,
    kept: Sequence[Path] = (),
    layout: str = "stereo",
) -> FilmStretch:
    """The sound of a film between two film times at 48 kHz, silence where there is none.

    Args:
        language: prefers a sound track, as `choose_audio` does.
        kept: what `decode_film` kept of that sound. It is heard where a jump into the film does not lead there.
        layout: FFmpeg's name of the channels wanted.

    Raises:
        MediaError: the film cannot be read.
    """
    with open_film(film, formats=f"{FORMATS},wav") as container:
        track = choose_audio(audio_streams(container), language)
        if track is None:
            return FilmStretch(_silence(end_ms - start_ms, layout))
        stream = next(one for one in container.streams.audio if one.index == track.index)
        found = _jumped(container, stream, layout, start_ms, end_ms) if start_ms >= _FROM_START_MS else None
    if start_ms < _FROM_START_MS:
        return FilmStretch(_from_beginning(film, track.index, layout, start_ms, end_ms))
    moved = _placed_by(kept[0], found, start_ms, end_ms) if found is not None and kept else 0
    if found is not None and moved is not None:
        first = start_ms * MIX_RATE // 1000 - found.first + moved
        return FilmStretch(_cut(found.samples, first, (end_ms - start_ms) * MIX_RATE // 1000))
    if kept:
        why = f"{film} does not say exactly where its sound belongs"
        return FilmStretch(kept_stretch(kept[0], layout, start_ms, end_ms), f"{why}: {PLAINER}.")
    return FilmStretch(_from_beginning(film, track.index, layout, start_ms, end_ms))


PLAINER = "its sound is heard here as it was kept for finding speech, in mono and with fewer high tones"


@dataclass(frozen=True, slots=True)
class _Found:
    """Samples [N, channels] at 48 kHz, the first of them sample `first` of the film."""

    samples: np.ndarray
    first: int


def _jumped(container: InputContainer, stream: AudioStream, layout: str, start_ms: int, end_ms: int) -> _Found | None:
    """A stretch and its edges by a jump in the file; None where that does not lead there."""
    begun = next(heard_frames(container, stream), None)
    if begun is None or begun[0].pts is None:
        return None
    head, time_us = begun
    counter = _Counter(head, stream)
    zero_us = film_origin_us(container) or 0
    first_out = time_us * MIX_RATE // 1_000_000
    wanted = (max(0, start_ms - _EDGE_MS), end_ms + _EDGE_MS)
    for back_ms in _BACK_MS:
        try:
            _seek(container, stream, zero_us + (wanted[0] - back_ms) * 1000)
            frames = _until(container, stream, counter, wanted[1] - time_us // 1000)
        except av.error.FFmpegError:
            return None
        if not frames:
            continue
        at = counter.place(frames)
        if at is None:
            return None
        at, frames = _aligned(frames, at, counter)
        if at is None or not frames:
            continue
        first = first_out + at * MIX_RATE // counter.rate
        if first > wanted[0] * MIX_RATE // 1000:
            continue
        return _Found(_laid(frames, counter, layout), first)
    return None


class _Counter:
    """Counts the samples of a sound stream from its first frame on."""

    def __init__(self, head: AudioFrame, stream: AudioStream) -> None:
        assert head.pts is not None
        self.rate, self._pts, self._samples = head.sample_rate, head.pts, head.samples
        self._tick = Fraction(stream.time_base or 0)

    def stamped(self, frame: AudioFrame) -> Fraction | None:
        """How many samples come before a frame, by its time."""
        if frame.pts is None or frame.sample_rate != self.rate:
            return None
        return (frame.pts - self._pts) * self._tick * self.rate

    def later(self, frame: AudioFrame, samples: int) -> int | None:
        """The time of a later sample in a frame, in the stream's ticks."""
        return None if frame.pts is None else frame.pts + round(samples / (self._tick * self.rate))

    def place(self, frames: Sequence[AudioFrame]) -> int | None:
        """How many samples come before frames: exactly where all frames are of one length, else by their time."""
        stamped = self.stamped(frames[0])
        if stamped is None:
            return None
        sizes = {frame.samples for frame in frames[:-1]} or {frames[0].samples}
        if len(sizes) == 1:
            [size] = sizes
            counted = self._samples + round((stamped - self._samples) / size) * size
            if abs(counted - stamped) <= self._tick * self.rate + 1:
                return counted
        return round(stamped)


def _seek(container: InputContainer, stream: AudioStream, time_us: int) -> None:
    """Go to packets of a time in the file, or before it."""
    time_us = max(0, time_us)
    if container.format.name.startswith("mov") and stream.time_base:
        container.seek(round(time_us / 1_000_000 / stream.time_base), stream=stream)
    else:
        # Matroska's index knows the picture only: to look for the sound in it would be to read from the beginning.
        container.seek(time_us)


def _until(container: InputContainer, stream: AudioStream, counter: _Counter, end_ms: int) -> list[AudioFrame]:
    """The settled frames from here to a time, counted from the first frame's."""
    frames: list[AudioFrame] = []
    unsettled = _UNSETTLED
    for frame in decoded_frames(container.demux(stream), stream):
        if unsettled or not frame.samples:
            unsettled = max(0, unsettled - 1)
            continue
        frames.append(frame)
        stamped = counter.stamped(frame)
        if stamped is None or stamped * 1000 > end_ms * counter.rate:
            break
    return frames


def _aligned(frames: list[AudioFrame], at: int, counter: _Counter) -> tuple[int | None, list[AudioFrame]]:
    """Frames from a sample on that is one at 48 kHz too, so that they are resampled as they are from the beginning."""
    skip = -at % (counter.rate // gcd(counter.rate, MIX_RATE))
    at += skip
    for number, frame in enumerate(frames):
        if skip < frame.samples:
            return at, [_without(frame, skip, counter), *frames[number + 1 :]]
        skip -= frame.samples
    return None, []


def _without(frame: AudioFrame, skip: int, counter: _Counter) -> AudioFrame:
    """A frame without its first samples."""
    if not skip:
        return frame
    samples = frame.to_ndarray()
    width = 1 if frame.format.is_planar else frame.layout.nb_channels
    rest: Any = np.ascontiguousarray(samples[:, skip * width :])
    shorter = AudioFrame.from_ndarray(rest, format=frame.format.name, layout=frame.layout.name)
    shorter.sample_rate, shorter.pts = frame.sample_rate, counter.later(frame, skip)
    return shorter


def _laid(frames: Sequence[AudioFrame], counter: _Counter, layout: str) -> np.ndarray:
    """Frames as one stretch of samples [N, channels], with silence where the stream is silent."""
    sound = SteadySound("flt", layout, MIX_RATE)
    blocks: list[np.ndarray] = []
    begin = counter.stamped(frames[0]) or Fraction(0)
    for frame in frames:
        stamped = counter.stamped(frame)
        after = begin if stamped is None else stamped
        blocks += sound.feed(frame, round((after - begin) * 1_000_000 / counter.rate))
    blocks += sound.finish()
    return np.concatenate(blocks)


def _placed_by(kept: Path, found: _Found, start_ms: int, end_ms: int) -> int | None:
    """By how many samples at 48 kHz a stretch comes later than it was counted, by the sound that was kept; None where
    it is another place of the film."""
    heard = resampled(np.ascontiguousarray(found.samples.mean(axis=1)), MIX_RATE, SOUND_RATE)
    offset = found.first * SOUND_RATE // MIX_RATE
    first, last = start_ms * SOUND_RATE // 1000, end_ms * SOUND_RATE // 1000
    known = _kept_samples(kept, first, last)
    reach = _EDGE_MS * SOUND_RATE // 1000
    window = _cut(heard[:, None], first - offset - reach, len(known) + 2 * reach)[:, 0]
    here = window[reach : reach + len(known)]
    if not len(known) or max(float(np.abs(known).max()), float(np.abs(here).max())) < _SILENT:
        return 0
    size = 1 << (len(window) + len(known)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(window, size) * np.conj(np.fft.rfft(known, size)), size)[: 2 * reach + 1]
    energy = np.cumsum(np.concatenate([[0.0], window.astype(np.float64) ** 2]))
    loud = np.sqrt(np.maximum(energy[len(known) :][: 2 * reach + 1] - energy[: 2 * reach + 1], 0))
    likeness = cross / np.maximum(loud * float(np.linalg.norm(known)), 1e-9)
    best = int(np.argmax(likeness))
    # A tone is like itself at many places: what was counted stands unless another is clearly better.
    if likeness[reach] >= 0.97 * likeness[best] or abs(best - reach) <= 1:
        best = reach
    return (best - reach) * MIX_RATE // SOUND_RATE if likeness[best] >= _LIKE else None


def kept_stretch(kept: Path, layout: str, start_ms: int, end_ms: int) -> np.ndarray:
    """float32 [N, channels] at 48 kHz of the mono sound that `decode_film` kept.

    Raises:
        MediaError: it cannot be read.
    """
    before = min(start_ms, _EDGE_MS)
    first, last = ((ms * SOUND_RATE) // 1000 for ms in (start_ms - before, end_ms + _EDGE_MS))
    mono = resampled(_kept_samples(kept, first, last), SOUND_RATE, MIX_RATE)
    mono = _cut(mono[:, None], before * MIX_RATE // 1000, (end_ms - start_ms) * MIX_RATE // 1000)
    if layout != "5.1":
        return np.repeat(mono, 2, axis=1)
    out = _silence(end_ms - start_ms, layout)
    out[:, 2:3] = mono  # the centre
    return out


def _kept_samples(path: Path, first: int, last: int) -> np.ndarray:
    """Samples float32 [N] of the 16-bit mono sound that was kept, as far as it goes.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        with wave.open(str(path)) as sound:
            sound.setpos(min(first, sound.getnframes()))
            data = sound.readframes(max(0, min(last, sound.getnframes()) - first))
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"The film's sound {path} cannot be read: describe the film again.") from error
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32767


def _from_beginning(film: str | Path, track: int, layout: str, start_ms: int, end_ms: int) -> np.ndarray:
    """A stretch [N, channels] by decoding all that comes before it."""
    first, last = start_ms * MIX_RATE // 1000, end_ms * MIX_RATE // 1000
    at, pieces = 0, []
    blocks: Iterator[np.ndarray] = programme_blocks(film, track, layout)
    for block in blocks:
        if at + len(block) > first:
            pieces.append(block[max(0, first - at) : last - at])
        at += len(block)
        if at >= last:
            break
    silent = _silence(0, layout)
    return _cut(np.concatenate([silent, *pieces]), 0, last - first)


def _silence(length_ms: int, layout: str) -> np.ndarray:
    return np.zeros((length_ms * MIX_RATE // 1000, 6 if layout == "5.1" else 2), np.float32)


def _cut(samples: np.ndarray, first: int, length: int) -> np.ndarray:
    """Samples [N, channels] from one on, silence where there are none."""
    out = np.zeros((length, samples.shape[1]), np.float32)
    begin, end = max(0, first), min(len(samples), first + length)
    if end > begin:
        out[begin - first : end - first] = samples[begin:end]
    return out
