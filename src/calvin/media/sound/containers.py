"""What a container holds of a film, found by beginning a file of its kind with the film's own streams."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.stream import Disposition

from calvin.media.film.source import track_title
from calvin.media.languages import long_code
from calvin.media.sound.film_sound import MIX_RATE

if TYPE_CHECKING:
    from av.container import InputContainer

CONTAINERS = {".mkv": "matroska", ".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".webm": "webm"}
"""The films that can be written: suffix and FFmpeg's name of the container."""
FLAGLESS = {
    ".mov": "MOV keeps neither the flag that marks a track as description nor its title: players show a plain track.",
    ".webm": "WebM keeps no flag that marks a track as description: players go by its title and language alone.",
}
MP4 = (".mp4", ".m4v")
"""Containers that state a language in three letters or not at all."""
_APPLE = (*MP4, ".mov")
_EXPERIMENTAL = {"strict": "experimental"}
"""Lets TrueHD into MP4, and codecs known by another of their tags into Matroska."""
_PASSTHROUGH = {"default_mode": "passthrough"}
_FAST_START = {"movflags": "faststart"}
IMAGES = {
    "mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png"), "bmp": ("cover.bmp", "image/bmp"),
}  # fmt: skip
"""Cover art by codec: what it is called in an .mkv file, and its kind."""
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
_HEVC_TAGS = {"hvc1", "hev1", "dvh1", "dvhe"}
_MAKERS_NAMES = {"HANDLER_NAME", "VENDOR_ID", "DURATION"}
"""What muxers note for themselves. `handler_name` beside a title shows the title twice."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a film's stream in a container: copied, made anew by the muxer (neither copied nor lost), or
    left out for a reason (`lost`, a sentence).
    """

    index: int
    kind: str
    codec: str
    lost: str = ""
    copied: bool = True


class CannotHoldError(ValueError):
    """A container has no room for a picture or a sound track; says for which."""


def begun(target: Path | io.BytesIO, suffix: str) -> Any:
    """An output container in which nothing is yet."""
    options = _EXPERIMENTAL | (_FAST_START if suffix in _APPLE else _PASSTHROUGH)
    place = target if isinstance(target, io.BytesIO) else str(target)
    return av.open(place, "w", format=CONTAINERS[suffix], options=options)


def article(suffix: str) -> str:
    return f"{'an' if suffix[1:2] in 'm' else 'a'} {suffix[1:]} file"


def codec_name(stream: Any) -> str:
    """The codec, whichever decoder reads it: 'av1' for libdav1d."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return str((getattr(stream, "name", None) if stream.type == "data" else None) or track_title(stream.metadata))


def is_cover(stream: Any) -> bool:
    return bool(stream.type == "video" and stream.disposition & Disposition.attached_pic)


def is_essential(stream: Any) -> bool:
    """Whether a film is not the film without the stream."""
    return stream.type in ("video", "audio") and not is_cover(stream)


def fates(
    source: InputContainer, suffix: str, added: Sequence[tuple[str, str]] = (), replaced: Collection[int] = (),
    left_out: Collection[int] = (),
) -> list[Fate]:  # fmt: skip
    """What becomes of each stream of a film in a container, which is begun in memory with them to find out.

    Args:
        added: codec and channel layout of tracks that come to the film's own.
        replaced: the film's streams that do not come along.
        left_out: streams, besides picture and sound, that are known not to survive.

    Raises:
        CannotHoldError: the container cannot hold the film's picture or sound.
    """
    found: list[Fate] = []
    trial = begun(io.BytesIO(), suffix)
    try:
        for stream in source.streams:
            if stream.index not in replaced:
                found.append(_fate(trial, source, stream, suffix, stream.index in left_out))
        for codec, layout in added:
            trial.add_stream(codec, rate=MIX_RATE, layout=layout)
        trial.start_encoding()
    except (ValueError, av.error.FFmpegError) as error:
        if isinstance(error, CannotHoldError):
            raise
        raise CannotHoldError("streams together") from error
    finally:
        with suppress(av.error.FFmpegError):  # an empty film need not end well
            trial.close()
    return found


def _fate(trial: Any, source: InputContainer, stream: Any, suffix: str, left_out: bool) -> Fate:
    codec, cover = codec_name(stream), is_cover(stream)
    chapters = source.chapters()
    of_chapters = codec == "bin_data" and chapters and stream.frames == len(chapters)
    if stream.type == "data" and (of_chapters or "timecode" in stream.metadata):
        # The text track of the chapters, or the time code: the muxer makes either anew from what is stated of it.
        return Fate(stream.index, stream.type, codec, copied=False)
    if stream.type == "audio" and not stream.sample_rate:
        lost = f"Left out, because the film's beginning does not say what it is: a sound track ({codec})."
        return Fate(stream.index, stream.type, codec, lost, copied=False)
    attached = cover and suffix == ".mkv" and codec in IMAGES
    if not left_out and (attached or added_copy(trial, stream, suffix) is not None):
        return Fate(stream.index, stream.type, codec)
    if is_essential(stream):
        raise CannotHoldError(f"{stream.type} ({codec or 'in an unknown coding'})")
    what = "cover art" if cover else stream.type
    better = " An .mkv file holds it." if suffix != ".mkv" and stream.type == "subtitle" and codec else ""
    lost = f"Left out, because {article(suffix)} cannot hold it: {what}{f' in {codec}' if codec else ''}.{better}"
    return Fate(stream.index, stream.type, codec, lost, copied=False)


def added_copy(output: Any, stream: Any, suffix: str) -> Any | None:
    """A stream of the output for the packets of a film's stream, or None where the container has no room for it.

    Cover art of an .mkv file is an attachment, which is added with its content.
    """
    if stream.type == "attachment" and suffix != ".mkv":
        return None
    if is_cover(stream) and (suffix not in MP4 or codec_name(stream) not in IMAGES):
        return None
    try:
        copy = output.add_stream_from_template(stream, opaque=True)
    except (ValueError, av.error.FFmpegError):
        # PyAV asks FFmpeg for codecs with a name of their own in the container; Matroska holds those of AVI and MOV,
        # too. A stream of a codec that has one takes their parameters over through a filter that changes nothing.
        if suffix != ".mkv" or stream.type not in ("video", "audio"):
            return None
        try:
            copy = output.add_stream_from_template(_stand_ins()[stream.type], opaque=True)
            BitStreamFilterContext("null", in_stream=stream, out_stream=copy)
        except (ValueError, av.error.FFmpegError):
            return None
        if stream.container.format.name != "avi":  # whose tags are those that Matroska uses for what it has no name for
            copy.codec_context.codec_tag = "\0\0\0\0"
    _dress(copy, stream, suffix)
    return copy


@cache
def _stand_ins() -> dict[str, Any]:
    """A stream of each kind whose codec every .mkv file holds, by kind."""
    held = io.BytesIO()
    with av.open(held, "w", format="matroska") as container:
        picture: Any = container.add_stream("mjpeg", rate=1, width=16, height=16, pix_fmt="yuvj420p")
        container.add_stream("pcm_s16le", rate=MIX_RATE)
        container.mux(picture.encode(av.VideoFrame(16, 16, "yuvj420p")))
    held.seek(0)
    return {stream.type: stream for stream in av.open(held).streams}


def _dress(copy: Any, stream: Any, suffix: str) -> None:
    """What the template leaves behind: tag, shape of the pixels, title, language, flags."""
    context = copy.codec_context
    if stream.type == "video" and context is not None:
        if stream.sample_aspect_ratio:
            context.sample_aspect_ratio = stream.sample_aspect_ratio
        if suffix in _APPLE and codec_name(stream) == "hevc":
            # Without the film's own tag FFmpeg writes hev1, which Apple's players do not play.
            tag = stream.codec_context.codec_tag
            context.codec_tag = tag if tag in _HEVC_TAGS else "hvc1"
        elif codec_name(stream) == "rawvideo":  # whose tag is all that says how the pixels lie
            context.codec_tag = stream.codec_context.codec_tag
    elif stream.type == "audio" and context is not None and context.layout.name.endswith(" channels"):
        # Matroska counts channels, MP4 asks where each of them is; players take them for the usual ones, too.
        context.layout = _USUAL_LAYOUTS.get(context.layout.nb_channels, context.layout)
    copy.metadata.clear()
    copy.metadata.update({key: value for key, value in stream.metadata.items() if key.upper() not in _MAKERS_NAMES})
    title = track_title(stream.metadata)
    if title and stream.type in ("video", "audio", "subtitle"):
        named(copy, title, suffix)
    if stream.language and len(stream.language) != 3:
        copy.metadata["language"] = long_code(stream.language)
    copy.disposition = stream.disposition.value


def named(copy: Any, title: str, suffix: str) -> None:
    """Give a track its title: MP4 keeps it as the handler's name, and players show it twice where both are written."""
    copy.metadata.pop("title", None)
    copy.metadata["handler_name" if suffix in _APPLE else "title"] = title
