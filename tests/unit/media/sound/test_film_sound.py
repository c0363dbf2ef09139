"""Sound into film time."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np
import pytest

from calvin.core.errors import MediaError
from calvin.media.sound.film_sound import SoundWriter, read_wav, write_wav


def tone(seconds: float, rate: int = 48_000, channels: int = 1, level: float = 0.5) -> av.AudioFrame:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    samples = np.full((channels, round(seconds * rate)), level, np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = rate
    return frame


def written(path: Path, *frames: tuple[av.AudioFrame, float]) -> np.ndarray:
    with SoundWriter(path) as writer:
        for frame, seconds in frames:
            writer.feed(frame, round(seconds * 1e6))
    with wave.open(str(path)) as sound:
        assert sound.getframerate() == 16_000
        data = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    assert writer.samples == len(data)
    return data


def test_silence_fills_gaps(tmp_path: Path) -> None:
    data = written(tmp_path / "a.wav", (tone(1), 0.5), (tone(1), 12.5))
    assert len(data) / 16_000 == pytest.approx(13.5, abs=0.01)
    loud = np.abs(data) > 5000
    assert loud[9000:23_000].all()
    assert not loud[:7800].any()
    assert not loud[26_000:199_000].any()
    assert loud[201_000:215_000].all()


def test_sound_that_comes_twice_is_dropped(tmp_path: Path) -> None:
    data = written(tmp_path / "a.wav", (tone(1), 0), (tone(1), 0.2), (tone(1), 1))
    assert len(data) / 16_000 == pytest.approx(2, abs=0.01)


def test_a_change_of_format_midway(tmp_path: Path) -> None:
    data = written(tmp_path / "a.wav", (tone(1), 0), (tone(1, 44_100, 2), 1))
    assert len(data) / 16_000 == pytest.approx(2, abs=0.01)
    assert (np.abs(data[1000:31_000]) > 5000).mean() > 0.99


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (6, 2)])
def test_a_change_of_channels_midway(tmp_path: Path, before: int, after: int) -> None:
    data = written(tmp_path / "a.wav", (tone(1, 48_000, before), 0), (tone(1, 48_000, after), 1))
    assert len(data) / 16_000 == pytest.approx(2, abs=0.01)
    assert (np.abs(data[1000:31_000]) > 5000).mean() > 0.99


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with SoundWriter(tmp_path / "a.wav") as writer:
            writer.feed(tone(1), 0)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_sound_that_breaks_off_has_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cue.wav"
    write_wav(path, np.linspace(-1, 1, 100, dtype=np.float32), 8_000)
    whole = path.read_bytes()
    assert len(read_wav(path)[0]) == 100
    for data in (whole[:-1], whole[:-50], whole[:30], b"", whole[:24] + bytes(8) + whole[32:]):
        path.write_bytes(data)
        with pytest.raises(MediaError, match="cannot be read: voice the project again"):
            read_wav(path)
