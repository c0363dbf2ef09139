"""Voicing a project: what is made, what is kept, and what is measured."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MissingExtraError
from calvin.core.progress import Progress
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Place
from calvin.media.sound.film_sound import read_wav
from calvin.media.sound.loudness import loudness_and_peak
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import Choice, FilmRow
from calvin.studio.project.status import measured_ms, project_status, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers
from calvin.studio.sound import cue_files
from calvin.studio.sound import voiced_cues as module
from calvin.studio.sound.cue_files import VoiceChoice
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project, voice_settings

TEXTS = ("Mara opens the door.", "She looks down the dark street.", "-", "Rain.")


class Listening(ToneVoice):
    """Tones that remember what was said, and may fail."""

    def __init__(self, fail_at: int = 99) -> None:
        self.heard: list[str] = []
        self.fail_at = fail_at

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        if text != module.__doc__ and not text.startswith("She crosses"):
            self.heard.append(text)
            if len(self.heard) == self.fail_at:
                raise KeyboardInterrupt
        return super()._speak(text, speed)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        for number, text in enumerate(TEXTS):
            span = Span(10_000 * number, 10_000 * number + 3000)
            store.add_cue(Cue("", span, text, span, span.start_ms))
    return folder


def test_each_cue_is_spoken_at_its_level_and_measured(project: Path) -> None:
    report = voice_project(project, Listening())
    assert (report.made, report.kept, len(report.cues)) == (3, 0, 3)  # "-" says nothing
    for spoken in report.cues:
        samples, rate = read_wav(spoken.path)
        assert loudness_and_peak(samples, rate)[0] == pytest.approx(-23, abs=0.2)
        assert spoken.duration_ms == pytest.approx(len(samples) * 1000 / rate, abs=1)
    with ProjectStore(project) as store:
        assert measured_ms(store) == {s.cue.id: s.duration_ms for s in report.cues}
        assert spoken_cues(store)[1] == []


class Several(Listening):
    """Speaks two texts at once, and no more."""

    workers = 2

    def __init__(self, fail_at: int = 99) -> None:
        super().__init__(fail_at)
        self.together = threading.Barrier(2, timeout=60)

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        if text in TEXTS[:2]:
            self.together.wait()  # passes only if the other one is being spoken meanwhile
        return super()._speak(text, speed)


def test_a_voice_of_several_workers_speaks_side_by_side_and_makes_the_same_files(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other"))
    alone = voice_project(project, Listening())
    told: list[Progress] = []
    several = Several()
    report = voice_project(other, several, listener=told.append)
    assert (report.made, report.kept) == (3, 0)
    assert sorted(several.heard) == sorted(TEXTS[i] for i in (0, 1, 3))
    assert [one.duration_ms for one in report.cues] == [one.duration_ms for one in alone.cues]
    for one, same in zip(report.cues, alone.cues, strict=True):
        np.testing.assert_array_equal(read_wav(one.path)[0], read_wav(same.path)[0])
    spoken = [event.done for event in told if event.stage == "voice"]
    assert spoken == sorted(spoken)
    assert spoken[-1] == len(TEXTS)
    assert (voice_project(other, several).made, len(several.heard)) == (0, 3)


def test_what_several_workers_spoke_before_a_stop_is_kept(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        voice_project(project, Several(fail_at=3))
    report = voice_project(project, Listening())
    assert (report.made, report.kept) == (1, 2)


def test_only_what_changed_is_spoken_again(project: Path) -> None:
    first = voice_project(project, Listening())
    again = Listening()
    assert voice_project(project, again).kept == 3
    assert again.heard == []
    with ProjectStore(project) as store:
        cue = store.cue("2")
        store.edit_cue(replace(replace(cue, text="She looks up.", author=Author.HUMAN), span=Span(10_500, 12_000)))
        assert "2" not in measured_ms(store)
        assert [cue.id for cue in spoken_cues(store)[1]] == ["2"]
    second = voice_project(project, again)
    assert (second.made, again.heard) == (1, ["She looks up."])
    # The file of the old words is gone, the others are the same files.
    assert {s.path for s in second.cues} == set((project / "voice").glob("*.wav"))
    assert len({s.path for s in first.cues} & {s.path for s in second.cues}) == 2


def test_rate_level_and_pronunciation_are_part_of_what_changed(project: Path) -> None:
    slow = voice_project(project, Listening(), VoiceSettings(rate=100))
    fast = voice_project(project, Listening(), VoiceSettings(rate=200))
    assert fast.made == 3
    assert all(b.duration_ms < 0.6 * a.duration_ms for a, b in zip(slow.cues, fast.cues, strict=True))
    (project / "pronunciation.csv").write_text("Mara,Mahrah\n")
    speaker = Listening()
    assert voice_project(project, speaker, VoiceSettings(rate=200)).made == 1
    assert speaker.heard == ["Mahrah opens the door."]


def test_killed_and_run_again(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        voice_project(project, Listening(fail_at=3))
    speaker = Listening()
    report = voice_project(project, speaker)
    assert (report.kept, speaker.heard) == (2, ["Rain."])


def test_a_damaged_file_is_made_again(project: Path) -> None:
    [first, *_] = voice_project(project, Listening()).cues
    first.path.write_bytes(first.path.read_bytes()[:30])
    assert voice_project(project, Listening()).made == 1


def test_what_takes_too_long_gets_words_that_fit_or_a_pause(project: Path) -> None:
    """A person's words stay; a model's are fitted by what the voice takes, whatever was estimated."""
    long = (
        "She walks along the old street in the cold rain and waits.",
        "A man in a blue coat digs in his garden there.",
    )
    beams = (["She walks along the wet street.", "She walks.", "She runs."], ["He digs and digs and looks around."])
    with ProjectStore(project) as store:
        store.edit_cue(replace(store.cue("1"), text="word " * 30, author=Author.HUMAN))
        spoken_at = (Span(10_000, 12_000), Span(34_000, 39_400), Span(42_000, 45_000), Span(48_000, 57_700))
        store.set_dialogue([DialogueLine(span, "Go.") for span in spoken_at])
        store.set_plan([Place(Span(at, at + 2000), Span(at, at + 2000), at) for at in (39_700, 58_000)])
        ids = []
        for plan, text, others in zip(store.plans, long, beams, strict=True):
            cue = store.finish_plan(plan, text, plan.span, others)
            ids += [cue.id] if cue else []
        export_script(store, find_writers(["srt"]))
    speaker = Listening()
    report = voice_project(project, speaker)
    assert (report.reworded, report.paused, [s.cue.id for s in report.late]) == (ids[:1], ids[1:], ["1"])
    assert (report.made, report.kept) == (len(report.cues), 0), "what was only tried does not count"
    with ProjectStore(project) as store:
        fitting, pausing = map(store.cue, ids)
        assert (fitting.text, fitting.extended) == ("She walks.", False)
        assert fitting.span.duration_ms == measured_ms(store)[fitting.id] <= 2000
        assert (pausing.text, pausing.extended) == (long[1], True)
        assert [d.choice for d in store.decisions] == [Choice.CANDIDATE, Choice.EXTENDED]
        assert [d.reason.partition("takes ")[0] for d in store.decisions] == ["The best ", "It "]
        assert spoken_cues(store)[1] == []
    assert "She walks." in (project / "film.srt").read_text()
    assert {s.path for s in report.cues} == set((project / "voice").glob("*.wav"))
    again = voice_project(project, speaker)
    assert (again.made, again.reworded, again.paused) == (0, [], [])
    voice_project(project, speaker, VoiceSettings(rate=400))
    with ProjectStore(project) as store:
        assert not store.cue(ids[1]).extended  # it fits after all
        assert store.cue(ids[1]).span.duration_ms == measured_ms(store)[ids[1]]


def test_tones_are_no_voice_by_default(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cue_files, "open_voice", lambda name: ToneVoice())
    with pytest.raises(MissingExtraError, match=r"calvin-ad\[voice\]"):
        voice_project(project)


def test_other_languages_are_spoken_by_espeak(project: Path) -> None:
    with ProjectStore(project) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "0" * 64, 60_000, {}))
        store._db.execute("UPDATE film SET language = 'de'")
    assert voice_project(project).voice == "espeak de"
    assert voice_project(project, "espeak").voice == "espeak de"


def test_a_project_remembers_how_it_was_spoken(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "names.csv"
    listed.write_text("Mara,Mahra\n")
    monkeypatch.chdir(tmp_path)
    voice_project(project, "tones", VoiceSettings(rate=140, lufs=-20), "names.csv")
    monkeypatch.chdir(project)
    again = voice_project(project)
    assert (again.made, again.kept) == (0, 3)
    with ProjectStore(project) as store:
        known = store.voice
        assert known is not None
        assert (known.asked, known.rate, known.lufs, known.pronunciation) == ("tones", 140, -20, str(listed))
        assert voice_settings(known, rate=150, lufs=None) == VoiceSettings(rate=150, lufs=-20)
        assert voice_settings(None, rate=None) == VoiceSettings()
        spoken = project_status(store)["spoken"]
        assert (spoken["name"], spoken["cues"], spoken["to_speak"]) == ("tones", 3, 0)
        store.set_language("de")
    asked: list[tuple[str | None, str]] = []

    def opened(choice: VoiceChoice) -> ToneVoice:
        asked.append((choice.asked, choice.language))
        return ToneVoice()

    monkeypatch.setattr(VoiceChoice, "open", opened)
    voice_project(project)
    assert asked == [(None, "de")], "a voice for English is not asked to speak German"


def test_what_it_rewords_goes_into_the_exports_and_an_edited_one_is_named(project: Path) -> None:
    with ProjectStore(project) as store:
        store.set_dialogue([DialogueLine(Span(900, 9000), "Hello.")])
        export_script(store, find_writers(["vtt", "csv"]))
        (project / "film.vtt").write_text("mine")
    report = voice_project(project, Listening())
    assert report.paused == ["1"]
    assert "extended" in (project / "film.csv").read_text()
    assert report.notes == [
        "film.vtt was not as calvin wrote it and is kept as film.kept-1.vtt: `calvin import` reads it."
    ]


def test_what_it_rewords_is_one_step_that_can_be_undone(project: Path) -> None:
    with ProjectStore(project) as store:
        store.set_dialogue([DialogueLine(Span(900, 9000), "Hello.")])
    assert voice_project(project, Listening()).paused == ["1"]
    with ProjectStore(project) as store:
        assert [step.what for step in store.steps] == ["words fitted to tones"]
        store.undo()
        assert not store.cue("1").extended
        store.set_dialogue([])
    voice_project(project, Listening())
    with ProjectStore(project) as store:
        store.redo()  # speaking what fits is no step, so what was undone before it can still be done again
        assert store.cue("1").extended


class Wavering(ToneVoice):
    """Takes longer each time for the same words, as voices with noise in them may."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def _speak(self, text: str, speed: float) -> tuple[np.ndarray, int]:
        self.heard.append(text)
        samples, rate = super()._speak(text, speed)
        return np.concatenate([samples, samples[: rate // 5 * len(self.heard)]]), rate


def test_words_that_two_cues_have_are_spoken_once_and_take_equally_long(project: Path) -> None:
    with ProjectStore(project) as store:
        for number in (4, 5):
            span = Span(10_000 * number, 10_000 * number + 3000)
            store.add_cue(Cue("", span, TEXTS[0], span, span.start_ms, Author.HUMAN))
    voice = Wavering()
    report = voice_project(project, voice)
    lengths = {text: {one.duration_ms for one in report.cues if one.cue.text == text} for text in TEXTS}
    assert [len(found) for found in lengths.values()] == [1, 1, 0, 1]
    assert voice.heard.count(TEXTS[0]) == 1
    assert len({one.path for one in report.cues}) == len(report.cues) == 4  # one draft said what a person says
