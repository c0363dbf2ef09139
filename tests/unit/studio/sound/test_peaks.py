"""The film's sound as it is drawn."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import UsageError
from calvin.media.film.decode import DecodeSettings, decode_film
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound import peaks as module
from calvin.studio.sound.peaks import peaks


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of 61 s whose sound is as loud as its second says, with one full sample in second 30."""
    folder = tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", str(tmp_path / "gone.mp4"), "0" * 64, 61_000, {}))
    (folder / "frames").mkdir()
    samples = np.repeat(np.arange(60) * 100, 16_000).astype("<i2")
    samples[1::2] *= -1
    samples[30 * 16_000 + 8000] = -32_768
    with wave.open(str(folder / "frames" / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(samples.tobytes())
    return folder


@pytest.mark.parametrize("per_second", [1, 7, 20, 200])
def test_each_stretch_has_its_highest_sample(project: Path, per_second: int) -> None:
    with ProjectStore(project) as store:
        found = np.frombuffer(peaks(store, per_second), np.uint8)
    assert len(found) == 61 * per_second
    with wave.open(str(project / "frames" / "sound.wav")) as sound:
        samples = np.abs(np.frombuffer(sound.readframes(10**9), "<i2").astype(float)) / 32_768
    stretch = np.arange(len(samples)) * per_second // 16_000
    expected = np.zeros(61 * per_second)
    np.maximum.at(expected, stretch, samples)
    assert np.array_equal(found, np.ceil(expected * 255))
    assert found.max() == 255
    assert (found == 255).sum() == 1
    assert not found[60 * per_second :].any()


def test_peaks_are_kept_until_the_sound_is_another(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    blocks = module._kept_blocks

    def counted(path: Path) -> Iterator[np.ndarray]:
        read.append(path)
        return blocks(path)

    monkeypatch.setattr(module, "_kept_blocks", counted)
    with ProjectStore(project) as store:
        first = peaks(store)
        assert peaks(store) == first
        assert len(read) == 1
        assert len(peaks(store, 10)) == 610
        cache = project / "frames" / "peaks-20.bin"
        cache.write_bytes(cache.read_bytes()[:-5])  # half a file is not taken for a whole one
        assert peaks(store) == first
        with wave.open(str(project / "frames" / "sound.wav"), "wb") as sound:
            sound.setparams((1, 2, 16_000, 0, "NONE", ""))
            sound.writeframes(bytes(16_000))
        assert not any(peaks(store))


def test_several_tracks_are_drawn_as_one(project: Path) -> None:
    with wave.open(str(project / "frames" / "sound-2.wav"), "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(np.full(16_000, 20_000, "<i2").tobytes())
    with ProjectStore(project) as store:
        found = peaks(store)
    assert set(found[:20]) == {156}
    assert set(found[20:40]) == {1}


def test_a_film_of_which_no_sound_was_kept_is_heard_itself(tmp_path: Path, make_film: Callable[..., Path]) -> None:
    film = make_film(tmp_path / "film.mp4")
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", str(film), "0" * 64, 9000, {}))
        alone = peaks(store)
        decode_film(film, tmp_path / "p" / "frames", DecodeSettings(fps=1, frame_size=16, cuts=False))
        kept = peaks(store)
    assert np.abs(np.frombuffer(alone, np.uint8).astype(int) - np.frombuffer(kept, np.uint8)).max() <= 2
    assert min(alone[2:-2]) > 200
    film.unlink()
    with ProjectStore(tmp_path / "q", create=True) as store:
        store.bind_film(FilmRow("Film", str(film), "0" * 64, 9000, {}))
        assert peaks(store) == bytes(180)
        with pytest.raises(UsageError, match="1 to 200"):
            peaks(store, 0)
