"""A glance at a film: pictures from all over it, soon, whatever the film is like."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from calvin.media.film.glance import FEW, PLACES, glance

SHOTS = (4.0,) * 6


def colours(pictures: list[np.ndarray]) -> int:
    """In how many shots of a film of plain colours the pictures lie."""
    return len({tuple((picture[0, 0].astype(int) // 16).tolist()) for picture in pictures})


@pytest.fixture(scope="module")
def film(make_film: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4", SHOTS)  # a key frame a second


def again(film: Path, target: Path) -> Path:
    """The film's picture in another container."""
    with av.open(str(film)) as source, av.open(str(target), "w") as out:
        track = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = track
                out.mux(packet)
    return target


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_pictures_come_from_all_over_a_film(film: Path, suffix: str, tmp_path: Path) -> None:
    pictures = glance(film if suffix == ".mp4" else again(film, tmp_path / f"film{suffix}"), longest_s=60)
    assert FEW <= len(pictures) <= PLACES
    assert colours(pictures) == len(SHOTS)
    assert {picture.shape for picture in pictures} == {(64, 96, 3)}


def test_the_first_few_lie_apart_where_time_is_short(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("calvin.media.film.glance.time.process_time", lambda: float(next(clock)))
    few = glance(film, longest_s=30)  # so many looks at the clock
    assert 0 < len(few) < PLACES
    assert colours(few) > len(SHOTS) // 2


def test_a_short_clip_with_one_key_frame_is_read_through(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1000", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for step in range(60):
            picture = np.full((64, 96, 3), 40 + 3 * step, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    levels = [int(picture.mean()) for picture in glance(clip, longest_s=60)]
    assert len(levels) == PLACES
    assert min(levels) < 60
    assert max(levels) > 200


def test_what_cannot_be_looked_at_gives_no_pictures(film: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "half.mp4").write_bytes(film.read_bytes()[:2000])
    assert [glance(tmp_path / name) for name in ("text.mp4", "half.mp4", "absent.mp4")] == [[], [], []]


def test_it_ends_when_its_time_is_over(film: Path) -> None:
    start = time.process_time()
    assert len(glance(film, longest_s=0.0)) <= 1
    assert time.process_time() - start < 2
