"""Subtitles in: SubRip, WebVTT, SubStation and TTML to plain timed lines, whatever state the file is in."""

from __future__ import annotations

import html
import re
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import pysubs2
from av.subtitles.subtitle import AssSubtitle

from calvin.core.errors import ConfigError, DataError, SubtitleError
from calvin.core.prompts import clean_line
from calvin.core.time import Span, round_half_up
from calvin.core.types import DialogueLine
from calvin.media.film.source import (
    FilmFacts,
    MediaLimits,
    SubtitleStream,
    open_film,
    start_us,
    video_stream,
)
from calvin.media.languages import language_tag, short_code
from calvin.media.script_events import as_heard, parted
from calvin.media.speakers import is_sound, label_of, other_labels
from calvin.media.timecode import FrameCount, counting
from calvin.media.timed_text import MAX_CUES, TimedCue, TimedText, format_of, read_cues, read_text, without_tags
from calvin.media.ttml import read_ttml

SUFFIXES = (".srt", ".vtt", ".ass", ".ssa", ".ttml", ".dfxp")
_READ_MS = 5000
_SWAP_MS = 10_000
"""A cue that runs backwards by at most this was meant the other way round; further back its times mean nothing."""

_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,200})?\s([^<>]{1,200})>")
_ASS_TIME = re.compile(r"\d{1,3}:\d{1,2}:\d{1,2}[.:]\d{1,3}")
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
    unread: tuple[str, ...] = ()
    """Where something that looks like a cue could not be read."""
    doubts: tuple[str, ...] = ()
    """Sentences on letters that may be wrong."""

    @property
    def not_read(self) -> str:
        """'1 was not read: line 12: '00:00:61' is not a time code'."""
        shown = "; ".join(self.unread[:5]) + f" and {len(self.unread) - 5} more" * (len(self.unread) > 5)
        return f"{len(self.unread)} {'was' if len(self.unread) == 1 else 'were'} not read: {shown}"

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
        if self.unread:
            notes.append(f"Of what look like subtitle cues, {self.not_read}. Description may be laid over them.")
        return (*notes, *self.doubts)


class Subtitles(NamedTuple):
    """The dialogue in time order, and the report of reading it."""

    lines: tuple[DialogueLine, ...]
    report: SubtitleReport


def find_subtitles(film: Path, language: str = "") -> list[Path]:
    """Subtitle files beside a film, named like it, the likeliest first: `film.srt`, then `film.en.srt`.

    Args:
        language: the code of the language that comes first.
    """

    def rank(path: Path) -> tuple[bool, bool, int, str]:
        spoken = _named_language(path, film)
        return spoken != "", spoken != language, SUFFIXES.index(path.suffix.lower()), path.name

    try:
        beside = [path for path in film.parent.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file()]
    except OSError:
        return []
    return sorted((path for path in beside if _named_language(path, film) is not None), key=rank)


def _named_language(path: Path, film: Path) -> str | None:
    """The language in the name of subtitles, "" where there is none in it; None where they are not this film's."""
    stem, _, tail = path.stem[: len(film.stem)], *path.stem[len(film.stem) :].partition(".")[1:]
    words = tail.lower().split(".") if tail else []
    if stem != film.stem or (len(path.stem) > len(stem) and not words):
        return None
    said = [word for word in words if word not in ("sdh", "cc", "hi")]
    try:
        return short_code(language_tag(said[0])) if len(said) == 1 else None if said else ""
    except ConfigError:
        return None


def read_film_subtitles(facts: FilmFacts, language: str = "") -> tuple[Subtitles, SubtitleStream] | None:
    """The dialogue of a film's own text subtitles, and the track it is from; None where there is none to use.

    Tracks of part of the dialogue are left out. Of the rest, that in the language is taken, and of several, that with
    the most lines.

    Raises:
        MediaError: the film cannot be read.
    """
    tracks = [stream for stream in facts.subtitle_streams if stream.text and not stream.partial]
    if not tracks:
        return None
    cues = _film_cues(facts.path, [track.index for track in tracks])
    found = {track.index: _lines(cues[track.index]) for track in tracks}

    def rank(track: SubtitleStream) -> tuple[bool, int]:
        return short_code(track.language or "") == language, len(found[track.index][0])

    best = max(tracks, key=rank)
    read = _of_track(best, cues[best.index])
    return (read, best) if read.lines else None


def read_film_track(facts: FilmFacts, index: int) -> Subtitles:
    """The dialogue of one of a film's text subtitles, by the index of its stream; perhaps none.

    Raises:
        SubtitleError: the film has no such track, or its subtitles are pictures.
        MediaError: the film cannot be read.
    """
    track = next((stream for stream in facts.subtitle_streams if stream.index == index and stream.text), None)
    if track is None:
        raise SubtitleError(f"{facts.path.name} has no text subtitles in stream {index}: choose another track.")
    return _of_track(track, _film_cues(facts.path, [index])[index])


def _of_track(track: SubtitleStream, cues: list[TimedCue]) -> Subtitles:
    lines, counts = _lines(cues)
    report = SubtitleReport(track.codec, "utf-8", len(cues), len(lines), **counts, unread=(), doubts=())
    return Subtitles(tuple(lines), report)


def _film_cues(path: Path, tracks: list[int]) -> dict[int, list[TimedCue]]:
    """The cues of some of a film's tracks, in film time."""
    cues: dict[int, list[TimedCue]] = {index: [] for index in tracks}
    with open_film(path) as container, suppress(av.error.FFmpegError):  # of a film that breaks off, what there is
        limits = MediaLimits()
        origin_ms = (start_us(container, video_stream(container, path, limits)) or 0) / 1000
        streams = [stream for stream in container.streams.subtitles if stream.index in cues]
        for packet in container.demux(streams):
            if packet.pts is None or not packet.size:
                continue
            tick_ms = float(packet.time_base * 1000)
            start = round_half_up(packet.pts * tick_ms - origin_ms)
            end = start + round_half_up((packet.duration or 0) * tick_ms)
            index = packet.stream.index
            said = [_event(subtitle) for subtitle in packet.decode() if isinstance(subtitle, AssSubtitle)]
            if packet.stream.codec_context.name == "webvtt":
                said = [(bytes(packet).decode("utf-8", errors="replace"), "")]  # names of speakers are lost in decoding
            cues[index] += [TimedCue(start, end, text, "", speaker=speaker) for text, speaker in said]
            if sum(map(len, cues.values())) > MAX_CUES:
                raise SubtitleError(f"{path} holds more than {MAX_CUES} subtitles, too many for a film.")
    return {index: _with_ends(found) for index, found in cues.items()}


def _event(subtitle: AssSubtitle) -> tuple[str, str]:
    """Text and speaker of an event in SubStation's form, which all text subtitles are decoded to."""
    fields = subtitle.ass.decode("utf-8", errors="replace").split(",", 8)
    return (_line_breaks(fields[8]), fields[3]) if len(fields) == 9 else ("", "")


def _line_breaks(text: str) -> str:
    return re.sub(r"\\[nN]", "\n", text.replace(r"\h", " "))


def _with_ends(cues: list[TimedCue]) -> list[TimedCue]:
    """Cues that state no end last until the next one, but no longer than a line is read."""
    cues = sorted(cues, key=lambda cue: cue.start_ms)
    after = [cue.start_ms for cue in cues[1:]] + [10**12]
    return [
        cue if cue.end_ms > cue.start_ms else replace(cue, end_ms=min(next_ms, cue.start_ms + _READ_MS))
        for cue, next_ms in zip(cues, after, strict=True)
    ]


def read_subtitles(path: str | Path, encoding: str | None = None, rate: float | None = None) -> Subtitles:
    """Read a subtitle file (.srt, .vtt, .ass, .ssa, .ttml, .dfxp; recognised by content).

    Cues that describe sounds only ("[door slams]", "♪") are not dialogue: they are counted and left out, so that
    description may be spoken over them.

    Args:
        encoding: of the file; None: found out.
        rate: the film's frames per second, by which times such as 00:00:01:12 are read.

    Raises:
        SubtitleError: not a readable subtitle file, or not one cue in it can be used.
    """
    text, encoding, _ = decoded = read_text(Path(path), encoding=encoding)
    kind = format_of(text)
    if kind is None:
        raise SubtitleError(f"{path} is not a subtitle file that can be read: give SRT, VTT, ASS or TTML.")
    if text.count("-->") > MAX_CUES or text.count("\nDialogue:") > MAX_CUES:
        raise SubtitleError(f"{path} holds more than {MAX_CUES} cues, too many for a film: give another file.")
    cues, unread = _parse(text, kind, path, rate)
    lines, counts = _lines(cues)
    doubts = (decoded.doubt, decoded.loss)
    report = SubtitleReport(
        kind, encoding, len(cues), len(lines), **counts, unread=tuple(unread), doubts=tuple(filter(None, doubts))
    )
    if not lines and not report.sounds:
        problem = f"none of its {report.cues} cues can be used" if report.cues else "it holds no cues"
        named = f", and {report.not_read}" if unread else ""
        raise SubtitleError(f"{path} is of no use: {problem}{named}; give another file, or none.")
    return Subtitles(tuple(lines), report)


def _parse(text: str, kind: str, path: str | Path, rate: float | None) -> TimedText:
    if kind in ("srt", "vtt"):
        return read_cues(text, kind, counting(text, FrameCount.of(rate)) if rate else None)
    try:
        return _document(text) if kind == "ttml" else _substation(text, kind)
    except Exception as error:  # any way in which a third-party parser may fail on a broken file
        why = f" ({error})" if isinstance(error, DataError) else ""
        raise SubtitleError(f"{path} is damaged and cannot be read as {kind.upper()}{why}: save it again.") from error


def _document(text: str) -> TimedText:
    """What is said in the film by a document of TTML, in the words that are heard; one of DAPT may describe too."""
    found = read_ttml(text)
    spoken = parted(cue for cue in found.cues if cue.event.represents).spoken
    plain = [cue for cue in found.cues if not cue.event.represents]
    return found._replace(cues=sorted([*as_heard(spoken, ""), *plain], key=lambda cue: cue.start_ms))


def _substation(text: str, kind: str) -> TimedText:
    """SubStation's lines of dialogue; those without times that make sense are left out and named."""
    lines = text.split("\n")
    broken = [i for i, line in enumerate(lines) if line.startswith("Dialogue:") and len(_ASS_TIME.findall(line)) < 2]
    kept = "\n".join(line for i, line in enumerate(lines) if i not in set(broken))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        events = pysubs2.SSAFile.from_string(kept, format_=kind)
    said = (event for event in events if not event.is_comment and not event.is_drawing)
    cues = [TimedCue(event.start, event.end, _line_breaks(event.text), "", speaker=event.name) for event in said]
    return TimedText(cues, [f"line {i + 1}: {lines[i][:60]!r} has no times" for i in broken])


def _lines(cues: list[TimedCue]) -> tuple[list[DialogueLine], Counter[str]]:
    counts: Counter[str] = Counter()
    lines: list[DialogueLine] = []
    previous_start = 0
    for cue in cues:
        start, end = cue.start_ms, cue.end_ms
        counts["out_of_order"] += start < previous_start
        previous_start = start
        text, speaker = _clean(cue)
        if not text:
            counts["empty"] += 1
        elif _SOUND.match(text):
            counts["sounds"] += 1
        elif start == end or start - end > _SWAP_MS or max(start, end) <= 0:
            counts["dropped"] += 1
        else:
            counts["swapped"] += end < start
            lines.append(DialogueLine(Span(max(0, min(start, end)), max(start, end)), text, speaker))
    lines = _with_speakers(sorted(lines, key=lambda line: line.span))
    counts["overlapping"] = sum(after.span.start_ms < before.span.end_ms for before, after in pairwise(lines))
    return lines, counts


def _clean(cue: TimedCue) -> tuple[str, str]:
    voice = _VOICE.search(cue.text)
    speaker = voice[1] if voice else cue.speaker
    text = clean_line(html.unescape(without_tags(cue.text)))
    label, text = label_of(text)
    return text, clean_line(html.unescape(speaker or label))


def _with_speakers(lines: list[DialogueLine]) -> list[DialogueLine]:
    """Lines with the speakers whom only the whole file tells, and without those who are sounds."""
    named = [replace(line, speaker="" if is_sound(line.speaker) else line.speaker) for line in lines]
    labels = other_labels([line.text for line in named], [line.speaker for line in named if line.speaker])
    return [
        replace(line, text=text, speaker=line.speaker or label) if label else line
        for line, (label, text) in zip(named, labels, strict=True)
    ]
