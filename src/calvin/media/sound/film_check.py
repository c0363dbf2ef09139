"""A film that was written with a description, compared with what was put into it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from calvin.core.errors import MediaError
from calvin.media.film.source import MediaLimits, open_film, start_us, timecode, track_title
from calvin.media.languages import short_code
from calvin.media.sound.containers import FLAGLESS, is_cover

if TYPE_CHECKING:
    from av.container import InputContainer

DESCRIPTION = Disposition.visual_impaired | Disposition.descriptions
_SHIFT_MS = 2.0
"""What containers round times to, and some more."""
_NAL_CODECS = {"h264", "hevc"}
_ASPECT = 0.01
"""By how much the shape of a pixel may differ: containers keep the size of the picture shown, in whole pixels."""


@dataclass(frozen=True, slots=True)
class AddedTrack:
    """An encoded sound file that becomes a track; `comment` is what the file is to say of it."""

    path: Path
    language: str | None
    title: str
    disposition: Disposition
    comment: str = ""


@dataclass
class Essence:
    """What must not change in a stream: the content of its packets, and when they come (checked by mean, in ms)."""

    kind: str
    codec: str
    digest: Any = field(default_factory=hashlib.sha256)
    packets: int = 0
    sum_ms: float = 0.0
    first_ms: float | None = None

    def add(self, packet: av.Packet, time_ms: float) -> None:
        self.digest.update(essence(bytes(packet), self.codec))
        self.packets += 1
        self.sum_ms += time_ms
        self.first_ms = time_ms if self.first_ms is None else self.first_ms

    def later_ms(self, other: Essence) -> float:
        """By how much its packets come later than those of another, in the mean."""
        # Containers cut plain samples into packets as they like.
        if self.codec.startswith("pcm_"):
            return (self.first_ms or 0.0) - (other.first_ms or 0.0)
        return (self.sum_ms - other.sum_ms) / max(1, self.packets)

    def holds(self, other: Essence) -> bool:
        """Whether its content is that of another."""
        same = self.packets == other.packets or self.codec.startswith("pcm_")
        return same and bool(self.digest.digest() == other.digest.digest())


@dataclass
class Muxed:
    """What was written: for each track of the file its essence (None: added), the cover art, the shape of a pixel, and
    what was left out, in sentences.
    """

    streams: list[Essence | None] = field(default_factory=list)
    covers: list[bytes] = field(default_factory=list)
    pixel_aspect: Fraction | None = None
    timecode: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checked:
    """The index of the description, how much later all of a film comes in the file that was written, and the time code
    that it lost.
    """

    index: int
    later_ms: float
    timecode: str = ""


def essence(data: bytes, codec: str) -> bytes:
    """A packet's content however its container frames it: bare NAL units, AAC without ADTS headers."""
    if codec == "aac" and len(data) > 7 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        return data[7 if data[1] & 1 else 9 :]
    if codec not in _NAL_CODECS:
        return data
    if data.startswith((b"\0\0\1", b"\0\0\0\1")):
        return b"".join(unit.rstrip(b"\0") for unit in data.split(b"\x00\x00\x01"))
    units, at = [], 0
    while at + 4 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        units.append(data[at + 4 : at + 4 + length].rstrip(b"\0"))
        at += 4 + length
    return b"".join(units) if at == len(data) else data


def first_picture(container: InputContainer) -> Any | None:
    """The first moving picture of a film."""
    return next((stream for stream in container.streams.video if not is_cover(stream)), None)


def first_packet(film: str, index: int) -> bytes:
    """The content of a stream's first packet, such as cover art."""
    with open_film(film, MediaLimits()) as container:
        return next((bytes(packet) for packet in container.demux(container.streams[index]) if packet.size), b"")


def check_film(path: str | Path, muxed: Muxed, description: AddedTrack, name: str | Path = "") -> Checked:
    """Compare a written film with what was put into it.

    Containers that begin at zero move all streams together, which is no movement; `Checked` says by how much.
    `name` is what messages call the film while it lies in a temporary file.

    Raises:
        MediaError: a stream's content or times changed, or a flag, title or language of the description was lost.
    """
    suffix, name = Path(path).suffix.lower(), name or path
    with open_film(path, MediaLimits()) as container:
        tracks = [stream for stream in container.streams if stream.type != "attachment" and not is_cover(stream)]
        if len(tracks) < len(muxed.streams):
            raise _not_kept(name, f"lost {len(muxed.streams) - len(tracks)} of its streams")
        covers = [first_packet(str(path), stream.index) for stream in container.streams.video if is_cover(stream)]
        if set(muxed.covers) - set(covers):
            raise _not_kept(name, "lost its cover art")
        first = first_picture(container)
        aspect = first.sample_aspect_ratio if first else None
        if abs((aspect or 1) / (muxed.pixel_aspect or 1) - 1) > _ASPECT:
            raise _not_kept(name, "lost the shape of its pixels")
        kept = {tracks[i].index: Essence(e.kind, e.codec) for i, e in enumerate(muxed.streams) if e}
        origin_ms = (start_us(container, first) or 0) / 1000 if first else 0.0
        tick_ms = {index: float(container.streams[index].time_base or 0) * 1000 for index in kept}
        for packet in container.demux([container.streams[index] for index in kept]):
            time, index = packet.pts if packet.pts is not None else packet.dts, packet.stream.index
            if time is not None:
                kept[index].add(packet, time * tick_ms[index] - origin_ms)
        put = {tracks[i].index: e for i, e in enumerate(muxed.streams) if e}
        later_ms = _common_shift(name, kept, put)
        audio = [stream.index for stream in container.streams.audio]
        index = audio[1] if len(audio) > 1 else audio[0]
        if index in kept:
            raise _not_kept(name, "does not hold the description as its second sound track")
        if suffix not in FLAGLESS:
            _check_marks(name, suffix, container.streams[index], description)
        lost = muxed.timecode if not timecode(container) else ""
    return Checked(index, later_ms, lost)


def _check_marks(name: str | Path, suffix: str, track: Any, description: AddedTrack) -> None:
    found = track.disposition & description.disposition
    # Matroska has one flag for both notions.
    lost = [] if found == description.disposition or (suffix == ".mkv" and found) else ["flags"]
    lost += [] if track_title(track.metadata) == description.title else ["title"]
    same = not description.language or short_code(track.language or "") == short_code(description.language)
    lost += [] if same else ["language"]
    if lost:
        raise _not_kept(name, f"lost the description's {' and '.join(lost)}")


def _common_shift(name: str | Path, found: dict[int, Essence], put: dict[int, Essence]) -> float:
    """How many ms later all streams come than they were put in.

    Raises:
        MediaError: one has another content, or comes later or earlier than the others do.
    """
    shifts = {}
    for index, expected in put.items():
        if not found[index].holds(expected):
            raise _not_kept(name, f"changed its stream {index} ({expected.kind}) on the way")
        if expected.kind in ("video", "audio") and expected.packets:
            shifts[index] = found[index].later_ms(expected)
    common = next(iter(shifts.values()), 0.0)
    for index, shift in shifts.items():
        if abs(shift - common) > _SHIFT_MS:
            raise _not_kept(name, f"moved its stream {index} ({put[index].kind}) by {shift - common:.0f} ms")
    return common


def _not_kept(name: str | Path, what: str) -> MediaError:
    other = ".mp4" if Path(name).suffix.lower() == ".mkv" else ".mkv"
    return MediaError(f"{name} {what}, so it was not kept: name an {other} file.")
