"""Speech detection: the layers against Silero's own program, spans by hand, and known speech in noise."""

from __future__ import annotations

import json
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
from calvin.core.files import read_record
from calvin.core.time import Span, joined
from calvin.media.sound import speech as module
from calvin.media.sound.film_sound import resampled, write_wav
from calvin.media.sound.speech import (
    Heard,
    SpeechSettings,
    detect_speech,
    listen_once,
    load_speech_model,
    outside,
    speech_probabilities,
    speech_spans,
)
from calvin.media.voice.registry import open_voice

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


def test_shrieks_are_heard_slowed_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[4] / "benchmarks"))
    monkeypatch.delitem(sys.modules, "speech", raising=False)
    import speech_limits as benchmark

    with open_voice("piper") as speaker:
        said = [resampled(*speaker.synthesize(line), 16_000) for line in benchmark.LINES[:3]]
    sound, spans = benchmark.laid_out([benchmark.driven(benchmark.pitched(line, 2.5), 20) for line in said])
    missed = {
        high: benchmark.heard_of(spans, benchmark.found_in(sound * 0.9, SpeechSettings(high=high)).spans)[1]
        for high in (False, True)
    }
    assert missed[True] < missed[False]


def test_what_lies_outside_of_lines() -> None:
    lines = [Span(2000, 3000), Span(2500, 4000), Span(9000, 9500)]
    assert joined(lines) == [Span(2000, 4000), Span(9000, 9500)]
    assert outside([Span(0, 12_000)], lines, 500, 1000) == [Span(0, 1500), Span(4500, 8500), Span(10_000, 12_000)]
    assert outside([Span(3000, 4400), Span(8700, 9800)], lines, 500, 1) == []
    assert outside([Span(100, 900)], [], 500, 800) == [Span(100, 900)]
    assert outside([], lines, 500, 1) == []


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90))),
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 90))),
)
def test_outside_is_what_no_line_comes_near(heard: list[tuple[int, int]], lines: list[tuple[int, int]]) -> None:
    spans, walls = joined(Span(a, a + n) for a, n in heard), [Span(a, a + n) for a, n in lines]
    free = {t for s in spans for t in range(s.start_ms, s.end_ms)}
    free -= {t for w in walls for t in range(w.start_ms - 7, w.end_ms + 7)}
    assert {t for s in outside(spans, walls, 7, 1) for t in range(s.start_ms, s.end_ms)} == free


def test_a_sound_is_listened_to_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def hear(path: Path) -> Heard:
        calls.append(path)
        return Heard([Span(100, 900 + len(calls))], [Span(200, 800)])

    monkeypatch.setattr(module, "listen", hear)
    sounds = [tmp_path / "sound.wav", tmp_path / "sound-2.wav"]
    for number, path in enumerate(sounds):
        path.write_bytes(bytes([number]))
    first = listen_once(*sounds)
    assert first == Heard([Span(100, 902)], [Span(200, 800)])
    assert listen_once(*sounds) == first
    assert calls == sounds
    sounds[0].write_bytes(b"another")
    assert listen_once(sounds[0]) == Heard([Span(100, 903)], [Span(200, 800)])
    for damage in ("{", '{"spans": 1}', json.dumps(read_record(tmp_path / "heard-sound.json") | {"spans": [[9, 2]]})):
        (tmp_path / "heard-sound.json").write_text(damage)
        listen_once(sounds[0])
    assert len(calls) == 6
