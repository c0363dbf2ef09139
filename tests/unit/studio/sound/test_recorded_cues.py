"""A person's own voice for cues: kept, heard, told apart, out of date, taken back, and never lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from calvin.core.errors import MediaError, MissingExtraError, StoreError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Status
from calvin.media.sound.film_sound import programme_blocks, read_wav, resampled, write_wav
from calvin.media.sound.loudness import loudness_and_peak
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import (
    measured_ms,
    project_status,
    recorded_cues,
    recordings_out_of_date,
    spoken_cues,
)
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import export_script
from calvin.studio.script.script_tables import read_table
from calvin.studio.script.writers import find_writers
from calvin.studio.sound.cue_files import VoiceChoice, VoiceSettings
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.preview import plan_preview
from calvin.studio.sound.recorded_cues import (
    forget_recording,
    note_recording,
    prepare_recording,
    record_cue,
    recording_level,
)
from calvin.studio.sound.voiced_cues import voice_project

CUES = ((500, 2000, "Mara opens the door."), (4000, 5000, "She looks."), (6000, 7000, "Rain."))


@pytest.fixture
def project(tmp_path: Path, make_film: Callable[..., Path]) -> Path:
    film = make_film(tmp_path / "film.mp4")
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), 9000, {"bytes": film.stat().st_size}))
        store.set_dialogue([DialogueLine(Span(7600, 8500), "Go away!")])
        for start, end, text in CUES:
            store.add_cue(Cue("", Span(start, end), text, Span(start, end), start))
    return tmp_path / "p"


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """wav(name, seconds): a glide from low to high, with half a second of silence on either side."""

    def make(name: str = "own.wav", seconds: float = 1.2, hertz: float = 300.0) -> Path:
        clock = np.arange(round(seconds * 44_100)) / 44_100
        glide = 0.4 * np.sin(2 * np.pi * (hertz * clock + 200 * clock**2))
        write_wav(tmp_path / name, np.pad(glide, 22_050), 44_100)
        return tmp_path / name

    return make


def test_a_recording_is_measured_levelled_and_kept_with_what_was_given(project: Path, wav: Callable[..., Path]) -> None:
    voice_project(project, ToneVoice(), VoiceSettings(lufs=-20))
    with ProjectStore(project) as store:
        assert recording_level(store) == -20
        measured, notes = record_cue(store, "2", wav())
        assert notes == []
        assert measured.ms == pytest.approx(1200 + 180, abs=20)
        assert measured.room_ms == 2000
        assert measured_ms(store)["2"] == measured.ms
        [found] = [one for one in spoken_cues(store)[0] if one.recorded]
        assert found.cue.id == "2"
        assert found.cue.status is Status.APPROVED  # whoever reads words out stands by them
        assert found.cue.author is Author.MODEL
        samples, rate = read_wav(found.path)
        assert loudness_and_peak(samples, rate)[0] == pytest.approx(-20, abs=0.2)
        recording = store.recordings["2"]
        assert recording.text == "She looks."
        assert recording.recorded_at.startswith("20")
        given = project / "voice" / "recorded" / recording.original
        assert given.read_bytes() == wav().read_bytes()


def test_it_is_mixed_among_synthetic_ones(project: Path, wav: Callable[..., Path], tmp_path: Path) -> None:
    speaker = ToneVoice()
    with ProjectStore(project) as store:
        record_cue(store, "2", wav())
    report = voice_project(project, speaker, VoiceSettings(rate=300))
    assert (report.made, report.kept, report.recorded) == (2, 0, ["2"])
    with ProjectStore(project) as store:
        assert [(one.cue.id, one.recorded) for one in spoken_cues(store)[0]] == [
            ("1", False),
            ("2", True),
            ("3", False),
        ]
        own = recorded_cues(store)["2"]
        planned = plan_preview(store, "2")
    mixed = mix_project(project, tmp_path / "ad.wav")
    assert (mixed.cues, mixed.recorded) == (3, 1)
    heard = np.concatenate(list(programme_blocks(tmp_path / "ad.wav", 0, "stereo")))
    film = np.concatenate(list(programme_blocks(tmp_path / "film.mp4", 1, "stereo")))
    start = own.cue.span.start_ms * 48
    with ProjectStore(project) as store:
        balance = plan_preview(store, "2")  # as loud as the mix has found the film to be
    [down] = [one.duck_db for one in balance.voices if one.name == "2"]
    gain, louder = balance.settings.gain_db, balance.settings.voice_db
    voice = resampled(*read_wav(own.path), 48_000) * np.sqrt(0.5) * 10 ** ((louder + gain) / 20)
    ducked = film[start : start + len(voice), 0] * 10 ** ((down + gain) / 20)
    assert np.abs(heard[start : start + len(voice), 0] - ducked - voice).max() < 0.01
    assert planned.voices[1].path == own.path
    # A cue with a recording needs no other voice; its own file is not made, nor is the recording's removed.
    assert len(list((project / "voice").glob("*.wav"))) == 2
    assert own.path.is_file()


def test_other_words_make_it_out_of_date_and_nothing_is_lost(
    project: Path, wav: Callable[..., Path], tmp_path: Path
) -> None:
    with ProjectStore(project) as store:
        record_cue(store, "2", wav())
        store.edit_cue(replace(store.cue("2"), text="She looks up.", author=Author.HUMAN))
        assert recordings_out_of_date(store) == ["2"]
        assert recorded_cues(store) == {}
        assert "2" in {cue.id for cue in spoken_cues(store)[1]}
    report = voice_project(project, ToneVoice(), VoiceSettings(rate=300))
    [note] = [note for note in report.notes if "recorded" in note]
    assert note.startswith(
        "Not heard, because the words have changed since it was recorded, or its file has gone: cue-2"
    )
    assert (report.made, report.recorded) == (3, [])
    mixed = mix_project(project, tmp_path / "ad.wav")
    assert mixed.recorded == 0
    assert note in mixed.notes
    with ProjectStore(project) as store:
        assert project_status(store)["recorded"] == {"cues": [], "out_of_date": ["2"]}
        store.edit_cue(replace(store.cue("2"), text="She looks."))
        assert list(recorded_cues(store)) == ["2"]  # the words are back, and so is the voice
        assert project_status(store)["recorded"] == {"cues": ["2"], "out_of_date": []}


def test_undo_and_redo(project: Path, wav: Callable[..., Path]) -> None:
    voice_project(project, ToneVoice(), VoiceSettings(rate=300))
    with ProjectStore(project) as store:
        synthetic = measured_ms(store)
        record_cue(store, "2", wav("first.wav", 1.0))
        first = recorded_cues(store)["2"]
        record_cue(store, "2", wav("second.wav", 1.8, 500))
        second = recorded_cues(store)["2"]
        assert first.path != second.path
        assert store.undo().what == "cue-2 recorded"
        assert recorded_cues(store)["2"].path == first.path
        store.undo()
        assert recorded_cues(store) == {}
        assert store.cue("2").status is Status.DRAFT
        assert measured_ms(store) == synthetic  # the voice's own file is still there
        store.redo()
        store.redo()
        assert recorded_cues(store)["2"].duration_ms == second.duration_ms
        forget_recording(store, "2")
        assert measured_ms(store) == synthetic
        assert store.undo().what == "recording of cue-2 taken away"
        assert recorded_cues(store)["2"].path == second.path
        # With the cue itself it goes and comes.
        with store.step("away"):
            store.delete_cue("2")
        assert recorded_cues(store) == {}
        store.undo()
        assert recorded_cues(store)["2"].path == second.path
    assert voice_project(project, ToneVoice()).made == 0


def test_files_that_no_step_knows_are_removed_in_time(project: Path, wav: Callable[..., Path]) -> None:
    with ProjectStore(project) as store:
        record_cue(store, "1", wav())
        home = project / "voice" / "recorded"
        kept = set(home.iterdir())
        prepared = prepare_recording(project, "2", wav("other.wav", 0.7), -23)  # by another process, and not kept yet
        forget_recording(store, "1")
        assert {home / prepared.file, home / prepared.original} | kept == set(home.iterdir())
        for path in home.iterdir():
            os.utime(path, (time.time() - 90_000,) * 2)
        record_cue(store, "3", wav())
        assert kept < set(home.iterdir())  # undoing would bring these back
        assert not (home / prepared.file).exists()


def test_another_level_is_reached_from_what_was_given(project: Path, wav: Callable[..., Path]) -> None:
    with ProjectStore(project) as store:
        record_cue(store, "2", wav())
        first = recorded_cues(store)["2"]
    voice_project(project, ToneVoice(), VoiceSettings(rate=300, lufs=-17))
    with ProjectStore(project) as store:
        louder = recorded_cues(store)["2"]
    assert loudness_and_peak(*read_wav(first.path))[0] == pytest.approx(-23, abs=0.2)
    assert loudness_and_peak(*read_wav(louder.path))[0] == pytest.approx(-17, abs=0.2)
    assert louder.duration_ms == first.duration_ms


def test_a_project_that_is_wholly_recorded_needs_no_voice(
    project: Path, wav: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_installed(choice: VoiceChoice) -> ToneVoice:
        raise MissingExtraError("Speaking the cues", "voice")

    monkeypatch.setattr(VoiceChoice, "open", none_installed)
    with ProjectStore(project) as store:
        for cue in ("1", "2", "3"):
            record_cue(store, cue, wav(f"{cue}.wav", 0.9, 200 + 100 * int(cue)))
    report = voice_project(project)
    assert (report.voice, report.made, report.recorded) == ("", 0, ["1", "2", "3"])
    assert mix_project(project, tmp_path / "ad.wav").recorded == 3
    with ProjectStore(project) as store:
        assert store.voice is None
        forget_recording(store, "1")
    with pytest.raises(MissingExtraError):
        voice_project(project)


def test_exports_tell_a_person_from_a_voice(project: Path, wav: Callable[..., Path], tmp_path: Path) -> None:
    with ProjectStore(project) as store:
        export_script(store, find_writers(["json", "csv", "dapt"]))
        plain = {path.suffix: path.read_text() for path in project.glob("film.*")}
        assert "voice" not in "".join(plain.values())
        record_cue(store, "2", wav())  # renews them
        record_cue(store, "3", wav())
        store.edit_cue(replace(store.cue("3"), text="Heavy rain."))
        export_script(store, find_writers(["json", "csv", "dapt"]))
    cues = json.loads((project / "film.json").read_text())["cues"]
    assert [cue.get("voice") for cue in cues] == [None, "recorded", "recording out of date"]
    heading, *rows = (project / "film.csv").read_text().splitlines()
    assert heading.split(",")[-1] == "voice"
    assert [row.split(",")[-1] for row in rows] == ["", "recorded", "recording out of date"]
    assert [row.text for row in read_table((project / "film.csv").read_text())] == [
        "Mara opens the door.", "She looks.", "Heavy rain.",
    ]  # fmt: skip
    root = ET.parse(project / "film.dapt.ttml").getroot()
    divs = root.iter("{http://www.w3.org/ns/ttml}div")
    assert [div.get("{urn:x-calvin-ad:script}voice") for div in divs] == [None, "recorded", "recording out of date"]


def test_too_long_for_its_place_is_told(project: Path, wav: Callable[..., Path]) -> None:
    with ProjectStore(project) as store:
        measured, [note] = record_cue(store, "3", wav(seconds=2.5))
        assert measured.room_ms == 1600
        assert note.startswith("It takes 2.7 s, 1.1 s more than there is before the next line or cue")
    [late] = voice_project(project, ToneVoice(), VoiceSettings(rate=300)).late
    assert (late.cue.id, late.recorded) == ("3", True)


def test_words_that_changed_while_it_was_recorded(project: Path, wav: Callable[..., Path]) -> None:
    with ProjectStore(project) as store:
        prepared = prepare_recording(project, "2", wav(), -23)
        store.edit_cue(replace(store.cue("2"), text="She looks up."))
        note_recording(store, prepared, text="She looks.")
        assert recordings_out_of_date(store) == ["2"]
        assert store.cue("2").status is Status.DRAFT


def test_what_cannot_be_taken_changes_nothing(project: Path, tmp_path: Path, wav: Callable[..., Path]) -> None:
    write_wav(tmp_path / "quiet.wav", np.zeros(48_000), 48_000)
    with ProjectStore(project) as store:
        for error, said, cue, path in (
            (MediaError, "Nobody is heard in quiet.wav", "1", tmp_path / "quiet.wav"),
            (MediaError, "There is no recording at", "1", tmp_path / "none.wav"),
            (StoreError, "no cue '9'", "9", wav()),
        ):
            with pytest.raises(error, match=said):
                record_cue(store, cue, path)
        store.edit_cue(replace(store.cue("1"), text="-"))
        with pytest.raises(UsageError, match="cue-1 has no words to record"):
            record_cue(store, "1", wav())
        with pytest.raises(StoreError, match="cue-2 has no recording"):
            forget_recording(store, "2")
        with pytest.raises(UsageError, match="not the number of a cue"):
            prepare_recording(project, "../2", wav(), -23)
        assert store.recordings == {}
        assert store.steps == []
    assert not (project / "voice").exists()


def test_a_recording_whose_file_has_gone_is_told(project: Path, wav: Callable[..., Path]) -> None:
    with ProjectStore(project) as store:
        record_cue(store, "2", wav())
        recorded_cues(store)["2"].path.unlink()
        assert recordings_out_of_date(store) == ["2"]
        assert "2" in {cue.id for cue in spoken_cues(store)[1]}
        store._db.execute("UPDATE recording SET file = '../../secret.wav'")
        with pytest.raises(StoreError, match="is damaged"):
            store.check()
