"""DAPT with the sound of its cues: out as a folder, and in from the document itself or the folder that it lies in."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import StoreError, UsageError
from calvin.core.time import Span
from calvin.core.types import Author, Cue, Status
from calvin.media.dapt_rules import DAPTM, PROFILE, TT, TTA, TTM
from calvin.media.sound.film_sound import write_wav
from calvin.media.ttml import VOICE, read_ttml
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import recorded_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.human_words import plan_import
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers
from calvin.studio.sound.cue_files import VoiceSettings
from calvin.studio.sound.imported_sounds import imported_sounds
from calvin.studio.sound.recorded_cues import record_cue
from calvin.studio.sound.voiced_cues import voice_project

RATE = 16_000
CUES = ((500, 2000, "Mara opens the door."), (4000, 5000, "She looks."), (6000, 7000, "Rain."))


def glide(seconds: float = 1.0) -> np.ndarray:
    clock = np.arange(round(seconds * RATE)) / RATE
    sound = 0.3 * np.sin(2 * np.pi * (250 * clock + 150 * clock**2))
    return np.pad(sound, RATE // 4).astype(np.float32)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 9000, {"frame_rate": 25.0}))
        for start, end, text in CUES:
            span = Span(start, end)
            store.add_cue(Cue("", span, text, span, start, Author.HUMAN, Status.APPROVED))
    return tmp_path / "p"


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    write_wav(tmp_path / "in" / "own voice.wav", glide(), RATE)
    return tmp_path / "in" / "own voice.wav"


def seconds(clock: str | None) -> float:
    hours, minutes, rest = (clock or "").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_a_script_goes_out_with_its_sound_and_comes_in_as_it_was(project: Path, wav: Path, tmp_path: Path) -> None:
    voice_project(project, ToneVoice(), VoiceSettings(rate=300))
    with ProjectStore(project) as store:
        record_cue(store, "2", wav)
        [path] = export_script(store, find_writers(["dapt-recorded"]), tmp_path).files
        assert path == tmp_path / "film.dapt-recorded" / "script.dapt.ttml"
        root = ET.parse(path).getroot()
        assert root.get(f"{{{DAPTM}}}scriptType") == "asRecorded"
        [mark] = [one.text or "" for one in root.iter(f"{{{TTM}}}desc")]
        assert "2 of 3 cues spoken by a synthetic voice" in mark
        for div, (start, end, _) in zip(root.iter(f"{{{TT}}}div"), CUES, strict=True):
            [sound], [text] = list(div.iter(f"{{{TT}}}audio")), list(div.iter(f"{{{TT}}}span"))
            assert (path.parent / (sound.get("src") or "")).stat().st_size > 1000
            assert sound.get(VOICE) == ("recorded" if start == 4000 else "synthetic")
            down, up = div.iter(f"{{{TT}}}animate")
            assert (down.get(f"{{{TTA}}}gain"), up.get(f"{{{TTA}}}gain")) == ("1;0.398", "0.398;1")
            begin = seconds(div.get("begin"))
            assert begin + seconds(text.get("begin")) == pytest.approx(start / 1000)
            assert begin + seconds(text.get("end")) == pytest.approx(end / 1000)
            assert seconds(down.get("end")) == seconds(sound.get("begin")) == pytest.approx(0.3)
            assert seconds(up.get("begin")) == seconds(sound.get("end"))
            assert begin + seconds(up.get("end")) == pytest.approx(seconds(div.get("end")))
        cues = read_ttml(path.read_text(), as_declared=True).cues
        assert [(cue.name, cue.start_ms, cue.end_ms, cue.text) for cue in cues] == [
            (f"cue-{number}", *cue) for number, cue in enumerate(CUES, 1)
        ]
        plan = plan_import(store, path)
        assert not plan.changes_anything
        assert imported_sounds(store, plan, path.parent, tmp_path).files == {}
    with ProjectStore(tmp_path / "other", create=True) as other:
        other.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 9000, {"frame_rate": 25.0}))
    run = CliRunner().invoke(app, ["import", str(tmp_path / "other"), str(path), "--yes"])
    assert run.exit_code == 0, run.output
    assert "1 recording comes with it" in run.output
    with ProjectStore(tmp_path / "other") as other:
        assert [(one.cue.text, one.recorded) for one in recorded_cues(other).values()] == [("She looks.", True)]
        other.undo()
        assert other.cues == []
        assert other.recordings == {}


def test_near_cues_are_not_turned_down_twice(project: Path, wav: Path, tmp_path: Path) -> None:
    with ProjectStore(project) as store:
        span = Span(5300, 5800)
        near = store.add_cue(Cue("", span, "A bird.", span, 5300, Author.HUMAN))
        for cue in ("2", near.id):
            record_cue(store, cue, wav)
        [path] = export_script(store, find_writers(["dapt-recorded"]), tmp_path).files
        divs = [div for div in ET.parse(path).getroot().iter(f"{{{TT}}}div") if list(div.iter(f"{{{TT}}}audio"))]
        first, second = ((seconds(div.get("begin")), seconds(div.get("end"))) for div in divs)
        assert first[1] <= second[0]


def test_nothing_is_written_before_anything_is_spoken(project: Path, tmp_path: Path) -> None:
    with ProjectStore(project) as store, pytest.raises(UsageError, match="No cue is spoken or recorded yet"):
        export_script(store, find_writers(["dapt-recorded"]), tmp_path)


@pytest.fixture
def brought(project: Path, wav: Path, tmp_path: Path) -> Callable[..., tuple[int, list[str]]]:
    """brought(audio): how many recordings come with a document in the folder of the recording, and notes."""

    def bring(audio: str, resources: str = "") -> tuple[int, list[str]]:
        document = wav.parent / "a.ttml"
        document.write_text(
            f'<tt xmlns="{TT}" xmlns:ttp="{TT}#parameter" xmlns:daptm="{DAPTM}" ttp:contentProfiles="{PROFILE}" '
            f'xml:lang="en" daptm:scriptType="asRecorded" daptm:scriptRepresents="visual"><head>{resources}</head>'
            f'<body><div xml:id="e1" begin="0.5s" end="2s"><p>{audio}Mara opens the door.</p></div></body></tt>'
        )
        with ProjectStore(project) as store:
            found = imported_sounds(store, plan_import(store, document), document.parent, tmp_path)
        return len(found.files), found.notes

    return bring


def test_files_lie_beside_the_document(
    brought: Callable[..., tuple[int, list[str]]], tmp_path: Path, wav: Path
) -> None:
    for name in ("own%20voice.wav", "own voice.wav", "./own voice.wav"):
        assert brought(f'<audio src="{name}"/>') == (1, [])
    assert brought(
        '<audio><source src="x.mp3" type="audio/mpeg"/><source src="own voice.wav" type="audio/wave"/></audio>'
    )[0]
    write_wav(tmp_path / "outside.wav", glide(), RATE)
    (wav.parent / "link.wav").symlink_to(tmp_path / "outside.wav")
    elsewhere = ("../outside.wav", f"{tmp_path}/outside.wav", f"file://{tmp_path}/outside.wav", "link.wav")
    for name in (*elsewhere, "https://example.org/a.wav", "none.wav", "..%2Foutside.wav", "#nothing"):
        count, [note] = brought(f'<audio src="{name}"/>')
        assert count == 0
        assert f"The recording of event 1 (Mara opens the door.) was not taken: {name} is no file in" in note


def test_recordings_may_be_in_the_document(brought: Callable[..., tuple[int, list[str]]], wav: Path) -> None:
    inside = base64.encodebytes(wav.read_bytes()).decode()
    data = f'<data type="audio/wave">{inside}</data>'
    assert brought(f"<audio><source>{data}</source></audio>") == (1, [])
    held = f"<resources>{data.replace('<data', '<data xml:id=&quot;a&quot;')}</resources>".replace("&quot;", '"')
    assert brought('<audio src="#a"/>', held) == (1, [])
    assert brought('<audio><source src="#a"/></audio>', held) == (1, [])
    with pytest.raises(StoreError, match=r"the recording of event 1 .*: its data are not whole base64; nothing was"):
        brought("<audio><source><data>!!!</data></source></audio>")


def test_a_part_of_a_file_and_what_holds_no_voice(brought: Callable[..., tuple[int, list[str]]], wav: Path) -> None:
    assert brought('<audio src="own voice.wav" clipBegin="0.25s" clipEnd="1s"/>') == (1, [])
    with pytest.raises(StoreError, match=r"Nobody is heard in .*; nothing was changed"):
        brought('<audio src="own voice.wav" clipBegin="0s" clipEnd="0.2s"/>')
    (wav.parent / "text.wav").write_text("no sound")
    with pytest.raises(StoreError, match=r"text.wav is not a WAV file"):
        brought('<audio src="text.wav"/>')
