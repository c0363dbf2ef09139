"""Levels against BS.1770's own reference signals, and true peaks against a signal whose peak is known."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.media.sound.loudness import MARGIN, levelled, loudness_and_peak, measured, trimmed, true_peaks
from calvin.media.voice.registry import open_voice


def sine(hertz: float, seconds: float, rate: int = 48_000, level: float = 1.0, phase: float = 0.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)).astype(np.float32)


def test_loudness_of_the_reference_tone() -> None:
    # BS.1770: a full-scale sine of 997 Hz in one channel reads -3.01 LKFS.
    assert loudness_and_peak(sine(997, 3), 48_000)[0] == pytest.approx(-3.01, abs=0.1)
    assert loudness_and_peak(np.zeros(48_000, np.float32), 48_000)[0] == -np.inf
    assert loudness_and_peak(sine(997, 0.05), 48_000)[0] == pytest.approx(-3.01, abs=0.3)


@pytest.mark.parametrize("voice", ["tones", "piper", "espeak", "espeak:cy"])
@pytest.mark.parametrize(
    "text", ["No.", "He sits.", "Mara opens the door.", "She waits, then walks down the long street."]
)
def test_loudness_of_cues_is_that_of_another_meter(voice: str, text: str) -> None:
    with open_voice(voice) as speaker:
        samples, rate = speaker.synthesize(text)
    samples = trimmed(samples, rate)
    # The other meter refuses less than a block, which is measured here as if it went on.
    longer = np.tile(samples, 1 if len(samples) > 0.4 * rate else -(-int(0.4 * rate + 1) // len(samples)))
    other = pyloudnorm.Meter(rate).integrated_loudness(longer.astype(np.float64))
    assert loudness_and_peak(samples, rate)[0] == pytest.approx(other, abs=0.2)


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
@pytest.mark.parametrize("length", [500, 26_000, 30_000, 98_765])
def test_blocks_of_any_size_are_one_sound(layout: str, channels: int, length: int) -> None:
    sound = np.random.default_rng(length).normal(0, 0.1, (length, channels)).astype(np.float32)
    sound[-3] = 0.9
    cut = [sound[start : start + 7001] for start in range(0, length, 7001)]
    loudness, peak = measured(cut, 48_000, layout)
    assert (loudness, peak) == measured([sound], 48_000, layout)
    assert peak >= 0.9
    assert np.isfinite(loudness) == (length > 19_000)
    assert measured([], 48_000, layout) == (-np.inf, 0.0)


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("seconds", [0.2, 2.5])
def test_levelled(rate: int, seconds: float) -> None:
    sound = sine(500, seconds, rate, 0.03)
    assert loudness_and_peak(levelled(sound, rate, -23), rate)[0] == pytest.approx(-23, abs=0.1)


def test_a_level_that_would_clip_is_not_reached() -> None:
    clicks = np.zeros(48_000, np.float32)
    clicks[::4000] = 0.5
    assert true_peaks(levelled(clicks, 48_000, -10)[:, None]).max() <= 10 ** (-1 / 20) + 1e-6
    assert not levelled(np.zeros(9000, np.float32), 48_000, -23).any()


def test_peaks_between_samples() -> None:
    # A quarter of the rate, sampled at 45 degrees: every sample reads 0.707 of the peak.
    tone = sine(12_000, 0.1, phase=np.pi / 4)
    assert np.abs(tone).max() == pytest.approx(0.7071, abs=1e-3)
    assert true_peaks(tone[:, None])[100:-100].max() == pytest.approx(1.0, abs=0.01)
    stereo = np.stack([np.zeros_like(tone), tone], axis=1)
    assert true_peaks(stereo).max() == pytest.approx(true_peaks(tone[:, None]).max())


@given(st.integers(0, 2**31), st.integers(1, 300))
def test_peaks_are_at_least_those_of_the_samples_and_local(seed: int, length: int) -> None:
    sound = np.random.default_rng(seed).normal(0, 1, (length + 2 * MARGIN, 2)).astype(np.float32)
    peaks = true_peaks(sound)
    assert (peaks >= np.abs(sound).max(axis=1)).all()
    np.testing.assert_allclose(true_peaks(sound[:-MARGIN])[: len(sound) - 2 * MARGIN], peaks[: -2 * MARGIN], atol=1e-5)


def test_trimmed() -> None:
    sound = np.concatenate([np.zeros(9000), sine(300, 0.5, 16_000), np.zeros(20_000)]).astype(np.float32)
    assert len(trimmed(sound, 16_000)) == pytest.approx(8000 + 2 * 480, abs=40)
    assert len(trimmed(np.zeros(100, np.float32), 16_000)) == 100
