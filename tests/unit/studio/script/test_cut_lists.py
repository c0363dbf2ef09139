"""Timelines and markers, read back by OpenTimelineIO, and by small readers of the documented forms."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from calvin.core.time import Span
from calvin.core.types import Cue, Script
from calvin.media.timecode import FrameCount, Programme
from calvin.studio.project.origin import Origin
from calvin.studio.script.writers import WRITERS, Provenance, Writer

TEXTS = ["Mara, in a red coat, waves.", "Ben & Ada — “hé!”", '5 > 3, "so", he says.', "* LOC: 1"]
SPANS = [Span(1500, 4250), Span(4250, 6010), Span(3_725_400, 3_727_000), Span(3_726_000, 3_728_000)]
CUES = tuple(
    Cue(str(at), span, text, Span(0, span.end_ms), span.start_ms)
    for at, (span, text) in enumerate(zip(SPANS, TEXTS, strict=True), 1)
)
SCRIPT = Script("A <Film>", CUES, "en", duration_ms=4_000_000)
RATES = ["25", "24", "23.976", "29.97", "29.97df", "50", "59.94df", "60"]


def render(name: str, about: Provenance | None = None, script: Script = SCRIPT) -> str:
    writer = WRITERS[name].writer
    assert isinstance(writer, Writer)
    return writer.render(script, about or Provenance())


def programme(rate: str, starts_at: str = "10:00:00:00") -> Provenance:
    return Provenance(programme=Programme(FrameCount.named(rate), starts_at))


def codes(about: Provenance) -> list[tuple[str, str, str]]:
    """In, out and text of each cue, by the `timecode` package."""
    return sorted((about.stamp(cue.span.start_ms), about.stamp(cue.span.end_ms), cue.text) for cue in CUES)


def edl_rows(text: str) -> list[tuple[str, str, str, str]]:
    """Channel, record in, record out and comment of each event of a CMX 3600 list."""
    rows: list[tuple[str, str, str, str]] = []
    for line in text.splitlines():
        cells = line.split()
        if cells and cells[0].isdigit():
            assert int(cells[0]) == len(rows) + 1
            assert cells[4:6] == cells[6:8], "the sound's own time is the programme's"
            rows.append((cells[2], *cells[6:8], ""))
        elif line.startswith("* COMMENT: "):
            rows[-1] = (*rows[-1][:3], line.removeprefix("* COMMENT: "))
    return rows


@pytest.mark.parametrize("rate", RATES)
def test_an_edl_stands_at_the_programmes_codes(rate: str) -> None:
    about = programme(rate)
    text = render("edl", about)
    rows = edl_rows(text)
    assert sorted((begin, end, said) for _, begin, end, said in rows) == codes(about)
    assert [row[0] for row in rows] == ["A", "A", "A", "A2"], "what overlaps is on a channel of its own"
    assert text.startswith(
        f"TITLE: A <Film>\nFCM: {'' if rate.endswith('df') else 'NON-'}DROP FRAME\n\n001  AD000001 A"
    )


@pytest.mark.parametrize("rate", ["25", "29.97df", "60"])
def test_opentimelineio_reads_the_edl(rate: str) -> None:
    count = FrameCount.named(rate)
    line = otio.adapters.read_from_string(render("edl", programme(rate)), "cmx_3600", rate=float(count.rate))
    found = {
        clip.name: (
            clip.metadata["cmx_3600"]["comments"][0].removeprefix("COMMENT: "),
            clip.source_range.start_time.to_frames(),
            clip.source_range.end_time_exclusive().to_frames(),
        )
        for clip in line.find_clips()
    }
    start = 36_000 * count.rate if count.rate == 25 or count.rate == 60 else Fraction(1_078_920)
    assert found == {
        f"cue-{cue.id}": (
            cue.text,
            round(start + cue.span.start_ms * count.rate / 1000 + Fraction(1, 1000)),
            round(start + cue.span.end_ms * count.rate / 1000 + Fraction(1, 1000)),
        )
        for cue in CUES
    }


@pytest.mark.parametrize("rate", RATES)
def test_a_timeline_says_all_of_a_cue(rate: str) -> None:
    count = FrameCount.named(rate)
    about = replace(programme(rate), origin=Origin(4, 4, 1))
    line = otio.adapters.read_from_string(render("otio", about), "otio_json")
    assert line.name == "A <Film>"
    clips = sorted(line.find_clips(), key=lambda clip: clip.metadata["calvin"]["start_ms"])
    assert [clip.metadata["calvin"]["text"] for clip in clips] == TEXTS
    assert [(clip.metadata["calvin"]["start_ms"], clip.metadata["calvin"]["end_ms"]) for clip in clips] == [
        (span.start_ms, span.end_ms) for span in SPANS
    ]
    frame = 1 / float(count.rate)
    for clip, span in zip(clips, SPANS, strict=True):
        within = clip.transformed_time_range(clip.trimmed_range(), line.tracks)
        assert within.start_time.to_seconds() == pytest.approx(span.start_ms / 1000, abs=0.5 * frame + 1e-6)
        assert within.end_time_exclusive().to_seconds() == pytest.approx(span.end_ms / 1000, abs=0.5 * frame + 1e-6)
    assert "AI-generated audio description" in line.metadata["calvin"]["origin"]
    assert [len(list(track.find_clips())) for track in line.tracks] == [3, 1]


@pytest.mark.parametrize("rate", RATES)
def test_final_cut_finds_markers_on_whole_frames(rate: str) -> None:
    count = FrameCount.named(rate)
    about = replace(programme(rate), film={"width": 640, "height": 360})
    root = ElementTree.fromstring(render("fcpxml", about))

    def seconds(element: Any, name: str) -> Fraction:
        return Fraction(element.get(name).removesuffix("s"))

    [form], [sequence], [gap] = (list(root.iter(name)) for name in ("format", "sequence", "gap"))
    assert seconds(form, "frameDuration") == 1 / count.rate
    assert (form.get("width"), form.get("height")) == ("640", "360")
    assert sequence.get("tcFormat") == ("DF" if count.drop else "NDF")
    assert about.programme is not None
    assert count.code(round(seconds(sequence, "tcStart") * 1000)) == about.stamp(0)
    found = [
        (seconds(one, "start") - seconds(gap, "start"), seconds(one, "duration"), one.get("value"))
        for one in root.iter("marker")
    ]
    assert [said for *_, said in found] == TEXTS
    for (start, lasts, _), span in zip(found, SPANS, strict=True):
        assert (start * count.rate).denominator == (lasts * count.rate).denominator == 1
        assert abs(start - Fraction(span.start_ms, 1000)) <= Fraction(1, 2) / count.rate
        assert abs(start + lasts - Fraction(span.end_ms, 1000)) <= Fraction(1, 2) / count.rate


@pytest.mark.parametrize(
    ("film", "rate"), [({"frame_rate": 23.976}, "23.976"), ({"frame_rate": 10.0}, "25"), ({}, "25")]
)
def test_without_time_codes_frames_are_the_films_where_programs_know_its_rate(film: dict[str, Any], rate: str) -> None:
    count = FrameCount.named(rate)
    wanted = sorted((count.code(cue.span.start_ms), count.code(cue.span.end_ms), cue.text) for cue in CUES)
    assert sorted(row[1:] for row in edl_rows(render("edl", Provenance(film=film)))) == wanted


@pytest.mark.parametrize("name", ["otio", "edl", "fcpxml", "reaper", "audition", "audacity"])
def test_a_script_without_cues_is_a_list_without_rows(name: str) -> None:
    text = render(name, script=Script("F", ()))
    assert "cue" not in text
    if name in ("otio", "edl", "fcpxml"):
        adapter = {"otio": "otio_json", "edl": "cmx_3600", "fcpxml": "fcpx_xml"}[name]
        assert list(otio.adapters.read_from_string(text, adapter).find_clips()) == []


def clock(text: str) -> int:
    """'1:02:03.400' and '2:03.400' in ms, as sound programs read them."""
    hours, minutes, seconds = ["0", *text.split(":")][-3:]
    return (int(hours) * 60 + int(minutes)) * 60_000 + int(Fraction(seconds) * 1000)


def test_markers_of_sound_programs_stand_at_the_films_own_times() -> None:
    about = programme("25")
    wanted = [(span.start_ms, span.end_ms, text) for span, text in zip(SPANS, TEXTS, strict=True)]
    regions = list(csv.DictReader(io.StringIO(render("reaper", about))))
    assert [row["#"] for row in regions] == ["R1", "R2", "R3", "R4"]
    assert [(clock(row["Start"]), clock(row["End"]), row["Name"]) for row in regions] == wanted
    assert [clock(row["Length"]) for row in regions] == [end - start for start, end, _ in wanted]
    assert regions[0]["Start"] == "0:01.500"

    markers = list(csv.DictReader(io.StringIO(render("audition", about)), delimiter="\t"))
    starts = [clock(row["Start"]) for row in markers]
    ends = [start + clock(row["Duration"]) for start, row in zip(starts, markers, strict=True)]
    assert list(zip(starts, ends, [row["Description"] for row in markers], strict=True)) == wanted
    assert {(row["Time Format"], row["Type"]) for row in markers} == {("decimal", "Cue")}
    assert markers[2]["Start"] == "1:02:05.400"

    labels = [line.split("\t") for line in render("audacity", about).splitlines()]
    assert [(round(float(start) * 1000), round(float(end) * 1000), text) for start, end, text in labels] == wanted
