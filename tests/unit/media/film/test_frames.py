"""Stills in and out of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MediaError
from calvin.core.time import Span
from calvin.media.film.frames import FrameStore, FrameWriter


def pack(folder: Path, count: int, fps: float = 5.0) -> list[np.ndarray]:
    ramp = np.linspace(0, 60, 48 * 64).reshape(48, 64, 1).repeat(3, 2)
    pictures = [(ramp + 15 * i).astype(np.uint8) for i in range(count)]
    with FrameWriter(folder, fps) as writer:
        for picture in pictures:
            writer.add(picture)
    return pictures


def test_round_trip(tmp_path: Path) -> None:
    pictures = pack(tmp_path, 10)
    store = FrameStore.open(tmp_path)
    assert (len(store), store.fps, store.height, store.width) == (10, 5.0, 48, 64)
    assert store.times_ms[:3] == [0, 200, 400]
    for index, picture in enumerate(pictures):
        assert np.abs(store.rgb(index).astype(int) - picture.astype(int)).mean() < 2
        assert store.jpeg(index).startswith(b"\xff\xd8")
    for outside in (-1, 10):
        with pytest.raises(IndexError):
            store.jpeg(outside)


def test_frames_of_a_span(tmp_path: Path) -> None:
    pack(tmp_path, 10)
    store = FrameStore.open(tmp_path)
    frames = store.frames_between(Span(400, 1000))
    assert [frame.time_ms for frame in frames] == [400, 600, 800]
    assert frames[0].jpeg == store.jpeg(2)
    assert [frame.time_ms for frame in store.frames_between(Span(0, 2000), 2)] == [400, 1400]
    assert [frame.time_ms for frame in store.frames_between(Span(9000, 9500))] == [1800]


def test_one_still_kept_many_times_is_the_same_each_time(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    with FrameWriter(tmp_path, 5) as writer:
        for _ in range(3):
            writer.add(picture)
    store = FrameStore.open(tmp_path)
    assert store.jpeg(0) == store.jpeg(1) == store.jpeg(2)


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    pack(tmp_path, 3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail() -> None:
        with FrameWriter(tmp_path, 5) as writer:
            writer.add(np.zeros((8, 8, 3), np.uint8))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_incomplete_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no readable film frames"):
        FrameStore.open(tmp_path)
    pack(tmp_path, 3)
    blob = tmp_path / "frames.jpegs"
    blob.write_bytes(blob.read_bytes()[:-1])
    with pytest.raises(MediaError, match="incomplete"):
        FrameStore.open(tmp_path)
    (tmp_path / "frames.json").write_text("{")
    with pytest.raises(MediaError, match="no readable film frames"):
        FrameStore.open(tmp_path)
