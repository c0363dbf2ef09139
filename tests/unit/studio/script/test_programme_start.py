"""Scripts that count from a programme's start: in, out again, and what is said of those that fit nowhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from calvin.core.errors import StoreError, UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, Status
from calvin.media.film.source import probe
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import apply_plan, plan_corrections, plan_import
from calvin.studio.script.programme_start import set_clock
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers

HEADING = "In,Out,Script (en)\n"


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    project = ProjectStore(tmp_path / "p", create=True)
    project.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 97_000, {"frame_rate": 25.0}))
    for at, text in ((5480, "A woman opens the door."), (61_000, "She sits down.")):
        span = Span(at, at + 2000)
        project.add_cue(Cue("", span, text, span, at, Author.MODEL, Status.DRAFT))
    return project


def read(store: ProjectStore, tmp_path: Path, text: str, name: str = "a.csv", **options: str) -> list[Span]:
    path = tmp_path / name
    path.write_text(text)
    return [step.after.span for step in plan_import(store, path, **options).steps if step.after]


def test_hours_past_the_film_are_the_programmes_start(store: ProjectStore, tmp_path: Path) -> None:
    assert read(store, tmp_path, HEADING + "10:00:05:12,10:00:07:12,A hand.\n10:01:01:00,10:01:03:00,She sits.\n") == [
        Span(5480, 7480),
        Span(61_000, 63_000),
    ]
    assert read(store, tmp_path, "1\n01:00:10,000 --> 01:00:12,000\nA hand.\n", "a.srt") == [Span(10_000, 12_000)]
    plan = plan_import(store, tmp_path / "a.csv")
    assert [note for note in plan.notes if "count from 10:00:00:00, where the programme starts" in note]
    assert plan_corrections(store, tmp_path / "a.csv").steps[0].before is not None


def test_a_start_that_is_named(store: ProjectStore, tmp_path: Path) -> None:
    row = HEADING + "09:59:35:12,09:59:37:12,A hand.\n"
    assert read(store, tmp_path, row, starts_at="09:59:30:00") == [Span(5480, 7480)]
    with pytest.raises(StoreError, match=r"line 2, at 09:59:35.480, is before the start of the programme, 10:00:00:00"):
        read(store, tmp_path, row, starts_at="10:00:00:00")
    with pytest.raises(StoreError, match=r"all its times lie beyond the end of the film, 00:01:37.000: .*--starts-at"):
        read(store, tmp_path, row)
    with pytest.raises(UsageError, match="cannot start at 'ten'"):
        read(store, tmp_path, row, starts_at="ten")


def test_what_lies_beyond_the_film_is_said(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADING + "00:00:05:12,00:00:07:12,A hand.\n00:02:01:00,00:02:03:00,She sits.\n")
    notes = plan_import(store, tmp_path / "a.csv").notes
    assert any("1 line of" in note and "lies beyond the end of the film" in note and "line 3" in note for note in notes)


def test_the_code_that_a_film_states_comes_before_whole_hours(
    store: ProjectStore, tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    film = store.bound_film()
    store.bind_film(replace(film, facts={**film.facts, "timecode": "09:58:30:00"}))
    assert read(store, tmp_path, HEADING + "09:58:35:12,09:58:37:12,A hand.\n") == [Span(5480, 7480)]
    assert probe(make_film(tmp_path / "f.mp4", (1.0,))).timecode == ""


def test_in_and_out_equal(store: ProjectStore, tmp_path: Path) -> None:
    path = tmp_path / "studio.csv"
    path.write_text(HEADING + "10:00:05:12,10:00:07:13,A hand.\n10:01:01:01,10:01:03:24,She sits.\n")
    apply_plan(store, plan_import(store, path))
    set_clock(store, "smpte")
    csv_file, txt, dapt = export_script(store, find_writers(["csv", "txt", "dapt"])).files
    rows = list(csv.DictReader(io.StringIO(csv_file.read_text())))
    assert [(row["in"], row["out"]) for row in rows] == [
        ("'10:00:05:12", "'10:00:07:13"),
        ("'10:01:01:01", "'10:01:03:24"),
    ]
    assert txt.read_text().startswith("10:00:05:12 - 10:00:07:13\tA hand.")
    root = ET.parse(dapt).getroot()
    origin = [one.text for one in root.iter() if one.tag.endswith("daptOriginTimecode")]
    assert origin == ["10:00:00:00"]
    assert root.get("{http://www.w3.org/ns/ttml#parameter}frameRate") == "25"
    for written in (csv_file, dapt):
        plan = plan_import(store, written)
        assert plan.changes == ()
        assert plan.unchanged == 2
    set_clock(store, "media")
    export_script(store, find_writers(["csv"]))
    assert "'00:00:05.480" in csv_file.read_text()
    with pytest.raises(UsageError, match="media times are the film's own"):
        set_clock(store, "media", "10:00:00:00")


def test_drop_frame_comes_back_as_it_went(store: ProjectStore, tmp_path: Path) -> None:
    film = store.bound_film()
    store.bind_film(replace(film, facts={"frame_rate": 30000 / 1001}))
    codes = [("01:00:59;28", "01:00:59;29"), ("01:01:00;02", "01:01:05;00")]
    path = tmp_path / "studio.csv"
    path.write_text(HEADING + "".join(f"{start},{end},Line {start}\n" for start, end in codes))
    apply_plan(store, plan_import(store, path))
    assert store.clock.starts_at == "01:00:00:00"
    set_clock(store, "smpte")
    [written] = export_script(store, find_writers(["csv"])).files
    rows = list(csv.DictReader(io.StringIO(written.read_text())))
    found = [(row["in"].strip("'"), row["out"].strip("'")) for row in rows if row["text"].startswith("Line")]
    assert found == codes


def test_dapt_tells_the_programmes_time_to_a_project(store: ProjectStore, tmp_path: Path) -> None:
    set_clock(store, "smpte", "09:59:59:00", "29.97df")
    [written] = export_script(store, find_writers(["dapt"])).files
    with ProjectStore(tmp_path / "other", create=True) as other:
        other.bind_film(store.bound_film())
        apply_plan(other, plan_import(other, written))
        assert (other.clock.starts_at, other.clock.rate) == ("09:59:59;00", "30000/1001df")
        assert [cue.span for cue in other.cues] == [cue.span for cue in store.cues]


def test_headings_as_studios_write_them(store: ProjectStore, tmp_path: Path) -> None:
    text = "Cue,TC-In (HH:MM:SS:FF),Duration,Script (de),Script (en-GB)\n1,00:00:05:12,00:00:02:00,Eine Hand.,A hand.\n"
    path = tmp_path / "a.csv"
    path.write_text(text)
    [step] = plan_import(store, path).steps
    assert step.after is not None
    assert (step.after.span, step.after.text) == (Span(5480, 7480), "A hand.")
    german = plan_import(store, path, language="de").steps[0].after
    assert german is not None
    assert german.text == "Eine Hand."
    with pytest.raises(StoreError, match=r"its text stands in de, en gb: name one of them by `--language`"):
        plan_import(store, path, language="fr")
    path.write_text("start_ms,end_ms,text\n5480,7480,A hand.\n")
    assert plan_import(store, path).steps[0].line.span == Span(5480, 7480)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "heading", ["Script - EN", "script_en", "AD Script EN-GB", "Audio Description [en]", "Text:  en", "Script|en"]
)
def test_a_language_may_stand_behind_the_name(store: ProjectStore, tmp_path: Path, heading: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"In,Out,Dialogue,{heading},Text ID,Script No\n00:00:05:12,00:00:07:12,Hi.,A hand.,7,8\n")
    [step] = plan_import(store, path).steps
    assert step.line is not None
    assert step.line.text == "A hand."


def test_two_languages_behind_the_name(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("In,Out,Script DE,Script EN\n00:00:05:12,00:00:07:12,Eine Hand.,A hand.\n")
    for language, text in (("en", "A hand."), ("de", "Eine Hand.")):
        [step] = plan_import(store, tmp_path / "a.csv", language=language).steps
        assert step.line is not None
        assert step.line.text == text


@pytest.mark.parametrize(
    ("rate", "rows", "problem"),
    [
        (25.0, "10:00:05:12,10:00:07:12,A.\n00:00:09.5,00:00:10.5,B.", "line 3, at 00:00:09.500, and line 2, at 10:"),
        (25.0, "00:00:05:12,00:00:07:12,A.\n01:00:09:00,01:00:10:00,B.", "cannot count from one start"),
        (30000 / 1001, "00:00:05;12,00:00:07:12,A.", "00:00:05;12 counts with drop-frame and 00:00:07:12 without"),
        (30000 / 1001, "00:00:05:12,00:00:07:12,A.\n00:00:09.5,00:00:10.5,B.", "line 3 tells its times by the clock"),
        (30000 / 1001, "00:01:00;01,00:01:02;00,A.", "'00:01:00;01' does not exist: with drop-frame"),
        (0.0, "00:00:05:12,00:00:07:12,A.", "counts frames, and their rate is not known"),
    ],
)  # fmt: skip
def test_times_of_two_kinds_are_refused(
    store: ProjectStore, tmp_path: Path, rate: float, rows: str, problem: str
) -> None:
    store.bind_film(replace(store.bound_film(), facts={"frame_rate": rate}))
    (tmp_path / "a.csv").write_text(f"{HEADING}{rows}\n")
    with pytest.raises(StoreError) as caught:
        plan_import(store, tmp_path / "a.csv")
    assert problem in str(caught.value)
    assert str(caught.value).endswith("nothing was changed.")


def test_times_of_two_kinds_that_mean_the_same_are_told(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADING}00:00:05:12,00:00:07:12,A.\n00:00:09.5,00:00:10.5,B.\n")
    plan = plan_import(store, tmp_path / "a.csv")
    assert "Line 3 tells its times by the clock and line 2 in frames: each was read as it is written." in plan.notes


def test_a_slip_in_one_code_does_not_change_how_all_are_read(store: ProjectStore, tmp_path: Path) -> None:
    rows = [f"00:00:{at:02d}:{at % 25:02d},00:00:{at:02d}:24,Line {at}." for at in range(1, 40)]
    (tmp_path / "a.csv").write_text(HEADING + "\n".join([*rows, "00:00:50:27,00:00:51:00,Last."]))
    with pytest.raises(StoreError, match=r"line 41: '00:00:50:27' does not exist at 25 frames a second"):
        plan_import(store, tmp_path / "a.csv")
    semicolons = "Nr;In;Out;Text\n1;00:01:00:00;00:01:02:00;A hand.\n"
    store.bind_film(replace(store.bound_film(), facts={"frame_rate": 30000 / 1001}))
    assert read(store, tmp_path, semicolons) == [Span(60_060, 62_062)]


@pytest.mark.parametrize(
    ("about", "begin", "problem"),
    [
        ('ttp:frameRate="25"', "00:00:05:25", "'00:00:05:25' does not exist at 25 frames a second"),
        (
            'ttp:frameRate="30" ttp:frameRateMultiplier="1000 1001" ttp:dropMode="dropNTSC"',
            "00:01:00:01",
            "'00:01:00:01' does not exist: drop-frame leaves it out",
        ),
    ],
)
def test_codes_of_ttml_that_do_not_exist(
    store: ProjectStore, tmp_path: Path, about: str, begin: str, problem: str
) -> None:
    (tmp_path / "a.ttml").write_text(
        f'<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:timeBase="smpte" '
        f'{about}><body><div><p begin="{begin}" end="00:01:10:00">A hand.</p></div></body></tt>'
    )
    with pytest.raises(StoreError) as caught:
        plan_import(store, tmp_path / "a.ttml")
    assert problem in str(caught.value)


def test_a_rate_that_nobody_knows(store: ProjectStore) -> None:
    store.bind_film(replace(store.bound_film(), facts={}))
    with pytest.raises(UsageError, match="name it, as in --frame-rate 25"):
        set_clock(store, "smpte")
    set_clock(store, "smpte", None, "25")
    assert store.clock.frames
