"""Errands about subtitles: the text tracks of a film, what is read of a file or track, and what describing is given."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calvin.core.errors import UsageError
from calvin.core.files import write_text
from calvin.core.progress import Listener
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.media.film.source import probe
from calvin.media.languages import language_name
from calvin.media.subtitles import Subtitles, read_film_track, read_subtitles

Values = dict[str, Any]


def tracks(folder: Path, options: Values, listener: Listener) -> Values:
    """The subtitle tracks of a film that are text, and a note where others are pictures."""
    facts = probe(options["film"], fingerprint=False)
    found = []
    for number, track in enumerate((one for one in facts.subtitle_streams if one.text), 1):
        about = [language_name(track.language) if track.language else "", track.title]
        about.append("only a part of the dialogue" if track.partial else "")
        words = ", ".join([f"Track {number} of the film", *filter(None, about)])
        found.append({"track": track.index, "words": words})
    pictures = sum(not one.text for one in facts.subtitle_streams)
    note = f"{counted(pictures, 'subtitle track')} of the film: pictures, which are not read." if pictures else ""
    return {"tracks": found, "note": note}


def look(folder: Path, options: Values, listener: Listener) -> Values:
    """What is read of a subtitle file, or of a track of the film, and what is dropped of it."""
    found = _read(options)
    return {"said": told(found), "notes": [*found.report.notes]}


def told(subtitles: Subtitles) -> str:
    """'Read as SRT (utf-8): 812 lines of dialogue of 830 cues; left out: 12 sounds, 6 without text.'"""
    report = subtitles.report
    dropped = [
        (report.sounds, "that describe sounds only"), (report.empty, "without text"),
        (report.dropped, "with times that make no sense"), (len(report.unread), "that cannot be read"),
    ]  # fmt: skip
    left = ", ".join(f"{number} {why}" for number, why in dropped if number)
    speakers = len({line.speaker for line in subtitles.lines if line.speaker})
    named = f", {counted(speakers, 'speaker')} named" if speakers else ""
    lines = f"{counted(report.kept, 'line')} of dialogue in {counted(report.cues, 'cue')}{named}"
    return f"Read as {report.format.upper()} ({report.encoding}): {lines}; left out: {left or 'nothing'}."


def _read(options: Values) -> Subtitles:
    """
    Raises:
        SubtitleError: the file or track is of no use.
        MediaError: the film cannot be read.
    """
    facts = probe(options["film"], fingerprint=False)
    if options.get("track") is not None:
        return read_film_track(facts, int(options["track"]))
    return read_subtitles(options["file"], rate=facts.frame_rate)


@contextmanager
def given(options: Values, film: str | Path) -> Iterator[str | None]:
    """What `describe` takes as subtitles: a file, "none", or None for those that it finds; a track as a file."""
    if options.get("track") is None:
        yield options.get("subtitles")
        return
    found = _read({"film": film, "track": options["track"]})
    if not found.lines:
        raise UsageError("This track of the film holds no dialogue: choose another, or a file.")
    with TemporaryDirectory(prefix="calvin-track-") as folder:
        path = Path(folder) / "track.vtt"
        write_text(path, _vtt(found))
        yield str(path)


def _vtt(subtitles: Subtitles) -> str:
    blocks = ["WEBVTT"]
    for line in subtitles.lines:
        times = f"{format_timecode(line.span.start_ms)} --> {format_timecode(line.span.end_ms)}"
        speaker = f"<v {html.escape(line.speaker, quote=False)}>" if line.speaker else ""
        blocks.append(f"{times}\n{speaker}{html.escape(line.text, quote=False)}")
    return "\n\n".join(blocks) + "\n"


ERRANDS = {"tracks": tracks, "look": look}
