"""Recordings of a person's voice: what is taken, what is refused, and what becomes of it."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MediaError
from calvin.media.sound.loudness import loudness_and_peak
from calvin.media.sound.own_voice import read_own_voice

FORMATS = {"s16": (1, 16), "s24": (1, 24), "s32": (1, 32), "f32": (3, 32), "f64": (3, 64), "u8": (1, 8)}


def speech(rate: int, seconds: float = 2.0, level: float = 0.3, seed: int = 5) -> np.ndarray:
    """float [N]: a tone that glides, with the swells of syllables."""
    clock = np.arange(round(seconds * rate)) / rate
    hertz = 180 + 60 * np.sin(2 * np.pi * 0.7 * clock + seed)
    swell = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 2.3 * clock + 0.4))
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    return level * swell * (np.sin(phase) + 0.4 * np.sin(3 * phase) + 0.2 * np.sin(7 * phase)) / 1.6


def between_silences(sound: np.ndarray, rate: int, noise: float = 1e-4, before: float = 0.8, after: float = 1.1):
    rng = np.random.default_rng(1)
    whole = np.concatenate([np.zeros(round(before * rate)), sound, np.zeros(round(after * rate))])
    return whole + noise * rng.standard_normal(len(whole))


def write(path: Path, sound: np.ndarray, rate: int, form: str = "s16") -> Path:
    """WAV as its specification has it, by hand: the reader is not tested with a writer of its own library."""
    sound = sound if sound.ndim == 2 else sound[:, None]
    kind, bits = FORMATS[form]
    if form == "u8":
        data = np.clip(np.round(sound * 127) + 128, 0, 255).astype(np.uint8).tobytes()
    elif kind == 3:
        data = sound.astype(f"<f{bits // 8}").tobytes()
    else:
        numbers = np.clip(np.round(sound * 2.0 ** (bits - 1)), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype("<i8")
        data = numbers.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()
    channels = sound.shape[1]
    size = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * size, size, bits)
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


@pytest.mark.parametrize(
    ("form", "rate", "channels"),
    [
        ("s16", 48_000, 1),
        ("s16", 44_100, 2),
        ("s24", 96_000, 2),
        ("s32", 192_000, 1),
        ("f32", 22_050, 2),
        ("f64", 16_000, 1),
        ("s16", 11_025, 1),
        ("s24", 8000, 2),
    ],
)
def test_every_form_becomes_a_voice_at_its_level(tmp_path: Path, form: str, rate: int, channels: int) -> None:
    sound = between_silences(speech(rate), rate)
    path = write(tmp_path / "a.wav", np.stack([sound] * channels, axis=1), rate, form)
    for lufs in (-23.0, -18.0):
        found = read_own_voice(path, lufs)
        assert found.lufs == pytest.approx(lufs, abs=0.2)
        assert loudness_and_peak(found.samples, 48_000)[0] == pytest.approx(lufs, abs=0.2)
        # The silence at both ends is gone, but for a little.
        assert found.ms == pytest.approx(2000 + 60 + 120, abs=40)
        assert len(found.samples) == pytest.approx(found.ms * 48, abs=48)
        # It is the same sound: what was given, brought to 48 kHz, lies under it.
        clock = np.arange(len(sound)) / rate
        given = np.interp(np.arange(round(len(sound) / rate * 48_000)) / 48_000, clock, sound)
        # At every eighth sample: the speech has nothing above 2 kHz.
        best = max(
            abs(np.corrcoef(found.samples[4800:86_400:8], given[at + 4800 : at + 86_400 : 8])[0, 1])
            for at in range(int(0.70 * 48_000), int(0.80 * 48_000), 4)
        )
        assert best > 0.97
    assert [note for note in found.notes if "kHz" in note] == (
        [f"The recording has only {rate / 1000:g} kHz, as a telephone has: 16 kHz or more sound clearer."]
        if rate < 16_000
        else []
    )


def test_ends_are_cut_where_the_voice_is_and_faded(tmp_path: Path) -> None:
    rate = 48_000
    sound = between_silences(speech(rate), rate, noise=0.002)
    click = int(0.2 * rate)
    sound[click : click + 300] += 0.4  # a key is pressed to begin, and another one to stop
    sound[-9600:-9300] -= 0.4
    found = read_own_voice(write(tmp_path / "a.wav", sound, rate), -23)
    assert found.ms == pytest.approx(2180, abs=60)
    assert found.notes == []
    samples = found.samples
    assert abs(samples[0]) < 1e-6
    assert abs(samples[-1]) < 1e-6
    # Nowhere does it step: no click at either end.
    assert np.abs(np.diff(samples[:480])).max() < 0.01
    assert np.abs(np.diff(samples[-960:])).max() < 0.01


def test_pauses_inside_stay(tmp_path: Path) -> None:
    rate = 24_000
    parts = [speech(rate, 0.8), np.zeros(round(1.5 * rate)), speech(rate, 0.8, 0.05)]
    found = read_own_voice(write(tmp_path / "a.wav", between_silences(np.concatenate(parts), rate), rate), -23)
    assert found.ms == pytest.approx(3100 + 180, abs=60)


def test_what_nobody_spoke_into_is_refused(tmp_path: Path) -> None:
    noise = 0.0004 * np.random.default_rng(2).standard_normal(96_000)
    for sound in (np.zeros(96_000), noise, np.full(96_000, 0.2), np.zeros(0)):
        path = write(tmp_path / "quiet.wav", sound, 48_000)
        with pytest.raises(MediaError, match=r"^Nobody is heard in quiet.wav \(.*\): see that the right microphone"):
            read_own_voice(path, -23)


def test_what_was_too_loud_or_too_soft_is_told(tmp_path: Path) -> None:
    rate = 48_000
    loud = np.clip(between_silences(speech(rate, level=3.0), rate), -1, 1)
    [note] = read_own_voice(write(tmp_path / "loud.wav", loud, rate), -23).notes
    assert note.startswith("The recording is cut off in ")
    assert 100 < int(note.split()[6]) < 5000
    whole = between_silences(speech(rate, level=0.95), rate)
    assert read_own_voice(write(tmp_path / "whole.wav", whole, rate), -23).notes == []
    # Floats may go beyond full scale, and are whole nevertheless.
    floats = between_silences(speech(rate, level=3.0), rate)
    assert read_own_voice(write(tmp_path / "floats.wav", floats, rate, "f32"), -23).notes == []
    soft = between_silences(speech(rate, level=0.006), rate, noise=1e-5)
    [note] = read_own_voice(write(tmp_path / "soft.wav", soft, rate, "s24"), -23).notes
    assert note.startswith("The recording was very soft and was turned up by 3")


def test_peaks_keep_a_recording_below_its_level_and_below_the_limit(tmp_path: Path) -> None:
    rate = 48_000
    sound = between_silences(speech(rate, level=0.02), rate)
    sound[round(1.5 * rate) : round(1.5 * rate) + 200] = 0.9
    found = read_own_voice(write(tmp_path / "a.wav", sound, rate), -16)
    assert np.abs(found.samples).max() <= 10 ** (-1 / 20) + 1e-3
    assert found.lufs < -17
    assert any("softer than the other cues" in note for note in found.notes)


def test_two_channels(tmp_path: Path) -> None:
    rate = 48_000
    sound, nothing = between_silences(speech(rate), rate), np.zeros(round(3.9 * rate))
    alone = read_own_voice(write(tmp_path / "mono.wav", sound, rate), -23).samples
    for name, left, right in (("left", sound, nothing), ("right", nothing, sound), ("against", sound, -sound)):
        found = read_own_voice(write(tmp_path / f"{name}.wav", np.stack([left, right], axis=1), rate), -23)
        assert np.abs(found.samples - alone).max() < 0.002
        assert len(found.notes) == (name == "against")


def test_other_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    rate = 48_000
    sound = between_silences(speech(rate), rate)
    text = tmp_path / "a.wav"
    text.write_text("#EXTM3U\nhttp://example.org/a.wav\n" * 50)
    cases = (
        (text, "is not a WAV file that can be read"),
        (write(tmp_path / "b.wav", sound, rate, "u8"), "holds sound as pcm_u8: save the recording as WAV of 16"),
        (write(tmp_path / "c.wav", sound, 4000), "has 4,000 samples a second"),
        (write(tmp_path / "d.wav", sound, 384_000), "has 384,000 samples a second"),
        (write(tmp_path / "e.wav", np.stack([sound] * 3, axis=1), rate), "has 3 channels: record in mono or stereo"),
        (write(tmp_path / "f.wav", np.tile(sound, 50), rate), "lasts longer than 3 minutes"),
        (write(tmp_path / "g.wav", np.full(rate, np.nan), rate, "f32"), "holds values that are no sound"),
        (write(tmp_path / "h.wav", speech(rate, 0.02), rate), "holds only 20 ms of sound, too short"),
        (tmp_path / "gone.wav", "There is no recording at"),
    )
    for path, said in cases:
        with pytest.raises(MediaError, match=said) as error:
            read_own_voice(path, -23)
        assert str(error.value).count("\n") == 0


def test_a_recording_that_breaks_off_is_taken_as_far_as_it_goes(tmp_path: Path) -> None:
    rate = 48_000
    path = write(tmp_path / "a.wav", between_silences(speech(rate, 4.0), rate, after=0), rate)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = read_own_voice(path, -23)
    assert found.ms == pytest.approx(1600 + 60, abs=60)
    with wave.open(str(write(tmp_path / "b.wav", speech(rate), rate))) as whole:
        assert whole.getnframes() == 2 * rate
    path.write_bytes(data[:44])
    with pytest.raises(MediaError):
        read_own_voice(path, -23)
