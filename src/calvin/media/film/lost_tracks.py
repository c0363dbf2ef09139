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


def lost_sounds(film: Path, container: InputContainer) -> int:
    """How many sound tracks a film says it has, beyond those that can be decoded.

    MP4 and QuickTime files say what each track is; AVI says only how many there are. Other containers repeat what they
    hold, or keep it in one piece with what is needed to decode it.
    """
    found = sum(stream.codec_context is not None for stream in container.streams.audio)
    stated = len(container.streams.audio)
    with suppress(OSError, struct.error), open(film, "rb") as file:
        if container.format.name.startswith("mov"):
            end = os.fstat(file.fileno()).st_size
            stated = max(stated, sum(kind in (b"soun", b"") for kind in _track_kinds(file, 0, end)))
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
