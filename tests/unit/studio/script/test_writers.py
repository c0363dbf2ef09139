"""One contract for every writer, read back by other programs where there are any."""

from __future__ import annotations

import csv
import html
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pysubs2
import pytest
import ttconv.imsc.reader
import ttconv.model
import ttconv.vtt.reader
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from calvin.core.errors import StoreError, UsageError
from calvin.core.text_tables import guarded, unguarded
from calvin.core.time import Span
from calvin.core.types import Character, Cue, CueKind, Script, Status
from calvin.studio.project.comments import Comment
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.script.dapt import DAPTM, TTM, TTP, XML
from calvin.studio.script.script_lines import read_script
from calvin.studio.script.text_formats import plain
from calvin.studio.script.writers import (
    READABLE,
    WRITERS,
    Provenance,
    ScriptWriter,
    cue_names,
    find_writers,
    last_ms,
    printable,
)

TEXTS = st.text(max_size=60) | st.sampled_from(
    [
        "a --> b",
        "<i>x</i> & y",
        "1\n00:00:01,000 --> 00:00:02,000\nz",
        "WEBVTT",
        "{\\an8}top",
        "NOTE x",
        "\u2028",
        "&lt;",
    ]
)
SPANS = st.tuples(st.integers(0, 359_970_000), st.integers(0, 20_000)).map(lambda t: Span(t[0], t[0] + t[1]))


SPAN = Span(1500, 4250)


NODE_MODULES = Path(__file__).parents[4] / ".ci/node/node_modules"


def cue(text: str, span: Span = SPAN, number: int = 1) -> Cue:
    return Cue(str(number), span, text, Span(0, span.end_ms), span.start_ms)


ELSEWHERE = ("xlsx", "docx", "otio", "edl", "fcpxml")
"""Formats that are read by other programs in `test_office_files` and `test_cut_lists`, to the frame."""


@pytest.fixture(params=list(WRITERS))
def writer(request: pytest.FixtureRequest) -> ScriptWriter:
    return WRITERS[request.param].writer


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ELSEWHERE])
def test_a_writer_writes_all_cues_in_time_order(name: str, tmp_path: Path) -> None:
    script = Script("Film", (cue("Second one.", Span(9000, 9900)), cue("First one.")))
    writer = WRITERS[name].writer
    text = writer.write(script, tmp_path / f"new/film{writer.suffix}").read_text(encoding="utf-8")
    assert 0 < text.index("First one.") < text.index("Second one.")
    to_read = writer.name.startswith("transcript")  # whole seconds are enough there
    times = r"\b00:00:01\b" if to_read else r"(?:00:00:01|\b0:01|^1)[.,]500"
    assert re.search(times, text, re.MULTILINE)
    assert text.endswith("\n")
    assert "\r" not in text


def test_a_writer_takes_an_empty_script(writer: ScriptWriter, tmp_path: Path) -> None:
    path = writer.write(Script("Film", ()), tmp_path / f"film{writer.suffix}")
    assert path.exists()


def test_a_writer_replaces_the_old_file_whole_or_keeps_it(
    writer: ScriptWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"film{writer.suffix}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        writer.write(Script("Film", (cue("x"),)), path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert path.read_text() == "old"


@settings(deadline=None, max_examples=60)
@given(cues=st.lists(st.tuples(TEXTS, SPANS), max_size=5), language=TEXTS)
def test_wild_text_stays_inside_its_cue(cues: list[tuple[str, Span]], language: str) -> None:
    script = Script("Film", tuple(cue(text, span, i) for i, (text, span) in enumerate(cues)), language)
    wanted = sum(bool("".join(c if c.isprintable() else " " for c in text).strip()) for text, _ in cues)
    for writer in (WRITERS[name].writer for name in ALONE):
        text = writer.content(script, Provenance()).decode()
        if writer.name in ("vtt", "srt"):
            assert text.count("-->") == wanted
            assert len(text.strip().split("\n\n")) == (wanted + 2 if writer.name == "vtt" else max(wanted, 1))
        else:
            assert len(ALONE[writer.name](text)) == (len(cues) if writer.name == "json" else wanted)


# Each format read by somebody else's program, or by nothing but the standard library: start, end and text.


def vtt_alone(text: str) -> list[tuple[int, int, str]]:
    document = ttconv.vtt.reader.to_model(io.StringIO(text))
    return [
        (round((p.get_begin() or 0) * 1000), round(p.get_end() * 1000), plain_text(p)) for p in paragraphs(document)
    ]


def dapt_alone(text: str) -> list[tuple[int, int, str]]:
    document = ttconv.imsc.reader.to_model(ElementTree.ElementTree(ElementTree.fromstring(text)))
    divs = [] if document.get_body() is None else list(document.get_body())
    return [(ms(div.get_begin()), ms(div.get_end()), plain_text(div)) for div in divs]


def ms(time: Fraction | None) -> int:
    exact = Fraction(time or 0) * 1000  # ttconv gives None for a begin of 0
    assert exact.denominator == 1, "a time is not whole milliseconds"
    return int(exact)


def paragraphs(document: ttconv.model.ContentDocument) -> list[ttconv.model.P]:
    return [element for element in document.get_body().dfs_iterator() if isinstance(element, ttconv.model.P)]


def plain_text(element: ttconv.model.ContentElement) -> str:
    return "".join(e.get_text() for e in element.dfs_iterator() if isinstance(e, ttconv.model.Text))


def srt_alone(text: str) -> list[tuple[int, int, str]]:
    return [(e.start, e.end, e.plaintext) for e in pysubs2.SSAFile.from_string(text, format_="srt")]


def csv_alone(text: str) -> list[tuple[int, int, str]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return [(clock(row["in"]), clock(row["out"]), row["text"]) for row in rows]


def json_alone(text: str) -> list[tuple[int, int, str]]:
    return [(c["start_ms"], c["end_ms"], c["text"]) for c in json.loads(text)["cues"]]


def txt_alone(text: str) -> list[tuple[int, int, str]]:
    rows = [line.split("\t", 1) for line in text.splitlines() if line]
    return [(clock(times.split(" - ")[0]), clock(times.split(" - ")[1]), said) for times, said in rows]


def clock(text: str) -> int:
    hours, minutes, seconds = ["0", *text.removeprefix("'").split(":")][-3:]
    return (int(hours) * 60 + int(minutes)) * 60_000 + int(Fraction(seconds) * 1000)


def html_alone(text: str) -> list[tuple[int, int, str]]:
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert inside is not None
    return [(c["start"], c["end"], c["text"]) for c in json.loads(inside[1])["cues"]]


def transcript_alone(text: str) -> list[tuple[int, int, str]]:
    return [(at, at, said) for at, kind, _, said in transcript_rows(text) if kind == "description"]


def transcript_txt_alone(text: str) -> list[tuple[int, int, str]]:
    rows = [block.split("] Description: ", 1) for block in text.split("\n\n") if "] Description: " in block]
    return [(clock(time[1:]), clock(time[1:]), said.removesuffix("\n")) for time, said in rows]


def transcript_rows(text: str) -> list[tuple[int, str, str, str]]:
    """Start, class, what stands in bold, and the text of each paragraph of a transcript that has a time."""
    reader = _Paragraphs()
    reader.feed(text)
    return [
        (int(Fraction(row["time"]) * 1000), row["class"], row["strong"].strip(), row["text"].strip())
        for row in reader.rows
        if row["time"]
    ]


class _Paragraphs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, str]] = []
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self.rows.append({"class": dict(attrs).get("class") or "", "time": "", "strong": "", "text": ""})
        if tag == "time":
            self.rows[-1]["time"] = (dict(attrs)["datetime"] or "").removeprefix("PT").removesuffix("S")
        self.inside = tag if tag in ("time", "strong", "p") else self.inside

    def handle_endtag(self, tag: str) -> None:
        self.inside = "p" if tag in ("time", "strong") else "" if tag == "p" else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside in ("p", "strong"):
            self.rows[-1]["strong" if self.inside == "strong" else "text"] += data


def reaper_alone(text: str) -> list[tuple[int, int, str]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    return [(clock(row["Start"]), clock(row["End"]), row["Name"]) for row in rows]


def audition_alone(text: str) -> list[tuple[int, int, str]]:
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    spans = [(clock(row["Start"]), clock(row["Duration"])) for row in rows]
    return [(start, start + lasts, row["Description"]) for (start, lasts), row in zip(spans, rows, strict=True)]


def audacity_alone(text: str) -> list[tuple[int, int, str]]:
    rows = [line.split("\t") for line in text.split("\n") if line]
    return [(round(float(start) * 1000), round(float(end) * 1000), said) for start, end, said in rows]


ALONE: dict[str, Callable[[str], list[tuple[int, int, str]]]] = {
    "vtt": vtt_alone,
    "srt": srt_alone,
    "dapt": dapt_alone,
    "dapt-recorded": dapt_alone,
    "csv": csv_alone,
    "json": json_alone,
    "txt": txt_alone,
    "html": html_alone,
    "transcript": transcript_alone,
    "transcript-txt": transcript_txt_alone,
    "reaper": reaper_alone,
    "audition": audition_alone,
    "audacity": audacity_alone,
}


def test_every_format_has_another_reader() -> None:
    assert {*ALONE, *ELSEWHERE} == set(WRITERS)


@settings(deadline=None, max_examples=30)
@given(spans=st.lists(SPANS.filter(lambda span: span.duration_ms > 0), min_size=1, max_size=6))
def test_another_program_reads_the_same(spans: list[Span]) -> None:
    texts = ["Mara, in a red coat, waves.", "Ben & Ada — “hé!”", '5 > 3, "so", he says.']
    script = Script("Film", tuple(cue(texts[i % 3], span, i) for i, span in enumerate(spans)))
    for name, read in ALONE.items():
        wanted = [(c.span.start_ms, c.span.end_ms, plain(c.text) if name == "srt" else c.text) for c in script.cues]
        if name.startswith("transcript"):  # only says when a description begins, as text by the second
            step = 1000 if name == "transcript-txt" else 1
            wanted = [(start // step * step, start // step * step, text) for start, _, text in wanted]
        assert read(WRITERS[name].writer.render(script, Provenance())) == wanted, name


@settings(deadline=None, max_examples=60)
@given(cues=st.lists(st.tuples(TEXTS, SPANS), min_size=1, max_size=5))
def test_calvin_reads_back_what_it_wrote(cues: list[tuple[str, Span]]) -> None:
    script = Script("Film", tuple(cue(text, span, i) for i, (text, span) in enumerate(cues)))
    said = [(c, printable(c.text)) for c in script.cues if printable(c.text)]
    assume(said)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("vtt", "srt", "dapt", "csv", "json"):
            path = WRITERS[name].writer.write(script, Path(folder) / f"x{WRITERS[name].writer.suffix}")
            lines = [line for line in read_script(path).lines if line.text]
            # Formats that know no instant give one a millisecond.
            end = {"csv": lambda c: c.span.end_ms, "json": lambda c: c.span.end_ms}.get(name, last_ms)
            assert sorted((line.span.start_ms, line.span.end_ms, line.text) for line in lines) == sorted(
                (c.span.start_ms, end(c), plain(text) if name == "srt" else text) for c, text in said
            ), name
            if name != "srt":
                assert sorted(line.cue_id or "" for line in lines) == sorted(c.id for c, _ in said), name


@settings(deadline=None, max_examples=5)
@example(cues=[("0", Span(0, 1)), ("0", Span(0, 2))])
@given(cues=st.lists(st.tuples(TEXTS, SPANS.filter(lambda span: span.duration_ms > 0)), max_size=20))
def test_vtt_is_valid_for_the_w3cs_parser(cues: list[tuple[str, Span]]) -> None:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "webvtt-parser").is_dir():
        pytest.skip("no node with webvtt-parser in .ci/node")
    script = Script("Film", tuple(cue(text, span, i) for i, (text, span) in enumerate(cues)))
    code = (
        "const {WebVTTParser} = require('webvtt-parser');"
        "const read = new WebVTTParser().parse(require('fs').readFileSync(0, 'utf8'), 'metadata');"
        "console.log(JSON.stringify([read.errors, read.cues.map(c =>"
        " [c.id, Math.round(c.startTime * 1000), Math.round(c.endTime * 1000), c.text])]))"
    )
    run = subprocess.run(
        [node, "-e", code],
        input=WRITERS["vtt"].writer.render(script, Provenance()),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
    )
    errors, read = json.loads(run.stdout)
    assert errors == []
    # Its own decoding of character references leaves their semicolon, so they are decoded here.
    # The standard's cue order has the longer of two that begin together first.
    ordered = sorted(script.cues, key=lambda c: (c.span.start_ms, -c.span.end_ms))
    assert [[*times, html.unescape(text)] for *times, text in read] == [
        [f"cue-{c.id}", c.span.start_ms, c.span.end_ms, printable(c.text)] for c in ordered if printable(c.text)
    ]


def test_vtt_escapes_markup_and_arrows() -> None:
    text = WRITERS["vtt"].writer.render(Script("F", (cue("a --> <b> & c"),)), Provenance())
    assert "a --&gt; &lt;b&gt; &amp; c" in text
    assert text.startswith("WEBVTT\n\n")


def test_a_cue_without_length_still_lasts() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in WRITERS["vtt"].writer.render(
        Script("F", (cue("x", Span(1000, 1000)),)), Provenance()
    )


def test_json_tells_where_the_script_comes_from() -> None:
    provenance = Provenance({"sha256": "ab"}, {"name": "calvin-micro", "card": "Puppets."}, ("One note.",))
    document = json.loads(WRITERS["json"].writer.render(Script("F", (cue("x"),), duration_ms=9000), provenance))
    assert document["film"] == {"sha256": "ab"}
    assert document["model"]["card"] == "Puppets."
    assert document["notes"] == ["One note."]
    assert document["duration_ms"] == 9000
    assert document["cues"][0] == {
        **{"id": "1", "start": "00:00:01.500", "end": "00:00:04.250", "start_ms": 1500, "end_ms": 4250},
        **{"visual_start_ms": 0, "visual_end_ms": 4250, "event_ms": 1500, "text": "x"},
        **{"author": "model", "status": "draft", "extended": False},
    }


def test_json_tells_each_decision_with_its_reason() -> None:
    decision = Decision(Choice.EXTENDED, "It takes 6.0 s.", Span(1000, 3000), "1")
    document = json.loads(WRITERS["json"].writer.render(Script("F", ()), Provenance(decisions=(decision,))))
    assert document["decisions"] == [
        {"cue": "1", "start_ms": 1000, "end_ms": 3000, "choice": "extended", "reason": "It takes 6.0 s."}
    ]


def test_dapt_carries_what_the_standard_requires() -> None:
    mara = Character("Mara", aliases=("Mrs Vale",))
    script = Script(
        "F & G", (cue("Mrs Vale waves."), cue("Rain.", Span(9000, 9000), 2)), "en-GB", (Character("B"), mara)
    )
    root = ElementTree.fromstring(WRITERS["dapt"].writer.render(script, Provenance()))
    assert root.get(f"{{{TTP}}}contentProfiles") == "http://www.w3.org/ns/ttml/profile/dapt1.0/content"
    assert root.get(f"{{{XML}}}lang") == "en-GB"
    assert root.get(f"{{{DAPTM}}}scriptRepresents") == "visual.nonText"
    assert root.get(f"{{{DAPTM}}}scriptType") == "preRecording"
    agents = {agent.get(f"{{{XML}}}id"): agent for agent in root.iter(f"{{{TTM}}}agent")}
    assert [agent.get("type") for agent in agents.values()] == ["character", "character"]
    first, second = root.iter("{http://www.w3.org/ns/ttml}div")
    assert agents[first.get(f"{{{TTM}}}agent")][0].text == "Mara"
    assert agents["character-2"][0].get("type") == "alias"
    assert second.get(f"{{{TTM}}}agent") is None
    assert (first.get("begin"), first.get("end")) == ("00:00:01.500", "00:00:04.250")
    assert second.get("end") == "00:00:09.001"
    assert [div.get(f"{{{DAPTM}}}represents") for div in (first, second)] == ["visual.nonText"] * 2
    assert len({div.get(f"{{{XML}}}id") for div in (first, second)}) == 2


@pytest.mark.parametrize("name", ["dapt", "csv", "json"])
def test_the_kinds_of_cues_are_read_back(name: str, tmp_path: Path) -> None:
    kinds = [*CueKind, CueKind.PICTURE]
    cues = [replace(cue("x", Span(9000 * i, 9000 * i + 900), i), kind=kind) for i, kind in enumerate(kinds)]
    path = WRITERS[name].writer.write(Script("F", tuple(cues)), tmp_path / f"x{WRITERS[name].writer.suffix}")
    found = [line.kind for line in read_script(path).lines]
    # JSON says nothing of a description, so that scripts of earlier versions stay as they are.
    assert [kind or CueKind.PICTURE for kind in found] == kinds
    assert (None in found) is (name == "json")


def test_dapt_says_what_each_event_represents() -> None:
    cues = (cue("Mara waves."), *(replace(cue("x", number=i), kind=kind) for i, kind in enumerate(CueKind, 2)))
    root = ElementTree.fromstring(WRITERS["dapt"].writer.render(Script("F", cues), Provenance()))
    assert root.get(f"{{{DAPTM}}}scriptRepresents") == "visual.nonText visual.text"
    assert [div.get(f"{{{DAPTM}}}represents") for div in root.iter("{http://www.w3.org/ns/ttml}div")] == [
        *("visual.nonText", "visual.nonText", "visual.text", "visual.text.title", "visual.text.credit")
    ]


@pytest.mark.parametrize(
    ("script", "event", "kind"),
    [
        ("visual.nonText visual.text", "visual.text.location", CueKind.TEXT),
        ("visual.text", "visual.text.credit", CueKind.CREDIT),
        ("visual.text.title", "", CueKind.TITLE),
        ("visual.nonText visual.text", "", None),
        ("visual", "visual.dialogue", None),
        ("", "", None),
    ],
)
def test_the_kind_of_an_event_in_dapt_of_others(script: str, event: str, kind: CueKind | None, tmp_path: Path) -> None:
    about = f' d:represents="{event}"' if event else ""
    (tmp_path / "a.ttml").write_text(
        f'<tt xmlns="http://www.w3.org/ns/ttml" xmlns:d="{DAPTM}" d:scriptRepresents="{script}"><body>'
        f'<div{about}><div begin="1s" end="2s"><p>A text.</p></div></div></body></tt>'
    )
    assert [line.kind for line in read_script(tmp_path / "a.ttml").lines] == [kind]


def test_csv_has_its_columns_and_no_formula() -> None:
    script = Script(
        "F",
        (
            Cue("7", SPAN, '=HYPERLINK("x")', SPAN, 0, status=Status.APPROVED, extended=True, kind=CueKind.TITLE),
            cue("Mara, and “Ben”.", Span(9000, 9900), 8),
        ),
        characters=(Character("Ben"), Character("Mara"), Character("Ma")),
    )
    rows = list(csv.reader(io.StringIO(WRITERS["csv"].writer.render(script, Provenance(rooms={"7": 2750})))))
    assert rows == [
        ["id", "in", "out", "character", "text", "words", "gap", "status", "kind"],
        [
            "cue-7",
            "'00:00:01.500",
            "'00:00:04.250",
            "",
            '\'=HYPERLINK("x")',
            "1",
            "2.750",
            "approved, extended",
            "title",
        ],
        ["cue-8", "'00:00:09.000", "'00:00:09.900", "Ben; Mara", "Mara, and “Ben”.", "3", "", "draft", "picture"],
    ]


@given(st.text())
def test_the_guard_of_a_cell_can_be_taken_off(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@"))


def test_comments_stand_in_tables_and_json_and_cues_that_need_work_say_so(tmp_path: Path) -> None:
    def remark(number: int, text: str, done: bool = False) -> Comment:
        return Comment(number, "1", text, "2026-11-30T10:00:00.000Z", 0, done)

    cues = [Cue(str(i), Span(i * 1000, i * 1000 + 900), f"Text {i}.", Span(0, 900), 0) for i in (1, 2)]
    script = Script("F", (replace(cues[0], status=Status.NEEDS_WORK, extended=True), cues[1]))
    origin = Provenance(comments={"cue-1": [remark(1, "Who\nis it?"), remark(2, "=Done", True), remark(3, "=Why?")]})
    table = list(csv.DictReader(io.StringIO(WRITERS["csv"].writer.render(script, origin))))
    assert [(row["status"], row["comments"]) for row in table] == [
        ("needs-work, extended", "Who is it? / =Why?"),
        ("draft", ""),
    ]
    first, second = json.loads(WRITERS["json"].writer.render(script, origin))["cues"]
    assert (first["status"], [one["text"] for one in first["comments"]]) == (
        "needs-work",
        ["Who\nis it?", "=Done", "=Why?"],
    )
    assert [one["done"] for one in first["comments"]] == [False, True, False]
    assert "comments" not in second
    only_done = Provenance(comments={"cue-1": [remark(1, "Done", True)]})
    assert "comments" not in WRITERS["csv"].writer.render(script, only_done)
    for name in ("csv", "json", "dapt", "vtt"):
        path = WRITERS[name].writer.write(script, tmp_path / f"s.{name}", origin)
        assert read_script(path).lines[0].status is Status.NEEDS_WORK, name


def test_formats_are_found_by_name() -> None:
    assert [w.name for w in find_writers(["SRT", " .vtt ", "srt"])] == ["srt", "vtt"]
    with pytest.raises(UsageError, match="There is no format 'odt': choose from vtt, srt, dapt, csv, json, txt"):
        find_writers(["vtt", "odt"])
    with pytest.raises(UsageError, match="No format was named"):
        find_writers([""])


def test_names_of_cues_as_they_are_said() -> None:
    assert cue_names(["3"]) == "cue-3"
    assert cue_names(["3", "12"]) == "cue-3 and cue-12"
    assert cue_names(["1", "2", "3", "4"], most=2) == "cue-1, cue-2 and 2 more"


def test_the_formats_that_are_said_to_come_back_are_those_that_do(tmp_path: Path) -> None:
    script = Script("A Film", (cue("A man waves."),), duration_ms=60_000)
    for kind in WRITERS.built_in.values():
        path = kind.writer.write(script, tmp_path / f"a{kind.writer.suffix}")
        # Audition's has a heading and times, if nothing else; DAPT as recorded is a folder, and what is in it is DAPT.
        if kind.readable or kind.name in ("audition", "dapt-recorded"):
            assert [line.text for line in read_script(path).lines] == ["A man waves."]
        else:
            with pytest.raises(StoreError):
                read_script(path)
    assert READABLE == "vtt, srt, dapt, csv, json, xlsx or docx"
