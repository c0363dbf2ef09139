"""The film's sound, mono at 16 kHz, as speech tools want it."""

from __future__ import annotations

import wave
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from av.audio.resampler import AudioResampler

from calvin.core.files import atomic_path

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

SOUND_RATE = 16_000
_SLACK = SOUND_RATE // 10


class SoundWriter:
    """Writes the sound as 16-bit WAV in film time: silence fills gaps, sound that comes twice is dropped."""

    def __init__(self, path: str | Path) -> None:
        self._resampler = _resampler()
        self._path = Path(path)
        self.samples = 0

    def __enter__(self) -> Self:
        self._atomic: AbstractContextManager[Path] = atomic_path(self._path)
        self._wave = wave.open(str(self._atomic.__enter__()), "wb")
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(SOUND_RATE)
        return self

    def feed(self, frame: AudioFrame, time_us: int) -> None:
        """Append a decoded frame heard at film time `time_us`."""
        ahead = time_us * SOUND_RATE // 1_000_000 - self.samples
        if ahead > _SLACK:
            self._silence(ahead)
        elif ahead < -_SLACK:
            return
        frame.pts = None
        try:
            self._append(self._resampler.resample(frame))
        except ValueError:  # the sound changed its rate or channels midway
            self._append(self._resampler.resample(None))
            self._resampler = _resampler()
            self._append(self._resampler.resample(frame))

    def _silence(self, samples: int) -> None:
        self.samples += samples
        while samples > 0:
            block = min(samples, SOUND_RATE * 10)
            self._wave.writeframesraw(bytes(2 * block))
            samples -= block

    def _append(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._wave.writeframesraw(bytes(frame.planes[0])[: 2 * frame.samples])
            self.samples += frame.samples

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._append(self._resampler.resample(None))
        self._wave.close()
        self._atomic.__exit__(kind, error, trace)


def _resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
