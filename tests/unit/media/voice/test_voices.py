from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MediaError, MissingExtraError, UsageError
from calvin.media.voice import voices as module
from calvin.media.voice.registry import open_voice
from calvin.media.voice.voices import EspeakVoice, PiperVoice, ToneVoice, Voice

TEXT = "She opens the old door and looks into the garden."


@pytest.fixture(scope="module", params=["piper", "espeak", "tones"])
def voice(request: pytest.FixtureRequest) -> Iterator[Voice]:
    with open_voice(request.param) as opened:
        yield opened


def test_contract_sound(voice: Voice) -> None:
    samples, rate = voice.synthesize(TEXT)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert 8000 <= rate <= 48_000
    assert 1 < len(samples) / rate < 8
    assert 0.05 < np.abs(samples).max() <= 1
    assert np.isfinite(samples).all()


def test_contract_rate(voice: Voice) -> None:
    lengths = [len(voice.synthesize(TEXT, rate)[0]) for rate in (120, 180, 280)]
    assert lengths[0] > 1.2 * lengths[1] > 1.3 * lengths[2]


def test_contract_longer_text_takes_longer(voice: Voice) -> None:
    assert len(voice.synthesize(f"{TEXT} {TEXT}")[0]) > 1.6 * len(voice.synthesize(TEXT)[0])


@pytest.mark.parametrize("text", ["Zoë, 3 €: “don't”!", "line one\nline two", "[[ x ]] <b>bold</b> {json}", "é"])
def test_contract_odd_text(voice: Voice, text: str) -> None:
    assert len(voice.synthesize(text)[0])


@pytest.mark.parametrize("text", ["", "  \n", "... !"])
def test_contract_nothing_to_say(voice: Voice, text: str) -> None:
    with pytest.raises(UsageError, match="nothing to say"):
        voice.synthesize(text)
    assert len(voice.synthesize("Still here.")[0])


@pytest.mark.parametrize("rate", [0, -5, 5000, float("nan")])
def test_contract_absurd_rates(voice: Voice, rate: float) -> None:
    with pytest.raises(UsageError, match="words a minute"):
        voice.synthesize(TEXT, rate)


def test_closing_twice_is_fine_and_ends_the_process() -> None:
    voice = EspeakVoice()
    voice.synthesize("One.")
    [process] = voice._all
    voice.close()
    voice.close()
    assert process.poll() is not None


def test_a_worker_that_dies_is_an_error_and_the_next_line_starts_another() -> None:
    with EspeakVoice() as voice:
        voice.synthesize("One.")
        [process] = voice._all
        process.kill()
        process.wait()
        with pytest.raises(MediaError, match="ended"):
            voice.synthesize("Two.")
        assert len(voice.synthesize("Three.")[0])


def test_as_many_texts_as_there_are_workers_are_spoken_at_once() -> None:
    texts = ["One.", "Two of them.", "Three of them here.", "Four.", "Five, and no more."]
    with EspeakVoice() as alone, EspeakVoice() as several:
        several.workers, several._places = 2, threading.BoundedSemaphore(2)
        lengths = [len(alone.synthesize(text)[0]) for text in texts]
        with ThreadPoolExecutor(5) as pool:
            found = list(pool.map(lambda text: several.synthesize(text)[0], texts))
        assert 1 <= len(several._all) <= 2
    # eSpeak NG never takes equally long for the same words.
    assert [len(one) for one in found] == pytest.approx(lengths, rel=0.15)
    assert all(np.abs(one).max() > 0.05 for one in found)


def test_a_worker_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "hang.py"
    script.write_text(f"import time\nprint({json.dumps(json.dumps({'ready': True}))}, flush=True)\ntime.sleep(60)\n")
    monkeypatch.setattr(module, "_WORKER", script)
    monkeypatch.setattr(module, "SPEAK_TIMEOUT_S", 0.3)
    with EspeakVoice() as voice, pytest.raises(MediaError, match="too long"):
        voice.synthesize("Hello.")


def test_the_speaking_library_stays_in_its_own_process() -> None:
    with open_voice("piper") as voice:
        voice.synthesize("Hello.")
    assert "piper" not in sys.modules


def test_unknown_voices() -> None:
    with pytest.raises(UsageError, match="no voice"):
        open_voice("festival")
    with pytest.raises(UsageError, match="side by side"):
        open_voice("missing.onnx")
    with pytest.raises(UsageError, match=r"no voice for 'xx-nowhere'.*--list"):
        open_voice("espeak:xx-nowhere")


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("fr-CA", "fr"), ("pt-PT", "pt"), ("de-AT", "de"), ("es-MX", "es-419"), ("zh", "cmn"), ("zh-TW", "cmn"),
        ("no", "nb"), ("en-us", "en-us"), ("en-GB", "en"), ("pt-BR", "pt-br"), ("ger", "de"),
    ],
)  # fmt: skip
def test_the_nearest_voice_speaks(language: str, voice: str) -> None:
    assert EspeakVoice(language).name == f"espeak {voice}"


@pytest.mark.parametrize("language", ["no", "es-MX", "zh"])
def test_the_nearest_voice_is_one_that_speaks(language: str) -> None:
    with EspeakVoice(language) as voice:
        assert len(voice.synthesize("Ola 5")[0])


def test_the_best_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_voice(), PiperVoice)
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "piper" else object())
    assert isinstance(open_voice(), EspeakVoice)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert isinstance(open_voice(), ToneVoice)
    with pytest.raises(MissingExtraError, match=r"calvin-ad\[voice\]"):
        open_voice("piper")
