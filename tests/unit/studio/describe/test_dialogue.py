"""Which dialogue a film is described around: what lies beside it and in it, and whether it is in step."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from calvin import describe
from calvin.captioners import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.film.source import probe
from calvin.media.sound.alignment import stretch_of
from calvin.media.sound.film_sound import resampled
from calvin.media.sound.speech import Heard
from calvin.media.voice.registry import open_voice
from calvin.studio.describe import film_project as module
from calvin.studio.describe.dialogue import checked_stretch, find_dialogue, passed_over, retimed, step_notes
from calvin.studio.describe.films import describe_many, film_job
from calvin.studio.project.describe_settings import DescribeWish, settle
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.lint import lint
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers

SRT = (
    "1\n00:00:01,000 --> 00:00:02,500\nHello <i>there</i>,\nfriend.\n\n2\n00:00:03,000 --> 00:00:04,000\nANN: Bye.\n\n"
)
VTT = "WEBVTT\n\n00:01.000 --> 00:02.500\n<v Bob>Hello there, friend.\n\n00:03.000 --> 00:04.000\nANN: Bye.\n\n"
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Bob,0,0,0,,Hello {\\i1}there{\\i0},\\Nfriend.
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,ANN: Bye.
"""
LINES = [(1000, 2500, "Hello there, friend."), (3000, 4000, "Bye.")]


@dataclass(frozen=True)
class Track:
    """A subtitle track: its file's text and suffix, language, title and flags."""

    text: str
    suffix: str = "srt"
    language: str = "eng"
    title: str = ""
    flags: int = 0


def with_tracks(path: Path, film: Path, *tracks: Track, late_s: int = 0) -> Path:
    """A film with subtitle tracks; its clock begins at `late_s`."""
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        copies = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        read = []
        for number, track in enumerate(tracks):
            file = path.with_name(f"{path.stem}-{number}-track.{track.suffix}")
            file.write_text(track.text)
            with av.open(str(file)) as container:
                stream = container.streams.subtitles[0]
                if path.suffix == ".mp4":
                    out = target.add_stream("mov_text")
                    out.codec_context.subtitle_header = ASS.partition("Dialogue")[0].encode()
                    out.time_base = Fraction(1, 1000)
                else:
                    out = target.add_stream_from_template(stream)
                out.metadata.update(language=track.language, title=track.title)
                out.disposition = track.flags
                packets = [
                    (packet.pts * packet.time_base, packet.duration * packet.time_base, bytes(packet))
                    for packet in container.demux(stream)
                    if packet.size
                ]
                read.append((out, packets))
            file.unlink()
        for packet in source.demux():
            if packet.dts is not None:
                packet.pts += round(late_s / packet.time_base)
                packet.dts += round(late_s / packet.time_base)
                packet.stream = copies[packet.stream]
                target.mux(packet)
        for out, packets in read:
            for start, length, data in packets:
                made = av.Packet(len(data).to_bytes(2, "big") + data if path.suffix == ".mp4" else data)
                made.time_base = Fraction(1, 1000)
                made.pts = made.dts = round((start + late_s) * 1000)
                made.duration, made.stream = round(length * 1000), out
                target.mux(made)
    return path


def found(film: Path, language: str | None = None) -> list[tuple[int, int, str]]:
    dialogue = find_dialogue(probe(film), language, [])
    return [(line.span.start_ms, line.span.end_ms, line.text) for line in dialogue.subtitles.lines] if dialogue else []


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    return make_film(tmp_path_factory.mktemp("plain") / "plain.mp4", (4.0, 4.0))


@pytest.mark.parametrize(
    ("name", "track"),
    [("a.mkv", Track(SRT)), ("a.mkv", Track(VTT, "vtt")), ("a.mkv", Track(ASS, "ass")), ("a.mp4", Track(SRT))],
)
@pytest.mark.parametrize("late_s", [0, 5])
def test_text_subtitles_inside_a_film(name: str, track: Track, late_s: int, plain: Path, tmp_path: Path) -> None:
    film = with_tracks(tmp_path / name, plain, track, late_s=late_s)
    assert found(film) == LINES
    dialogue = find_dialogue(probe(film), None, [])
    assert dialogue is not None
    assert dialogue.notes == (
        "The film's own subtitles are used (stream 2, English); `--subtitles none` listens instead.",
    )
    assert [line.speaker for line in dialogue.subtitles.lines] == [
        "Bob" if track.suffix in ("vtt", "ass") else "",
        "ANN",
    ]


def test_the_track_of_the_whole_dialogue_in_the_films_language_is_taken(plain: Path, tmp_path: Path) -> None:
    german = SRT.replace("Bye.", "Tschüss.")
    one = SRT.partition("2\n00:00:03")[0]
    film = with_tracks(
        tmp_path / "a.mkv",
        plain,
        Track(german, language="ger"),
        Track(one.replace("Hello", "Hey"), title="Signs & Songs"),
        Track(one.replace("Hello", "Forced"), flags=Disposition.forced.value),
        Track(one.replace("Hello", "Part")),
        Track(SRT, title="English (SDH)", flags=Disposition.hearing_impaired.value),
        Track(SRT.replace("Hello", "AD"), title="Descriptive text"),
    )
    assert [stream.partial for stream in probe(film).subtitle_streams] == [False, True, True, False, False, True]
    assert found(film, "en") == LINES
    assert found(film, "de")[1][2] == "Tschüss."


def test_subtitles_beside_a_film_come_before_those_in_it(plain: Path, tmp_path: Path) -> None:
    film = with_tracks(tmp_path / "My film.mkv", plain, Track(SRT))
    for name in ("My film 2.srt", "Other.srt", "My film.notes.srt", "My film.forced.srt", "My film.de.forced.srt"):
        (tmp_path / name).write_text(SRT.replace("Hello", "Wrong"))
    assert found(film) == LINES
    for name, word in (("My film.de.srt", "Hallo"), ("My film.en.sdh.vtt", "Hey"), ("My film.SRT", "Plain")):
        (tmp_path / name).write_text((VTT if "vtt" in name else SRT).replace("Hello", word))
    dialogue = find_dialogue(probe(film), "en", [])
    assert dialogue is not None
    assert dialogue.subtitles.lines[0].text.startswith("Plain")
    assert dialogue.notes == (
        "The subtitles beside the film are used (My film.SRT); `--subtitles none` listens instead.",
    )
    (tmp_path / "My film.SRT").write_text("nothing")
    dialogue = find_dialogue(probe(film), "en", [])
    assert dialogue is not None
    assert dialogue.subtitles.lines[0].text.startswith("Hey")
    assert "passed over" in dialogue.notes[0]
    assert found(film, "de")[0][2].startswith("Hallo")


class Teller:
    """A captioner that says one thing."""

    info = CaptionerInfo("teller")
    needs = frozenset({"frames"})

    def caption(self, requests: list[CaptionRequest]) -> list[CaptionAnswer]:
        return [CaptionAnswer("A block moves.", 0.0) for _ in requests]


def dialogue_of(project: Path) -> list[Span]:
    with ProjectStore(project) as store:
        return [line.span for line in store.dialogue]


def test_a_film_is_described_around_the_subtitles_that_are_there(plain: Path, tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(plain.read_bytes())
    (tmp_path / "a.srt").write_text(SRT)
    result = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert dialogue_of(result.project) == [Span(1000, 2500), Span(3000, 4000)]
    assert any("beside the film are used (a.srt)" in note for note in result.notes)
    (tmp_path / "a.srt").unlink()
    again = describe(result.project, model=Teller(), shift_subtitles=-0.5)  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(500, 2000), Span(2500, 3500)]
    again = describe(result.project, model=Teller())  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(500, 2000), Span(2500, 3500)], "a project remembers the shift"
    (tmp_path / "a.srt").write_text(SRT)
    told = describe(film, "none", Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert dialogue_of(told.project) == []


def test_a_description_beside_its_film_is_not_dialogue(plain: Path, tmp_path: Path) -> None:
    film = tmp_path / "a.mp4"
    film.write_bytes(plain.read_bytes())
    first = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    with ProjectStore(first.project) as store:
        export_script(store, find_writers(["vtt", "srt", "dapt"]), tmp_path)
    assert (tmp_path / "a.srt").is_file()
    assert not find_dialogue(probe(film), None, []), "another project's export beside the film"
    again = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert dialogue_of(again.project) == []


def test_subtitles_out_of_step_are_told_with_what_mends_them(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = [Span(at, at + 400 + at % 700) for at in (0, 900, 2200, 3100, 4800, 6100, 7000)]
    monkeypatch.setattr(module, "listen_once", lambda *sounds: Heard(heard))
    late = [DialogueLine(Span(span.start_ms + 3_600_000, span.end_ms + 3_600_000), "Hi.") for span in heard]
    [note] = step_notes(late, heard, 8000, 0)
    assert note == (
        "The subtitles cover 0% of the speech heard, and 100% if moved: add `--shift-subtitles -3600.0` "
        "if that is right."
    )
    assert step_notes(retimed(late, -3_600_000), heard, 8000, -3_600_000) == []
    srt = tmp_path / "late.srt"
    blocks = [f"01:00:{s.start_ms / 1000:06.3f} --> 01:00:{s.end_ms / 1000:06.3f}\nHi.\n" for s in heard]
    srt.write_text("\n".join(blocks))
    result = describe(plain, srt, Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert any("`--shift-subtitles -3600.0`" in note for note in result.notes)
    assert any("No subtitle lies inside the film" in note for note in result.notes)
    assert dialogue_of(result.project) == heard, "listened to instead"
    result = describe(plain, srt, Teller(), out_dir=tmp_path / "p", shift_subtitles=-3600)  # type: ignore[arg-type]
    assert dialogue_of(result.project) == heard
    assert not any("subtitle" in note for note in result.notes)


@pytest.mark.parametrize(("kept", "named"), [("", "25/23.976"), ("25/24", "24/23.976"), ("25/23.976", "1")])
def test_subtitles_of_another_frame_rate_are_told_with_what_mends_them(kept: str, named: str) -> None:
    random = np.random.default_rng(3)
    starts = np.cumsum(random.integers(1500, 6000, 200)).tolist()
    heard = [Span(at, at + int(length)) for at, length in zip(starts, random.integers(500, 1400, 200), strict=True)]
    right = Fraction(25) / Fraction("23.976") if named != "1" else Fraction(1)
    own = [DialogueLine(Span(round(s.start_ms / right), round(s.end_ms / right)), "Hi.") for s in heard]
    duration_ms = heard[-1].end_ms + 5000
    now = retimed(own, 20_000, stretch_of(kept))
    [note] = step_notes(now, heard, duration_ms, 20_000, kept)
    [told] = re.findall(r"add `(.*)` if that is right", note)
    assert f"--stretch-subtitles {'25/23.976' if named != '1' else '1'} --shift-subtitles" in told
    shift_s = float(told.rpartition(" ")[2])
    assert abs(shift_s) <= 0.2
    assert "if stretched and moved" in note
    mended = retimed(own, round(shift_s * 1000), stretch_of(told.split()[1]))
    assert step_notes(mended, heard, duration_ms, 0, told.split()[1]) == []


def test_a_project_remembers_how_subtitles_are_stretched_and_warns_again(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = [Span(at, at + 400 + at % 700) for at in (1000, 1900, 3200, 4100, 5200, 6100, 7000)]
    monkeypatch.setattr(module, "listen_once", lambda *sounds: Heard(heard))
    srt = tmp_path / "a.srt"
    srt.write_text(SRT)
    first = describe(plain, srt, Teller(), out_dir=tmp_path / "p", stretch_subtitles="2", shift_subtitles=-1)  # type: ignore[arg-type]
    assert dialogue_of(first.project) == [Span(1000, 4000), Span(5000, 7000)]
    again = describe(first.project, model=Teller())  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(1000, 4000), Span(5000, 7000)]
    again = describe(first.project, model=Teller(), shift_subtitles=0)  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(2000, 5000), Span(6000, 8000)]
    again = describe(first.project, model=Teller(), stretch_subtitles="1")  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(1000, 2500), Span(3000, 4000)]
    lines = [Span(s.start_ms + 900, s.end_ms + 900) for s in heard]
    stamps = [f"00:00:{s.start_ms / 1000:06.3f} --> 00:00:{s.end_ms / 1000:06.3f}\nHi.\n" for s in lines]
    srt.write_text("\n".join(stamps))
    moved = describe(plain, srt, Teller(), out_dir=tmp_path / "q", shift_subtitles=100)  # type: ignore[arg-type]
    assert any("No subtitle lies inside" in note for note in moved.notes)
    again = describe(moved.project, model=Teller())  # type: ignore[arg-type]
    assert any("lie outside of the film" in note for note in again.notes)
    late = describe(plain, srt, Teller(), out_dir=tmp_path / "r", shift_subtitles=2)  # type: ignore[arg-type]
    assert any("--shift-subtitles -0.9" in note for note in late.notes)
    again = describe(late.project, model=Teller())  # type: ignore[arg-type]
    assert any("--shift-subtitles -0.9" in note for note in again.notes)


def test_a_stretch_is_two_frame_rates_or_a_factor() -> None:
    assert checked_stretch(None) is None
    assert checked_stretch("24/24") == checked_stretch("1") == ""
    assert checked_stretch(" 25 / 23.976 ") == "25/23.976"
    for wrong in ("25/0", "PAL", "3", "nan", "1e99", "-1", "25/23/24"):
        with pytest.raises(UsageError, match="two frame rates"):
            checked_stretch(wrong)


def test_moving_lines_leaves_out_what_ends_before_the_film() -> None:
    lines = [DialogueLine(Span(0, 900), "A."), DialogueLine(Span(500, 2000), "B.")]
    assert retimed(lines, -1000) == [DialogueLine(Span(0, 1000), "B.")]
    assert retimed(lines, 0) == lines


def test_picture_subtitles_are_named(plain: Path) -> None:
    assert passed_over(probe(plain)) == []


def with_mono_tracks(path: Path, film: Path, sounds: list[np.ndarray], languages: list[str]) -> Path:
    """The picture of a film with tracks of one channel, samples [N] at 16 kHz."""
    with av.open(str(film)) as source, av.open(str(path), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        tracks: list[Any] = [target.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in sounds]
        for track, language in zip(tracks, languages, strict=True):
            track.metadata.update({"language": language} if language else {})
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
        for track, sound in zip(tracks, sounds, strict=True):
            samples = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 0
            target.mux([*track.encode(frame), *track.encode(None)])
    return path


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Eight seconds of sound in which somebody speaks from second 5."""
    with open_voice("espeak") as speaker:
        said = resampled(*speaker.synthesize("Where have you been all night?"), 16_000)
    sound = np.zeros(8 * 16_000, np.float32)
    sound[5 * 16_000 : 5 * 16_000 + len(said)] = said
    return sound


def test_what_is_said_on_another_of_four_tracks_is_heard(plain: Path, tmp_path: Path, talk: np.ndarray) -> None:
    quiet = np.zeros_like(talk)
    film = with_mono_tracks(tmp_path / "a.mov", plain, [quiet, quiet, talk, quiet], [""] * 4)
    result = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    [note] = [note for note in result.notes if "one channel" in note]
    assert "in 4 tracks of one channel each: people speak on track 3." in note
    [line] = dialogue_of(result.project)
    assert 4700 <= line.start_ms <= 5200
    assert not any(cue.span.overlap_ms(line) for cue in result.script.cues)
    again = describe(result.project, model=Teller())  # type: ignore[arg-type]
    assert note in again.notes


def test_a_film_without_sound_is_told(plain: Path, tmp_path: Path) -> None:
    film = with_mono_tracks(tmp_path / "a.mov", plain, [], [])
    result = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert any("no sound track that can be decoded, so nobody is heard" in note for note in result.notes)


def test_second_languages_are_not_listened_to(plain: Path, tmp_path: Path, talk: np.ndarray) -> None:
    quiet = np.zeros_like(talk)
    film = with_mono_tracks(tmp_path / "a.mov", plain, [quiet, talk, talk, talk], ["eng", "ger", "fra", "spa"])
    result = describe(film, model=Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert dialogue_of(result.project) == []
    assert not any("channel" in note for note in result.notes)
    assert [path.name for path in (result.project / "frames").glob("sound*")] == ["sound.wav"]


def test_what_no_subtitle_covers_is_not_talked_over(plain: Path, tmp_path: Path, talk: np.ndarray) -> None:
    film, srt = with_mono_tracks(tmp_path / "a.mov", plain, [talk], [""]), tmp_path / "forced.srt"
    srt.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n")
    result = describe(film, srt, Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    [note] = [note for note in result.notes if "that no subtitle covers" in note]
    assert note.startswith("People are heard in 1 place (")
    first, heard = dialogue_of(result.project)
    assert (first, heard.start_ms > 4000) == (Span(1000, 2000), True)
    again = describe(result.project, model=Teller(), shift_subtitles=1)  # type: ignore[arg-type]
    assert dialogue_of(again.project) == [Span(2000, 3000), heard], "what is heard stays where it is"
    assert note in again.notes
    job, known = film_job(result.project)
    settings = settle(DescribeWish.load({"plan": {"trust_subtitles": True}}, "describe"), known.record)
    [outcome] = describe_many([job], Teller(), settings)  # type: ignore[arg-type, list-item]
    assert outcome.description is not None
    assert dialogue_of(result.project) == [Span(2000, 3000)]
    assert not any("covers" in note for note in outcome.description.notes)
    settings = settle(DescribeWish.load({"plan": {"guard_ms": 100}}, "describe"), film_job(result.project)[1].record)
    assert settings.plan.trust_subtitles, "a project remembers what another wish does not name"


def test_in_long_talk_a_cue_is_offered_for_which_the_film_pauses(plain: Path, tmp_path: Path) -> None:
    """The film's picture changes at 4 s."""
    srt = tmp_path / "a.srt"
    times = [(0.1, 2), (2, 4.6), (4.8, 6.2), (6.2, 7.9)]
    srt.write_text("\n".join(f"00:00:{a:06.3f} --> 00:00:{b:06.3f}\nTalk.\n" for a, b in times))
    without = describe(plain, srt, Teller(), out_dir=tmp_path / "p")  # type: ignore[arg-type]
    assert without.script.cues == ()
    job, known = film_job(without.project)
    wish = DescribeWish.load({"plan": {"long_talk_ms": 5000}}, "describe")
    [outcome] = describe_many([job], Teller(), settle(wish, known.record))  # type: ignore[arg-type, list-item]
    assert outcome.description is not None
    [cue] = outcome.description.script.cues
    assert (cue.span.start_ms, cue.extended, cue.visual) == (4700, True, Span(0, 4800))
    assert cue.span.end_ms <= 4800
    with ProjectStore(without.project) as store:
        found = lint(outcome.description.script, dialogue=[line.span for line in store.dialogue])
    assert {finding.rule for finding in found} <= {"late"}, "it is about the shot before"
    assert any("pause" in note for note in outcome.description.notes)
