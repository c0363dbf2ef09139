#!/usr/bin/env bash
# Markers on a gap are lost when OpenTimelineIO reads back the FCPXML that it wrote.
#
# Version: opentimelineio 0.18.1 with otio-fcpx-xml-adapter 1.0.0. Input: a track of a gap of 10 s with a marker at 4 s,
# as the cues of an audio description lie in a film's silences, and a clip of 4 s with a marker of its own.
# Expected: both markers come back, as both are in the file, each within its element.
# Seen: the gap comes back with its length and without its marker; the clip keeps its own. The file holds the gap's marker
# at start 4s in a gap that itself starts at 3600s, so that it lies before the gap by the file's own count.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  opentimelineio==0.18.1 otio-fcpx-xml-adapter==1.0.0 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import xml.etree.ElementTree as ElementTree

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange


def span(start: int, length: int) -> TimeRange:
    return TimeRange(RationalTime(start, 25), RationalTime(length, 25))


timeline = otio.schema.Timeline("film")
track = otio.schema.Track("V1", kind=otio.schema.TrackKind.Video)
timeline.tracks.append(track)
gap = otio.schema.Gap(source_range=span(0, 250))
gap.markers.append(otio.schema.Marker(name="in the silence", marked_range=span(100, 1)))
film = otio.schema.ExternalReference("file:///film.mp4", span(0, 500))
clip = otio.schema.Clip("film", media_reference=film, source_range=span(0, 100))
clip.markers.append(otio.schema.Marker(name="in the clip", marked_range=span(10, 1)))
track.append(gap)
track.append(clip)

text = otio.adapters.write_to_string(timeline, "fcpx_xml")
written = ElementTree.fromstring(text).find(".//gap")
back = otio.adapters.read_from_string(text, "fcpx_xml")
kept = {type(one).__name__: [marker.name for marker in one.markers] for one in back.find_children() if hasattr(one, "markers")}
marker = written.find("marker")
print(f"written: gap from {written.get('start')}, its marker at {marker.get('start')}: {marker.get('value')}")
print(f"read back: {kept}")
assert marker.get("value") == "in the silence", "the gap's marker is no longer written"
assert (written.get("start"), marker.get("start")) == ("3600s", "4s"), "the gap's marker is written at another time"
assert kept["Clip"] == ["in the clip"], "the clip's marker is lost too"
assert kept["Gap"] == [], "the gap's marker is read back"
PY
