from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.core.types import EncoderIdentity
from calvin.encode.film_cache import FilmCache


class Means:
    """A frame's mean colour, and how many frames came at a time."""

    encoder = EncoderIdentity("means", "0" * 64)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        self.batches.append(len(rgb))
        return rgb.mean((1, 2)).astype(np.float32)


def test_a_film_is_decoded_once_until_it_changes_and_without_h5py(
    tmp_path: Path, make_film: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    film = make_film(tmp_path / "one.mp4", (8.0, 7.0))
    encoder = Means()
    cache = FilmCache(tmp_path / "cache", {"one": film}, encoder)
    cache.prepare(["one"])
    assert encoder.batches == [64, 11]
    stills = cache.frames("one")
    assert stills is not None
    assert len(stills) == 75
    vectors = cache.scene("one", Span(0, 15_000), 100)
    assert vectors.shape == (75, 3)
    np.testing.assert_allclose(vectors[10], np.asarray(stills.rgb(10)).mean((0, 1)), atol=3)
    FilmCache(tmp_path / "cache", {"one": film}, encoder).prepare(["one"])
    assert encoder.batches == [64, 11]
    os.utime(film, (1, 1))
    FilmCache(tmp_path / "cache", {"one": film}, encoder).prepare(["one"])
    assert encoder.batches == [64, 11, 64, 11]


def test_films_that_cannot_be_used_are_counted(tmp_path: Path, make_film: Callable[..., Path]) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    cache = FilmCache(tmp_path / "cache", {"bad": tmp_path / "bad.mp4", "one": make_film(tmp_path / "one.mp4", (1.0,))})
    with pytest.raises(DataError, match="2 of 3 films cannot be used, such as 'missing': there is no such file"):
        cache.prepare(["one", "bad", "missing"])
    cache.prepare(["one"])
    assert "one" in cache
    assert cache.frames("missing") is None
