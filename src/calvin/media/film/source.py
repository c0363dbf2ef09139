"""Opening films safely, and the facts about them.

Only local files in a handful of containers are opened: FFmpeg would otherwise follow playlists that call themselves
films to other files and to the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.error
from av.stream import Disposition

from calvin.core.config import FrozenConfig
from calvin.core.errors import DataError, MediaError
from calvin.core.files import file_sha256
from calvin.core.time import parse_timecode, round_half_up
from calvin.media.film.lost_tracks import lost_sounds
from calvin.media.languages import short_code

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi"
"""FFmpeg's demuxers that may open a file (`format_whitelist`)."""

READABLE = "mp4, mov, mkv, webm, avi or ts"

NO_FRAME = "{} has a video stream but not one frame of it can be decoded: give a whole file."

_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<smil", b"<asx", b";FFMETADATA", b"v=0")
_ASIDE = Disposition.visual_impaired | Disposition.descriptions | Disposition.comment
_ASIDE_TITLE = re.compile(
    r"audio[- ]?des[ck]r|descripti|descrizion|\bdescribed|\bAD\b|\bDVS\b|visual(?:ly)?[- ]impair|h(?:ö|oe?)rfilm|"
    r"synn?st?olkning|syntolkning|kuvailutulkk|popis pro nevid|тифлокоммент|音声ガイド|解説|commentary|kommentar",
    re.IGNORECASE,
)
_ASIDE_LANGUAGES = ("nar", "qad")
"""What British and French broadcasts put in place of a language for audio description."""
_PARTIAL = Disposition.forced | Disposition.karaoke | Disposition.lyrics | _ASIDE
_PARTIAL_TITLE = re.compile(r"\bforced\b|\bsigns?\b|\bsongs?\b|karaoke|lyrics", re.IGNORECASE)
_HANDLER = re.compile(r"handler|gpac|mainconcept|apple|core media|bento", re.IGNORECASE)
_CLOCK_RUNS_US = 12 * 3600 * 1_000_000
"""A transport stream's clock starts anew after 26.5 hours: a length of that order means that it jumps backwards."""

_FIRST_FRAME_PACKETS = 2000
_LONG_LOOK = {"probesize": "200000000", "analyzeduration": "600000000"}
"""Bytes and microseconds of a transport stream in which its sound is looked for."""
_DELAY_US = 100_000


class MediaLimits(FrozenConfig):
    """What a film may at most ask of the machine."""

    max_pixels: int = 8192 * 4320
    max_duration_s: float = 12 * 3600
    max_streams: int = 64


@dataclass(frozen=True, slots=True)
class AudioStream:
    """`index` counts all streams of the file; `language` as the file states it (often ISO 639-2).

    `aside` marks a track that is not the film's own sound: described already, or commented.
    """

    index: int
    codec: str
    channels: int
    sample_rate: int
    language: str | None
    default: bool
    title: str = ""
    aside: bool = False


@dataclass(frozen=True, slots=True)
class SubtitleStream:
    """`text`: not pictures. `partial` marks a track that does not hold the whole dialogue: forced lines, signs, songs,
    commentary, description."""

    index: int
    codec: str
    language: str | None
    default: bool
    title: str = ""
    text: bool = True
    partial: bool = False


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """What is known of a film before it is decoded.

    `duration_ms` is what the container states (0: not stated). `width` and `height` are as coded; the display size
    has pixel aspect and rotation (degrees, counter-clockwise) applied. `start_ms` is where the film's own clock
    begins; everywhere else film time starts at 0. `lost_sounds` counts sound tracks that the file names and that
    cannot be read. `variable_frame_rate` is a hint from the stated rates. `timecode` is the
    SMPTE time code of the first frame, "" where none is stated. `stamp` is what the disk says of the file, to see later
    whether it changed.
    """

    path: Path
    sha256: str
    size: int
    container: str
    duration_ms: int
    video_codec: str
    width: int
    height: int
    display_width: int
    display_height: int
    rotation: int
    sample_aspect: float
    frame_rate: float | None
    variable_frame_rate: bool
    start_ms: int
    audio_streams: tuple[AudioStream, ...] = ()
    subtitle_streams: tuple[SubtitleStream, ...] = ()
    lost_sounds: int = 0
    timecode: str = ""
    stamp: tuple[int, ...] = field(default=(), repr=False, compare=False)


@contextmanager
def open_film(path: str | Path, limits: MediaLimits | None = None, formats: str = FORMATS) -> Iterator[InputContainer]:
    """The opened container of a local film, closed afterwards.

    Raises:
        MediaError: no such file, not a film, an empty file, a playlist, or beyond the limits.
    """
    limits = limits or MediaLimits()
    film = check_file(path)
    try:
        container = _opened(film, formats)
        if container.format.name == "mpegts" and any(not stream.sample_rate for stream in container.streams.audio):
            # Its sound begins late: a longer look tells what it is.
            container.close()
            container = _opened(film, formats, _LONG_LOOK)
    except av.error.FFmpegError as error:
        raise MediaError(
            f"{film} is not a film that can be read, or its beginning or index is missing ({error.strerror}): "
            f"give a whole {READABLE} file."
        ) from error
    with container:
        if len(container.streams) > limits.max_streams:
            raise MediaError(
                f"{film} holds {len(container.streams)} streams, more than the {limits.max_streams} allowed."
            )
        seconds = stated_us(container) / 1_000_000
        if seconds > limits.max_duration_s:
            raise MediaError(
                f"{film} says it is {seconds / 3600:.1f} hours long, more than the "
                f"{limits.max_duration_s / 3600:g} hours allowed: cut it into parts."
            )
        yield container


def _opened(film: Path, formats: str, look: Mapping[str, str] | None = None) -> InputContainer:
    return av.open(
        # The absolute path keeps a name such as "concat:x" from being read as a protocol.
        str(film.resolve()),
        # As `options` they would go to each stream, too. PyAV 17 then also frees those of streams that it finds
        # only while it probes a transport stream, which never had any: the interpreter ends.
        container_options={"protocol_whitelist": "file", "format_whitelist": formats, **(look or {})},
        metadata_errors="replace",
    )


def check_file(path: str | Path) -> Path:
    """A local, regular file that is not empty and not a playlist.

    Raises:
        MediaError: it is something else.
    """
    film = Path(path)
    if film.is_dir():
        raise MediaError(f"{film} is a folder: give a film file.")
    if not film.exists():
        if re.match(r"[a-zA-Z][\w+.-]+:/", str(path)):
            raise MediaError(f"{path} is an address: only local files are read, so download it first.")
        raise MediaError(f"{film} does not exist: check the name.")
    if not film.is_file():
        raise MediaError(f"{film} is not a regular file: give a film file.")
    try:
        with open(film, "rb") as stream:
            head = stream.read(256)
    except OSError as error:
        raise MediaError(f"{film} cannot be read ({error.strerror}): check its permissions.") from error
    if not head:
        raise MediaError(f"{film} is empty: give a whole {READABLE} file.")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_PLAYLISTS):
        raise MediaError(f"{film} is a playlist or text, not a film: give the film itself, a {READABLE} file.")
    return film


def video_stream(container: InputContainer, film: Path, limits: MediaLimits) -> VideoStream:
    """The first moving picture of the file; cover art does not count. Decodes with threads, within `limits`.

    Raises:
        MediaError: there is none, or its picture is too large or of no size.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no streams at all"
        raise MediaError(f"{film} has no video stream (it holds: {kinds}): give a film with a picture.")
    stream = streams[0]
    context = stream.codec_context
    if context is None:
        raise MediaError(f"{film} holds video in a coding that cannot be decoded here: convert it to H.264.")
    width, height = context.width, context.height
    if width * height > limits.max_pixels:
        raise MediaError(f"{film} has a picture of {width} x {height}, more than {limits.max_pixels} pixels: scale it.")
    context.options = {"max_pixels": str(limits.max_pixels)}
    context.thread_type = "AUTO"
    return stream


def start_us(container: InputContainer, stream: VideoStream) -> int | None:
    """The file's own time that is film time 0, in microseconds; None where the file does not say.

    It is the earliest start of any stream, as in players, but an audio encoder's delay does not move the picture.
    """
    picture = None
    if stream.start_time is not None and stream.time_base is not None:
        picture = round_half_up(float(stream.start_time * Fraction(stream.time_base) * 1_000_000))
    earliest = container.start_time
    if earliest is not None and -_DELAY_US <= earliest < 0:
        # Matroska dates the samples that an audio encoder puts before the sound back to before 0.
        earliest = 0
    if picture is None or (earliest is not None and picture - earliest > _DELAY_US):
        return earliest
    return picture


def stated_us(container: InputContainer, stream: VideoStream | None = None) -> int:
    """How long the file says it is, or its picture, in microseconds; 0 where it does not say.

    Matroska states where the film ends rather than how long it is, and FFmpeg takes a cut AVI at its size, so for
    AVI the header's count of frames speaks.
    """
    length = container.duration or 0
    if container.format.name == "mpegts" and length > _CLOCK_RUNS_US:
        return 0
    matroska = container.format.name.startswith("matroska")
    if stream is not None:
        tag = next((value for key, value in stream.metadata.items() if key.upper().startswith("DURATION")), None)
        if container.format.name == "avi" and stream.frames and stream.average_rate:
            length = round(stream.frames / Fraction(stream.average_rate) * 1_000_000)
        elif stream.duration and stream.time_base:
            length = round(stream.duration * Fraction(stream.time_base) * 1_000_000)
        elif matroska and tag:
            with suppress(DataError):
                length = parse_timecode(tag) * 1000
    return max(0, length - max(0, container.start_time or 0)) if matroska else length


def pixel_aspect(stream: VideoStream) -> float:
    """Width of a pixel over its height; 1 where the file says nothing sensible."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 0.1 <= aspect <= 10 else 1.0


def display_size(frame: VideoFrame, sample_aspect: float, rotation: int) -> tuple[int, int]:
    """Width and height as shown: pixel aspect stretched into the width, then turned."""
    width, height = max(1, round_half_up(frame.width * sample_aspect)), frame.height
    return (height, width) if rotation % 180 else (width, height)


def quarter_turns(frame: VideoFrame) -> int:
    """The frame's rotation in degrees counter-clockwise, to the nearest quarter turn: 0, 90, 180 or 270."""
    return round(frame.rotation / 90) * 90 % 360


def probe(path: str | Path, limits: MediaLimits | None = None, fingerprint: bool = True) -> FilmFacts:
    """Read the facts of a film, and one frame of it.

    `fingerprint=False` leaves `sha256` empty, which saves reading the whole file.

    Raises:
        MediaError: the film cannot be read, has no video stream, or no frame of it can be decoded.
    """
    limits = limits or MediaLimits()
    film = Path(path)
    stamp = _stamp(check_file(film))
    with open_film(film, limits) as container:
        stream = video_stream(container, film, limits)
        frame = _first_frame(container, stream, film)
        rotation = quarter_turns(frame)
        width, height = display_size(frame, pixel_aspect(stream), rotation)
        average, base = stream.average_rate, stream.base_rate
        return FilmFacts(
            path=film,
            sha256=file_sha256(film) if fingerprint else "",
            size=film.stat().st_size,
            container=container.format.name.split(",")[0],
            duration_ms=round_half_up(stated_us(container) / 1000),
            video_codec=stream.codec_context.name,
            width=frame.width,
            height=frame.height,
            display_width=width,
            display_height=height,
            rotation=rotation,
            sample_aspect=pixel_aspect(stream),
            frame_rate=float(average) if average else None,
            variable_frame_rate=average is not None and bool(base) and abs(average / Fraction(base or 1) - 1) > 0.02,
            start_ms=round_half_up((start_us(container, stream) or 0) / 1000),
            audio_streams=audio_streams(container),
            subtitle_streams=_subtitle_streams(container),
            lost_sounds=lost_sounds(film, container),
            timecode=timecode(container),
            stamp=stamp,
        )


def timecode(container: InputContainer) -> str:
    """The SMPTE time code that a film begins with; empty where it states none."""
    stated = [container.metadata, *(stream.metadata for stream in container.streams)]
    return next((value for one in stated for key, value in one.items() if key.lower() == "timecode"), "")


def check_unchanged(facts: FilmFacts) -> None:
    """
    Raises:
        MediaError: the file is no longer the one whose fingerprint was taken.
    """
    try:
        changed = facts.stamp != _stamp(facts.path) and facts.sha256 not in ("", file_sha256(facts.path))
    except OSError:
        changed = True
    if changed:
        raise MediaError(f"{facts.path} changed while it was being read: wait until it is complete, and start again.")


def _stamp(film: Path) -> tuple[int, ...]:
    status = film.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def audio_streams(container: InputContainer) -> tuple[AudioStream, ...]:
    """The sound tracks of an opened film that can be decoded."""
    return tuple(
        AudioStream(
            stream.index,
            stream.codec_context.name,
            stream.codec_context.channels,
            stream.codec_context.sample_rate,
            stream.language,
            bool(stream.disposition & Disposition.default),
            title := track_title(stream.metadata),
            bool(stream.disposition & _ASIDE or _ASIDE_TITLE.search(title) or stream.language in _ASIDE_LANGUAGES),
        )
        for stream in container.streams.audio
        if stream.codec_context is not None
    )


def _subtitle_streams(container: InputContainer) -> tuple[SubtitleStream, ...]:
    return tuple(
        SubtitleStream(
            stream.index,
            stream.codec_context.name,
            stream.language,
            bool(stream.disposition & Disposition.default),
            title := track_title(stream.metadata),
            stream.codec_context.codec.text_sub,
            bool(stream.disposition & _PARTIAL or _ASIDE_TITLE.search(title) or _PARTIAL_TITLE.search(title)),
        )
        for stream in container.streams.subtitles
        if stream.codec_context is not None
    )


def choose_audio(streams: tuple[AudioStream, ...], language: str | None = None) -> AudioStream | None:
    """The track in `language`, else the default one, else the first; one that is described or commented only where
    there is no other."""
    wanted = short_code(language) if language else None

    def rank(stream: AudioStream) -> tuple[bool, bool, bool]:
        spoken = short_code(stream.language) if stream.language else ""
        return stream.aside, wanted is not None and spoken != wanted, not stream.default

    return min(streams, key=rank, default=None)


def mono_tracks(streams: tuple[AudioStream, ...], chosen: AudioStream | None) -> list[AudioStream]:
    """The tracks of one channel each over which a film's sound is spread, the chosen one first; else nothing.

    Cameras and Pro Tools write each microphone or speaker as a track of its own, more than two of them; as many tracks
    in other languages, or of several channels, are something else.
    """
    if chosen is None:
        return []
    alike = [one for one in streams if one.channels == 1 and not one.aside and one.language == chosen.language]
    if chosen not in alike or len(alike) <= 2:
        return []
    return sorted(alike, key=lambda one: one is not chosen)


def track_title(metadata: Mapping[str, str]) -> str:
    """What a stream calls itself; MP4 keeps that as its handler's name, which is mostly a muxer's own."""
    handler = metadata.get("handler_name", "")
    return metadata.get("title") or ("" if _HANDLER.search(handler) else handler)


def _first_frame(container: InputContainer, stream: VideoStream, film: Path) -> VideoFrame:
    with suppress(av.error.FFmpegError):
        for count, packet in enumerate(container.demux(stream)):
            with suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return frame
            if count > _FIRST_FRAME_PACKETS:
                break
    with suppress(av.error.FFmpegError):  # after a broken end the decoder still holds frames
        for frame in stream.decode(None):
            return frame
    raise MediaError(NO_FRAME.format(film))
