"""Loudness of parts, levels of voice and film against each other, and the curve by which the film goes down."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calvin.cli.voice_mix import Delivery
from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.media.sound.ducking import MixSettings, PlacedVoice, duck_points, mixed
from calvin.media.sound.film_sound import write_wav
from calvin.media.sound.levels import (
    AUDIBLE_LU,
    CLEAR_LU,
    SPECS,
    Reading,
    blocks_in,
    depths,
    even_gain,
    expected,
    film_levels,
    gated,
    loudness_spec,
    speech_level,
    too_much_db,
    voice_level,
)
from calvin.media.sound.loudness import metered

RATE = 48_000
PLAIN = MixSettings()


def noise(seconds: float, lufs: float, seed: int = 0) -> np.ndarray:
    """float32 [N, 2]: pink enough to be like a film, at a loudness by another meter."""
    samples = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * RATE), 2))
    samples = np.cumsum(samples - samples.mean(axis=0), axis=0) * 0.02 + samples
    samples -= samples.mean(axis=0)
    now = pyloudnorm.Meter(RATE).integrated_loudness(samples)
    return (samples * 10 ** ((lufs - now) / 20)).astype(np.float32)


@pytest.fixture(scope="module")
def film() -> np.ndarray:
    """Twelve seconds: two of silence, three of dialogue, and soft sound around."""
    return np.concatenate([np.zeros((2 * RATE, 2), np.float32), noise(3, -38, 1), noise(3, -21, 2), noise(4, -38, 3)])


def test_what_the_curve_says_is_what_two_meters_say(film: np.ndarray) -> None:
    read = metered([film], RATE, "stereo")
    assert len(read.momentary) == 120
    assert gated(read.momentary) == pytest.approx(read.lufs, abs=0.1)
    assert gated(read.momentary) == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(film), abs=0.1)
    assert read.peak_db == pytest.approx(20 * np.log10(np.abs(film).max()), abs=0.5)
    assert read.range_lu > 5


def test_dialogue_is_measured_where_it_is(film: np.ndarray) -> None:
    curve = metered([film], RATE, "stereo").momentary
    alone = pyloudnorm.Meter(RATE).integrated_loudness(film[5 * RATE : 8 * RATE])
    assert speech_level(curve, [Span(5000, 8000)]) == pytest.approx(alone, abs=0.1)
    # A subtitle that stands longer than its line is spoken does not make the dialogue softer.
    assert speech_level(curve, [Span(3000, 8000)]) == pytest.approx(alone, abs=0.5)
    # A line of less than a block is measured by the block around it.
    assert speech_level(curve, [Span(6000, 6250)]) == pytest.approx(alone, abs=1)
    assert speech_level(curve, [Span(0, 1500)]) == speech_level(curve, []) == -np.inf


def test_the_voice_follows_the_dialogue_else_the_film_else_stays(film: np.ndarray) -> None:
    curve = metered([film], RATE, "stereo").momentary
    assert voice_level(curve, [Span(5000, 8000)]) == pytest.approx(-21, abs=0.2)
    assert voice_level(curve, []) == pytest.approx(gated(curve))
    assert voice_level(np.full(50, -120.0), [Span(0, 5000)]) == -23
    assert voice_level(np.full(50, -60.0), []) == -40  # never so soft that nobody understands it
    assert voice_level(np.full(50, -5.0), []) == -16


def test_blocks_of_a_span() -> None:
    # Blocks end at 100, 200, ... and last 400 ms.
    assert np.flatnonzero(blocks_in([Span(1000, 1500)], 30)).tolist() == [13, 14]
    assert np.flatnonzero(blocks_in([Span(1000, 1200)], 30, whole=False)).tolist() == [11, 12, 13]
    assert not blocks_in([Span(1000, 1300)], 30).any()
    assert blocks_in([Span(0, 900), Span(800, 3000)], 30).sum() == 27


spans = st.lists(st.tuples(st.integers(0, 20_000), st.integers(200, 4000)), min_size=1, max_size=8).map(
    lambda found: [Span(start, start + length) for start, length in sorted(found)]
)
curves = st.lists(st.sampled_from([-90.0, -62.0, -45.0, -33.0, -28.0, -22.0, -12.0]), min_size=26, max_size=26).map(
    lambda levels: np.repeat(levels, 10)
)


def level_under(curve: np.ndarray, span: Span) -> float:
    under = curve[blocks_in([span], len(curve), whole=False)]
    return 10 * float(np.log10(np.mean(10 ** (under / 10))))


@given(curves, spans, st.sampled_from([-8.0, -3.0, -60.0]))
def test_the_voice_is_clear_and_the_film_stays_audible(curve: np.ndarray, cues: list[Span], duck: float) -> None:
    voice = -27.0
    found = depths(curve, cues, voice, MixSettings(duck_db=duck))
    for one, db in zip(cues, found, strict=True):
        assert min(duck, -24.0) <= db <= 0
        near = [other for other in cues if other.start_ms <= one.end_ms + 100 and one.start_ms <= other.end_ms + 100]
        if near != [one]:
            continue
        film = level_under(curve, one)
        assert film + db <= voice - CLEAR_LU + 1e-6 or db == pytest.approx(min(duck, -24.0))
        if db < 0 and film > -70:
            assert film + db >= voice - AUDIBLE_LU - 1e-6
    assert depths(curve, cues, voice, MixSettings(duck_db=0.0)) == [0.0] * len(cues)


def test_levels_under_a_cue() -> None:
    def under(film: float, duck: float = -8.0) -> float:
        return depths(np.full(100, film), [Span(2000, 4000)], -27.0, MixSettings(duck_db=duck))[0]

    assert under(-30) == -8
    assert under(-15) == pytest.approx(-18)  # a loud scene: to 6 LU below the voice
    assert under(-5) == -24  # but no further, however loud
    assert under(-64) == pytest.approx(-3)  # a hush: to 40 LU below the voice
    assert under(-69) == 0
    assert under(-90) == -8  # nothing is there to be heard
    assert under(-40, -60) == pytest.approx(-27)


@given(curves, spans)
def test_the_film_never_pumps_between_near_cues(curve: np.ndarray, cues: list[Span]) -> None:
    found = depths(curve, cues, -27.0, PLAIN)
    voices = [
        PlacedVoice(span.start_ms, Path(), span.duration_ms, "", db) for span, db in zip(cues, found, strict=True)
    ]
    times, gains = duck_points(voices, PLAIN)
    assert all(a <= b for a, b in pairwise(times))
    steps = [(b - a, abs(y - x)) for (a, b), (x, y) in zip(pairwise(times), pairwise(gains), strict=True)]
    assert all(change == 0 or length >= 100 for length, change in steps), "no step is heard as a click"
    for voice in voices:
        inside = np.interp(np.linspace(voice.start_ms, voice.end_ms, 9), times, gains)
        assert voice.duck_db is not None
        assert inside.max() <= voice.duck_db + 1e-9
    end = voices[0]
    for voice in voices[1:]:
        if 0 < voice.start_ms - end.end_ms < PLAIN.hold_ms:
            level = np.interp(np.arange(end.end_ms, voice.start_ms + 1, 10), times, gains)
            ends = np.interp([end.end_ms, voice.start_ms], times, gains)
            assert level.max() <= ends.max() + 1e-9, "up between two cues, and down again"
            assert level.min() >= ends.min() - 1e-9
            assert (np.diff(level) >= -1e-9).all() or (np.diff(level) <= 1e-9).all()
        end = max(end, voice, key=lambda one: one.end_ms)


@pytest.mark.parametrize("film_lufs", [-21.0, -34.0])
def test_what_a_mix_will_measure_is_known_before_it_is_made(tmp_path: Path, film_lufs: float) -> None:
    sound = np.concatenate([noise(6, film_lufs), noise(6, film_lufs - 9, 4)])
    curve = metered([sound], RATE, "stereo").momentary
    voices = []
    for number, start in enumerate((1000, 7000, 9500)):
        path = tmp_path / f"{start}.wav"
        said = noise(2, -30, 10 + number)[:, 0]
        said *= 10 ** ((-27 - pyloudnorm.Meter(RATE).integrated_loudness(said.astype(float))) / 20)
        write_wav(path, said, RATE)
        voices.append(PlacedVoice(start, path, 2000, str(number), -10.0))
    found = expected(curve, voices, [Span(3500, 5500)], -27.0, 0, PLAIN)
    read = metered(list(mixed([sound], voices, PLAIN)), RATE, "stereo")
    # Cues of two seconds are mostly edges, which are not as loud as what is between them.
    assert found.loudness(of_dialogue=False) == pytest.approx(read.lufs, abs=0.45)
    said_in = [Span(3500, 5500), *(Span(voice.start_ms, voice.end_ms) for voice in voices)]
    assert found.loudness(of_dialogue=True) == pytest.approx(speech_level(read.momentary, said_in), abs=0.4)
    assert found.dialogue_share == pytest.approx(8 / 12, abs=0.08)


def test_a_described_track_comes_back_to_the_film(film: np.ndarray) -> None:
    own = film_levels("0" * 64, 1, "stereo", metered([film], RATE, "stereo")).changed(peak_db=-20.0)
    curve = own.curve()
    long = [PlacedVoice(0, Path(), 4500, "1"), PlacedVoice(8200, Path(), 3500, "2")]
    louder = expected(curve, long, [], -16.0, 3000, PLAIN)
    gain, fits = even_gain(own, louder, -1.0)
    assert fits
    assert louder.loudness(False) + gain == pytest.approx(gated(curve) + 0.5, abs=0.01)
    softer = expected(curve, [PlacedVoice(5000, Path(), 3000, "1", -12.0)], [], -60.0, 0, PLAIN)
    gain, fits = even_gain(own, softer, -1.0)
    assert fits
    assert gain > 1
    assert softer.loudness(False) + gain == pytest.approx(gated(curve) - 0.5, abs=0.01)
    # Without room above the film's peaks it stays softer, rather than being squeezed.
    gain, fits = even_gain(own, softer, own.peak_db + 0.25)
    assert (gain, fits) == (pytest.approx(0.25), False)
    assert even_gain(own, expected(np.full(9, -120.0), [], [], -23.0, 0, PLAIN), -1.0) == (0.0, False)


def test_deliveries() -> None:
    assert list(SPECS) == [one.value for one in Delivery]
    assert loudness_spec(None) is None
    assert loudness_spec(" EBU-R128 ") is SPECS["ebu-r128"]
    with pytest.raises(UsageError, match="no delivery called 'r128': name one of ebu-r128, netflix"):
        loudness_spec("r128")
    assert SPECS["netflix"].target(0.4) == (-27, True)
    assert SPECS["netflix"].target(0.1) == (-24, False)
    assert SPECS["atsc-a85"].target(0.05) == (-24, True)
    assert SPECS["atsc-a85"].target(0.0) == (-24, False)
    assert SPECS["ebu-r128"].target(0.9) == (-23, False)


def test_peaks_that_would_have_to_be_cut_off(film: np.ndarray) -> None:
    own = film_levels("0" * 64, 1, "stereo", metered([film], RATE, "stereo")).changed(peak_db=-9.0)
    assert too_much_db(own, 14.0, -1.0) == 0
    assert too_much_db(own, 14.5, -1.0) == pytest.approx(6.5)


def test_readings_in_words() -> None:
    curve = np.full(30, -23.04)
    assert Reading.of(curve, 1.26, -3.0, [Span(0, 3000)]).in_words == (
        "-23.0 LUFS, range 1.3 LU, true peak -3.0 dB, dialogue -23.0 LUFS"
    )
    assert Reading.of(np.full(30, -120.0), 0.0, -180.0).in_words == "silent"


@pytest.mark.parametrize("seed", range(4))
def test_the_end_of_sound_is_still_a_number(seed: int) -> None:
    sound = np.concatenate([noise(1, -12, seed), np.zeros((RATE, 2), np.float32)])
    assert np.isfinite(metered([sound], RATE, "stereo").momentary).all()
