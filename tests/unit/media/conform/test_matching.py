"""Where scenes lie in another release: found to the frame, whatever was cut, put in or run faster."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from calvin.core.time import Span
from calvin.media.conform.change_list import ChangeList, Piece
from calvin.media.conform.matching import Release, match
from calvin.media.conform.tracks import FilmTrace, picture_track, running_mean, sound_track
from calvin.media.film.decode import decode_film
from cut_films import write_scenes

SCENES = [(1, 4.0), (2, 3.5), (3, 6.0), (4, 4.0), (5, 3.0), (6, 6.0), (7, 4.0), (8, 5.5)]
STARTS = np.cumsum([0.0, *(seconds for _, seconds in SCENES)])


@pytest.fixture(scope="session")
def release_of(tmp_path_factory: pytest.TempPathFactory):
    def made(scenes: Sequence[tuple[int, float]], speed: Fraction = Fraction(1)) -> Release:
        folder = tmp_path_factory.mktemp("release")
        decoded = decode_film(write_scenes(folder / "film.mp4", scenes, speed), folder / "frames")
        tracks = picture_track(decoded.frames), sound_track(decoded.sound, decoded.duration_ms / 1000)
        return Release(tracks, decoded.duration_ms, decoded.cuts_ms)

    return made


@pytest.fixture(scope="session")
def first(release_of) -> Release:
    return release_of(SCENES)


def truth(kept: Sequence[tuple[int, float]], ms: float, speed: Fraction = Fraction(1)) -> float | None:
    """Where a moment of `SCENES` lies in a film of these scenes; None: nowhere."""
    number = int(np.searchsorted(STARTS, ms / 1000, side="right")) - 1
    at = 0.0
    for scene, seconds in kept:
        if scene == SCENES[number][0]:
            return (at + ms / 1000 - STARTS[number]) * 1000 / float(speed)
        at += seconds
    return None


def check(changes: ChangeList, kept: Sequence[tuple[int, float]], speed: Fraction = Fraction(1)) -> None:
    """Every moment but those within a fifth of a second of a change lies where it should."""
    for ms in range(200, int(STARTS[-1] * 1000) - 200, 100):
        if min(abs(ms - 1000 * start) for start in STARTS) < 300:
            continue
        piece, there = changes.piece_at(ms), truth(kept, ms, speed)
        assert (piece is None) == (there is None), ms
        if piece is not None and there is not None:
            assert piece.carried(ms) == pytest.approx(there, abs=60), ms


@pytest.mark.parametrize(
    ("kept", "pieces"),
    [
        (SCENES, 1),
        ([(20, 5.0), *SCENES], 1),
        ([*SCENES[:2], *SCENES[4:]], 2),
        ([*SCENES[:3], (21, 6.0), *SCENES[3:]], 2),
        ([*SCENES[3:6], *SCENES[:3], *SCENES[6:]], 3),
    ],
    ids=["as it was", "a logo before it", "two scenes out", "a scene put in", "scenes in another order"],
)
def test_scenes_are_found_where_they_are(release_of, first: Release, kept, pieces: int) -> None:
    changes = match(first, release_of(kept))
    check(changes, kept)
    assert len(changes.pieces) == pieces
    assert changes.rate == 1


@pytest.mark.parametrize("speed", [Fraction(25, 24), Fraction(24, 25)])
def test_a_film_that_runs_at_another_speed_is_followed(release_of, first: Release, speed: Fraction) -> None:
    kept = [*SCENES[:2], *SCENES[3:]]
    changes = match(first, release_of(kept, speed))
    assert changes.rate == pytest.approx(float(1 / speed), abs=1e-6)
    check(changes, kept, speed)


def without(release: Release, track: int) -> Release:
    tracks = list(release.tracks)
    tracks[track] = FilmTrace(np.zeros_like(tracks[track].values), tracks[track].rate)
    return Release(tuple(tracks), release.duration_ms, release.cuts_ms)


@pytest.mark.parametrize("track", [0, 1], ids=["other pictures", "no sound"])
def test_one_of_picture_and_sound_is_enough(release_of, first: Release, track: int) -> None:
    kept = [*SCENES[:2], *SCENES[4:]]
    check(match(first, without(release_of(kept), track)), kept)


def test_another_film_shares_nothing(release_of, first: Release) -> None:
    assert match(first, release_of([(number, 5.0) for number in range(30, 36)])).share < 0.1


def test_a_film_of_one_grey_picture_is_no_release_of_anything(first: Release) -> None:
    blank = Release(
        tuple(FilmTrace(np.zeros((50, t.values.shape[1]), np.float32), t.rate) for t in first.tracks), 10_000
    )
    assert match(first, blank).pieces == ()
    assert match(blank, first).pieces == ()


def test_grade_contrast_and_black_bars_do_not_matter(tmp_path: Path) -> None:
    from calvin.media.film.frames import FrameStore, FrameWriter

    picture = np.kron(np.random.default_rng(3).integers(60, 200, (9, 16, 3), np.uint8), np.ones((10, 10, 1), np.uint8))
    darker = np.clip(picture * 0.7 + 40, 0, 255).astype(np.uint8)
    boxed = np.zeros((130, 160, 3), np.uint8)
    boxed[20:110] = darker
    for name, one in (("plain", picture), ("boxed", boxed)):
        (tmp_path / name).mkdir()
        with FrameWriter(tmp_path / name, 5.0) as writer:
            writer.add(one)
    plain, other = (picture_track(FrameStore.open(tmp_path / name)).values[0] for name in ("plain", "boxed"))
    assert float(plain @ other) > 0.95
    assert float(np.linalg.norm(plain)) == pytest.approx(1, abs=1e-5)


def test_sound_is_compared_by_its_bands_and_not_by_its_level(tmp_path: Path) -> None:
    from calvin.media.sound.film_sound import write_wav

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 16_000 * 6) * np.repeat(rng.uniform(0.05, 1, 60), 1600)
    write_wav(tmp_path / "loud.wav", noise, 16_000)
    write_wav(tmp_path / "soft.wav", noise * 0.25, 16_000)
    loud, soft = (sound_track(tmp_path / f"{name}.wav", 6.0) for name in ("loud", "soft"))
    assert loud.values.shape == (300, 10)
    inner = slice(20, -20)
    assert np.corrcoef(loud.values[inner].ravel(), soft.values[inner].ravel())[0, 1] > 0.95
    assert not sound_track(None, 6.0).values.any()


def test_running_mean_of_what_there_is() -> None:
    values = np.array([[0.0], [3.0], [6.0], [9.0]], np.float32)
    assert running_mean(values, 3).ravel().tolist() == [1.5, 3.0, 6.0, 7.5]


def test_a_change_list_says_what_is_where() -> None:
    changes = ChangeList((Piece(Span(0, 10_000), 2_000), Piece(Span(15_000, 20_000), 14_000, 0.96)), 20_000, 25_000)
    assert changes.left_out == (Span(10_000, 15_000),)
    assert changes.put_in == (Span(0, 2_000), Span(12_000, 14_000), Span(18_800, 25_000))
    assert changes.carried(Span(9_000, 12_000), 9_500) == Span(11_000, 12_000)
    assert changes.carried(Span(11_000, 12_000), 11_000) is None
    assert changes.piece_at(10_000) is None
    assert changes.share == pytest.approx(0.75)
    words = " ".join(changes.in_words())
    assert "75% of the film was found again, in 2 pieces" in words
    assert "00:00:10.000 for 5.0 s" in words
