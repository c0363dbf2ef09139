"""Who wrote, approved and spoke a description is counted, and marked where a machine did; in files of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest

from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, Status
from calvin.media.sound.film_sound import write_wav
from calvin.media.subtitles import read_subtitles
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.origin import PARTLY, WHOLLY, Origin, of_one_cue, origin_of
from calvin.studio.project.status import spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import export_script
from calvin.studio.script.writers import find_writers
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.recorded_cues import record_cue
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

TEXTS = ("Mara opens the door.", "She looks.", "He waits.")


@pytest.fixture
def project(tmp_path: Path, make_film: Callable[..., Path]) -> Callable[..., Path]:
    """project(authors): a voiced project with a cue of each author."""

    def make(*authors: Author, voiced: bool = True, recorded: bool = False, film: Path | None = None) -> Path:
        path, folder = film or make_film(tmp_path / "film.mp4"), tmp_path / "p"
        with ProjectStore(folder, create=True) as store:
            store.bind_film(FilmRow("Film", str(path), file_sha256(path), 9000, {}))
            store.model = {"name": "puppet --> model", "calvin": "0"}
            for number, (author, text) in enumerate(zip(authors, TEXTS, strict=False)):
                span = Span(number * 3000, number * 3000 + 2500)
                store.add_cue(Cue("", span, text, span, span.start_ms, author))
            if recorded:
                clock = np.arange(48_000) / 48_000
                write_wav(tmp_path / "own.wav", 0.3 * np.sin(2 * np.pi * 300 * clock), 48_000)
                for cue in store.cues:
                    record_cue(store, cue.id, tmp_path / "own.wav")
        if voiced:
            voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
        return folder

    return make


def comments(path: Path) -> set[str]:
    """What a file and its tracks say of themselves, by FFmpeg."""
    with av.open(str(path)) as file:
        tags = [file.metadata, *(stream.metadata for stream in file.streams)]
    return {value for tag in tags for key, value in tag.items() if key.lower() == "comment"}


def test_counts(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(Author.MODEL, Author.ADAPTER, Author.HUMAN)
    write_wav(tmp_path / "own.wav", 0.3 * np.sin(np.arange(48_000) / 25), 48_000)
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cue("1"), status=Status.APPROVED))
        record_cue(store, "3", tmp_path / "own.wav")
        voiced = spoken_cues(store)[0]
        found = origin_of(store, store.cues, voiced)
    assert found == Origin(3, 2, 1, 2, 1, "puppet --> model", "tones")
    assert found.mark() == (
        "AI-generated audio description: words of 2 of 3 cues by a language model (puppet model), 1 of these "
        f"approved by a person; 2 of 3 cues spoken by a synthetic voice (tones). {PARTLY}"
    )
    assert found.as_json()["digital_source_type"] == PARTLY
    assert of_one_cue(voiced[0], found) == Origin(1, 1, 1, 1, 0, "puppet --> model", "tones")
    assert not of_one_cue(voiced[2], found).marked
    assert of_one_cue(voiced[2], found).mark() == ""
    wholly = Origin(2, 2, 0, 2, 0)
    assert WHOLLY in wholly.mark()
    assert PARTLY in wholly.mark(in_film=True)
    # Words of people that a synthetic voice speaks are marked for their sound, and not as text.
    assert "words of" not in Origin(2, 0, 0, 2, 0).mark()
    assert not Origin(2, 0, 0, 0, 2).marked


@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "ad.wav", "ad.m4a", "ad.mka", "delivery"])
def test_sound_is_marked(project: Callable[..., Path], tmp_path: Path, name: str) -> None:
    report = mix_project(project(Author.MODEL, Author.HUMAN), tmp_path / name)
    mark = (
        "AI-generated audio description: words of 1 of 2 cues by a language model (puppet model), 0 of these "
        f"approved by a person; 2 of 2 cues spoken by a synthetic voice (tones). {PARTLY}"
    )
    if name != "delivery":
        assert comments(report.files[0]) == {mark}
        return
    files = {path.name: comments(path) for path in report.files[0].rglob("*.wav")}
    assert files["film.mix.wav"] == files["film.description.wav"] == {mark}
    assert files["film.film.wav"] == {"film: the film under audio description"}
    [first] = files["0001_cue-1_00-00-00-000.wav"]
    assert "1 of 1 cue by a language model" in first
    [second] = files["0002_cue-2_00-00-03-000.wav"]
    assert second == f"AI-generated audio description: 1 of 1 cue spoken by a synthetic voice (tones). {PARTLY}"
    assert json.loads((report.files[0] / "report.json").read_text())["origin"]["by_model"] == 1


def test_a_film_keeps_its_own_comment(
    project: Callable[..., Path], make_film: Callable[..., Path], tmp_path: Path
) -> None:
    plain, film = make_film(tmp_path / "film.mp4"), tmp_path / "told.mp4"
    with av.open(str(plain)) as source, av.open(str(film), "w") as copy:
        copy.metadata["comment"] = "Shot in May"
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    folder = project(Author.MODEL, film=film)
    [told] = comments(mix_project(folder, tmp_path / "out.mp4").files[0])
    assert told.startswith("Shot in May; AI-generated audio description: ")


def test_what_people_wrote_and_spoke_carries_no_mark(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(Author.HUMAN, Author.HUMAN, voiced=False, recorded=True)
    for name in ("out.mkv", "out.mp4", "ad.wav", "ad.m4a"):
        assert comments(mix_project(folder, tmp_path / name).files[0]) == set()
    with ProjectStore(folder) as store:
        export_script(store, find_writers(["vtt", "json", "dapt"]))
    for suffix in (".vtt", ".json", ".dapt.ttml"):
        text = (folder / f"film{suffix}").read_text(encoding="utf-8")
        assert "AI-generated" not in text
        assert "digitalsourcetype" not in text


def test_text_is_marked_and_read_back_as_before(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(Author.MODEL, Author.MODEL)
    with ProjectStore(folder) as store:
        export_script(store, find_writers(["vtt", "json", "dapt"]))
    mark = (
        "AI-generated audio description: words of 2 of 2 cues by a language model (puppet model), 0 of these "
        f"approved by a person. {WHOLLY}"
    )
    blocks = (folder / "film.vtt").read_text(encoding="utf-8").split("\n\n")
    assert blocks[2] == f"NOTE {mark}"
    assert [line.text for line in read_subtitles(folder / "film.vtt").lines] == list(TEXTS[:2])
    origin = json.loads((folder / "film.json").read_text(encoding="utf-8"))["origin"]
    assert (origin["cues"], origin["by_model"], origin["digital_source_type"]) == (2, 2, WHOLLY)
    root = ET.parse(folder / "film.dapt.ttml").getroot()
    head = root.find("{http://www.w3.org/ns/ttml}head/{http://www.w3.org/ns/ttml}metadata")
    assert head is not None
    assert head.findtext("{http://www.w3.org/ns/ttml#metadata}desc") == mark
