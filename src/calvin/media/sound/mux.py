"""A film written again with a description track, and checked: its own packets as they are, the new track among them.

In a version that pauses, the picture's packets keep their content too: a frame is held because the next one comes
later. Sound cannot be held, so its tracks are replaced by others that have silence there.
"""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.stream import Disposition

from calvin.core.errors import MediaError, UsageError
from calvin.media.film.source import MediaLimits, open_film, start_us, track_title
from calvin.media.languages import short_code
from calvin.media.sound.film_sound import MIX_RATE, Timeline

if TYPE_CHECKING:
    from av.container import InputContainer

DESCRIPTION = Disposition.visual_impaired | Disposition.descriptions
ORIGINAL = Disposition.default | Disposition.original
CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
"""The films that can be written: suffix and FFmpeg's name of the container."""
FLAGLESS = {
    ".mov": "MOV keeps neither the flag that marks a track as description nor its title: players show a plain track.",
    ".webm": "WebM keeps no flag that marks a track as description: players go by its title and language alone.",
}
_OPTIONS = {".mkv": {"default_mode": "passthrough"}, ".webm": {"default_mode": "passthrough"}}
_FAST_START = {"movflags": "faststart"}
_SHIFT_MS = 2.0
"""What containers round times to, and some more."""
_NAL_CODECS = {"h264", "hevc"}
_MATROSKA = (".mkv", ".webm")
_THREE_LETTERS = (".mp4", ".m4v")
"""Containers that state a language in three letters or not at all."""


@dataclass(frozen=True, slots=True)
class AddedTrack:
    """An encoded sound file that becomes a track."""

    path: Path
    language: str | None
    title: str
    disposition: Disposition


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a film's stream in a container: kept as it is, or left out for a reason (`lost`, a sentence)."""

    index: int
    kind: str
    codec: str
    lost: str = ""


@dataclass
class Essence:
    """What must not change in a stream: the content of its packets, and when they come (checked by mean, in ms)."""

    kind: str
    codec: str
    digest: Any = field(default_factory=hashlib.sha256)
    packets: int = 0
    sum_ms: float = 0.0
    last_ms: float = 0.0

    def add(self, packet: av.Packet, time_ms: float) -> None:
        self.digest.update(essence(bytes(packet), self.codec))
        self.packets += 1
        self.sum_ms += time_ms
        self.last_ms = max(self.last_ms, time_ms)


@dataclass
class Muxed:
    """What was written: for each stream of the file its essence (None: added), and what was left out, in sentences."""

    streams: list[Essence | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


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


def check_container(
    film: str | Path, target: str | Path, codec: str, layout: str, language: str = "", replaced: Collection[int] = ()
) -> list[Fate]:
    """Ask before the work whether a container can hold a film and a description in `codec`.

    Args:
        target: the file that is to be written, by whose suffix the container is known; nothing is written.
        layout: the description's channels, and `language` its code.
        replaced: the film's sound tracks that are to be taken from files in `codec` instead.

    Raises:
        UsageError: the container cannot hold the film's picture or sound, or state the language.
        MediaError: the film cannot be read.
    """
    if language and len(language) != 3 and Path(target).suffix.lower() in _THREE_LETTERS:
        raise UsageError(
            f"{target} cannot state the language {language!r}, which has no code of three letters: name an .mkv file."
        )
    with open_film(film, MediaLimits()) as source:
        return fates(source, Path(target), [(codec, layout)] * (1 + len(replaced)), replaced)


def fates(
    source: InputContainer, target: Path, added: Sequence[tuple[str, str]] = (), replaced: Collection[int] = ()
) -> list[Fate]:
    """What becomes of each stream of a film in a container, which is begun in memory with them to find out.

    Args:
        target: names the container by its suffix, and is what messages name.
        added: codec and channel layout of tracks that come to the film's own.
        replaced: the film's streams that do not come along.

    Raises:
        UsageError: the container cannot hold the film's picture or sound.
    """
    suffix, found = target.suffix.lower(), list[Fate]()
    container = f"{'a' if suffix == '.webm' else 'an'} {suffix[1:]} file"
    trial = av.open(io.BytesIO(), "w", format=CONTAINERS[suffix])
    try:
        for stream in source.streams:
            if stream.index in replaced:
                continue
            codec = stream.codec_context.name if stream.codec_context is not None else stream.type
            if _takes(trial, stream, codec, suffix):
                found.append(Fate(stream.index, stream.type, codec))
                continue
            if stream.type in ("video", "audio"):
                raise UsageError(
                    f"{target} cannot be made, because {container} cannot hold this film's {stream.type} "
                    f"({codec}): name an .mkv file."
                )
            better = " An .mkv file holds them." if suffix != ".mkv" and stream.type == "subtitle" else ""
            lost = f"Left out, because {container} cannot hold it: {stream.type} in {codec}.{better}"
            found.append(Fate(stream.index, stream.type, codec, lost))
        for codec, layout in added:
            trial.add_stream(codec, rate=MIX_RATE, layout=layout)
        trial.start_encoding()
    except (ValueError, av.error.FFmpegError) as error:
        raise UsageError(
            f"{target} cannot be made, because {container} cannot hold this film's streams together "
            f"({error}): name an .mkv file."
        ) from error
    finally:
        with suppress(av.error.FFmpegError):  # an empty film need not end well
            trial.close()
    return found


def _takes(trial: Any, stream: Any, codec: str, suffix: str) -> bool:
    """Whether a container has room for such a stream, which is then in it."""
    if stream.type in ("attachment", "data"):
        known = (stream.type == "attachment") == (suffix in _MATROSKA)
    else:
        known = codec in trial.supported_codecs
    try:
        return known and trial.add_stream_from_template(stream) is not None
    except (ValueError, av.error.FFmpegError):
        return False


def mux_film(
    film: str | Path, target: str | Path, description: AddedTrack, timeline: Timeline | None = None,
    replaced: dict[int, AddedTrack] | None = None, on_time: Callable[[float], None] | None = None,
) -> Muxed:  # fmt: skip
    """Write `film` to `target` with a description track after its first sound track.

    Streams keep their order, content, language and titles; the first sound track becomes default and original, the
    description is never default. What the container cannot hold besides picture and sound is left out, with a note.

    Args:
        timeline: where the film pauses.
        replaced: sound tracks, by index in the film, to take from files instead.

    Raises:
        UsageError: the container cannot hold the film's picture or sound (see `check_container`).
        MediaError: the film cannot be read or the file not be written.
    """
    suffix = Path(target).suffix.lower()
    options = _OPTIONS.get(suffix, _FAST_START)
    with ExitStack() as stack:
        source = stack.enter_context(open_film(film, MediaLimits()))
        kept = fates(source, Path(target), replaced=replaced or {})
        output = stack.enter_context(av.open(str(target), "w", format=CONTAINERS[suffix], options=options))
        output.metadata.update(source.metadata)
        copies, added, muxed = _lay_out(source, output, kept, description, replaced or {}, stack)
        _copy_chapters(source, output, timeline)
        pictures = source.streams.video
        origin = start_us(source, pictures[0]) if pictures else source.start_time
        _copy(source, output, copies, added, timeline or Timeline(), origin or 0, on_time)
    return muxed


def _lay_out(
    source: InputContainer, output: Any, kept: Sequence[Fate], description: AddedTrack,
    replaced: dict[int, AddedTrack], stack: ExitStack,
) -> tuple[dict[int, tuple[Any, Essence]], list[_Feed], Muxed]:  # fmt: skip
    """The streams of the output, in order: the description after the first sound, or last where there is none."""
    copies: dict[int, tuple[Any, Essence]] = {}
    added: list[_Feed] = []
    muxed = Muxed(notes=[fate.lost for fate in kept if fate.lost])
    codecs = {fate.index: fate.codec for fate in kept if not fate.lost}

    def add(track: AddedTrack) -> None:
        added.append(_Feed(stack.enter_context(av.open(str(track.path))), output, track))
        muxed.streams.append(None)

    first = next((stream.index for stream in source.streams.audio), None)
    for stream in source.streams:
        if stream.index in replaced:
            add(replaced[stream.index])
        elif stream.index in codecs:
            copy = output.add_stream_from_template(stream)
            copy.metadata.update({key: value for key, value in stream.metadata.items() if key.upper() != "DURATION"})
            copy.disposition = (stream.disposition | (ORIGINAL if stream.index == first else Disposition(0))).value
            unchanged = Essence(stream.type, codecs[stream.index])
            muxed.streams.append(unchanged)
            if stream.type != "attachment":
                copies[stream.index] = (copy, unchanged)
        if stream.index == first:
            add(description)
    if first is None:
        add(description)
    return copies, added, muxed


def _copy_chapters(source: Any, output: Any, timeline: Timeline | None) -> None:
    chapters = source.chapters()
    if not chapters:
        return
    for chapter in chapters:
        for edge in ("start", "end"):
            base = chapter["time_base"]
            added = timeline.added_us(round(chapter[edge] * base * 1_000_000)) if timeline else 0
            chapter[edge] += round(Fraction(added, 1_000_000) / base)
    output.set_chapters(chapters)


class _Feed:
    """The packets of an added track, given out as their time comes."""

    def __init__(self, container: Any, output: Any, track: AddedTrack) -> None:
        stream = container.streams.audio[0]
        self._copy = output.add_stream_from_template(stream)
        self._copy.metadata.update({"title": track.title, "handler_name": track.title} if track.title else {})
        if track.language:
            self._copy.metadata["language"] = track.language
        self._copy.disposition = track.disposition.value
        self._tick_s = float(stream.time_base)
        self._packets: Iterator[Any] = (p for p in container.demux(stream) if p.dts is not None)
        self._next = next(self._packets, None)
        self._output = output

    def give(self, until_s: float) -> None:
        while self._next is not None and self._next.dts * self._tick_s <= until_s:
            packet = self._next
            self._next = next(self._packets, None)
            # An encoder's run-up would move every other stream in containers that begin at zero.
            if packet.pts >= 0:
                packet.stream = self._copy
                self._output.mux_one(packet)


def _copy(
    source: Any, output: Any, copies: dict[int, tuple[Any, Essence]], added: Sequence[_Feed], timeline: Timeline,
    origin_us: int, on_time: Callable[[float], None] | None,
) -> None:  # fmt: skip
    bases = {index: Fraction(source.streams[index].time_base) for index in copies}
    for packet in source.demux([source.streams[index] for index in copies]):
        if packet.dts is None and packet.pts is None:
            continue
        index = packet.stream.index
        copy, kept = copies[index]
        _move(packet, bases[index], timeline, origin_us)
        tick_s = bases[index].numerator / bases[index].denominator
        seconds = (packet.dts if packet.dts is not None else packet.pts) * tick_s
        kept.add(packet, (packet.pts if packet.pts is not None else packet.dts) * tick_s * 1000)
        for feed in added:
            feed.give(seconds)
        packet.stream = copy
        output.mux_one(packet)
        if on_time is not None:
            on_time(seconds)
    for feed in added:
        feed.give(float("inf"))


def _move(packet: Any, base: Fraction, timeline: Timeline, origin_us: int) -> None:
    """Into film time, and later by the pauses before."""
    if not timeline.pauses and not origin_us:
        return
    tick_us, parts = base.numerator * 1_000_000, base.denominator

    def moved(ticks: int) -> int:
        added_us = timeline.added_us(ticks * tick_us // parts - origin_us) - origin_us
        return ticks + (2 * added_us * parts + tick_us) // (2 * tick_us)

    start, length = packet.pts, packet.duration
    if packet.stream.type == "subtitle" and start is not None and length and timeline.pauses:
        packet.duration = moved(start + length) - moved(start)
    packet.pts = None if packet.pts is None else moved(packet.pts)
    packet.dts = None if packet.dts is None else moved(packet.dts)


def check_film(path: str | Path, muxed: Muxed, description: AddedTrack, name: str | Path = "") -> int:
    """Compare a written film with what was put into it; returns the index of the description track.

    `name` is what messages call the film while it lies in a temporary file.

    Raises:
        MediaError: a stream's content or times changed, or a flag, title or language of the description was lost.
    """
    suffix, name = Path(path).suffix.lower(), name or path
    with open_film(path, MediaLimits()) as container:
        streams = list(container.streams)
        if len(streams) < len(muxed.streams):
            raise MediaError(f"{name} lost {len(muxed.streams) - len(streams)} of its streams: name an .mkv file.")
        kept = {i: Essence(e.kind, e.codec) for i, e in enumerate(muxed.streams) if e and e.kind != "attachment"}
        pictures = container.streams.video
        origin_ms = (start_us(container, pictures[0]) or 0) / 1000 if pictures else 0.0
        tick_ms = {index: float(streams[index].time_base or 0) * 1000 for index in kept}
        for packet in container.demux([streams[index] for index in kept]):
            time, index = packet.pts if packet.pts is not None else packet.dts, packet.stream.index
            if time is not None:
                kept[index].add(packet, time * tick_ms[index] - origin_ms)
        for index, found in kept.items():
            _same(name, index, found, muxed.streams[index])
        audio = [stream.index for stream in container.streams.audio]
        index = audio[1] if len(audio) > 1 else audio[0]
        track = streams[index]
        if muxed.streams[index] is not None:
            raise MediaError(f"{name} does not hold the description as its second sound track: name an .mkv file.")
        if suffix not in FLAGLESS:
            flags = track.disposition & description.disposition == description.disposition
            language = not description.language or short_code(track.language or "") == short_code(description.language)
            # Matroska has one flag for both notions.
            lost = [] if flags or (suffix == ".mkv" and track.disposition & description.disposition) else ["flags"]
            lost += [] if track_title(track.metadata) == description.title else ["title"]
            lost += [] if language else ["language"]
            if lost:
                raise MediaError(f"{name} lost the description's {' and '.join(lost)}: name an .mkv file.")
    return index


def _same(name: str | Path, index: int, found: Essence, expected: Essence | None) -> None:
    assert expected is not None
    changed = found.packets != expected.packets or found.digest.digest() != expected.digest.digest()
    mean_ms = abs(found.sum_ms - expected.sum_ms) / max(1, found.packets)
    if changed or (found.kind != "subtitle" and mean_ms > _SHIFT_MS):
        what = f"moved by {mean_ms:.0f} ms" if not changed else "changed on the way"
        raise MediaError(
            f"Stream {index} ({found.kind}) of {name} {what}, so the file was not kept: name an .mkv file."
        )


def not_written(error: OSError, target: Path) -> MediaError:
    """The error for users when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediaError(f"The disk is full: {target} was not written; free some space or name a place elsewhere.")
    return MediaError(f"{target} cannot be written ({error.strerror or error}): check the place, or name another.")
