"""Films that browsers do not play, and the copies made of them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from calvin.core.errors import CalvinError, MediaError
from calvin.core.progress import Progress
from calvin.media.film.playable import browser_trouble
from calvin.media.film.proxy import LINES, make_proxy
from calvin.media.film.source import probe
from calvin.media.sound.film_sound import programme_blocks

Film = Callable[..., Path]


def remuxed(film: Path, target: Path) -> Path:
    """The same streams in another container."""
    with av.open(str(film)) as source, av.open(str(target), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    return target


def encoded(
    path: Path, codec: str, pix_fmt: str = "yuv420p", sound: str | None = None, size: tuple[int, int] = (128, 96),
    begin: int = 0, seconds: int = 2,
) -> Path:  # fmt: skip
    """Frames whose brightness rises by 100 a second at 10 a second, with a beep from 1 s on."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(codec, rate=10)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        audio: Any = container.add_stream(sound, rate=48_000, layout="stereo") if sound else None
        for number in range(10 * seconds):
            picture = np.full((size[1], size[0], 3), 20 + number * 10, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number + begin * 10, Fraction(1, 10)
            container.mux(video.encode(frame))
            if audio is not None:
                tone = np.sin(np.arange(4800) / 10) * 0.5 * (number >= 10)
                wave = np.stack([tone, tone]).astype(np.float32)
                block = av.AudioFrame.from_ndarray(wave, "fltp", "stereo")
                block.sample_rate, block.time_base = 48_000, Fraction(1, 48_000)
                block.pts = (number + begin * 10) * 4800
                container.mux(audio.encode(block))
        container.mux(video.encode(None))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def brightness(film: Path) -> dict[int, int]:
    """The brightness of each frame, by its time in ms."""
    found = {}
    with av.open(str(film)) as container:
        for frame in container.decode(video=0):
            middle = frame.to_ndarray(format="gray")[frame.height // 2, frame.width // 2]
            found[round(float(frame.time or 0) * 1000)] = int(middle)
    return found


def loud_from_ms(film: Path) -> int:
    """When the first sample is loud, in ms."""
    with av.open(str(film)) as container:
        index = container.streams.audio[0].index
    samples = np.concatenate(list(programme_blocks(film, index, "stereo")))
    return round(int(np.argmax(np.abs(samples[:, 0]) > 0.1)) / 48)


def test_what_every_browser_plays_is_left_alone(tmp_path: Path, make_film: Film) -> None:
    assert browser_trouble(make_film(tmp_path / "film.mp4")) == ""
    assert browser_trouble(make_film(tmp_path / "silent.mp4", audio=False)) == ""
    assert browser_trouble(encoded(tmp_path / "film.webm", "libvpx-vp9", sound="libopus")) == ""


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "sound", "said"),
    [
        ("film.mkv", "libx264", "yuv420p", "aac", "Matroska"),
        ("film.mov", "libx264", "yuv420p", "aac", "QuickTime"),
        ("film.avi", "mpeg4", "yuv420p", "mp3", "AVI"),
        ("film.ts", "libx264", "yuv420p", "aac", "transport stream"),
        ("film.mp4", "libx265", "yuv420p", "aac", "HEVC"),
        ("film.mp4", "mpeg4", "yuv420p", "aac", "MPEG-4 Part 2"),
        ("film.mp4", "libx264", "yuv420p10le", "aac", "yuv420p10le"),
        ("film.mp4", "libx264", "yuv444p", "aac", "yuv444p"),
        ("film.mp4", "libx264", "yuv420p", "ac3", "AC-3"),
    ],
)
def test_what_some_browser_does_not_play_gets_a_copy_in_the_same_time(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, sound: str, said: str
) -> None:
    try:
        av.codec.Codec(codec, "w")
    except ValueError:  # PyAV is built without it here
        pytest.fail(f"no encoder {codec} to test with")
    film, copy = encoded(tmp_path / name, codec, pix_fmt, sound), tmp_path / "proxy.mp4"
    before = film.read_bytes()
    assert said in browser_trouble(film)
    events: list[Progress] = []
    make_proxy(film, copy, events.append)
    assert browser_trouble(copy) == ""
    assert film.read_bytes() == before
    assert events[-1].stage == "copy for the browser"
    seen = brightness(copy)
    assert len(seen) == 20
    for time_ms, value in seen.items():
        # at 10 a second from 0: 20, 30, 40, ...
        assert abs(value - (20 + time_ms / 10)) <= 12, (time_ms, value)
    assert abs(loud_from_ms(copy) - 1000) <= 60


def test_a_film_whose_clock_begins_late_begins_at_nought(tmp_path: Path) -> None:
    """Transport streams begin anywhere; film time begins at their first frame."""
    film, copy = encoded(tmp_path / "film.ts", "libx264", sound="aac", begin=7), tmp_path / "proxy.mp4"
    assert probe(film).start_ms >= 7000
    make_proxy(film, copy)
    assert min(brightness(copy)) <= 20
    assert abs(loud_from_ms(copy) - 1000) <= 100


def test_a_picture_that_only_sits_in_the_wrong_container_is_copied(tmp_path: Path, make_film: Film) -> None:
    film = make_film(tmp_path / "film.mp4")
    other = remuxed(film, tmp_path / "film.mkv")
    make_proxy(other, tmp_path / "proxy.mp4")

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(video=0) if packet.size]

    assert packets(tmp_path / "proxy.mp4") == packets(film)


def test_a_large_picture_is_made_small(tmp_path: Path) -> None:
    film = encoded(tmp_path / "film.avi", "mpeg4", size=(1920, 1080), seconds=1)
    make_proxy(film, tmp_path / "proxy.mp4")
    facts = probe(tmp_path / "proxy.mp4")
    assert (facts.width, facts.height) == (960, LINES)


def test_a_full_disk_leaves_nothing(tmp_path: Path, make_film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    film = remuxed(make_film(tmp_path / "film.mp4"), tmp_path / "film.mkv")
    target = tmp_path / "project" / "proxy.mp4"
    target.parent.mkdir()

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("calvin.media.film.proxy._write", full)
    with pytest.raises(MediaError, match="The disk is full"):
        make_proxy(film, target)
    assert list(target.parent.iterdir()) == []


def test_a_disk_without_room_is_refused_before_the_work(
    tmp_path: Path, make_film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = remuxed(make_film(tmp_path / "film.mp4"), tmp_path / "film.mkv")
    monkeypatch.setattr("calvin.core.files.shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(CalvinError, match="There is no room"):
        make_proxy(film, tmp_path / "proxy.mp4")
    assert not (tmp_path / "proxy.mp4").exists()


def test_an_old_copy_stays_until_the_new_one_is_whole(tmp_path: Path, make_film: Film) -> None:
    broken, target = tmp_path / "broken.mkv", tmp_path / "proxy.mp4"
    target.write_bytes(b"old")
    broken.write_bytes(b"\x1a\x45\xdf\xa3" + b"\0" * 500)
    with pytest.raises(MediaError):
        make_proxy(broken, target)
    assert target.read_bytes() == b"old"
