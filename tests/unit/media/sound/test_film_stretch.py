"""Sound from the middle of a film: the same samples, at the same places, as decoding it from the beginning gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from calvin.core.errors import MediaError
from calvin.media.film.decode import DecodeSettings, decode_film, sounds_in
from calvin.media.sound import film_stretch as module
from calvin.media.sound.film_sound import MIX_RATE, programme_blocks
from calvin.media.sound.film_stretch import film_stretch, kept_stretch
from music_film import SECONDS, music, write_music_film

CASES = (
    ("film.mp4", "aac", 48_000, "stereo"),
    ("film.mp4", "aac", 44_100, "stereo"),
    ("film.mkv", "pcm_s16le", 48_000, "stereo"),
    ("film.mkv", "flac", 44_100, "mono"),
    ("film.mkv", "aac", 44_100, "stereo"),
    ("film.mkv", "ac3", 48_000, "5.1"),
    ("film.mov", "pcm_s16le", 32_000, "stereo"),
    ("film.mp4", "libmp3lame", 44_100, "stereo"),
    ("film.webm", "libopus", 48_000, "stereo"),
    ("film.avi", "pcm_s16le", 22_050, "mono"),
    ("film.ts", "aac", 48_000, "stereo"),
    ("film.mkv", "pcm_s24le", 96_000, "stereo"),
)


def whole(film: Path, layout: str = "stereo") -> np.ndarray:
    with av.open(str(film)) as container:
        track = container.streams.audio[0].index
    return np.concatenate(list(programme_blocks(film, track, layout)))


Written = Callable[[str, str, int, str], tuple[Path, np.ndarray]]
Kept = tuple[Path, list[Path], np.ndarray]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A film with music and all its samples, [N, 2] at 48 kHz; each is written once and stays as it is."""

    @cache
    def write(name: str, codec: str, rate: int, layout: str) -> tuple[Path, np.ndarray]:
        film = write_music_film(tmp_path_factory.mktemp("music") / name, codec, rate, layout)
        return film, whole(film)

    return write


@pytest.fixture(scope="module")
def decoded(written: Written, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A film, what was kept of its sound when it was decoded, and all its samples."""
    film, samples = written("film.mp4", "aac", 48_000, "stereo")
    return film, kept_sound(film, tmp_path_factory.mktemp("frames")), samples


@pytest.mark.parametrize(("name", "codec", "rate", "layout"), CASES)
def test_the_same_samples_as_from_the_beginning(
    written: Written, name: str, codec: str, rate: int, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, expected = written(name, codec, rate, layout)

    def from_beginning(*_: object) -> None:
        raise AssertionError("it read all that comes before")

    monkeypatch.setattr(module, "_from_beginning", from_beginning)
    for start_ms, end_ms in ((20_013, 23_500), (5001, 9000), (SECONDS * 1000 - 1500, SECONDS * 1000 + 700)):
        found = film_stretch(film, None, start_ms, end_ms).samples
        assert found.shape == ((end_ms - start_ms) * 48, 2)
        wanted = expected[start_ms * 48 : end_ms * 48]
        gap = np.abs(found[: len(wanted)] - wanted)
        # Dolby's decoder puts noise of its own, other noise each time, where a film has none.
        assert gap.max() < (0.003 if codec == "ac3" else 1 / 32768), f"{start_ms} ms: {gap.max()}"
        assert np.sqrt((gap**2).mean()) < 1e-4
        assert not found[len(wanted) :].any()


def kept_sound(film: Path, folder: Path) -> list[Path]:
    decode_film(film, folder, DecodeSettings(fps=1, frame_size=16, cuts=False))
    return sounds_in(folder)


def test_sound_that_begins_late_stays_in_its_place(tmp_path: Path) -> None:
    film = write_music_film(tmp_path / "late.mkv", "pcm_s16le", 48_000, "stereo", begins_s=1.7)
    found = film_stretch(film, None, 12_000, 14_000, kept_sound(film, tmp_path / "frames"))
    assert found.note == ""
    expected = music(48_000, 2)[:, round(10.3 * 48_000) : round(12.3 * 48_000)].T
    assert np.abs(found.samples - expected).max() < 1e-4


def test_the_sound_that_was_kept_puts_right_what_was_miscounted(decoded: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream whose times drift from its samples leads a little beside the place."""
    film, kept, samples = decoded
    expected = samples[15_000 * 48 : 18_000 * 48]
    counted = module._Counter.place
    monkeypatch.setattr(module._Counter, "place", lambda self, frames: counted(self, frames) - 48 * 40)
    assert np.abs(film_stretch(film, None, 15_000, 18_000).samples - expected).max() > 0.1
    right = film_stretch(film, None, 15_000, 18_000, kept)
    assert right.note == ""
    assert np.abs(right.samples - expected).max() < 1 / 32768


def test_another_place_of_the_film_is_never_heard(decoded: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    film, kept, samples = decoded
    expected = samples[15_000 * 48 : 18_000 * 48]
    counted = module._Counter.place
    monkeypatch.setattr(module._Counter, "place", lambda self, frames: counted(self, frames) - 48_000)
    found = film_stretch(film, None, 15_000, 18_000, kept)
    assert "does not say exactly where its sound belongs" in found.note
    mono = expected.mean(axis=1)
    assert np.corrcoef(found.samples[:, 0], mono)[0, 1] > 0.99
    assert np.array_equal(found.samples, kept_stretch(kept[0], "stereo", 15_000, 18_000))


def test_the_beginning_and_what_lies_beyond_the_end(written: Written) -> None:
    film, expected = written("film.mp4", "aac", 44_100, "stereo")
    found = film_stretch(film, None, 0, 1500).samples
    assert np.array_equal(found, expected[: 1500 * 48])
    assert not film_stretch(film, None, SECONDS * 1000 + 5000, SECONDS * 1000 + 6000).samples.any()


def test_films_without_sound_are_silent(tmp_path: Path, make_film: Callable[..., Path]) -> None:
    film = make_film(tmp_path / "film.mp4", audio=False)
    found = film_stretch(film, None, 4000, 5000)
    assert found.samples.shape == (48_000, 2)
    assert not found.samples.any()
    with pytest.raises(MediaError, match="does not exist"):
        film_stretch(tmp_path / "gone.mp4", None, 4000, 5000)


def test_what_was_kept_is_heard_at_its_time(decoded: Kept) -> None:
    _, [sound], samples = decoded
    mono = samples.mean(axis=1)
    for start_ms in (0, 20_000):
        found = kept_stretch(sound, "stereo", start_ms, start_ms + 2000)
        assert found.shape == (2 * MIX_RATE, 2)
        assert np.corrcoef(found[:, 1], mono[start_ms * 48 : (start_ms + 2000) * 48])[0, 1] > 0.99
    surround = kept_stretch(sound, "5.1", 20_000, 22_000)
    assert surround.shape == (2 * MIX_RATE, 6)
    assert np.flatnonzero(surround.any(axis=0)).tolist() == [2]
