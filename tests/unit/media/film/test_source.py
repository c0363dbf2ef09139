"""Opening films: facts of good ones, one clear sentence for the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from calvin.core.errors import MediaError
from calvin.core.files import file_sha256
from calvin.media.film.decode import decode_film
from calvin.media.film.source import MediaLimits, open_film, probe

Film = Callable[..., Path]


def test_facts_of_a_film(film: Film) -> None:
    path = film("a.mkv", count=50, audio={"eng": 0.0, "fre": 0.0})
    facts = probe(path)
    assert (facts.width, facts.height, facts.rotation, facts.display_width) == (64, 48, 0, 64)
    assert facts.duration_ms == pytest.approx(2000, abs=30)
    assert facts.frame_rate == 25
    assert not facts.variable_frame_rate
    assert facts.container == "matroska"
    assert facts.video_codec == "h264"
    assert [(s.codec, s.language, s.channels, s.sample_rate) for s in facts.audio_streams] == [
        ("aac", "eng", 2, 48_000),
        ("aac", "fre", 2, 48_000),
    ]
    assert facts.sha256 == file_sha256(path)
    assert facts.size == path.stat().st_size
    assert facts.audio_streams
    assert facts.subtitle_streams == ()


def test_fingerprint_is_optional(film: Film) -> None:
    assert probe(film("a.mp4", count=3), fingerprint=False).sha256 == ""


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts"])
def test_every_container(film: Film, suffix: str) -> None:
    facts = probe(film(f"a.{suffix}", count=25))
    assert (facts.width, facts.height) == (64, 48)
    assert facts.duration_ms == pytest.approx(1000, abs=90)
    assert not facts.audio_streams


def test_pixel_aspect_and_rotation_change_the_display_size(film: Film) -> None:
    wide = probe(film("wide.mkv", count=3, sample_aspect=Fraction(4, 3)))
    assert (wide.width, wide.display_width, wide.display_height) == (64, 85, 48)
    assert wide.display_width / wide.display_height == pytest.approx(16 / 9, rel=0.01)
    turned = probe(film("turned.mp4", count=3, rotation=90))
    assert (turned.rotation, turned.display_width, turned.display_height) == (90, 48, 64)


def test_start_and_variable_rate(film: Film) -> None:
    late = probe(film("late.mkv", count=10, times=[10 + i / 25 for i in range(10)]))
    assert late.start_ms == 10_000
    assert late.duration_ms == 400
    assert probe(film("vfr.mp4", count=5, times=[0, 0.1, 0.15, 0.9, 2])).variable_frame_rate


def test_a_film_of_one_frame(film: Film) -> None:
    assert probe(film("one.mp4", count=1)).width == 64


def _cover_only(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))


def _header_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("text.mp4", lambda p: p.write_text("Not a film. " * 100), "is not a film that can be read"),
        ("noise.mkv", lambda p: p.write_bytes(np.random.default_rng(0).bytes(9000)), "is not a film"),
        ("empty.mp4", lambda p: p.write_bytes(b""), "is empty"),
        ("list.mp4", lambda p: p.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"), "is a playlist"),
        ("bom.mp4", lambda p: p.write_bytes(b"\xef\xbb\xbf#EXTM3U\nhttp://a/b.ts\n"), "is a playlist"),
        ("concat.mkv", lambda p: p.write_text("ffconcat version 1.0\nfile /etc/passwd\n"), "is a playlist"),
        ("dash.mp4", lambda p: p.write_text('<?xml version="1.0"?><MPD></MPD>'), "is a playlist"),
        ("folder.mp4", Path.mkdir, "is a folder"),
        ("pipe.mp4", os.mkfifo, "is not a regular file"),
        ("sound.mp4", _cover_only, "has no video stream"),
        ("none.mkv", _header_only, "index is missing"),
        ("none.mp4", _header_only, "has no video stream"),
    ],
)
def test_what_is_no_film_is_said_in_a_sentence(
    tmp_path: Path, name: str, make: Callable[[Path], object], says: str
) -> None:
    path = tmp_path / name
    make(path)
    with pytest.raises(MediaError, match=says) as caught:
        decode_film(path, tmp_path / "out")
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_film_whose_pictures_are_noise(film: Film) -> None:
    path = film("spoilt.mp4", count=25)
    data = path.read_bytes()
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    path.write_bytes(data[:start] + np.random.default_rng(0).bytes(end - start) + data[end:])
    with pytest.raises(MediaError, match="not one frame"):
        probe(path)


def test_missing_file_and_addresses(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        probe(tmp_path / "absent.mp4")
    with pytest.raises(MediaError, match="only local files"):
        probe("https://example.org/film.mp4")


def test_a_playlist_with_other_words_first_is_still_refused(tmp_path: Path, film: Film) -> None:
    """The sniffed beginnings only choose the sentence: FFmpeg's own white list is what refuses."""
    target = film("target.ts", count=5)
    path = tmp_path / "sly.ts"
    path.write_text(f"# a note\nffconcat version 1.0\nfile {target.name}\n")
    with pytest.raises(MediaError):
        probe(path)
    image = tmp_path / "still.mp4"
    _png(image)
    with pytest.raises(MediaError, match="is not a film"):
        probe(image)


def _png(path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(path, "PNG")


def test_a_name_that_looks_like_a_protocol_is_a_file(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film("a.mp4", count=3)
    shutil.copy(path, path.with_name("concat:a.mp4"))
    monkeypatch.chdir(path.parent)
    assert probe("concat:a.mp4").width == 64


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (MediaLimits(max_pixels=64 * 48 - 1), "more than 3071 pixels"),
        (MediaLimits(max_duration_s=0.5), "hours allowed"),
        (MediaLimits(max_streams=1), "more than the 1 allowed"),
    ],
)
def test_limits(film: Film, limits: MediaLimits, says: str) -> None:
    path = film("a.mp4", count=25, audio={"eng": 0.0})
    with pytest.raises(MediaError, match=says):
        probe(path, limits)


def test_the_container_is_closed(film: Film) -> None:
    with open_film(film("a.mp4", count=3)) as container:
        assert container.streams.video
    with pytest.raises((AssertionError, ValueError)):
        next(container.demux())


def test_tracks_that_are_not_the_films_own_sound(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [container.add_stream("aac", rate=48_000) for _ in range(4)]
        tracks[1].disposition = Disposition.visual_impaired.value
        tracks[2].metadata["title"] = "Director's Commentary"
        tracks[3].metadata["title"] = "Adventure mix"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux(video.encode(picture))
        container.mux(video.encode(None))
        for track in tracks:
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate = 48_000
            container.mux(track.encode(sound))
            container.mux(track.encode(None))
    streams = probe(path).audio_streams
    assert [stream.aside for stream in streams] == [False, True, True, False]
    assert streams[3].title == "Adventure mix"
