"""Whether every usual browser plays a film file as it is.

What all of Chromium, Firefox and Safari play, of what calvin opens (MDN, "Media container formats", "Web video codec
guide" and "Web audio codec guide", https://developer.mozilla.org/docs/Web/Media/Guides/Formats; caniuse.com/mpeg4,
/webm, /hevc, /av1, /opus):

| container | picture | sound |
|---|---|---|
| MP4 | H.264 up to High, 8 bits, 4:2:0 | AAC, MP3, or none |
| WebM | VP8, VP9 in 8 bits, 4:2:0 | Opus, Vorbis, or none |

HEVC plays where the system decodes it, AV1 not in Safari on machines without a decoder for it, AC-3 and DTS in no
Firefox or Chromium; QuickTime, Matroska, AVI and transport streams are each unknown to one of the three at least.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calvin.media.film.source import MediaLimits, open_film, video_stream

_PLAYED = {
    "mp4": ({"h264"}, {"aac", "mp3", "mp3float"}),
    "webm": ({"vp8", "vp9", "libvpx", "libvpx-vp9"}, {"opus", "libopus", "vorbis", "libvorbis"}),
}
"""Codecs of picture and sound by container."""
_NAMES = {
    "hevc": "HEVC", "h264": "H.264", "mpeg4": "MPEG-4 Part 2", "mpeg2video": "MPEG-2", "av1": "AV1", "libdav1d": "AV1",
    "prores": "ProRes", "ac3": "AC-3", "eac3": "E-AC-3", "dca": "DTS", "truehd": "TrueHD", "flac": "FLAC",
}  # fmt: skip
_CONTAINERS = {"matroska": "Matroska (MKV)", "mov": "QuickTime (MOV)", "avi": "AVI", "mpegts": "a transport stream"}
_PLAIN = ("yuv420p", "yuvj420p")


def browser_trouble(path: str | Path) -> str:
    """Why some usual browser does not play a film ("its picture is HEVC"); blank where all of them do.

    Raises:
        MediaError: the file cannot be opened as a film.
    """
    film = Path(path)
    with open_film(film) as container:
        kind = _kind(container)
        if kind not in _PLAYED:
            return f"its container is {_CONTAINERS.get(kind, kind)}"
        picture = video_trouble(video_stream(container, film, MediaLimits()), _PLAYED[kind][0])
        if picture:
            return picture
        sounds = {_codec(stream) for stream in container.streams.audio}
        wrong = sorted(sounds - _PLAYED[kind][1])
        return f"its sound is {_NAMES.get(wrong[0], wrong[0])}" if wrong else ""


def video_trouble(stream: Any, codecs: set[str] = _PLAYED["mp4"][0]) -> str:
    """What of a picture stream browsers do not play, in the same words."""
    codec = _codec(stream)
    if codec not in codecs:
        return f"its picture is {_NAMES.get(codec, codec)}"
    if stream.codec_context.pix_fmt not in _PLAIN:
        return f"its picture has more bits or colours than browsers play ({stream.codec_context.pix_fmt})"
    return ""


def _kind(container: Any) -> str:
    name = container.format.name
    if name.startswith("mov"):
        return "mov" if container.metadata.get("major_brand", "").strip() == "qt" else "mp4"
    if name.startswith("matroska"):
        return "webm" if _is_webm(Path(container.name)) else "matroska"
    return str(name.split(",")[0])


def _is_webm(path: Path) -> bool:
    """Matroska says which of its kinds a file is in its first bytes (DocType, EBML id 0x4282)."""
    with open(path, "rb") as stream:
        head = stream.read(256)
    at = head.find(b"\x42\x82")
    return at >= 0 and b"webm" in head[at : at + 16]


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return str(context.name) if context is not None else "unknown"
