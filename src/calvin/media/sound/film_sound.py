"""A film's sound laid into film time, for speech tools and for the mix."""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import av
import av.error
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path
from calvin.media.film.reader import PresentationClock
from calvin.media.film.source import FORMATS, MediaLimits, open_film, start_us, stated_us

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SOUND_RATE = 16_000
"""What speech tools want."""
MIX_RATE = 48_000
_FADE_MS = 15


class SteadySound:
    """Decoded frames as one unbroken stretch of samples: silence fills gaps, sound that comes twice is dropped.

    Frames are gathered to half a second before they are resampled: a call costs more than the samples of a frame do.
    """

    def __init__(self, sample_format: str, layout: str, rate: int) -> None:
        self._form = (sample_format, layout, rate)
        self._resampler = self._make()
        self._gathered = AudioFifo()
        self._heard: tuple[str, str, int, int] | None = None
        self._unplaced = False
        self._rate, self._slack = rate, rate // 10
        self._channels = av.AudioLayout(layout).nb_channels
        self._dtype = np.int16 if sample_format == "s16" else np.float32
        self.samples = 0

    def _make(self) -> AudioResampler:
        sample_format, layout, rate = self._form
        return AudioResampler(format=sample_format, layout=layout, rate=rate)

    def feed(self, frame: AudioFrame, time_us: int) -> Iterator[np.ndarray]:
        """Blocks [N, channels] that are due with a frame heard at film time `time_us`, in the packed format asked for.

        What is not yet due comes with a later frame, or with `finish`.
        """
        held = self._gathered.samples
        due = self.samples + (held * self._rate // self._gathered.sample_rate if held else 0)
        ahead = time_us * self._rate // 1_000_000 - due
        # Between frames a small gap is a rounded time; before the first one it is silence.
        if ahead > (self._slack if due else 0):
            yield from self._resampled()
            yield from self.silence(time_us * self._rate // 1_000_000 - self.samples)
        elif ahead < -self._slack:
            return
        frame.pts = None
        heard = (frame.format.name, frame.layout.name, frame.layout.nb_channels, frame.sample_rate)
        # Broadcasts change from 5.1 to stereo midway: there PyAV's fifo (17.0.1) ends the interpreter, and from mono to
        # stereo it drops a channel.
        if self._heard not in (None, heard):
            yield from self.finish()
            self._resampler, self._gathered = self._make(), AudioFifo()
        self._heard = heard
        self._gathered.write(frame)
        if self._gathered.samples * 2 >= self._gathered.sample_rate:
            yield from self._resampled()

    def finish(self) -> Iterator[np.ndarray]:
        """What is still held, in blocks [N, channels]."""
        yield from self._resampled()
        yield from self._counted(self._resampler.resample(None))

    def silence(self, samples: int) -> Iterator[np.ndarray]:
        """Blocks [N, channels] of silence, which count as sound that has passed."""
        self.samples += max(0, samples)
        return silence(samples, self._channels, self._dtype)

    def _resampled(self) -> Iterator[np.ndarray]:
        gathered = self._gathered.read() if self._gathered.samples else None
        if gathered is None:
            return
        gathered.pts = None
        if not self._unplaced:
            try:
                yield from self._counted(self._resampler.resample(gathered))
                return
            except av.error.ArgumentError:  # channels whose places FFmpeg does not know, such as 20 of them
                self._unplaced, self._resampler = True, self._make()
        yield from self._counted(self._resampler.resample(_one_channel(gathered)))

    def _counted(self, frames: list[AudioFrame]) -> Iterator[np.ndarray]:
        for frame in frames:
            self.samples += frame.samples
            yield frame.to_ndarray().reshape(-1, self._channels)


def _one_channel(frame: AudioFrame) -> AudioFrame:
    """All channels of a frame together, each as loud as different sounds would be."""
    [packed] = AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate).resample(frame)
    samples = packed.to_ndarray().reshape(frame.samples, -1)
    return packed_frame(samples.sum(axis=1) / np.sqrt(samples.shape[1]), frame.sample_rate, "mono")


class SoundWriter:
    """Writes the sound as 16-bit mono WAV at 16 kHz in film time, as speech tools want it."""

    def __init__(self, path: str | Path) -> None:
        self._sound = SteadySound("s16", "mono", SOUND_RATE)
        self._path = Path(path)

    @property
    def samples(self) -> int:
        return self._sound.samples

    def __enter__(self) -> Self:
        self._atomic: AbstractContextManager[Path] = atomic_path(self._path)
        self._wave = wave.open(str(self._atomic.__enter__()), "wb")
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(SOUND_RATE)
        return self

    def feed(self, frame: AudioFrame, time_us: int) -> None:
        """Append a decoded frame heard at film time `time_us`."""
        for block in self._sound.feed(frame, time_us):
            self._wave.writeframesraw(block.astype("<i2").tobytes())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            for block in self._sound.finish():
                self._wave.writeframesraw(block.astype("<i2").tobytes())
        self._wave.close()
        self._atomic.__exit__(kind, error, trace)


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
        yield from heard_frames(container, stream)


def heard_frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[av.AudioFrame, int]]:
    """The frames of a sound stream from the film's beginning, with their film times in us."""
    origin = film_origin_us(container)
    trusted_us = 0 if container.format.name == "mpegts" else stated_us(container)
    clock = PresentationClock(origin, 0, trusted_us, Fraction(stream.time_base or 0))
    # A transport stream's picture tells where its sound belongs.
    pictures = container.streams.video
    picture = pictures[0] if pictures and container.format.name == "mpegts" else None
    shown = PresentationClock(origin, 0, 0, Fraction(picture.time_base or 0) if picture else Fraction(0))
    for frame in decoded_frames(container.demux([stream, picture] if picture else stream), stream, shown):
        if picture is not None:
            clock.beside(shown)
        if frame.samples:
            clock.step_us = round(frame.samples * 1_000_000 / frame.sample_rate)
            # An encoder's delay lies before zero: the clock would push it, and all after it, forward.
            if clock.last_us is None and frame.pts is not None and origin is not None:
                early_us = clock.length_us(frame.pts) - origin
                if early_us < 0 and early_us + clock.step_us <= 1000:
                    continue
            yield frame, clock.film_time(frame.pts)


def film_origin_us(container: InputContainer) -> int | None:
    """The file's own time that is film time 0 for its sound; None where the file does not say."""
    pictures = container.streams.video
    return start_us(container, pictures[0]) if pictures else 0


def decoded_frames(
    packets: Iterable[av.Packet], sound: Any, shown: PresentationClock | None = None
) -> Iterator[av.AudioFrame]:
    """Frames of what can be decoded; a damaged packet is passed over, a broken end ends the sound.

    The packets of another stream, the picture, only move the clock of what is `shown`.
    """
    iterator = iter(packets)
    while True:
        try:
            packet = next(iterator)
        except (StopIteration, IndexError, av.error.FFmpegError):  # IndexError: of a stream that began midway
            return
        if packet.stream.index != sound.index:
            if shown is not None:
                shown.pass_packet(packet)
            continue
        try:
            yield from cast("list[av.AudioFrame]", packet.decode())
        except av.error.FFmpegError:
            continue


def with_pauses(blocks: Iterable[np.ndarray], pauses: Sequence[Pause], rate: int = MIX_RATE) -> Iterator[np.ndarray]:
    """The same blocks [N, channels] with silence where the film pauses, faded out and in so that nothing clicks."""
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


def silence(samples: int, channels: int, dtype: type[np.generic] = np.float32) -> Iterator[np.ndarray]:
    """Blocks [N, channels] of at most a second each."""
    for start in range(0, samples, MIX_RATE):
        yield np.zeros((min(MIX_RATE, samples - start), channels), dtype)


def packed_frame(block: np.ndarray, rate: int, layout: str, start: int = 0) -> av.AudioFrame:
    """A block of float samples [N, channels] as FFmpeg takes it; `start` counts the samples before it."""
    packed = np.ascontiguousarray(block, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate, frame.pts = rate, start
    return frame


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Mono float32 samples [N] at another rate."""
    if rate == wanted or not len(samples):
        return samples
    resampler = AudioResampler(format="flt", layout="mono", rate=wanted)
    frames = [*resampler.resample(packed_frame(samples, rate, "mono")), *resampler.resample(None)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def write_wav(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """Mono float samples [N] within -1 to 1 as 16-bit WAV, whole or not at all."""
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def is_silent(path: str | Path) -> bool:
    """Whether a WAV file that `SoundWriter` left holds no sample: nothing was decoded."""
    try:
        with wave.open(str(path)) as sound:
            return sound.getnframes() == 0
    except (OSError, EOFError, wave.Error):
        return True


def read_wav(path: str | Path) -> tuple[np.ndarray, int]:
    """Mono float32 samples [N] of a 16-bit WAV file, and their rate.

    Raises:
        MediaError: not such a file.
    """
    try:
        with wave.open(str(path)) as sound:
            if (sound.getnchannels(), sound.getsampwidth()) != (1, 2):
                raise MediaError(f"{path} is not mono 16-bit sound: voice the project again.")
            data, rate = sound.readframes(sound.getnframes()), sound.getframerate()
            if len(data) != 2 * sound.getnframes() or not rate:
                raise EOFError("it breaks off")
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"The sound {path} cannot be read: voice the project again.") from error
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767, rate
