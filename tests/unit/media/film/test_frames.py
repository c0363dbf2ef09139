"""Stills in and out of a folder."""

from __future__ import annotations

import json
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


def test_a_still_shown_for_long_is_stored_once(tmp_path: Path) -> None:
    dark, light = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 250, np.uint8)
    with FrameWriter(tmp_path, 5) as writer:
        for picture in [dark] * 18_000 + [light] + [dark] * 2:
            writer.add(picture)
    store = FrameStore.open(tmp_path)
    assert len(store) == 18_003
    assert [store.rgb(i).mean() > 100 for i in (0, 17_999, 18_000, 18_001, 18_002)] == [
        False,
        False,
        True,
        False,
        False,
    ]
    assert store.jpeg(0) == store.jpeg(17_999)
    assert [frame.jpeg for frame in store.frames_between(Span(3_599_800, 3_600_400))] == [
        store.jpeg(17_999),
        store.jpeg(18_000),
        store.jpeg(18_001),
    ]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 5_000
    with pytest.raises(IndexError):
        store.jpeg(18_003)


def test_an_index_without_counts_is_read(tmp_path: Path) -> None:
    """Each still is one picture, as 0.1.0 wrote them all."""
    pack(tmp_path, 3)
    assert "shown" not in json.loads((tmp_path / "frames.json").read_text())
    assert len(FrameStore.open(tmp_path)) == 3


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
    good = json.loads((tmp_path / "frames.json").read_text())
    for change in [{"fps": 0}, {"fps": "fast"}, {"offsets": []}, {"offsets": [0, 9, 3, 4]}, {"shown": [1, 1]}]:
        (tmp_path / "frames.json").write_text(json.dumps(good | change))
        with pytest.raises(MediaError, match="no readable film frames"):
            FrameStore.open(tmp_path)
    (tmp_path / "frames.json").write_text("{")
    with pytest.raises(MediaError, match="no readable film frames"):
        FrameStore.open(tmp_path)
