"""A film's sound laid into film time, for speech tools and for the mix."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

SOUND_RATE = 16_000


class SteadySound:
    """Decoded frames as one unbroken stretch of samples: silence fills gaps, sound that comes twice is dropped.

    Frames are gathered to half a second before they are resampled: a call costs more than the samples of a frame do.
    """

    def __init__(self, sample_format: str, layout: str, rate: int) -> None:
        self._form = (sample_format, layout, rate)
        self._resampler = self._make()
        self._gathered = AudioFifo()
        self._rate, self._slack = rate, rate // 10
        self._channels = av.AudioLayout(layout).nb_channels
        self._dtype = np.dtype(np.int16 if sample_format == "s16" else np.float32)
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
        if ahead > self._slack:
            yield from self._resampled()
            yield from self.silence(time_us * self._rate // 1_000_000 - self.samples)
        elif ahead < -self._slack:
            return
        frame.pts = None
        try:
            self._gathered.write(frame)
        except ValueError:  # the sound changed its rate or channels midway
            yield from self.finish()
            self._resampler, self._gathered = self._make(), AudioFifo()
            self._gathered.write(frame)
        if self._gathered.samples * 2 >= self._gathered.sample_rate:
            yield from self._resampled()

    def finish(self) -> Iterator[np.ndarray]:
        """What is still held."""
        yield from self._resampled()
        yield from self._counted(self._resampler.resample(None))

    def silence(self, samples: int) -> Iterator[np.ndarray]:
        self.samples += samples
        while samples > 0:
            block = min(samples, self._rate * 10)
            yield np.zeros((block, self._channels), self._dtype)
            samples -= block

    def _resampled(self) -> Iterator[np.ndarray]:
        gathered = self._gathered.read() if self._gathered.samples else None
        if gathered is not None:
            gathered.pts = None
            yield from self._counted(self._resampler.resample(gathered))

    def _counted(self, frames: list[AudioFrame]) -> Iterator[np.ndarray]:
        for frame in frames:
            self.samples += frame.samples
            yield frame.to_ndarray().reshape(-1, self._channels)


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


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Mono float32 samples [N] at another rate."""
    if rate == wanted or not len(samples):
        return samples
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None], np.float32), format="flt", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler(format="flt", layout="mono", rate=wanted)
    return np.concatenate([f.to_ndarray()[0] for f in [*resampler.resample(frame), *resampler.resample(None)]])


def write_wav(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """Mono float samples [N] within -1 to 1 as 16-bit WAV, whole or not at all."""
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


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
    except (OSError, EOFError, wave.Error) as error:
        raise MediaError(f"The sound {path} cannot be read: voice the project again.") from error
    return np.frombuffer(data, "<i2").astype(np.float32) / 32767, rate
