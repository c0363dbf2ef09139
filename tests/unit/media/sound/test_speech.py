"""Speech detection: the layers against Silero's own program, spans by hand, and known speech in noise."""

from __future__ import annotations

import sys
import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from calvin.core.errors import MediaError
from calvin.core.time import Span
from calvin.media.sound import speech as module
from calvin.media.sound.film_sound import write_wav
from calvin.media.sound.speech import (
    STRETCHES,
    SpeechSettings,
    align,
    detect_speech,
    load_speech_model,
    speech_probabilities,
    speech_spans,
    stretch_of,
)

PLAIN = SpeechSettings(threshold=0.5, pause_ms=64, least_ms=64, pad_ms=0)


def test_the_layers_are_those_of_silero(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("silero_vad")
    assert spec is not None
    assert spec.origin is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        original = torch.jit.load(str(Path(spec.origin).parent / "data/silero_vad.jit"))
    # Its program carries other weights than its safetensors file, so its weights go into our layers.
    weights = [value for name, value in original.state_dict().items() if name.startswith("_model.")]
    ours = module.SpeechModel()
    ours.load_state_dict(dict(zip(ours.state_dict(), weights, strict=True)))
    monkeypatch.setattr(module, "load_speech_model", ours.eval)
    clock = np.arange(12_000) / 16_000
    chirp = 0.3 * np.sin(2 * np.pi * (200 + 300 * clock) * clock)
    sound = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 9000), chirp]).astype(np.float32)
    found = np.concatenate(list(speech_probabilities([sound[:100], sound[100:9000], sound[9000:]])))
    padded = torch.from_numpy(np.pad(sound, (0, -len(sound) % 512)))
    expected = [original(piece, 16_000).item() for piece in padded.split(512)]
    # Float32 in another order of summation.
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_blocks_do_not_matter() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, 512 * 700).astype(np.float32)
    whole = np.concatenate(list(speech_probabilities([sound])))
    cut = np.concatenate(list(speech_probabilities(np.split(sound, [7, 100_000, 100_001]))))
    np.testing.assert_allclose(whole, cut, atol=1e-5)
    assert len(whole) == 700
    assert list(speech_probabilities([])) == []
    assert load_speech_model() is load_speech_model()


@pytest.mark.parametrize(
    ("probabilities", "settings", "expected"),
    [
        ([0, 1, 1, 1, 0, 0, 0], {}, [(32, 128)]),
        ([0, 1, 1, 0, 0, 1, 1], {}, [(32, 224)]),  # a pause of 64 ms is none
        ([1, 1, 0, 0, 0, 1, 1], {}, [(0, 64), (160, 224)]),
        ([0, 1, 0, 0, 0, 0, 0], {}, []),  # too short
        ([0, 0.6, 0.4, 0.4, 0.2, 0, 0], {}, [(32, 128)]),  # ends below 0.35 only
        ([1, 1, 0, 0, 0, 1, 1], {"pad_ms": 50}, [(0, 274)]),
        ([], {}, []),
    ],
)
def test_spans(probabilities: list[float], settings: dict, expected: list[tuple[int, int]]) -> None:
    assert speech_spans(probabilities, PLAIN.changed(**settings)) == [Span(*pair) for pair in expected]


@given(st.lists(st.floats(0, 1), max_size=60))
def test_spans_are_in_order_and_cover_what_is_surely_speech(probabilities: list[float]) -> None:
    spans = speech_spans(probabilities, SpeechSettings(least_ms=0))
    assert all(before.end_ms < after.start_ms for before, after in pairwise(spans))
    for number, probability in enumerate(probabilities):
        if probability >= 0.3:
            assert any(span.start_ms <= number * 32 and (number + 1) * 32 <= span.end_ms for span in spans)


def test_known_speech_in_noise_and_music(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[4] / "benchmarks"))
    monkeypatch.delitem(sys.modules, "speech", raising=False)
    import speech as benchmark

    sound, truth = benchmark.spoken("espeak", 5, seed=3)
    bed = benchmark.BEDS["both"](len(sound), np.random.default_rng(4))
    covered, gaps, over_ms = benchmark.judge(benchmark.mixed(sound, truth, bed, 5), truth)
    assert covered >= benchmark.MIN_COVERED
    assert gaps >= benchmark.MIN_GAPS
    assert over_ms == 0


def test_sound_without_speech_and_what_is_no_sound(tmp_path: Path) -> None:
    write_wav(tmp_path / "silent.wav", np.zeros(40_000), 16_000)
    assert detect_speech(tmp_path / "silent.wav") == []
    write_wav(tmp_path / "tone.wav", 0.5 * np.sin(np.arange(40_000) / 20), 16_000)
    assert detect_speech(tmp_path / "tone.wav") == []
    write_wav(tmp_path / "other.wav", np.zeros(100), 22_050)
    with pytest.raises(MediaError, match="16000 Hz"):
        detect_speech(tmp_path / "other.wav")
    with pytest.raises(MediaError, match="cannot be read"):
        detect_speech(tmp_path / "missing.wav")


def talk(seed: int = 0, seconds: int = 600, share: float = 0.5) -> list[Span]:
    """Speech as films have it: lines of one to four seconds, pauses of up to twice that."""
    random, at, spans = np.random.default_rng(seed), 2000, []
    while at < seconds * 1000:
        length = int(random.integers(1000, 4000))
        spans.append(Span(at, at + length))
        at += length + int(random.integers(200, round(4600 * (1 / share - 1))))
    return spans


def shifted(spans: list[Span], by_ms: int) -> list[Span]:
    return [Span(span.start_ms + by_ms, span.end_ms + by_ms) for span in spans if span.start_ms + by_ms >= 0]


@pytest.mark.parametrize("by_ms", [0, 2400, -1700, 60_000, 3_600_000])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_shift_that_explains_subtitles_is_found(by_ms: int, share: float) -> None:
    random = np.random.default_rng(1)
    heard = talk(share=share)
    lines = [Span(s.start_ms + int(random.integers(0, 200)), s.end_ms + int(random.integers(0, 900))) for s in heard]
    lines = [line for line in lines if random.random() < 0.9]
    found = align(shifted(lines, by_ms), heard, 600_000)
    assert found is not None
    assert found.shift_ms == pytest.approx(-by_ms, abs=300)
    assert found.moved_share > 0.75
    assert (found.fit - found.fit_now > 0.2) == (by_ms != 0)
    assert found.fit > 0.4


@pytest.mark.parametrize("stretch", ["", *STRETCHES])
@pytest.mark.parametrize("by_ms", [0, -4000, 3_600_000])
def test_the_stretch_that_explains_subtitles_is_found(stretch: str, by_ms: int) -> None:
    random = np.random.default_rng(1)
    heard = talk(seconds=3600)
    lines = [Span(s.start_ms + int(random.integers(0, 200)), s.end_ms + int(random.integers(0, 900))) for s in heard]
    factor = float(stretch_of(stretch))
    lines = shifted([Span(round(line.start_ms / factor), round(line.end_ms / factor)) for line in lines], by_ms)
    found = align([line for line in lines if random.random() < 0.9], heard, 3_600_000)
    assert found is not None
    assert found.stretch == stretch
    assert found.shift_ms == pytest.approx(-by_ms * factor, abs=400)
    assert found.fit > 0.4


@pytest.mark.parametrize("part", [slice(0, 60), slice(None, None, 2), slice(60, None)])
def test_subtitles_of_half_of_the_talk_are_not_stretched(part: slice) -> None:
    heard = talk()
    found = align([Span(s.start_ms, s.end_ms + 300) for s in heard[part]], heard, 600_000)
    assert found is not None
    assert (found.stretch, found.fit - found.fit_now < 0.2) == ("", True)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_subtitles_of_another_film_fit_nowhere(share: float) -> None:
    found = align(talk(2, share=share), talk(3, share=share), 600_000)
    assert found is not None
    assert found.fit < 0.28


def test_too_little_says_nothing() -> None:
    assert align(talk()[:3], talk(), 600_000) is None
    assert align(talk(), [], 600_000) is None
    assert align(talk(), [Span(0, 600_000)] * 9, 600_000) is None
