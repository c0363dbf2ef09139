"""Subtitle files as they are found in the world."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.core.errors import SubtitleError
from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.subtitles import read_subtitles

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> there,
friend.

2
00:00:03,000 --> 00:00:04,000
ANN: Who is it?
"""

VTT = """WEBVTT - a title

STYLE
::cue { color: red }

NOTE a remark

intro
00:01.000 --> 00:02.500 align:start
<v Ann>Hello &amp; <00:00:01.500>welcome</v>

NOTE another remark

last one
00:00:03.000 --> 00:00:04.000
<v.loud Bob Ray>Who is it?
"""

ASS = """[Script Info]
Title: t

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Ann,0,0,0,,{\\i1}Hello{\\i0}\\Nthere
Comment: 0,0:00:02.50,0:00:02.90,Default,,0,0,0,,not shown
"""

TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body><div>
<p begin="00:00:01.000" end="00:00:02.500">Hello<br/>there</p>
</div></body></tt>
"""


def write(tmp_path: Path, content: str | bytes, name: str = "a.srt") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cues(*times: tuple[str, str], text: str = "Hello.") -> str:
    return "\n".join(f"{i}\n00:00:{a} --> 00:00:{b}\n{text}\n" for i, (a, b) in enumerate(times, 1))


def spans(path: Path) -> list[tuple[int, int]]:
    return [(line.span.start_ms, line.span.end_ms) for line in read_subtitles(path).lines]


def test_srt(tmp_path: Path) -> None:
    lines, report = read_subtitles(write(tmp_path, SRT))
    assert lines == (
        DialogueLine(Span(1000, 2500), "Hello there, friend."),
        DialogueLine(Span(3000, 4000), "Who is it?", "ANN"),
    )
    assert (report.format, report.encoding, report.cues, report.kept, report.notes) == ("srt", "utf-8", 2, 2, ())


def test_vtt(tmp_path: Path) -> None:
    lines, report = read_subtitles(write(tmp_path, VTT, "a.vtt"))
    assert lines == (
        DialogueLine(Span(1000, 2500), "Hello & welcome", "Ann"),
        DialogueLine(Span(3000, 4000), "Who is it?", "Bob Ray"),
    )
    assert report.format == "vtt"


@pytest.mark.parametrize(("content", "kind", "speaker"), [(ASS, "ass", "Ann"), (TTML, "ttml", "")])
def test_ass_and_ttml(tmp_path: Path, content: str, kind: str, speaker: str) -> None:
    """The content tells the format, whatever the name says."""
    lines, report = read_subtitles(write(tmp_path, content, "a.txt"))
    assert lines == (DialogueLine(Span(1000, 2500), "Hello there", speaker),)
    assert report.format == kind


@pytest.mark.parametrize(
    ("text", "speaker", "said"),
    [
        ("ANN: Hello.", "ANN", "Hello."),
        ("- DR. O'NEILL: Hello.", "DR. O'NEILL", "Hello."),
        ("ÅSA: Hello.", "ÅSA", "Hello."),
        ("Listen: hello.", "", "Listen: hello."),
        ("At 10:30 then.", "", "At 10:30 then."),
        ("I <3 you, a < b > c", "", "I <3 you, a < b > c"),
        ('<font color="red">Red</font> {\\an8}up', "", "Red up"),
        ("Tom &amp; Ann", "", "Tom & Ann"),
        ("[sighs] Fine.", "", "[sighs] Fine."),
    ],
)
def test_speakers_and_markup(tmp_path: Path, text: str, speaker: str, said: str) -> None:
    line = read_subtitles(write(tmp_path, cues(("01,000", "02,000"), text=text))).lines[0]
    assert (line.speaker, line.text) == (speaker, said)


@pytest.mark.parametrize(
    ("encoding", "reported"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
     ("utf-16-be", "utf-16-be"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_encodings(tmp_path: Path, encoding: str, reported: str) -> None:
    text = cues(("01,000", "02,000"), text="Señor Müller, déjà vu").replace("\n", "\r\n")
    lines, report = read_subtitles(write(tmp_path, text.encode(encoding)))
    assert lines[0].text == "Señor Müller, déjà vu"
    assert report.encoding == reported
    assert any("guess" in note for note in report.notes) == (encoding == "cp1252")


def test_disorder_is_put_right_and_reported(tmp_path: Path) -> None:
    text = cues(("05,000", "06,000"), ("01,000", "03,000"), ("02,000", "04,000"), ("09,000", "08,000"),
                ("50,000", "20,000"), ("10,000", "10,000"))  # fmt: skip
    path = write(tmp_path, text)
    assert spans(path) == [(1000, 3000), (2000, 4000), (5000, 6000), (8000, 9000)]
    report = read_subtitles(path).report
    assert (report.out_of_order, report.overlapping, report.swapped, report.dropped) == (2, 1, 1, 2)
    assert report.notes == (
        "1 of 6 subtitle cues ran backwards and had their times swapped.",
        "2 of 6 subtitle cues had times that make no sense and were left out.",
        "2 of 6 subtitle cues were out of order and were sorted.",
        "1 of 6 subtitle cues overlapped the cue before.",
    )


def test_sounds_are_no_dialogue(tmp_path: Path) -> None:
    text = cues(("01,000", "02,000"), text="[door slams]") + "\n" + cues(("03,000", "04,000"), text="♪ (soft music) ♪")
    lines, report = read_subtitles(write(tmp_path, text))
    assert lines == ()
    assert report.sounds == 2


def test_cues_without_text(tmp_path: Path) -> None:
    text = cues(("01,000", "02,000"), text="<i></i>") + "\n" + cues(("03,000", "04,000"))
    lines, report = read_subtitles(write(tmp_path, text))
    assert len(lines) == 1
    assert report.empty == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        ("WEBVTT\n", "holds no cues"),
        ("1\n00:00:05,000 --> 00:00:05,000\nHello\n", "none of its 1 cues"),
        ("1\nnever --> ever\nHello\n", "holds no cues"),
        ("Once upon a time", "not a subtitle file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "not text|not a subtitle"),
        (TTML.replace("<tt ", '<!DOCTYPE x [<!ENTITY a "b">]><tt '), "DOCTYPE"),
        (TTML.replace("</div>", ""), "damaged"),
        (ASS.replace("0:00:01.00", "soon"), "line 10"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHello\n\n" * 100_001, "more than 100000 cues"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(SubtitleError, match=says) as caught:
        read_subtitles(path)
    assert path.name in str(caught.value)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SubtitleError, match="cannot be read"):
        read_subtitles(tmp_path / "absent.srt")
    with pytest.raises(SubtitleError, match="not a file"):
        read_subtitles(tmp_path)
    monkeypatch.setattr("calvin.media.timed_text.MAX_BYTES", 10)
    with pytest.raises(SubtitleError, match="larger than"):
        read_subtitles(write(tmp_path, SRT))


_PIECES = st.sampled_from(
    ["WEBVTT\n", "<tt>", "[V4+ Styles]\n", "Dialogue: 0,0:00:01.00,", "\n", "1\n", "<v Ann>", "{\\p1}", "-->", ":"]
) | st.sampled_from(["00:00:01,000 --> 00:00:02,000\n", "00:09.000 --> 00:01.000\n"])


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES | st.text(max_size=10), max_size=12), st.sampled_from(["utf-8", "utf-16", "latin-1"]))
def test_any_file_is_read_or_refused(tmp_path: Path, pieces: list[str], encoding: str) -> None:
    path = write(tmp_path, "".join(pieces).encode(encoding, errors="ignore"))
    try:
        lines, report = read_subtitles(path)
    except SubtitleError:
        return
    assert report.kept == len(lines)
    assert list(lines) == sorted(lines, key=lambda line: line.span)
    assert all(line.text and line.span.duration_ms > 0 for line in lines)
