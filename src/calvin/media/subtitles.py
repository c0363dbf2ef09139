"""Subtitles in: SubRip, WebVTT, SubStation and TTML to plain timed lines, whatever state the file is in."""

from __future__ import annotations

import html
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pysubs2

from calvin.core.errors import SubtitleError
from calvin.core.time import Span
from calvin.core.types import DialogueLine

MAX_BYTES = 20_000_000
MAX_CUES = 100_000
_SWAP_MS = 10_000
"""A cue that runs backwards by at most this was meant the other way round; further back its times mean nothing."""

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_NAME = re.compile(r"^(?:[-–—]\s*)?([^\W\d_][\w .'’-]{0,40}):\s+(?=\S)")
_SOUND = re.compile(r"^(?:[\s♪♫#-]|\[[^\]]*\]|\([^)]*\))*$")


@dataclass(frozen=True, slots=True)
class SubtitleReport:
    """What was read and what was put right; `cues` counts the file's cues, `kept` the lines of dialogue."""

    format: str
    encoding: str
    cues: int
    kept: int
    overlapping: int = 0
    out_of_order: int = 0
    swapped: int = 0
    dropped: int = 0
    empty: int = 0
    sounds: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that was not as it should be."""
        said = [
            (self.swapped, "ran backwards and had their times swapped"),
            (self.dropped, "had times that make no sense and were left out"),
            (self.out_of_order, "were out of order and were sorted"),
            (self.overlapping, "overlapped the cue before"),
            (self.empty, "had no text and were left out"),
        ]
        notes = [f"{count} of {self.cues} subtitle cues {what}." for count, what in said if count]
        if self.encoding not in ("utf-8", "utf-8-sig"):
            notes.append(f"The subtitles were read as {self.encoding}, which is a guess." * (self.encoding == "cp1252"))
        return tuple(note for note in notes if note)


class Subtitles(NamedTuple):
    """The dialogue in time order, and the report of reading it."""

    lines: tuple[DialogueLine, ...]
    report: SubtitleReport


def read_subtitles(path: str | Path) -> Subtitles:
    """Read a subtitle file (.srt, .vtt, .ass, .ssa, .ttml, .dfxp; recognised by content).

    Cues that describe sounds only ("[door slams]", "♪") are not dialogue: they are counted and left out, so that
    description may be spoken over them.

    Raises:
        SubtitleError: not a readable subtitle file, or not one cue in it can be used.
    """
    text, encoding = read_text(Path(path))
    kind = format_of(text)
    if kind is None:
        raise SubtitleError(f"{path} is not a subtitle file that can be read: give SRT, VTT, ASS or TTML.")
    if kind == "ttml":
        refuse_doctype(text, path)
    if text.count("-->") > MAX_CUES or text.count("\nDialogue:") > MAX_CUES:
        raise SubtitleError(f"{path} holds more than {MAX_CUES} cues, too many for a film: give another file.")
    lines, counts = _lines(_parse(text, kind, path), kind)
    report = SubtitleReport(kind, encoding, counts.pop("cues", 0), len(lines), **counts)
    if not lines and not report.sounds:
        problem = f"none of its {report.cues} cues can be used" if report.cues else "it holds no cues"
        raise SubtitleError(f"{path} is of no use: {problem}; give another file, or none.")
    return Subtitles(tuple(lines), report)


def read_text(path: Path, what: str = "subtitles", formats: str = "SRT, VTT, ASS or TTML") -> tuple[str, str]:
    """The text of a file of timed text with `\\n` line ends, and the encoding it was read by.

    Args:
        what: what people call its content.
        formats: those that may be given instead.

    Raises:
        SubtitleError: it cannot be read, is too large, empty, or no text.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if path.is_file() and size <= MAX_BYTES else b""
    except OSError as error:
        raise SubtitleError(f"The {what} {path} cannot be read ({error.strerror}): check the name.") from error
    if not path.is_file():
        raise SubtitleError(f"{path} is not a file, so it holds no {what}: check the name.")
    if size > MAX_BYTES:
        raise SubtitleError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB, more than the {what} of any film.")
    if not data.strip():
        raise SubtitleError(f"{path} is empty, so it holds no {what}: give another file.")
    text, encoding = _decode(data)
    if "\0" in text:
        raise SubtitleError(f"{path} is not text, so it holds no {what}: give {formats}.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), encoding


def refuse_doctype(text: str, path: str | Path) -> None:
    """
    Raises:
        SubtitleError: the XML declares a document type, and with it entities that may grow without bound.
    """
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise SubtitleError(f"{path} declares its own XML document type, which is refused: remove the DOCTYPE.")


def _decode(data: bytes) -> tuple[str, str]:
    """By byte order mark, else UTF-8, else UTF-16 by its zero bytes, else Windows Western, which reads anything."""
    candidates = ["utf-8"]
    if data.startswith(b"\xef\xbb\xbf"):
        candidates = ["utf-8-sig"]
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        candidates = ["utf-16"]
    elif b"\0" in data[:1000]:
        candidates = ["utf-16-le" if data[1:1000:2].count(0) > data[0:1000:2].count(0) else "utf-16-be"]
    for encoding in candidates:
        try:
            return data.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", errors="replace"), "cp1252"


def format_of(text: str) -> str | None:
    """By its content: "vtt", "ass", "ssa", "ttml", "srt", or None."""
    head = text.lstrip("\ufeff \n\t")
    if head.startswith("WEBVTT"):
        return "vtt"
    if re.search(r"^\[V4\+ Styles\]|^\[Script Info\]", head, re.IGNORECASE | re.MULTILINE):
        return "ssa" if re.search(r"^\[V4 Styles\]", head, re.IGNORECASE | re.MULTILINE) else "ass"
    if head.startswith("<") and re.search(r"<(?:\w+:)?tt[\s>]", head[:10_000]):
        return "ttml"
    return "srt" if "-->" in text else None


def _parse(text: str, kind: str, path: str | Path) -> list[pysubs2.SSAEvent]:
    options = {"keep_html_tags": True} if kind in ("srt", "vtt") else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(pysubs2.SSAFile.from_string(text, format_=kind, **options))
    except Exception as error:  # any way in which a third-party parser may fail on a broken file
        raise SubtitleError(f"{path} is damaged and cannot be read as {kind.upper()}: save it again.") from error


def _lines(events: list[pysubs2.SSAEvent], kind: str) -> tuple[list[DialogueLine], Counter[str]]:
    counts: Counter[str] = Counter()
    lines: list[DialogueLine] = []
    previous_start = 0
    for event in events:
        if event.is_comment or event.is_drawing:
            continue
        counts["cues"] += 1
        counts["out_of_order"] += event.start < previous_start
        previous_start = event.start
        text, speaker = _clean(event, kind)
        start, end = event.start, event.end
        if not text:
            counts["empty"] += 1
        elif _SOUND.match(text):
            counts["sounds"] += 1
        elif start == end or start - end > _SWAP_MS or max(start, end) <= 0:
            counts["dropped"] += 1
        else:
            counts["swapped"] += end < start
            lines.append(DialogueLine(Span(max(0, min(start, end)), max(start, end)), text, speaker))
    lines.sort(key=lambda line: line.span)
    counts["overlapping"] = sum(after.span.start_ms < before.span.end_ms for before, after in pairwise(lines))
    return lines, counts


def _clean(event: pysubs2.SSAEvent, kind: str) -> tuple[str, str]:
    text = event.text.replace(r"\h", " ").replace(r"\n", "\n").replace(r"\N", "\n")
    if kind == "vtt":
        # The parser leaves the comment or name that stands before the next cue at the end of this one.
        text = re.split(r"\n[ \t]*\n", text, maxsplit=1)[0]
    voice = _VOICE.search(text)
    speaker = voice[1] if voice else event.name
    text = " ".join(html.unescape(_TAG.sub("", text)).split())
    named = _NAME.match(text)
    if named and named[1].isupper():
        speaker, text = speaker or named[1], text[named.end() :]
    speaker = " ".join(html.unescape(speaker).split())
    return text, speaker
