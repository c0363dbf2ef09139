"""The mix as arithmetic: ramps, levels, peaks, pauses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import MediaError
from calvin.media.sound.ducking import (
    MixSettings,
    PlacedVoice,
    check_voices,
    duck_points,
    limited,
    mixed,
    true_peak_db,
    write_mix,
)
from calvin.media.sound.film_sound import Pause, Timeline, programme_blocks, with_pauses, write_wav
from calvin.media.sound.loudness import loudness_and_peak, true_peaks

RATE = 48_000


def tone(seconds: float, hertz: float = 440, level: float = 0.3, channels: int = 2) -> np.ndarray:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(wave[:, None], channels, axis=1).astype(np.float32)


def blocks(sound: np.ndarray, size: int = 1024) -> list[np.ndarray]:
    return [sound[at : at + size] for at in range(0, len(sound), size)]


@pytest.fixture
def say(tmp_path: Path):
    """say(start_ms, seconds): a voice that hisses, so that it is like nothing else."""

    def make(start_ms: int, seconds: float = 1.0, level: float = 0.1) -> PlacedVoice:
        path = tmp_path / f"{start_ms}.wav"
        noise = np.random.default_rng(start_ms).normal(0, level, round(seconds * 22_050))
        write_wav(path, noise, 22_050)
        return PlacedVoice(start_ms, path, round(seconds * 1000), str(start_ms))

    return make


def test_ramps_are_over_before_the_voice_and_begin_after_it(say) -> None:
    quiet = [PlacedVoice(v.start_ms, v.path, v.duration_ms, v.name) for v in (say(2000, 1.0, 0.0), say(6000, 1, 0.0))]
    sound = np.ones((RATE * 9, 2), np.float32) * 0.5
    out = np.concatenate(list(mixed(blocks(sound), quiet, MixSettings())))
    down = 10 ** (-8 / 20)
    gain = out[:, 0] / 0.5

    def at(ms: int) -> float:
        return float(gain[ms * 48])

    assert at(1690) == pytest.approx(1)
    assert at(1850) == pytest.approx(10 ** (-4 / 20), abs=0.01)
    assert at(2000) == pytest.approx(down, abs=1e-3)
    assert at(2990) == pytest.approx(down, abs=1e-3)
    assert at(3150) == pytest.approx(10 ** (-4 / 20), abs=0.01)
    assert at(3310) == pytest.approx(1)
    assert at(6500) == pytest.approx(down, abs=1e-3)
    assert np.abs(np.diff(gain)).max() < 1e-3  # nothing clicks


def test_the_film_stays_down_between_cues_that_are_close(say) -> None:
    times, gains = duck_points([say(3000), say(1000), say(9000)], MixSettings())
    np.testing.assert_array_equal(times, [700, 1000, 2000, 2300, 2700, 3000, 4000, 4300, 8700, 9000, 10_000, 10_300])
    times, gains = duck_points([say(2900), say(1000)], MixSettings())
    np.testing.assert_array_equal(times, [700, 1000, 3900, 4200])
    np.testing.assert_array_equal(gains, [0, -8, -8, 0])


@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 9000)), max_size=8))
def test_duck_points_are_in_order_and_down_under_every_voice(cues: list[tuple[int, int]]) -> None:
    voices = [PlacedVoice(start, Path(), length, "") for start, length in cues]
    times, gains = duck_points(voices, MixSettings())
    assert all(a <= b for a, b in pairwise(times))
    for voice in voices:
        inside = np.interp(np.linspace(voice.start_ms, voice.end_ms, 7), times, gains)
        np.testing.assert_allclose(inside, -8)


@pytest.mark.parametrize("layout", ["stereo", "5.1"])
def test_the_voice_is_as_loud_as_by_itself(say, layout: str) -> None:
    channels = 6 if layout == "5.1" else 2
    silence = np.zeros((RATE * 4, channels), np.float32)
    voice = say(1000, 2.0, 0.05)
    out = np.concatenate(list(mixed(blocks(silence), [voice], MixSettings(layout=layout))))
    alone = np.random.default_rng(1000).normal(0, 0.05, 44_100)
    # BS.1770 adds up the power of the channels.
    power = sum(10 ** (loudness_and_peak(out[RATE : 3 * RATE, c], RATE)[0] / 10) for c in range(channels))
    assert 10 * np.log10(power) == pytest.approx(loudness_and_peak(alone, 22_050)[0], abs=0.3)
    assert out[:RATE].max() == pytest.approx(0, abs=1e-3)


def test_the_mix_goes_on_for_the_last_voice(say) -> None:
    out = np.concatenate(list(mixed(blocks(tone(1.0)), [say(800, 2.0)], MixSettings())))
    assert len(out) == pytest.approx(2.8 * RATE, abs=50)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 3), st.sampled_from([700, 200_000]))
def test_limited(seed: int, level: float, size: int) -> None:
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, level, (RATE * 2 + 77, 2)).astype(np.float32) * (rng.random((RATE * 2 + 77, 1)) > 0.9)
    out = np.concatenate(list(limited(blocks(sound.astype(np.float32), size), -1)))
    assert out.shape == sound.shape
    assert true_peaks(out).max() <= 10 ** (-1 / 20) + 0.02
    assert (np.sign(out) == np.sign(sound)).all()
    if level < 0.05:
        np.testing.assert_array_equal(out, sound.astype(np.float32))
    whole = np.concatenate(list(limited([sound.astype(np.float32)], -1)))
    np.testing.assert_allclose(out, whole, atol=1e-5)


def test_nothing_in_nothing_out() -> None:
    assert list(limited([], -1)) == []
    assert list(with_pauses([], [])) == []


def test_pauses_are_silent_and_move_what_follows() -> None:
    sound = tone(3.0)
    pauses = [Pause(1000, 500), Pause(1000, 250), Pause(2500, 100), Pause(9000, 50)]
    out = np.concatenate(list(with_pauses(blocks(sound), pauses)))
    assert len(out) == len(sound) + 900 * 48
    assert not out[1000 * 48 : 1750 * 48].any()
    np.testing.assert_array_equal(out[: 980 * 48], sound[: 980 * 48])
    np.testing.assert_array_equal(out[1770 * 48 : 3230 * 48], sound[1020 * 48 : 2480 * 48])
    timeline = Timeline(pauses)
    assert [timeline.added_us(t * 1000) // 1000 for t in (0, 999, 1000, 2499, 2500, 10_000)] == [
        0, 0, 750, 750, 850, 900,
    ]  # fmt: skip


@pytest.mark.parametrize(("suffix", "codec"), [(".wav", "pcm_s16le"), (".m4a", "aac"), (".mka", "libopus")])
def test_peaks_of_what_was_written_are_within_bounds(tmp_path: Path, say, suffix: str, codec: str) -> None:
    loud = np.random.default_rng(0).normal(0, 0.8, (RATE * 3, 2)).astype(np.float32)
    path = tmp_path / f"mix{suffix}"
    peak = write_mix(path, lambda: blocks(loud), MixSettings(), codec).read.peak_db
    assert -3 < peak <= -1
    assert true_peak_db(path) == pytest.approx(peak)


def test_voices_are_found_and_missed(tmp_path: Path, say) -> None:
    film, voices = tone(8.0, level=0.2), [say(500), say(3000, 1.5), say(6500)]
    path = tmp_path / "mix.m4a"
    write_mix(path, lambda: mixed(blocks(film), voices, MixSettings()), MixSettings(), "aac")
    assert check_voices(path, 0, voices) == []
    absent = PlacedVoice(5000, voices[0].path, 1000, "absent")
    with pytest.raises(MediaError, match="cue absent"):
        check_voices(path, 0, [*voices, absent])
    late = PlacedVoice(3040, voices[1].path, 1500, "late")
    with pytest.raises(MediaError, match="cue late"):
        check_voices(path, 0, [late])
    with pytest.raises(MediaError, match="ends before"):
        check_voices(path, 0, [PlacedVoice(20_000, voices[0].path, 1000, "beyond")])


def test_voices_that_the_film_drowns_are_told(tmp_path: Path, say) -> None:
    loud = np.random.default_rng(5).normal(0, 0.25, (RATE * 4, 2)).astype(np.float32)
    voices, as_loud = [say(1000, 1.5, 0.05)], MixSettings(duck_db=0)
    write_mix(tmp_path / "m.wav", lambda: mixed(blocks(loud), voices, as_loud), as_loud, "pcm_s16le")
    assert check_voices(tmp_path / "m.wav", 0, voices) == ["1000"]


def test_a_sound_track_in_film_time(film) -> None:
    path = film("late.mkv", 50, audio={"eng": 0.5})
    out = np.concatenate(list(programme_blocks(path, 1, "stereo", 4000)))
    assert len(out) == 4 * RATE
    loud = np.flatnonzero(np.abs(out[:, 0]) > 0.05) / RATE
    assert loud[0] == pytest.approx(0.5, abs=0.03)
    assert not np.concatenate(list(programme_blocks(path, None, "5.1", 1500))).any()
    with pytest.raises(MediaError, match="stream 0"):
        next(programme_blocks(path, 0, "stereo"))
