"""A folder for a studio: the mix, its parts, each cue with its name, the list, the figures; or nothing at all."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import UsageError
from calvin.core.files import file_sha256
from calvin.core.text_tables import from_sheet
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine
from calvin.media.sound.film_sound import programme_blocks
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow, ProgrammeClock
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.delivery import COLUMNS, programme_start_ms
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

RATE = 48_000
TEXTS = ("=Mara opens the door, slowly.", "He waits.")


@pytest.fixture
def project(tmp_path: Path, make_film: Callable[..., Path]) -> Path:
    path = make_film(tmp_path / "Night Film.mp4")
    folder = tmp_path / "p"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", str(path), file_sha256(path), 9000, {"frame_rate": 25.0}))
        store.set_dialogue([DialogueLine(Span(7300, 8500), "Go away!")])
        store.clock = ProgrammeClock(starts_at="10:00:00:12", rate="25", frames=True)
        for start, text in zip((1000, 4000), TEXTS, strict=True):
            span = Span(start, start + 2500)
            store.add_cue(Cue("", span, text, span, start, Author.HUMAN))
    voice_project(folder, ToneVoice(), VoiceSettings(rate=200))
    return folder


def samples_of(path: Path, layout: str = "stereo") -> np.ndarray:
    return np.concatenate(list(programme_blocks(path, 0, layout)))


def time_reference(path: Path) -> int:
    data = path.read_bytes()
    at = data.index(b"bext") + 8
    return int(struct.unpack("<Q", data[at + 338 : at + 346])[0])


def test_all_that_a_studio_takes(project: Path, tmp_path: Path) -> None:
    report = mix_project(project, tmp_path / "delivery", spec="ebu-r128")
    folder = tmp_path / "delivery"
    assert report.files == [folder]
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "Night Film.description.wav", "Night Film.film.wav", "Night Film.mix.wav", "cues.csv",
        "cues/0001_cue-1_00-00-01-000.wav", "cues/0002_cue-2_00-00-04-000.wav", "report.json",
    ]  # fmt: skip
    mix, film, description = (samples_of(folder / f"Night Film.{part}.wav") for part in ("mix", "film", "description"))
    np.testing.assert_allclose(film + description, mix, atol=2**-21)
    assert len(mix) == pytest.approx(9 * RATE, abs=0.1 * RATE)
    assert pyloudnorm.Meter(RATE).integrated_loudness(mix.astype(float)) == pytest.approx(-23, abs=0.5)
    with open(folder / "cues.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [from_sheet(row["text"]) for row in rows] == list(TEXTS)
    assert [row["id"] for row in rows] == ["cue-1", "cue-2"]
    assert {row["voice"] for row in rows} == {"synthetic"}
    for row, start_ms in zip(rows, (1000, 4000), strict=True):
        path = folder / row["file"]
        assert from_sheet(row["in"]) == f"00:00:0{start_ms // 1000}.000"
        cue = samples_of(path, "mono")[:, 0]
        placed = description[start_ms * 48 : start_ms * 48 + len(cue), 0]
        np.testing.assert_allclose(placed, cue * np.sqrt(0.5), atol=1e-4)
        assert time_reference(path) == (36_000_480 + start_ms) * 48
    assert time_reference(folder / "Night Film.description.wav") == 36_000_480 * 48
    kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert kept["levels"]["mix"] == report.figures["mix"].as_json()
    assert kept["levels"]["voice"] == report.figures["voice"].as_json()
    assert (kept["spec"], kept["starts_at_ms"], kept["film"]) == ("ebu-r128", 36_000_480, "Night Film")
    assert len(kept["files"]) == 6


def test_a_folder_is_replaced_only_where_all_in_it_is_from_a_mix(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    mix_project(project, folder)
    with ProjectStore(project) as store:
        store.delete_cue("2")
    mix_project(project, folder)
    assert [path.name for path in (folder / "cues").iterdir()] == ["0001_cue-1_00-00-01-000.wav"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"delivery holds notes.txt, which no mix has written there: name a folder"):
        mix_project(project, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine too")
    with pytest.raises(UsageError, match="file is a file: name a folder"):
        mix_project(project, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    assert mix_project(project, tmp_path / "empty").cues == 1


def test_a_delivery_that_fails_leaves_the_one_before(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "delivery"
    mix_project(project, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("calvin.studio.sound.delivery.write_json", lambda *_: (_ for _ in ()).throw(UsageError("no")))
    with pytest.raises(UsageError):
        mix_project(project, folder, spec="netflix")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"delivery", "p", "Night Film.mp4"}


def test_when_the_programme_begins(project: Path) -> None:
    with ProjectStore(project) as store:
        for clock, begins in (
            (ProgrammeClock(), 0),
            (ProgrammeClock(starts_at="01:00:00:05", frames=True), 3_600_200),
            (ProgrammeClock(starts_at="00:00:01:15", rate="30"), 1500),
        ):
            store.clock = clock
            assert programme_start_ms(store) == begins


def test_the_command_says_what_was_measured(project: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["mix", str(project), "-o", str(tmp_path / "out"), "--spec", "ebu-r128"])
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[1:5]] == [
        "film", "voice", "mix", "mix against the film's own track at ebu-r128"
    ]  # fmt: skip
    assert "LUFS, range" in lines[3]
    assert lines[5] == f"  {tmp_path / 'out'}"
    refused = CliRunner().invoke(app, ["mix", str(project), "-o", str(tmp_path / "out"), "--spec", "loud"])
    assert refused.exit_code == 2
    again = CliRunner().invoke(app, ["mix", str(project), "-o", str(tmp_path / "out"), "--spec", "netflix"])
    assert again.exit_code == 0, again.output
