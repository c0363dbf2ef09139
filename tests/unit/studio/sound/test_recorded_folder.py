"""A folder of somebody's recordings: which file is for which cue, all of it taken or nothing, and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import MediaError, UsageError
from calvin.core.text_tables import csv_text, sheet_time
from calvin.core.time import Span
from calvin.core.types import Cue, DialogueLine, Status
from calvin.media.sound.film_sound import read_wav, write_wav
from calvin.media.sound.loudness import loudness_and_peak
from calvin.media.sound.own_voice import read_own_voice
from calvin.media.sound.stems import BroadcastWav
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import origin_of
from calvin.studio.project.status import project_status, recorded_cues, recordings_out_of_date, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.delivery import COLUMNS
from calvin.studio.sound.recorded_folder import take_recordings

RATE = 16_000
CUES = ((500, 2000, "Mara opens the door."), (4000, 5000, "She looks."), (6000, 7000, "Rain."))


def voice(seconds: float = 1.0, before: float = 0.4, after: float = 0.4, level: float = 0.3) -> np.ndarray:
    """A glide, with silence on both sides."""
    clock = np.arange(round(seconds * RATE)) / RATE
    glide = level * np.sin(2 * np.pi * (250 * clock + 150 * clock**2))
    return np.pad(glide, (round(before * RATE), round(after * RATE))).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    project = ProjectStore(tmp_path / "p", create=True)
    project.bind_film(FilmRow("Film", "/film.mp4", "0" * 64, 9000, {"frame_rate": 25.0}))
    project.set_dialogue([DialogueLine(Span(7600, 8500), "Go away!")])
    for start, end, text in CUES:
        project.add_cue(Cue("", Span(start, end), text, Span(start, end), start))
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "studio").mkdir()
    return tmp_path / "studio"


@pytest.fixture
def put(folder: Path) -> Callable[..., Path]:
    def write(name: str, samples: np.ndarray | None = None) -> Path:
        (folder / name).parent.mkdir(exist_ok=True)
        write_wav(folder / name, voice() if samples is None else samples, RATE)
        return folder / name

    return write


def flac(path: Path, samples: np.ndarray) -> None:
    """A FLAC file of stereo with the voice on both sides."""
    with av.open(str(path), "w", format="flac") as file:
        stream = file.add_stream("flac", rate=RATE, layout="stereo")
        both = np.repeat((samples * 32_767).astype(np.int16), 2)[None]
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)


def test_files_are_known_by_their_cues(store: ProjectStore, put: Callable[..., Path], folder: Path) -> None:
    put("0001_cue-1_00-00-00-500.wav")
    put("2.WAV")
    flac(folder / "Mara cue 3.flac", voice(0.8))
    (folder / "notes.txt").write_text("hello")
    (folder / "spare.mp3").write_bytes(b"")
    report = take_recordings(store, folder)
    assert [(one.cue, one.file) for one in report.taken] == [
        ("1", "0001_cue-1_00-00-00-500.wav"),
        ("2", "2.WAV"),
        ("3", "Mara cue 3.flac"),
    ]
    assert [note for note in report.notes if "only WAV and FLAC are taken: spare.mp3" in note]
    found = recorded_cues(store)
    assert list(found) == ["1", "2", "3"]
    for one in found.values():
        samples, rate = read_wav(one.path)
        assert loudness_and_peak(samples, rate)[0] == pytest.approx(-23, abs=0.3)
        assert one.cue.status is Status.APPROVED
    assert found["1"].duration_ms == pytest.approx(1000 + 180, abs=20)  # the silence at the ends is gone
    assert found["3"].duration_ms == pytest.approx(800 + 180, abs=20)
    assert project_status(store)["recorded"] == {"cues": ["1", "2", "3"], "out_of_date": []}
    assert origin_of(store, store.cues, spoken_cues(store)[0]).recorded == 3
    again = take_recordings(store, folder)
    assert (again.taken, again.kept) == ([], ["1", "2", "3"])
    assert again.in_words == "0 recordings taken, 3 as before"


def test_it_is_one_step_and_waits_for_its_words(store: ProjectStore, put: Callable[..., Path], folder: Path) -> None:
    put("cue-1.wav")
    put("cue-2.wav")
    take_recordings(store, folder)
    assert store.steps[-1].what == "2 recordings taken from studio"
    store.edit_cue(replace(store.cue("2"), text="She looks up."))
    assert recordings_out_of_date(store) == ["2"]
    store.edit_cue(replace(store.cue("2"), text="She looks."))
    assert recordings_out_of_date(store) == []
    store.undo()
    assert recorded_cues(store) == {}
    assert store.cue("1").status is Status.DRAFT
    store.redo()
    assert list(recorded_cues(store)) == ["1", "2"]


def test_what_is_too_long_is_told_with_what_it_costs(
    store: ProjectStore, put: Callable[..., Path], folder: Path
) -> None:
    put("cue-1.wav", voice(4.0))
    put("cue-3.wav", voice(1.8))
    first, third = take_recordings(store, folder).taken
    # 4.18 s from 0.5 s, where the next cue begins at 4.0; and 1.98 s from 6.0, where somebody speaks from 7.6 on.
    assert (first.room_ms, first.over_dialogue_ms) == (3500, 0)
    assert first.over_ms == pytest.approx(680, abs=20)
    assert "0.7 s too long for its place, none of it over dialogue" in first.in_words
    assert third.over_dialogue_ms == pytest.approx(380, abs=20)
    assert third.over_ms == third.over_dialogue_ms
    assert "0.4 s of it over dialogue" in third.in_words


def rows(*listed: tuple[str, str, int, int]) -> str:
    cells = [(file, cue, sheet_time(start), sheet_time(end), "x", "synthetic") for file, cue, start, end in listed]
    return csv_text(COLUMNS, cells)


def test_a_list_says_what_a_file_is_for(store: ProjectStore, put: Callable[..., Path], folder: Path) -> None:
    put("cues/take-a.wav")
    put("other.wav")
    (folder / "cues.csv").write_text(
        rows(("cues/take-a.wav", "cue-2", 4000, 5000), ("cues/b.wav", "cue-3", 6000, 7000))
    )
    assert [one.cue for one in take_recordings(store, folder).taken] == ["2"]
    (folder / "cues.csv").write_text("file,id,in,out,text\na.wav,cue-2,soon,later,x\n")
    with pytest.raises(UsageError, match=r"cues.csv cannot be read as the list of recordings: line 2"):
        take_recordings(store, folder)


@pytest.mark.parametrize("listed", [True, False])
def test_one_file_holds_all_cues_at_their_times(
    store: ProjectStore, put: Callable[..., Path], folder: Path, listed: bool
) -> None:
    begins = (1000, 5000, 7000) if listed else (500, 4000, 6000)
    tape = np.zeros(round(9.0 * RATE), np.float32)
    for begin, seconds in zip(begins[:2], (1.1, 0.7), strict=True):  # nobody read the third
        said = voice(seconds, 0, 0)
        tape[begin * RATE // 1000 :][: len(said)] = said
    path = put("tape.wav", tape)
    if listed:
        names = [("", f"cue-{at}", begin, begin + 900) for at, begin in enumerate(begins, 1)]
        (folder / "cues.csv").write_text(rows(*names))
    report = take_recordings(store, folder if listed else path)
    assert [one.cue for one in report.taken] == ["1", "2"]
    assert [one.ms for one in report.taken] == [pytest.approx(1280, abs=20), pytest.approx(880, abs=20)]
    assert any("Nothing is heard in tape.wav at the times of cue-3" in note for note in report.notes)
    assert take_recordings(store, path).kept == ["1", "2"]


def test_what_a_mix_wrote_is_nobodys_recording(store: ProjectStore, put: Callable[..., Path], folder: Path) -> None:
    with BroadcastWav(folder / "0001_cue-1_00-00-00-500.wav", "mono", "cue-1") as file:
        file.write(voice()[:, None])
    with pytest.raises(UsageError, match="holds only what calvin's mix wrote"):
        take_recordings(store, folder)
    put("0002_cue-2_00-00-04-000.wav")
    report = take_recordings(store, folder)
    assert [one.cue for one in report.taken] == ["2"]
    assert any("nobody has recorded anew: 0001_cue-1_00-00-00-500.wav." in note for note in report.notes)


def clipped() -> np.ndarray:
    return np.clip(voice(level=0.9) * 4, -1, 1)


@pytest.mark.parametrize(
    ("files", "error", "problem"),
    [
        ({}, UsageError, "holds no recordings: put WAV or FLAC files into it, named by their cues, such as cue-3.wav"),
        ({"cue-9.wav": voice()}, UsageError, "cue-9.wav is for cue-9, which this project does not have"),
        ({"cue-1.wav": voice(), "mara.wav": voice()}, UsageError, "mara.wav names no cue"),
        (
            {"cue-1.wav": voice(), "0001_cue-1_b.wav": voice()},
            UsageError,
            "cue-1 has two recordings, 0001_cue-1_b.wav and cue-1.wav: keep one",
        ),
        ({"cue-1.wav": voice(), "cue-2.wav": 0 * voice()}, MediaError, "Nobody is heard in cue-2.wav"),
        ({"cue-1.wav": voice(), "cue-2.wav": b"no sound"}, MediaError, "cue-2.wav is not a WAV file that can be read"),
        ({"cue-1.wav": voice(), "cue-2.flac": b"fLaC no sound"}, MediaError, "cue-2.flac is not a"),
        ({"cue-1.wav": b"", "cue-2.wav": 0 * voice()}, MediaError, "2 of 2 recordings cannot be used, and none was"),
        ({"tape.wav": 0 * voice()}, MediaError, "Nobody is heard in tape.wav at the time of any cue"),
        ({"tape.wav": b"no sound"}, MediaError, "tape.wav is not a WAV file that can be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_takes_nothing(
    store: ProjectStore, folder: Path, files: dict[str, np.ndarray | bytes], error: type[Exception], problem: str
) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            write_wav(folder / name, content, RATE)
    with pytest.raises(error) as caught:
        take_recordings(store, folder)
    assert problem in str(caught.value)
    assert store.recordings == {}
    assert store.steps == []


def test_a_cue_without_words_and_a_folder_that_is_not_there(store: ProjectStore, put: Callable[..., Path]) -> None:
    path = put("cue-1.wav")
    store.edit_cue(replace(store.cue("1"), text="..."))
    put("cue-2.wav")
    with pytest.raises(UsageError, match=r"cue-1.wav is for cue-1, which has no words to record"):
        take_recordings(store, path.parent)
    with pytest.raises(UsageError, match="There is nothing at "):
        take_recordings(store, path.parent / "elsewhere")


def test_what_is_poor_is_taken_and_told(store: ProjectStore, folder: Path) -> None:
    write_wav(folder / "cue-1.wav", clipped(), RATE)
    write_wav(folder / "cue-2.wav", voice()[::2], RATE // 2)
    notes = take_recordings(store, folder).notes
    assert any(note.startswith("cue-1: The recording is cut off in") for note in notes)
    assert any(note.startswith("cue-2: The recording has only 8 kHz") for note in notes)


def test_flac_sounds_as_wav_does(folder: Path) -> None:
    flac(folder / "a.flac", voice())
    write_wav(folder / "a.wav", voice(), RATE)
    one, other = (read_own_voice(folder / name, -23) for name in ("a.flac", "a.wav"))
    assert one.ms == other.ms
    assert np.abs(one.samples - other.samples).max() < 1e-3


def test_the_command(store: ProjectStore, put: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    store.close()
    put("cue-1.wav", voice(4.0))
    run = CliRunner().invoke(app, ["voice", str(tmp_path / "p"), "--recorded", str(folder)])
    assert run.exit_code == 0, run.output
    assert "1 recording taken" in run.output
    assert "cue-1: 4.2 s of cue-1.wav, 0.7 s too long for its place, none of it over dialogue" in " ".join(
        run.output.split()
    )
    run = CliRunner().invoke(app, ["voice", str(tmp_path / "p"), "--recorded", str(folder), "--rate", "150"])
    assert run.exit_code == 2
    assert "give --rate in a command of its own" in " ".join(run.output.split())
