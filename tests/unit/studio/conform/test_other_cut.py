"""A description moved to another release: each line where its scene is, nothing lost, nothing there before touched."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need
from calvin.cli.main import command_line
from calvin.core.errors import MediaError, StoreError, UsageError
from calvin.core.time import Span
from calvin.core.types import Author, CueKind, Status
from calvin.media.sound.film_sound import programme_blocks, write_wav
from calvin.studio.conform.from_elsewhere import conform_script, conform_sound
from calvin.studio.conform.other_cut import LEFT_OUT, conform
from calvin.studio.describe.films import describe
from calvin.studio.project.contents import SpokenRecord, VoiceRecord
from calvin.studio.project.recordings import Recording
from calvin.studio.project.status import RECORDED_FOLDER, VOICE_FOLDER
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_lines import read_script
from cut_films import write_scenes

SCENES = [(1, 4.0), (2, 3.5), (3, 6.0), (4, 4.0), (5, 3.0), (6, 6.0), (7, 4.0), (8, 5.5)]
KEPT = [*SCENES[:3], (40, 5.0), *SCENES[4:]]
"""The fourth scene (13.5 to 17.5 s) is out, and one of five seconds in."""
SPEED = Fraction(25, 24)


class Counting:
    """A captioner that never says the same twice."""

    info, needs = CaptionerInfo("counting"), frozenset[Need]()

    def __init__(self) -> None:
        self.asked = 0

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        answers = []
        for _ in requests:
            self.asked += 1
            answers.append(CaptionAnswer(f"Scene {self.asked} is seen.", 0.0))
        return answers


def there(ms: float) -> float | None:
    """A time of the first film in the other one."""
    if ms < 13_500:
        return ms / float(SPEED)
    return None if ms < 17_500 else (ms + 1_000) / float(SPEED)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("films")
    (folder / "first.srt").write_text(
        "1\n00:00:02,000 --> 00:00:03,000\nJANET: Is it you?\n\n2\n00:00:21,000 --> 00:00:22,000\nIt is.\n", "utf-8"
    )
    return write_scenes(folder / "first.mp4", SCENES), write_scenes(folder / "second.mp4", KEPT, SPEED)


@pytest.fixture(scope="module")
def project(films: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "first.calvin"
    describe(films[0], model=Counting(), out_dir=folder)
    with ProjectStore(folder) as store:
        first, second, *_ = store.cues
        store.edit_cue(replace(first, text="Ann waits.", author=Author.HUMAN, status=Status.APPROVED))
        store.edit_cue(replace(second, status=Status.NEEDS_WORK))
        store.add_comment(second.id, "Who is that?")
        (folder / RECORDED_FOLDER).mkdir(parents=True)
        for name in ("voice/one.wav", "voice/recorded/r.wav", "voice/recorded/o.wav"):
            write_wav(folder / name, np.full(1600, 0.1, np.float32), 16_000)
        said = {first.id: SpokenRecord(text="Ann waits.", ms=100, file=f"{VOICE_FOLDER}/one.wav")}
        store.voice = VoiceRecord(name="joe", rate=None, lufs=-23.0, cues=said)
        store.keep_recording(second.id, Recording(second.text, 100, "r.wav", "o.wav", -23.0, ""))
    return folder


@pytest.fixture(scope="module")
def moved(project: Path, films: tuple[Path, Path]) -> Path:
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    found = conform(project, films[1], project.parent / "second.calvin")
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()} == before
    assert found.carried >= 4
    return found.folder


def test_every_line_is_where_its_scene_is_now(project: Path, moved: Path) -> None:
    with ProjectStore(project, read_only=True) as old, ProjectStore(moved, read_only=True) as new:
        expected = {cue.text: there(cue.event_ms) for cue in old.cues}
        starts = {cue.text: there(cue.span.start_ms) for cue in old.cues}
        kept = {text for text, ms in expected.items() if ms is not None}
        assert {cue.text for cue in new.cues} == kept
        for cue in new.cues:
            assert cue.event_ms == pytest.approx(expected[cue.text], abs=80)
            if starts[cue.text] is not None:
                assert cue.span.start_ms == pytest.approx(starts[cue.text], abs=80)
            assert cue.span.end_ms <= new.bound_film().duration_ms


def test_what_people_did_is_kept(project: Path, moved: Path) -> None:
    with ProjectStore(project, read_only=True) as old, ProjectStore(moved, read_only=True) as new:
        by_text = {cue.text: cue for cue in new.cues}
        for cue in old.cues:
            if cue.text in by_text:
                one = by_text[cue.text]
                assert (one.author, one.status, one.kind) == (cue.author, cue.status, cue.kind)
        first, second = by_text["Ann waits."], by_text[old.cues[1].text]
        assert first.author is Author.HUMAN
        assert new.scored_candidates()[second.id] == old.scored_candidates()[old.cues[1].id]
        assert [(one.cue_id, one.text) for one in new.comments] == [(second.id, "Who is that?")]
        assert new.voice is not None
        assert new.voice.cues[first.id].text == "Ann waits."
        assert (moved / new.voice.cues[first.id].file).read_bytes() == (project / "voice/one.wav").read_bytes()
        assert (moved / RECORDED_FOLDER / new.recordings[second.id].file).is_file()
        assert [step.what for step in new.steps][-1] == "description moved from first.calvin"


def test_the_dialogue_comes_along_where_there_are_no_subtitles(moved: Path) -> None:
    with ProjectStore(moved, read_only=True) as new:
        assert [(line.text, line.speaker) for line in new.dialogue] == [("Is it you?", "JANET"), ("It is.", "")]
        assert new.dialogue[1].span.start_ms == pytest.approx(there(21_000), abs=80)


def test_what_has_no_place_is_kept_aside(project: Path, moved: Path) -> None:
    with ProjectStore(project, read_only=True) as old:
        lost = {cue.text for cue in old.cues if there(cue.event_ms) is None}
    assert lost
    with open(moved / LEFT_OUT, newline="", encoding="utf-8-sig") as stream:
        assert {row["text"] for row in csv.DictReader(stream)} == lost


def test_describing_goes_on_with_what_is_new_and_leaves_the_rest(moved: Path) -> None:
    with ProjectStore(moved, read_only=True) as new:
        before, waiting = {cue.id: cue.text for cue in new.cues}, [one for one in new.plans if not one.done]
    assert waiting
    assert any(one.visual.overlap_ms(Span(13_000, 17_700)) for one in waiting)
    captioner = Counting()
    describe(moved, model=captioner)
    assert captioner.asked == len(waiting)
    with ProjectStore(moved, read_only=True) as new:
        now = {cue.id: cue.text for cue in new.cues}
        assert {number: now[number] for number in before} == before
        spans = sorted(cue.span for cue in new.cues if cue.kind is CueKind.PICTURE and not cue.settled)
        assert not any(a.overlap_ms(b) for a, b in itertools.pairwise(spans))


def test_a_project_with_words_is_not_written_over(project: Path, moved: Path, films: tuple[Path, Path]) -> None:
    with pytest.raises(StoreError, match="already holds a description"):
        conform(project, films[1], moved)
    with pytest.raises(UsageError, match="itself"):
        conform(project, films[0], project)


def test_another_film_is_refused_and_nothing_is_left(project: Path, tmp_path: Path) -> None:
    other = write_scenes(tmp_path / "other.mp4", [(number, 4.0) for number in range(50, 56)])
    with pytest.raises(MediaError, match="no release of the same film"):
        conform(project, other, tmp_path / "other.calvin")
    assert not (tmp_path / "other.calvin").exists()


def test_a_script_from_elsewhere_is_moved(films: tuple[Path, Path], tmp_path: Path) -> None:
    script = tmp_path / "bought.srt"
    script.write_text(
        "1\n00:00:05,000 --> 00:00:06,500\nShe runs.\n\n2\n00:00:15,000 --> 00:00:16,000\nHe hides.\n\n"
        "3\n00:00:25,000 --> 00:00:26,000\nThey meet.\n",
        "utf-8",
    )
    found = conform_script(script, *films, tmp_path / "moved.srt")
    lines = read_script(tmp_path / "moved.srt").lines
    assert [line.text for line in lines] == ["She runs.", "They meet."]
    assert [line.span.start_ms for line in lines] == [
        pytest.approx(there(5_000), abs=80), pytest.approx(there(25_000), abs=80)
    ]  # fmt: skip
    assert found.carried == 2
    assert [line.text for line in read_script(tmp_path / "moved.left-out.csv").lines] == ["He hides."]
    with pytest.raises(UsageError, match="names no format"):
        conform_script(script, *films, tmp_path / "moved.xyz")
    with pytest.raises(UsageError, match="is what is to be moved"):
        conform_script(script, *films, script)


def test_a_sound_track_from_elsewhere_is_moved(films: tuple[Path, Path], tmp_path: Path) -> None:
    rate, rng = 48_000, np.random.default_rng(5)
    track = np.zeros(36 * rate, np.float32)
    for at, length in ((5.0, 1.5), (15.0, 1.0), (25.0, 1.0)):
        track[int(at * rate) : int((at + length) * rate)] = rng.normal(0, 0.1, int(length * rate))
    write_wav(tmp_path / "bought.wav", track, rate)
    found = conform_sound(tmp_path / "bought.wav", *films, tmp_path / "moved.wav")
    sound = np.concatenate([block[:, 0] for block in programme_blocks(tmp_path / "moved.wav", 0, "mono")])
    heard = np.flatnonzero(np.abs(sound) > 0.02) / rate
    edges = np.flatnonzero(np.diff(heard) > 0.5)
    begins = [heard[0], *heard[edges + 1]]
    assert begins == [pytest.approx(there(ms) / 1000, abs=0.08) for ms in (5_000, 25_000)]  # type: ignore[operator]
    assert len(sound) / rate == pytest.approx(found.changes.new_ms / 1000, abs=0.02)
    assert found.carried == 2
    assert len(found.left_out) == 1
    write_wav(tmp_path / "mix.wav", rng.normal(0, 0.1, 10 * rate).astype(np.float32), rate)
    write_wav(tmp_path / "silent.wav", np.zeros(rate, np.float32), rate)
    with pytest.raises(MediaError, match="sounds all along"):
        conform_sound(tmp_path / "mix.wav", *films, tmp_path / "no.wav")
    with pytest.raises(MediaError, match="silent"):
        conform_sound(tmp_path / "silent.wav", *films, tmp_path / "no.wav")
    assert not (tmp_path / "no.wav").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing-there", "--to", "x.mp4"], "neither a project nor a file"),
        (["{script}", "--to", "x.mp4"], "--from"),
        (["{project}", "--to", "{film}", "--from", "{film}"], "knows its film"),
        (["{script}", "--to", "{film}", "--from", "{film}", "-o", "x.srt", "-s", "y.srt"], "--subtitles"),
    ],
)
def test_what_does_not_go_together_is_said_before_any_work(
    project: Path, films: tuple[Path, Path], tmp_path: Path, words: list[str], says: str
) -> None:
    script = tmp_path / "s.srt"
    script.write_text("1\n00:00:05,000 --> 00:00:06,500\nShe runs.\n", "utf-8")
    given = [word.format(script=script, project=project, film=films[1]) for word in words]
    result = CliRunner().invoke(command_line(["conform"]), ["conform", *given])
    assert result.exit_code == 2
    assert says in result.output + str(result.exception)
