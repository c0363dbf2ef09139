"""Transport streams, which say nothing of their length: where sound that begins late, or again, belongs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from calvin.media.film.decode import decode_film
from calvin.media.film.source import probe
from calvin.media.sound.film_sound import MIX_RATE, programme_blocks, read_wav
from calvin.media.sound.mux import check_container


def stream(path: Path, heard_s: Sequence[tuple[float, float]], seconds: float = 26, sound: bool = True) -> Path:
    """A picture at 5 frames a second too large to be looked through at once, and a tone at times."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("mpeg2video", rate=25, options={"b": "9000000", "maxrate": "9000000"})
        video.width, video.height, video.pix_fmt = 160, 128, "yuv420p"
        audio: Any = container.add_stream("mp2", rate=48_000, layout="stereo") if sound else None
        image = random.integers(0, 255, (128, 160, 3), dtype=np.uint8)
        for number in range(round(seconds * 25)):
            if number % 3 == 0:
                image = random.integers(0, 255, (128, 160, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            if audio is not None and any(start <= number / 25 < end for start, end in heard_s):
                tone = 8000 * np.sin(np.arange(1920 * 2) // 2 * 0.05)
                piece = av.AudioFrame.from_ndarray(tone.astype(np.int16)[None], format="s16", layout="stereo")
                piece.sample_rate, piece.pts, piece.time_base = 48_000, number * 1920, Fraction(1, 48_000)
                container.mux(audio.encode(piece))
        container.mux([*video.encode(None), *(audio.encode(None) if audio is not None else [])])
    return path


def loud_s(samples: np.ndarray, rate: int) -> list[int]:
    """The seconds in which there is sound."""
    whole = np.append(samples, np.zeros(-len(samples) % rate)).reshape(-1, rate)
    return np.flatnonzero(np.abs(whole).max(axis=1) > 0.02).tolist()


@pytest.mark.parametrize(
    ("heard_s", "loud"),
    [([(13.2, 20.8)], [13, 14, 15, 16, 17, 18, 19, 20]), ([(0.2, 2.8), (15.2, 18.8)], [0, 1, 2, 15, 16, 17, 18])],
)
def test_sound_lies_where_it_is_heard(heard_s: list[tuple[float, float]], loud: list[int], tmp_path: Path) -> None:
    film = stream(tmp_path / "a.ts", heard_s)
    decoded = decode_film(film, tmp_path / "frames")
    assert decoded.sound is not None
    assert loud_s(*read_wav(decoded.sound)) == loud
    [track] = decoded.facts.audio_streams
    mixed = np.concatenate([block[:, 0] for block in programme_blocks(film, track.index, "stereo")])
    assert loud_s(mixed, MIX_RATE) == loud
    assert all(fate.copied for fate in check_container(film, tmp_path / "a.mkv", "aac", "stereo"))


def test_sound_of_the_second_of_two_joined_recordings(tmp_path: Path) -> None:
    mute = stream(tmp_path / "mute.ts", [], 12, sound=False)
    film = tmp_path / "joined.ts"
    film.write_bytes(mute.read_bytes() + stream(tmp_path / "full.ts", [(3.2, 5.8)], 8).read_bytes())
    decoded = decode_film(film, tmp_path / "frames")
    assert decoded.sound is not None
    assert loud_s(*read_wav(decoded.sound)) == [15, 16, 17]
    [track] = decoded.facts.audio_streams
    mixed = np.concatenate([block[:, 0] for block in programme_blocks(film, track.index, "stereo")])
    assert loud_s(mixed, MIX_RATE) == [15, 16, 17]


def test_a_sound_track_of_which_nothing_comes(tmp_path: Path) -> None:
    film = stream(tmp_path / "a.ts", [])
    [track] = probe(film).audio_streams
    assert track.sample_rate == 0
    lost = [fate.lost for fate in check_container(film, tmp_path / "a.mkv", "aac", "stereo") if fate.lost]
    assert lost == ["Left out, because the film's beginning does not say what it is: a sound track (mp3)."]
