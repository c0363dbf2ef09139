from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MediaError
from calvin.media.film import trial
from calvin.media.film.sampling import iter_clip_frames
from calvin.media.film.trial import check_survivable

Film = Callable[..., Path]
TAKEN_DOWN = "takes its decoder down or hangs it"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test has a trial of its own, and leaves none to others."""
    end_trial()
    yield
    end_trial()


def end_trial() -> None:
    if trial._trial is not None:
        trial._trial.end()
        trial._trial = None


def server(monkeypatch: pytest.MonkeyPatch, of_bad_films: str) -> None:
    """The trial with a decoder that does something to films called "bad"."""
    code = (
        "import os, time; from calvin.media.film import trial; whole = trial._decode_beginning;"
        f"trial._decode_beginning = lambda film, sound: {of_bad_films} if film.stem == 'bad' else whole(film, sound);"
        "trial.serve()"
    )
    monkeypatch.setattr(trial, "_SERVER", code)


def test_one_process_tries_film_after_film_until_one_ends_it(
    film: Film, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server(monkeypatch, "os.abort()")
    whole, bad = film("a.mp4", count=3, audio={"eng": 0.0}), tmp_path / "bad.mp4"
    check_survivable(whole, sound=True)
    first = trial._trial
    (tmp_path / "no.mp4").write_text("no film")
    for path in (tmp_path / "no.mp4", tmp_path / "not there.mp4", whole):
        check_survivable(path)  # whoever opens it says what is wrong
    assert trial._trial is first
    with pytest.raises(MediaError, match=TAKEN_DOWN):
        check_survivable(bad)
    check_survivable(whole)


def test_a_film_that_hangs_its_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server(monkeypatch, "time.sleep(60)")
    check_survivable(tmp_path / "starts.mp4")
    monkeypatch.setattr(trial, "_LONGEST_S", 1)
    with pytest.raises(MediaError, match=TAKEN_DOWN):
        check_survivable(tmp_path / "bad.mp4")


def test_no_film_is_blamed_where_the_trial_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_SERVER", "raise SystemExit(3)")
    check_survivable(tmp_path / "any.mp4")


def test_the_trial_really_decodes_picture_and_sound(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(trial.FilmReader, "__iter__", lambda reader: seen.append(bool(reader.sounds)) or iter(()))
    path = film("a.mp4", count=3, audio={"eng": 0.0})
    trial._decode_beginning(path, True)
    monkeypatch.undo()
    frames: list[int] = []
    monkeypatch.setattr(trial.itertools, "islice", lambda found, most: frames.append(len(list(found))) or ())
    trial._decode_beginning(path, True)
    assert (seen, frames) == ([True], [3])


def test_clips_are_tried_before_they_are_decoded(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    server(monkeypatch, "os.abort()")
    whole = film("a.mp4", count=3)
    bad = whole.rename(whole.with_name("bad.mp4"))
    with pytest.raises(MediaError, match=TAKEN_DOWN):
        list(iter_clip_frames(bad))
    bad.rename(whole)
    assert [rgb.dtype for _, rgb in iter_clip_frames(whole)] == [np.uint8]
