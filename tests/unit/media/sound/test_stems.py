"""A mix and its two parts: they add up, stand at the programme's time, and need no more memory for a longer film."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from calvin.media.sound.ducking import MixSettings, PlacedVoice, film_and_voice
from calvin.media.sound.film_sound import programme_blocks, write_wav
from calvin.media.sound.stems import BroadcastWav, StemFiles, write_stems

RATE = 48_000


def chunks(path: Path) -> dict[bytes, bytes]:
    """The chunks of a WAV file, read by hand (EBU Tech 3285 and RIFF)."""
    data = path.read_bytes()
    assert (data[:4], data[8:12]) == (b"RIFF", b"WAVE")
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    found, at = {}, 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack("<I", data[at + 4 : at + 8])[0]
        found[name] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found


def test_a_broadcast_wav(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    ramp = np.linspace(-0.5, 0.5, 1000, dtype=np.float32)[:, None]
    with BroadcastWav(path, "mono", "Night: cue-1, Zoë", begins_ms=36_000_500) as file:
        file.write(ramp[:400])
        file.write(ramp[400:])
    found = chunks(path)
    bext = found[b"bext"]
    assert bext[:256].rstrip(b"\0") == b"Night: cue-1, Zo?"
    assert bext[256:288].startswith(b"calvin ")
    date, clock = bext[320:330].decode(), bext[330:338].decode()
    assert (date[4], date[7], clock[2], clock[5]) == ("-", "-", ":", ":")
    assert struct.unpack("<Q", bext[338:346])[0] == 36_000_500 * 48
    assert struct.unpack("<H", bext[346:348])[0] >= 1
    assert b"A=PCM,F=48000,W=24,M=mono" in bext[602:]
    form = struct.unpack("<HHIIHH", found[b"fmt "][:16])
    assert (form[1], form[2], form[5]) == (1, RATE, 24)
    samples = np.frombuffer(found[b"data"], np.uint8).reshape(-1, 3).astype(np.int32)
    whole = (samples[:, 0] << 8 | samples[:, 1] << 16 | samples[:, 2] << 24) / 2**31
    np.testing.assert_allclose(whole, ramp[:, 0], atol=2**-22)


def files(folder: Path) -> StemFiles:
    return StemFiles(folder / "mix.wav", folder / "film.wav", folder / "description.wav", "Night", 3_600_000)


def samples_of(path: Path, layout: str) -> np.ndarray:
    return np.concatenate(list(programme_blocks(path, 0, layout)))


@pytest.mark.parametrize(("layout", "channels"), [("stereo", 2), ("5.1", 6)])
def test_the_parts_add_up_to_the_mix(tmp_path: Path, layout: str, channels: int) -> None:
    rng = np.random.default_rng(1)
    loud = rng.normal(0, 0.3, (RATE * 4, channels)).astype(np.float32)
    write_wav(tmp_path / "voice.wav", rng.normal(0, 0.3, RATE), RATE)
    voices = [PlacedVoice(2000, tmp_path / "voice.wav", 1000, "1")]
    settings = MixSettings(layout=layout)  # type: ignore[arg-type]
    out = files(tmp_path)
    written = write_stems(out, lambda: film_and_voice([loud], voices, settings), settings)
    mix, film, description = (samples_of(path, layout) for path in (out.mix, out.film, out.description))
    assert len(mix) == len(film) == len(description) == RATE * 4
    np.testing.assert_allclose(film + description, mix, atol=2**-21)
    assert written.read.peak_db <= -1
    assert np.abs(mix).max() < np.abs(loud).max()  # the limiter had work
    assert not description[: 2 * RATE].any()
    assert not description[3 * RATE + 10 :].any()
    assert np.abs(description[2 * RATE : 3 * RATE]).max() > 0.3
    for path in (out.mix, out.film, out.description):
        assert struct.unpack("<Q", chunks(path)[b"bext"][338:346])[0] == 3600 * RATE


def test_a_mix_is_made_louder_until_it_is_right(tmp_path: Path) -> None:
    soft = np.random.default_rng(2).normal(0, 0.01, (RATE, 2)).astype(np.float32)
    written = write_stems(
        files(tmp_path), lambda: [(soft, None)], MixSettings(), judge=lambda read: round(-30 - read.lufs, 0)
    )
    assert written.read.lufs == pytest.approx(-30, abs=0.6)
    assert written.louder_db == pytest.approx(
        20 * np.log10(np.abs(samples_of(tmp_path / "film.wav", "stereo")).max() / np.abs(soft).max()), abs=0.1
    )


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    def silence(seconds: int) -> Iterator[tuple[np.ndarray, None]]:
        for _ in range(seconds):
            yield np.zeros((RATE, 2), np.float32), None

    def most(seconds: int) -> int:
        tracemalloc.start()
        write_stems(files(tmp_path), lambda: silence(seconds), MixSettings())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(2)
    assert most(60) < most(8) * 1.3 + 200_000
