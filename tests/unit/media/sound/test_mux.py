"""What a container can hold, asked before the work."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from calvin.core.errors import UsageError
from calvin.media.sound.containers import CONTAINERS
from calvin.media.sound.mux import check_container

Film = Callable[..., Path]


def with_streams(path: Path, film: Path, subtitle: str | None) -> Path:
    """A film with a subtitle track beside its own streams."""
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        if subtitle:
            target.add_stream(subtitle)
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    return path


@pytest.mark.parametrize("suffix", sorted(CONTAINERS.keys() - {".webm"}))
def test_what_is_kept(film: Film, tmp_path: Path, suffix: str) -> None:
    source = film("film.mkv", 10, audio={"eng": 0.0, "ger": 0.0})
    found = check_container(source, tmp_path / f"out{suffix}", "aac", "5.1", "wel", replaced=[2])
    assert [(fate.index, fate.kind, fate.codec, fate.lost) for fate in found] == [
        (0, "video", "h264", ""),
        (1, "audio", "aac", ""),
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"film.mkv"}


def test_what_is_left_out_is_said(film: Film, tmp_path: Path) -> None:
    source = with_streams(tmp_path / "film.mkv", film("plain.mkv", 10, audio={"eng": 0.0}), "ass")
    [lost] = [fate for fate in check_container(source, tmp_path / "out.mp4", "aac", "stereo") if fate.lost]
    assert (lost.index, lost.kind) == (2, "subtitle")
    assert "an mp4 file cannot hold it: subtitle in ass. An .mkv file holds it." in lost.lost
    assert not any(fate.lost for fate in check_container(source, tmp_path / "out.mkv", "aac", "stereo"))


@pytest.mark.parametrize(("suffix", "kept"), [(".mp4", True), (".mov", True), (".mkv", False)])
def test_data_of_a_camera(film: Film, tmp_path: Path, suffix: str, kept: bool) -> None:
    """GoPro's telemetry (GPMF) is a data track of the MP4."""
    gopro = tmp_path / "gopro.mp4"
    plain = film("plain.mp4", 10, audio={"eng": 0.0})
    with av.open(str(plain)) as source, av.open(str(gopro), "w") as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        data = target.add_data_stream("bin_data")
        data.metadata["handler_name"] = "GoPro MET"
        for number in range(2):
            packet = av.Packet(b"DEVC" + bytes(60))
            packet.stream, packet.pts, packet.dts, packet.duration = data, number * 500, number * 500, 500
            packet.time_base = Fraction(1, 1000)
            target.mux(packet)
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    fates = check_container(gopro, tmp_path / f"out{suffix}", "aac", "stereo")
    assert [fate.copied for fate in fates if fate.kind == "data"] == [kept]
    assert ["data in bin_data" in fate.lost for fate in fates if fate.lost] == [True] * (not kept)


def test_what_cannot_be_done_names_the_file_that_was_asked_for(film: Film, tmp_path: Path) -> None:
    source = film("film.mkv", 10, audio={"eng": 0.0})
    with pytest.raises(UsageError, match=r"out\.webm cannot be made, because .* video \(h264\): name an \.mkv file"):
        check_container(source, tmp_path / "out.webm", "libopus", "stereo")
    with pytest.raises(UsageError, match=r"out\.mp4 cannot state the language 'xx'"):
        check_container(source, tmp_path / "out.mp4", "aac", "stereo", "xx")
    check_container(source, tmp_path / "out.mkv", "aac", "stereo", "xx")
    check_container(film("silent.webm", 10), tmp_path / "out.webm", "libopus", "stereo", "wel")
