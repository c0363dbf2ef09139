"""A described film as HLS and DASH, read back by PyAV, by `m3u8` and as XML."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import av
import m3u8
import pytest
from av.stream import Disposition
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Cue, DialogueLine
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.sound.film_mix import mix_project
from calvin.studio.sound.packaging import package_project, sidecar_path
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

DASH = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    home = tmp_path_factory.mktemp("package")
    film = make_film(home / "film.mp4")
    with ProjectStore(home / "p", create=True) as store:
        store.bind_film(FilmRow("Film", str(film), file_sha256(film), 9000, {}, "en"))
        store.set_dialogue([DialogueLine(Span(7300, 8500), "Go away!")])
        store.add_cue(Cue("", Span(500, 3000), "Mara opens the door.", Span(500, 3000), 500))
    voice_project(home / "p", ToneVoice(), VoiceSettings(rate=300))
    return home / "p"


@pytest.fixture(scope="module")
def made(folder: Path) -> Path:
    report = package_project(folder, folder.parent / "stream/master.m3u8", language="en")
    assert [path.name for path in report.files] == ["master.m3u8", "manifest.mpd"]
    assert report.cues == 1
    return folder.parent / "stream"


def test_hls_marks_the_description(made: Path) -> None:
    master = m3u8.load(str(made / "master.m3u8"))
    own, described = master.media
    assert (own.default, own.autoselect, own.characteristics) == ("YES", "YES", None)
    assert (described.default, described.autoselect) == ("NO", "YES")
    assert described.characteristics == "public.accessibility.describes-video"
    assert (described.name, described.language, described.channels) == ("English - Audio Description", "en", "2")
    [shown] = master.playlists
    assert shown.stream_info.audio == own.group_id == described.group_id
    assert shown.stream_info.codecs.startswith("avc1.")
    assert shown.stream_info.codecs.endswith("mp4a.40.2")
    assert shown.stream_info.resolution is not None
    for playlist in [shown.uri, own.uri, described.uri]:
        one = m3u8.load(str(made / playlist))
        assert one.is_endlist
        assert sum(part.duration for part in one.segments) == pytest.approx(9, abs=0.2)
        peak = max((made / part.uri).stat().st_size * 8 / part.duration for part in one.segments)
        assert shown.stream_info.bandwidth >= peak
        assert all((made / part.uri).is_file() for part in one.segments)
        assert (made / one.segments[0].init_section.uri).is_file()


def test_dash_marks_the_description(made: Path) -> None:
    root = ET.parse(made / "manifest.mpd").getroot()
    assert root.get("type") == "static"
    groups = list(root.iter(f"{DASH}AdaptationSet"))
    marks: list[list[tuple[str, Any, Any]]] = [
        [(one.tag.removeprefix(DASH), one.get("schemeIdUri"), one.get("value")) for one in group][:-1]
        for group in groups
    ]
    role = "urn:mpeg:dash:role:2011"
    assert marks[1] == [("Role", role, "main")]
    assert marks[2] == [
        ("Accessibility", "urn:tva:metadata:cs:AudioPurposeCS:2007", "1"),
        ("Accessibility", role, "description"),
        ("Role", role, "alternate"),
        ("Role", role, "description"),
    ]
    assert groups[2].get("lang") == "en"
    for group in groups:
        shown = group.find(f"{DASH}Representation")
        assert shown is not None
        assert int(shown.get("bandwidth", "0")) > 1000
        assert shown.get("codecs")


def test_a_player_plays_it(made: Path, folder: Path) -> None:
    with av.open(str(made / "master.m3u8")) as played, av.open(str(folder.parent / "film.mp4")) as film:
        assert [len(played.streams.video), len(played.streams.audio)] == [1, 2]
        wanted = sum(1 for _ in film.decode(video=0))
        assert sum(1 for _ in played.decode(video=0)) == wanted


def test_the_words_come_along_as_text_descriptions(folder: Path, tmp_path: Path) -> None:
    mix_project(folder, tmp_path / "out.mkv", language="en", with_text=True)
    with av.open(str(tmp_path / "out.mkv")) as film:
        assert [stream.type for stream in film.streams] == ["video", "audio", "audio", "subtitle"]
        [text] = film.streams.subtitles
        assert text.disposition == Disposition.descriptions, "Matroska's FlagTextDescriptions, and never default"
        assert (text.language, text.metadata["title"]) == ("eng", "English - Audio Description")
        [said] = [packet for packet in film.demux(text) if packet.size]
        assert bytes(said).decode() == "Mara opens the door."
        # Containers that begin at zero move all streams together, by the run-up of the film's sound.
        shown = film.streams.video[0]
        begins = float(shown.start_time * shown.time_base)
        assert float(said.pts * said.time_base) - begins == pytest.approx(0.5, abs=0.002)
    with pytest.raises(UsageError, match=r"cannot mark a text track as description: name an \.mkv file"):
        mix_project(folder, tmp_path / "out.mp4", with_text=True)


def test_files_beside_a_film_are_found_by_their_names(folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "Film (2020).mkv"
    library.write_bytes(b"x")
    command = ["mix", str(folder), "-o", str(library), "--sidecars", "--language", "en"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    sound, text = (tmp_path / f"Film (2020).Audio Description.eng{suffix}" for suffix in (".m4a", ".vtt"))
    assert "kind=descriptions" in text.read_text()
    assert "Mara opens the door." in text.read_text()
    with av.open(str(sound)) as container:
        assert container.streams.audio[0].language == "eng"
    assert CliRunner().invoke(app, command).exit_code == 0, "what it wrote itself may be written again"
    assert sorted(path.name for path in tmp_path.iterdir()) == [sound.name, text.name, library.name]
    assert CliRunner().invoke(app, [*command, "--extended"]).exit_code == 2
    with ProjectStore(folder, read_only=True) as store:
        with pytest.raises(UsageError, match=r"gone\.mkv is not there: name the film"):
            sidecar_path(store, tmp_path / "gone.mkv")
        assert sidecar_path(store, tmp_path).name == "film.Audio Description.eng.m4a"


def test_only_a_folder_of_its_own_is_replaced(made: Path, folder: Path, tmp_path: Path) -> None:
    before = {path.name for path in made.iterdir()}
    package_project(folder, made / "manifest.mpd", language="en")
    assert {path.name for path in made.iterdir()} == before
    (made / "notes.txt").write_text("mine")
    try:
        with pytest.raises(UsageError, match=r"holds notes\.txt, which no mix has written there"):
            package_project(folder, made / "master.m3u8")
    finally:
        (made / "notes.txt").unlink()
    with pytest.raises(UsageError, match=r"a folder of their own: name one, such as stream/master\.m3u8"):
        package_project(folder, "master.m3u8")
    with pytest.raises(UsageError, match=r"name .*master\.m3u8"):
        package_project(folder, tmp_path / "s/film.m3u8")
