"""Sound tracks that a film's header names and FFmpeg does not find: damaged ones become data, or nothing at all."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer

_MOST_BOXES = 10_000
_HEAD = 4096
_LONG_HEAD = 1 << 20
_OTHERS = (
    *(b"vide", b"text", b"sbtl", b"subt", b"subp", b"clcp", b"tmcd", b"meta", b"mdta", b"hint", b"auxv", b"pict"),
    *(b"odsm", b"sdsm", b"url ", b"alis"),
)
"""What tracks of MP4 are for, other than sound (as mp4ra.org registers it)."""
_TRACKS, _ENTRY, _TYPE = 0x1654AE6B, 0xAE, 0x83
_SOUND = 2


def lost_sounds(film: Path, container: InputContainer) -> int:
    """How many sound tracks a film says it has, beyond those that can be decoded.

    MP4, QuickTime and Matroska say what each track is; AVI says only how many there are. Transport streams repeat what
    they hold.
    """
    found = sum(stream.codec_context is not None for stream in container.streams.audio)
    stated = len(container.streams.audio)
    with suppress(OSError, struct.error), open(film, "rb") as file:
        if container.format.name.startswith("mov"):
            end = os.fstat(file.fileno()).st_size
            kinds = _track_kinds(file, 0, end)
            # Without any sound, what is none of the others may have been one.
            stated = max(stated, sum(kind in (b"soun", b"") or not (found or kind in _OTHERS) for kind in kinds))
        elif container.format.name.startswith("matroska"):
            stated = max(stated, _matroska_sounds(file.read(_LONG_HEAD)))
        elif container.format.name == "avi":
            # What a lost track held is not known: where there is another sound, it may have been subtitles.
            missing = _avi_streams(file) - len(container.streams)
            stated += 1 if missing > 0 and not found else 0
    return stated - found


def _track_kinds(file: IO[bytes], start: int, end: int) -> list[bytes]:
    """What each track of an MP4 file is for, b"" where the file breaks off before that (ISO/IEC 14496-12, 8.4.3)."""
    kinds = []
    for kind, begin, stop in _boxes(file, start, end):
        if kind == b"moov":
            kinds += _track_kinds(file, begin, stop)
        elif kind == b"trak":
            kinds.append(_handler(file, begin, stop))
    return kinds


def _handler(file: IO[bytes], start: int, end: int) -> bytes:
    for kind, begin, stop in _boxes(file, start, end):
        if kind == b"mdia":
            return _handler(file, begin, stop)
        if kind == b"hdlr":
            file.seek(begin + 8)
            return file.read(4)
    return b""


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each box, and where its content begins and ends."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        size, kind = struct.unpack(">I4s", file.read(8))
        head = 8
        if size == 1:
            (size,), head = struct.unpack(">Q", file.read(8)), 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield kind, start + head, min(start + size, end)
        start += size


def _avi_streams(file: IO[bytes]) -> int:
    """How many streams an AVI file says it has; 0 where its header is not found."""
    beginning = file.read(_HEAD)
    at = beginning.find(b"avih")
    return struct.unpack_from("<I", beginning, at + 8 + 24)[0] if at >= 0 else 0


def _matroska_sounds(head: bytes) -> int:
    """How many sound tracks the beginning of a Matroska file says it has (RFC 9559, 5.1.4)."""
    most, at = 0, -1
    while (at := head.find(_TRACKS.to_bytes(4), at + 1)) >= 0:  # once in the index of the file's parts, too
        for kind, start, stop in _elements(head, at, len(head)):
            if kind == _TRACKS:
                entries = [(x, y) for entry, x, y in _elements(head, start, stop) if entry == _ENTRY]
                most = max(most, sum(_track_type(head, x, y) in (_SOUND, None) for x, y in entries))
            break
    return most


def _track_type(head: bytes, start: int, stop: int) -> int | None:
    """What a track is; None where the entry is so damaged that it does not say."""
    return next((head[a] for kind, a, _ in _elements(head, start, stop) if kind == _TYPE and a < len(head)), None)


def _elements(data: bytes, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The id of each element of EBML, and where its content begins and ends."""
    while start + 2 <= min(stop, len(data)) and data[start]:
        width = 9 - data[start].bit_length()
        kind, start = int.from_bytes(data[start : start + width]), start + width
        if start >= len(data) or not data[start]:
            return
        width = 9 - data[start].bit_length()
        size, start = int.from_bytes(data[start : start + width]) & ((1 << (7 * width)) - 1), start + width
        yield kind, start, min(start + size, stop)
        start += size
