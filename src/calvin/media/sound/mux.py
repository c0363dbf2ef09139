"""A film written again with a description track, and checked: its own packets as they are, the new track among them.

In a version that pauses, the picture's packets keep their content too: a frame is held because the next one comes
later. Sound cannot be held, so its tracks are replaced by others that have silence there.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.stream import Disposition

from calvin.core.errors import MediaError, UsageError
from calvin.media.film.source import MediaLimits, open_film, start_us, timecode
from calvin.media.languages import long_code
from calvin.media.sound.containers import (
    IMAGES,
    MP4,
    CannotHoldError,
    Fate,
    added_copy,
    article,
    begun,
    codec_name,
    fates,
    is_cover,
    is_essential,
    named,
)
from calvin.media.sound.film_check import (
    DESCRIPTION,
    AddedTrack,
    Essence,
    Muxed,
    check_film,
    first_packet,
    first_picture,
)
from calvin.media.sound.film_sound import MIX_RATE, Timeline, packed_frame, silence

if TYPE_CHECKING:
    from av.container import InputContainer

ORIGINAL = Disposition.default | Disposition.original
_REHEARSED_ORDER = 300
_REHEARSED_S, _REHEARSED_PICTURES, _REHEARSED_BYTES = 2.0, 12, 64_000_000
"""How much of a film is written to see what a container makes of it."""


def check_container(
    film: str | Path, target: str | Path, codec: str, layout: str, language: str = "", replaced: Collection[int] = ()
) -> list[Fate]:
    """Find out before the work whether a container can hold a film and a description in `codec`.

    The beginning of the film is written, read again and compared, so what a container would change or lose is known.

    Args:
        target: the file that is to be written, by whose suffix the container is known; nothing is written there.
        layout: the description's channels, and `language` its code.
        replaced: the film's sound tracks that are to be taken from files in `codec` instead.

    Raises:
        UsageError: the container cannot hold the film's picture or sound, or state the language.
        MediaError: the film cannot be read.
    """
    suffix = Path(target).suffix.lower()
    if language and len(language) != 3 and suffix in MP4:
        raise UsageError(
            f"{target} cannot state the language {language!r}, which has no code of three letters: name an .mkv file."
        )
    try:
        return _rehearsed(Path(film), suffix, codec, layout, language, replaced)
    except CannotHoldError as error:
        advice = "convert the film first, or write the description alone, as an .m4a file"
        for other in (".mkv", ".mp4", ".mov"):
            try:
                if other != suffix and _rehearsed(Path(film), other, "aac", layout, language, replaced):
                    advice = f"name an {other} file"
                    break
            except CannotHoldError:
                continue
        raise UsageError(
            f"{target} cannot be made, because {article(suffix)} cannot hold this film's {error}: {advice}."
        ) from error


def _rehearsed(
    film: Path, suffix: str, codec: str, layout: str, language: str, replaced: Collection[int]
) -> list[Fate]:
    """What becomes of a film's streams: what does not survive its beginning being written is left out.

    Raises:
        CannotHoldError: the picture or a sound track does not survive.
    """
    with tempfile.TemporaryDirectory() as folder, open_film(film, MediaLimits()) as source:
        quiet = Path(folder) / "quiet.mka"
        _write_silence(quiet, codec, layout)
        description = AddedTrack(quiet, language, "Audio Description", DESCRIPTION)
        track = AddedTrack(quiet, None, "", Disposition(0))

        def attempt(left_out: Collection[int]) -> list[Fate]:
            kept = fates(source, suffix, [(codec, layout)] * (1 + len(replaced)), replaced, left_out)
            written = Path(folder) / f"film{suffix}"
            try:
                muxed = mux_film(
                    film, written, description, kept, replaced=dict.fromkeys(replaced, track), briefly=True
                )
                check_film(written, muxed, description)
            except (MediaError, OSError, ValueError) as error:
                raise CannotHoldError("streams as they are") from error
            return kept

        try:
            return attempt(())
        except CannotHoldError:
            # One of the streams beside picture and sound may be the reason: those that survive alone come along.
            beside = [stream.index for stream in source.streams if not is_essential(stream)]
            kept, left_out = attempt(beside), list(beside)
            for index in beside:
                try:
                    kept = attempt([other for other in left_out if other != index])
                    left_out.remove(index)
                except CannotHoldError:
                    continue
            return kept


def _write_silence(path: Path, codec: str, layout: str) -> None:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=MIX_RATE, layout=layout)
        for block in silence(MIX_RATE // 2, av.AudioLayout(layout).nb_channels):
            container.mux(stream.encode(packed_frame(block, MIX_RATE, layout)))
        container.mux(stream.encode(None))


def mux_film(
    film: str | Path, target: str | Path, description: AddedTrack, kept: Sequence[Fate],
    timeline: Timeline | None = None, replaced: dict[int, AddedTrack] | None = None,
    on_time: Callable[[float], None] | None = None, briefly: bool = False, spoken: str = "",
    text: AddedTrack | None = None,
) -> Muxed:  # fmt: skip
    """Write `film` to `target` with a description track after its first sound track.

    Streams keep their order, content, language and titles; the first sound track becomes default and original, the
    description is never default.

    Args:
        kept: what becomes of the film's streams (see `check_container`).
        timeline: where the film pauses.
        replaced: sound tracks, by index in the film, to take from files instead.
        briefly: write the beginning only.
        spoken: the language of a sound track of the film that states none.
        text: the description as a file of subtitles, to become the last track.

    Raises:
        MediaError: the film cannot be read or the file not be written.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_film(film, MediaLimits()))
        output = stack.enter_context(begun(Path(target), Path(target).suffix.lower()))
        output.metadata.update(source.metadata)
        if description.comment:
            before = [source.metadata["comment"]] if source.metadata.get("comment") else []
            output.metadata["comment"] = "; ".join([*before, description.comment])
        _copy_chapters(source, output, timeline)
        copies, added, covers, muxed = _lay_out(source, output, kept, (description, text), replaced or {}, stack)
        for copy, of in copies.values():
            if spoken and of.kind == "audio" and copy.metadata.get("language", "und") == "und":
                copy.metadata["language"] = long_code(spoken)
        for copy, image in covers:
            packet = av.Packet(image)
            packet.stream, packet.time_base, packet.pts, packet.dts = copy, Fraction(1, 1000), 0, 0
            output.mux_one(packet)
        first = first_picture(source)
        origin = start_us(source, first) if first else source.start_time
        muxed.timecode = timecode(source)
        muxed.pixel_aspect = first.sample_aspect_ratio if first else None
        shown = _times_shown(Path(film), source, _REHEARSED_ORDER if briefly else None)
        _copy(source, output, copies, added, timeline or Timeline(), origin or 0, on_time, briefly, shown)
    return muxed


def _times_shown(film: Path, source: InputContainer, most: int | None) -> dict[int, tuple[dict[int, int], int]]:
    """For a stream, by index, the time at which each packet's picture is shown, by the time that the file gives it, and
    by how much earlier all have to be decoded for that.

    AVI says in which order pictures are decoded and not when they are shown. FFmpeg finds that for MPEG-4, but not for
    B-frames of H.264: there the decoder, which gives pictures in the order of showing, has to tell.

    Args:
        most: packets to look at.

    Raises:
        MediaError: pictures are missing, so that nobody knows which is shown when.
    """
    first = first_picture(source)
    if source.format.name != "avi" or first is None or codec_name(first) not in ("h264", "hevc"):
        return {}
    stated: dict[int, int] = {}
    in_order: list[int] = []
    with open_film(film, MediaLimits()) as container:
        stream = container.streams[first.index]
        stream.codec_context.thread_type = "AUTO"
        for packet in container.demux(stream):
            if packet.pts is not None:
                stated[packet.pts] = packet.dts if packet.dts is not None else packet.pts
            with suppress(av.error.FFmpegError):
                in_order += [frame.pts for frame in packet.decode() if frame.pts is not None]
            if most is not None and len(stated) >= most:
                break
    if most is None and sorted(in_order) != sorted(stated):
        raise MediaError(f"{film} does not say when its pictures are shown, and some are damaged: convert it first.")
    if in_order == sorted(in_order):
        return {}
    shown = dict(zip(in_order, sorted(stated), strict=False))
    return {first.index: (shown, max(0, *(stated[at] - later for at, later in shown.items() if at in stated)))}


def _lay_out(
    source: InputContainer, output: Any, kept: Sequence[Fate],
    described: tuple[AddedTrack, AddedTrack | None], replaced: dict[int, AddedTrack], stack: ExitStack,
) -> tuple[dict[int, tuple[Any, Essence]], list[_Feed], list[tuple[Any, bytes]], Muxed]:  # fmt: skip
    """The streams of the output, in order: the description after the first sound, or last where there is none.

    What containers put behind all tracks, whatever its order was (cover art, fonts), comes last.
    """
    copies: dict[int, tuple[Any, Essence]] = {}
    added: list[_Feed] = []
    description, text = described
    muxed = Muxed(notes=[fate.lost for fate in kept if fate.lost])
    suffix = Path(output.name).suffix.lower()
    copied = {fate.index: fate for fate in kept if fate.copied}

    def add(track: AddedTrack) -> None:
        added.append(_Feed(stack.enter_context(av.open(str(track.path))), output, track))
        muxed.streams.append(None)

    first = next((s.index for s in source.streams.audio if s.index in copied or s.index in replaced), None)
    behind = [stream for stream in source.streams if stream.type == "attachment" or is_cover(stream)]
    for stream in [stream for stream in source.streams if stream not in behind]:
        if stream.index in replaced:
            add(replaced[stream.index])
        elif stream.index in copied:
            copy: Any = added_copy(output, stream, suffix)
            copy.disposition = (stream.disposition | (ORIGINAL if stream.index == first else Disposition(0))).value
            unchanged = Essence(stream.type, copied[stream.index].codec)
            muxed.streams.append(unchanged)
            copies[stream.index] = (copy, unchanged)
        if stream.index == first:
            add(description)
    if first is None:
        add(description)
    if text is not None:
        add(text)
    covers: list[tuple[Any, bytes]] = []
    for stream in behind:
        if stream.index not in copied:
            continue
        copy = added_copy(output, stream, suffix)
        if stream.type != "attachment":
            image = first_packet(source.name, stream.index)
            muxed.covers.append(image)
            if copy is None:
                output.add_attachment(*IMAGES[copied[stream.index].codec], image)
            else:
                covers.append((copy, image))
    return copies, added, covers, muxed


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
        stream = container.streams[0]
        self._copy = output.add_stream_from_template(stream, opaque=stream.type == "subtitle")
        suffix = Path(output.name).suffix.lower()
        self._copy.metadata.clear()
        if track.title:
            named(self._copy, track.title, suffix)
        if track.language:
            self._copy.metadata["language"] = track.language
        if track.comment and suffix == ".mkv":  # the others keep one for the whole file
            self._copy.metadata["comment"] = track.comment
        # Kodi looks for the description of the original language among the tracks that are marked as original.
        kodi = suffix == ".mkv" and stream.type == "audio" and track.disposition & DESCRIPTION
        self._copy.disposition = (track.disposition | (Disposition.original if kodi else Disposition(0))).value
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
    origin_us: int, on_time: Callable[[float], None] | None, briefly: bool,
    shown: dict[int, tuple[dict[int, int], int]],
) -> None:  # fmt: skip
    size = pictures = 0
    before: dict[int, int] = {}
    kinds = {kept.kind for _, kept in copies.values()}
    bases = {index: Fraction(source.streams[index].time_base) for index in copies}
    for packet in _packets(source.demux([source.streams[index] for index in copies])):
        if packet.dts is None and packet.pts is None:
            continue
        size += packet.size
        index = packet.stream.index
        copy, kept = copies[index]
        if index in shown:
            times, early = shown[index]
            packet.pts = times.get(packet.pts, packet.pts)
            packet.dts = None if packet.dts is None else packet.dts - early
        if kept.kind == "audio" and packet.dts is not None:
            # In MP4 a track ends with its last packet's length, and one of no length would lie behind the end.
            packet.duration = packet.duration or max(0, packet.dts - before.get(index, packet.dts))
            before[index] = packet.dts
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
        pictures += packet.stream.type == "video"
        enough = seconds >= _REHEARSED_S and (pictures >= _REHEARSED_PICTURES or "video" not in kinds)
        if briefly and (enough or size >= _REHEARSED_BYTES):
            break
    for feed in added:
        feed.give(float("inf"))


def _packets(demuxed: Iterator[Any]) -> Iterator[Any]:
    """All packets, also where PyAV asks at the end for a stream that began midway, which it does not know."""
    with suppress(IndexError):
        yield from demuxed


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


def not_written(error: OSError, target: Path) -> MediaError:
    """The error for users when a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return MediaError(f"The disk is full: {target} was not written; free some space or name a place elsewhere.")
    return MediaError(f"{target} cannot be written ({error.strerror or error}): check the place, or name another.")
