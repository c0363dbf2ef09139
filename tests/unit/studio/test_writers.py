"""One contract for every writer, read back by other programs where there are any."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Cue, Script
from calvin.studio.writers import WRITERS, Provenance, Writer, find_writers

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
SPANS = st.tuples(st.integers(0, 359_999_000), st.integers(0, 20_000)).map(lambda t: Span(t[0], t[0] + t[1]))


SPAN = Span(1500, 4250)


def cue(text: str, span: Span = SPAN, number: int = 1) -> Cue:
    return Cue(str(number), span, text, Span(0, span.end_ms), span.start_ms)


@pytest.fixture(params=list(WRITERS))
def writer(request: pytest.FixtureRequest) -> Writer:
    return WRITERS[request.param]


def test_a_writer_writes_all_cues_in_time_order(writer: Writer, tmp_path: Path) -> None:
    script = Script("Film", (cue("Second one.", Span(9000, 9900)), cue("First one.")))
    text = writer.write(script, tmp_path / f"new/film{writer.suffix}").read_text(encoding="utf-8")
    assert 0 < text.index("First one.") < text.index("Second one.")
    assert re.search(r"00:00:01[.,]500", text)
    assert text.endswith("\n")
    assert "\r" not in text


def test_a_writer_takes_an_empty_script(writer: Writer, tmp_path: Path) -> None:
    path = writer.write(Script("Film", ()), tmp_path / f"film{writer.suffix}")
    assert path.exists()


def test_a_writer_replaces_the_old_file_whole_or_keeps_it(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"film{writer.suffix}"
    path.write_text("old")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        writer.write(Script("Film", (cue("x"),)), path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


@settings(deadline=None, max_examples=60)
@given(cues=st.lists(st.tuples(TEXTS, SPANS), max_size=5), language=TEXTS)
def test_wild_text_stays_inside_its_cue(cues: list[tuple[str, Span]], language: str) -> None:
    script = Script("Film", tuple(cue(text, span, i) for i, (text, span) in enumerate(cues)), language)
    wanted = sum(bool("".join(c if c.isprintable() else " " for c in text).strip()) for text, _ in cues)
    for writer in WRITERS.values():
        text = writer.render(script, Provenance())
        if writer.name == "json":
            stored = json.loads(text)["cues"]
            assert [(c["text"], c["start_ms"], c["end_ms"]) for c in stored] == [
                (c.text, c.span.start_ms, c.span.end_ms) for c in script.cues
            ]
            continue
        assert text.count("-->") == wanted
        assert len(text.strip().split("\n\n")) == (wanted + 2 if writer.name == "vtt" else max(wanted, 1))


@pytest.mark.parametrize("name", ["vtt", "srt"])
def test_another_program_reads_the_same(name: str) -> None:
    texts = ["Mara, in a red coat, waves.", "Ben & Ada — “hé!”", "  two\nlines  "]
    script = Script("Film", tuple(cue(text, Span(i * 5000, i * 5000 + 2345), i) for i, text in enumerate(texts)))
    read = pysubs2.SSAFile.from_string(WRITERS[name].render(script, Provenance()), format_=name)
    assert [(event.start, event.end) for event in read] == [(c.span.start_ms, c.span.end_ms) for c in script.cues]
    unescaped = [event.plaintext.replace("&amp;", "&") for event in read]
    assert unescaped == ["Mara, in a red coat, waves.", "Ben & Ada — “hé!”", "two lines"]


def test_vtt_escapes_markup_and_arrows() -> None:
    text = WRITERS["vtt"].render(Script("F", (cue("a --> <b> & c"),)), Provenance())
    assert "a --&gt; &lt;b&gt; &amp; c" in text
    assert text.startswith("WEBVTT\n\n")


def test_a_cue_without_length_still_lasts() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in WRITERS["vtt"].render(
        Script("F", (cue("x", Span(1000, 1000)),)), Provenance()
    )


def test_json_tells_where_the_script_comes_from() -> None:
    provenance = Provenance({"sha256": "ab"}, {"name": "calvin-micro", "card": "Puppets."}, ("One note.",))
    document = json.loads(WRITERS["json"].render(Script("F", (cue("x"),), duration_ms=9000), provenance))
    assert document["film"] == {"sha256": "ab"}
    assert document["model"]["card"] == "Puppets."
    assert document["notes"] == ["One note."]
    assert document["duration_ms"] == 9000
    assert document["cues"][0] == {
        **{"id": "1", "start": "00:00:01.500", "end": "00:00:04.250", "start_ms": 1500, "end_ms": 4250},
        **{"visual_start_ms": 0, "visual_end_ms": 4250, "event_ms": 1500, "text": "x"},
        **{"author": "model", "status": "draft", "extended": False},
    }


def test_formats_are_found_by_name() -> None:
    assert [w.name for w in find_writers(["SRT", " .vtt ", "srt"])] == ["srt", "vtt"]
    with pytest.raises(UsageError, match="There is no format 'docx': choose from vtt, srt, json"):
        find_writers(["vtt", "docx"])
    with pytest.raises(UsageError, match="No format was named"):
        find_writers([""])
