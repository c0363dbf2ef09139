from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.media.film.decode import LOST_SOUND, DecodeSettings, decode_film
from calvin.media.film.source import probe

Film = Callable[..., Path]


def cut_at(path: Path, mark: bytes, shift: int) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(mark) + shift])


def without_codec(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\x86\x85A_AAC", b"\x67\x85A_AAC").replace(b"\x86\x86A_OPUS", b"\x67\x86A_OPUS"))


def without_second(path: Path, mark: bytes) -> None:
    """An AVI whose second list of a kind is passed over."""
    data = path.read_bytes()
    at = data.index(mark, data.index(mark) + 1) - len("LIST....")
    path.write_bytes(data[:at] + b"JUNK" + data[at + 4 :])


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.avi", "a.mkv"])
def test_whole_films_lose_no_sound(film: Film, name: str) -> None:
    assert probe(film(name, count=5, audio={"eng": 0.0}), fingerprint=False).lost_sounds == 0
    assert probe(film(f"silent-{name}", count=5), fingerprint=False).lost_sounds == 0


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("a.mp4", lambda path: cut_at(path, b"soun", 4)),  # its codec is gone
        ("a.mp4", lambda path: cut_at(path, b"soun", -9)),  # and here what the track is for
        ("a.avi", lambda path: without_second(path, b"strl")),
        ("a.mkv", without_codec),
    ],
)
def test_a_sound_track_whose_header_is_damaged_is_told(
    film: Film, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    path = film(name, count=5, audio={"eng": 0.0})
    damage(path)
    facts = probe(path, fingerprint=False)
    assert (facts.lost_sounds, facts.audio_streams) == (1, ())
    decoded = decode_film(path, tmp_path / "out", DecodeSettings(cuts=False))
    assert decoded.sound is None
    assert LOST_SOUND in decoded.report.notes
