"""Scripts for editing and sound programs: timelines (OpenTimelineIO, EDL, FCPXML), and lists of markers.

Timelines count frames from the start of the programme, at the rate of its time codes, else the film's, else 25 frames a
second: where an editing program has the film. Markers of sound programs count as the film's file does, to the
millisecond.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

from calvin.core.time import format_timecode, round_half_up
from calvin.core.types import Cue, Script
from calvin.media.timecode import FrameCount, start_ms
from calvin.studio.script.writers import (
    Provenance,
    Writer,
    cue_name,
    last_ms,
    optional,
    printable,
    spoken,
    status_words,
)

_EVENT = re.compile(r"^(\d{3,})(  .{8} )A    ", re.MULTILINE)
_WHOLE = (24, 25, 30, 48, 50, 60)
_USUAL = FrameCount(Fraction(25))


class TimelineWriter(Writer):
    """Writes by OpenTimelineIO: a track of sound, a clip for each cue, and gaps between; cues that overlap stand on
    further tracks."""

    adapter = ""

    def ready(self) -> None:
        optional("opentimelineio", f"The format {self.name}")
        if self.adapter:
            optional(self.adapter, f"The format {self.name}")


class OtioWriter(TimelineWriter):
    """OpenTimelineIO's own JSON; each clip says in its metadata what is known of its cue."""

    name = "otio"
    suffix = ".otio"

    def render(self, script: Script, provenance: Provenance) -> str:
        self.ready()
        import opentimelineio as otio

        count = _count(provenance)
        line = otio.schema.Timeline(name=printable(script.title))
        line.global_start_time = otio.opentime.RationalTime(_first_frame(provenance, count), _rate(count))
        line.metadata["calvin"] = {"language": printable(script.language), "frames": count.name}
        if mark := provenance.origin.mark():
            line.metadata["calvin"]["origin"] = mark
        for cues in _lanes(script, count):
            line.tracks.append(_track(cues, count, _rate(count)))
        # By way of Python: the library's own text has the keys of metadata in no lasting order.
        told = json.loads(otio.adapters.write_to_string(line, "otio_json"))
        return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


class EdlWriter(TimelineWriter):
    """CMX 3600: an event for each cue, with the text in a comment. Cues that overlap are on channels of their own."""

    name = "edl"
    suffix = ".edl"
    adapter = "otio_cmx3600_adapter.cmx_3600"

    def render(self, script: Script, provenance: Provenance) -> str:
        self.ready()
        import opentimelineio as otio

        count = _count(provenance)
        # Codes without drop-frame count the frames alone, and the library has drop-frame at 29.97 whatever one asks.
        rate = _rate(count) if count.drop else count.nominal
        first = _first_frame(provenance, count)
        events: list[str] = []
        for number, cues in enumerate(filter(None, _lanes(script, count)), 1):
            line = otio.schema.Timeline()
            line.tracks.extend([_track(cues, count, rate, first), otio.schema.Track(kind="Video")])
            text = otio.adapters.write_to_string(line, "cmx_3600", rate=rate)
            events.append(_EVENT.sub(rf"\g<1>\g<2>{'A' if number == 1 else f'A{number}':5}", text))
        head = [f"TITLE: {printable(script.title)}", f"FCM: {'' if count.drop else 'NON-'}DROP FRAME", ""]
        return "\n".join([*head, _numbered("".join(events))])


def _numbered(events: str) -> str:
    """Events of several tracks, numbered as one list."""
    parts = re.split(r"^\d{3,}(?=  .{8} A)", events, flags=re.MULTILINE)
    return "".join(f"{number:03d}{part}" for number, part in enumerate(parts[1:], 1))


class FcpxmlWriter(TimelineWriter):
    """Markers with the text on an empty storyline, for Final Cut Pro and what reads its XML."""

    name = "fcpxml"
    suffix = ".fcpxml"
    adapter = "otio_fcpx_xml_adapter.fcpx_xml"

    def render(self, script: Script, provenance: Provenance) -> str:
        self.ready()
        import opentimelineio as otio

        count = _count(provenance)
        rate, said = _rate(count), list(spoken(script))
        end = max([1, script.duration_ms or 0, *(last_ms(cue) for cue, _ in said)])
        gap = otio.schema.Gap(source_range=_range(0, _frame(end, count) + 1, rate))
        for cue, text in said:
            first, last = _frames(cue, count)
            gap.markers.append(otio.schema.Marker(text, _range(first, last - first, rate), "PURPLE"))
        line = otio.schema.Timeline(name=printable(script.title) or "Audio description")
        track = otio.schema.Track(name="AD", kind="Video")
        track.append(gap)
        line.tracks.append(track)
        return _completed(otio.adapters.write_to_string(line, "fcpx_xml"), provenance, count, said)


def _completed(text: str, provenance: Provenance, count: FrameCount, said: Sequence[tuple[Cue, str]]) -> str:
    """What the adapter leaves out: how long a frame is at the rates of NTSC, how large the picture, where the programme
    starts. Its times, which it rounds, are put right to whole frames."""
    root = ElementTree.fromstring(text)
    form, sequence, gap = (root.find(f".//{name}") for name in ("format", "sequence", "gap"))
    assert form is not None
    assert sequence is not None
    assert gap is not None
    form.attrib.pop("name", None)
    form.set("frameDuration", _seconds(1, count))
    for side in ("width", "height"):
        if isinstance(size := provenance.film.get(side), int) and size > 0:
            form.set(side, str(size))
    sequence.set("tcStart", _seconds(_first_frame(provenance, count), count))
    sequence.set("tcFormat", "DF" if count.drop else "NDF")
    within = 3600 * count.nominal  # a gap's own time begins at an hour
    gap.set("start", _seconds(within, count))
    for marker, (cue, _) in zip(root.iter("marker"), said, strict=True):
        first, last = _frames(cue, count)
        marker.attrib |= {"start": _seconds(within + first, count), "duration": _seconds(last - first, count)}
    for project in root.iter("project"):
        project.attrib.pop("uid", None)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n{body}\n'


def _seconds(frames: int, count: FrameCount) -> str:
    """Frames as FCPXML says times: '1001/24000s', '5s'."""
    exact = Fraction(frames) / count.rate
    return f"{exact.numerator}s" if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}s"


class ReaperWriter(Writer):
    """Regions, as REAPER's Region/Marker Manager imports them (CSV; ruler in minutes and seconds)."""

    name = "reaper"
    suffix = ".reaper.csv"

    def render(self, script: Script, provenance: Provenance) -> str:
        rows = (
            (f"R{number}", text, *map(_clock, (cue.span.start_ms, last_ms(cue), last_ms(cue) - cue.span.start_ms)))
            for number, (cue, text) in enumerate(spoken(script), 1)
        )
        return _table(("#", "Name", "Start", "End", "Length"), rows, ",")


class AuditionWriter(Writer):
    """Markers, as Adobe Audition's Markers panel imports them: cells parted by tabs, decimal times."""

    name = "audition"
    suffix = ".audition.csv"

    def render(self, script: Script, provenance: Provenance) -> str:
        rows = (
            (cue_name(cue), _clock(cue.span.start_ms), _clock(last_ms(cue) - cue.span.start_ms), "decimal", "Cue", text)
            for cue, text in spoken(script)
        )
        return _table(("Name", "Start", "Duration", "Time Format", "Type", "Description"), rows, "\t")


class AudacityWriter(Writer):
    """A label track: start and end in seconds, and the text."""

    name = "audacity"
    suffix = ".labels.txt"

    def render(self, script: Script, provenance: Provenance) -> str:
        lines = [f"{cue.span.start_ms / 1000:.6f}\t{last_ms(cue) / 1000:.6f}\t{text}\n" for cue, text in spoken(script)]
        return "".join(lines) or "\n"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]], delimiter: str) -> str:
    stream = io.StringIO()
    table = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
    table.writerow(heading)
    table.writerows(rows)
    return stream.getvalue()


def _clock(ms: int) -> str:
    """3,723,400 -> '1:02:03.400', and 63,400 -> '1:03.400': as sound programs read times."""
    hours, rest = format_timecode(ms).split(":", 1)
    return f"{int(hours)}:{rest}" if int(hours) else rest.removeprefix("0")


def _count(provenance: Provenance) -> FrameCount:
    """How frames are counted: as the programme's time codes, else as the film has them; 25 a second where editing
    programs know no such rate."""
    film = provenance.film.get("frame_rate")
    own = FrameCount.of(film) if isinstance(film, int | float) and film >= 1 else _USUAL
    count = provenance.programme.count if provenance.programme else own
    return count if count.nominal in _WHOLE and (count.rate in _WHOLE or count.rate.denominator == 1001) else _USUAL


def _rate(count: FrameCount) -> float:
    return float(count.rate)


def _first_frame(provenance: Provenance, count: FrameCount) -> int:
    """The frame that the programme's first one is, counted from code 0."""
    own = provenance.programme
    return _frame(start_ms(own.starts_at, replace(own.count)), count) if own else 0


def _frame(ms: int, count: FrameCount) -> int:
    return round_half_up(float(ms * count.rate / 1000))


def _frames(cue: Cue, count: FrameCount) -> tuple[int, int]:
    """The first frame of a cue, and the one after its last: it has one at least."""
    first = _frame(cue.span.start_ms, count)
    return first, max(first + 1, _frame(cue.span.end_ms, count))


_Numbered = tuple[int, Cue, str]


def _lanes(script: Script, count: FrameCount) -> list[list[_Numbered]]:
    """The cues with their numbers, on as few tracks as hold them without sharing a frame; one track at least."""
    lanes: list[list[_Numbered]] = [[]]
    ends = [0]
    numbered = [(number, cue, text) for number, (cue, text) in enumerate(spoken(script), 1)]
    for one in sorted(numbered, key=lambda row: row[1].span):
        first, last = _frames(one[1], count)
        at = next((at for at, end in enumerate(ends) if end <= first), len(lanes))
        if at == len(lanes):
            lanes.append([])
            ends.append(0)
        lanes[at].append(one)
        ends[at] = last
    return lanes


def _range(first: int, frames: int, rate: float) -> Any:
    from opentimelineio.opentime import RationalTime, TimeRange

    return TimeRange(RationalTime(first, rate), RationalTime(frames, rate))


def _track(cues: Sequence[_Numbered], count: FrameCount, rate: float, offset: int = 0) -> Any:
    """A track of sound; each clip's own time is that of the programme, as Broadcast WAV states it."""
    from opentimelineio.schema import Clip, Gap, Track

    track, at = Track(name="AD", kind="Audio"), 0
    for number, cue, text in cues:
        first, last = (offset + frame for frame in _frames(cue, count))
        if first > at:
            track.append(Gap(source_range=_range(0, first - at, rate)))
        clip = Clip(name=cue_name(cue), source_range=_range(first, last - first, rate))
        clip.metadata["calvin"] = {
            "text": text,
            "start_ms": cue.span.start_ms,
            "end_ms": cue.span.end_ms,
            "status": status_words(cue),
            "kind": str(cue.kind),
        }
        clip.metadata["cmx_3600"] = {"reel": f"AD{number:06d}", "comments": [f"COMMENT: {text}"]}
        track.append(clip)
        at = last
    return track
