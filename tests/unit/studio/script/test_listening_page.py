"""The folder of a listening page: what is in it, how it is renewed, and what never happens to the film."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from calvin.cli.main import app
from calvin.core.errors import CalvinError, UsageError
from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Status
from calvin.media.film.playable import browser_trouble
from calvin.media.film.source import probe
from calvin.media.sound.clips import write_clip
from calvin.media.sound.film_sound import programme_blocks, write_wav
from calvin.media.voice.voices import ToneVoice
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import PROXY
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.listening_page import inline_json
from calvin.studio.script.page_media import foretold_size
from calvin.studio.script.script_files import export_script, renew_exports
from calvin.studio.script.writers import find_writers
from calvin.studio.sound.recorded_cues import record_cue
from calvin.studio.sound.voiced_cues import VoiceSettings, voice_project

PAGE = find_writers(["html"])
FILES = {"index.html", "listen.css", "listen.js", "descriptions.vtt", "dialogue.vtt", "transcript.html", "film.mp4"}


@pytest.fixture
def project(tmp_path: Path, make_film: Callable[..., Path]) -> Callable[..., Path]:
    """project(voiced=True, film=...): a project of a film of 9 seconds with two cues and a line."""

    def make(voiced: bool = True, film: Path | None = None) -> Path:
        path = film or make_film(tmp_path / "films" / "film.mp4")
        with ProjectStore(tmp_path / "p", create=True) as store:
            store.bind_film(FilmRow("Film", str(path), file_sha256(path), 9000, {}))
            store.set_dialogue([DialogueLine(Span(2600, 3400), "Who is it?", "ANN")])
            for start, text in ((800, "Mara waves."), (5000, "She looks down.")):
                span = Span(start, start + 1000)
                store.add_cue(Cue("", span, text, span, start, Author.HUMAN, Status.APPROVED))
        if voiced:
            voice_project(tmp_path / "p", ToneVoice(), VoiceSettings(rate=300))
        return tmp_path / "p"

    return make


def export(home: Path, **options: Any) -> tuple[Path, tuple[str, ...]]:
    with ProjectStore(home) as store:
        exported = export_script(store, PAGE, **options)
    return exported.files[0].parent, exported.notes


def data_of(page: Path) -> dict[str, Any]:
    text = (page / "index.html").read_text(encoding="utf-8")
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert inside is not None
    found: dict[str, Any] = json.loads(inside[1])
    return found


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_all_it_plays_and_leads_nowhere_else(project: Callable[..., Path]) -> None:
    page, notes = export(project())
    cues = data_of(page)["cues"]
    assert names(page) == FILES | {cue["clip"] for cue in cues}
    assert len({cue["clip"] for cue in cues}) == 2
    assert notes == ()
    assert not [path for path in page.rglob("*") if path.is_symlink()]
    for name in ("index.html", "transcript.html"):
        text = (page / name).read_text(encoding="utf-8")
        places = re.findall(r'(?:src|href)="([^"#]*)', text)
        assert places
        assert all(place in FILES or place == "data:," for place in places)
        assert "http:" not in text
        assert "https:" not in text
    for name in ("listen.js", "listen.css"):
        assert "//" not in re.sub(
            r"^\s*//.*| // .*|/\*.*?\*/", "", (page / name).read_text(encoding="utf-8"), flags=re.M
        )


def test_a_clip_sounds_as_the_voice_did(tmp_path: Path) -> None:
    rate = 22_050
    tone = (np.sin(2 * np.pi * 440 * np.arange(rate) / rate) * 0.3).astype(np.float32)
    write_wav(tmp_path / "a.wav", tone, rate)
    write_clip(tmp_path / "a.wav", tmp_path / "a.m4a")
    heard = np.concatenate(list(programme_blocks(tmp_path / "a.m4a", 0, "mono")))[:, 0]
    assert abs(len(heard) / 48_000 - 1) < 0.05
    loud = np.abs(np.fft.rfft(heard[4800:43_200]))
    assert abs(int(loud.argmax()) * 48_000 / 38_400 - 440) < 2
    assert abs(np.sqrt(np.mean(heard[4800:43_200] ** 2)) / (0.3 / np.sqrt(2)) - 1) < 0.05
    with av.open(str(tmp_path / "a.m4a")) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["aac"]


def test_the_film_is_linked_where_that_is_possible_and_copied_where_not(
    project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(voiced=False)
    film = tmp_path / "films/film.mp4"
    page, _ = export(folder)
    assert (page / "film.mp4").samefile(film)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    other, _ = export(folder, folder=tmp_path / "elsewhere")
    assert not (other / "film.mp4").samefile(film)
    assert (other / "film.mp4").read_bytes() == film.read_bytes()


def test_an_edit_renews_the_page_and_its_transcript(project: Callable[..., Path]) -> None:
    folder = project()
    page, _ = export(folder)
    film = (page / "film.mp4").stat()
    with ProjectStore(folder) as store:
        cue = store.cues[0]
        store.edit_cue(replace(cue, text="Mara smiles </script>."))
        exported = renew_exports(store)
    assert exported.files == (page / "index.html",)
    assert [cue["text"] for cue in data_of(page)["cues"]] == ["Mara smiles </script>.", "She looks down."]
    assert "clip" not in data_of(page)["cues"][0]  # no voice has said these words yet
    assert "Mara smiles &lt;/script&gt;." in (page / "transcript.html").read_text()
    assert "Mara smiles &lt;/script&gt;." in (page / "descriptions.vtt").read_text()
    assert (page / "film.mp4").stat() == film
    assert len(list((page / "voice").iterdir())) == 1
    with ProjectStore(folder) as store:
        assert renew_exports(store).files == ()


def test_a_voice_renews_the_page_too(project: Callable[..., Path]) -> None:
    folder = project(voiced=False)
    page, notes = export(folder)
    assert notes == (
        "No cue is spoken yet, so the listener's own browser speaks the descriptions: after `calvin voice "
        f"{folder}` the page has a recorded voice too.",
    )
    assert not any("clip" in cue for cue in data_of(page)["cues"])
    voice_project(folder, ToneVoice(), VoiceSettings(rate=300))
    first = {cue["clip"] for cue in data_of(page)["cues"]}
    assert names(page / "voice") == {Path(clip).name for clip in first}
    voice_project(folder, ToneVoice(), VoiceSettings(rate=200))
    second = {cue["clip"] for cue in data_of(page)["cues"]}
    assert not first & second
    assert names(page / "voice") == {Path(clip).name for clip in second}  # what nothing plays is gone


def test_what_a_person_recorded_is_played_and_named(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project()
    page, _ = export(folder)
    before = [cue["clip"] for cue in data_of(page)["cues"]]
    rng = np.random.default_rng(0)
    write_wav(tmp_path / "own.wav", (rng.standard_normal(48_000) * 0.1).astype(np.float32), 48_000)
    with ProjectStore(folder) as store:
        record_cue(store, store.cues[0].id, tmp_path / "own.wav")
        renew_exports(store)
    after = [cue["clip"] for cue in data_of(page)["cues"]]
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert data_of(page)["voice"].endswith(" and a person")
    assert names(page / "voice") == {Path(clip).name for clip in after}


def test_what_somebody_changed_in_the_folder_is_kept(project: Callable[..., Path]) -> None:
    folder = project(voiced=False)
    page, _ = export(folder)
    (page / "listen.css").write_text("body { font-size: 3rem; }")
    (page / "voice").mkdir()
    (page / "voice/mine.m4a").write_text("mine")
    _, notes = export(folder)
    assert (page / "listen.kept-1.css").read_text() == "body { font-size: 3rem; }"
    assert "listen.css was not as calvin wrote it and is kept as listen.kept-1.css." in notes
    assert (page / "voice/mine.m4a").read_text() == "mine"


def test_a_page_that_was_thrown_away_does_not_come_back(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(voiced=False)
    page, _ = export(folder)
    page.rename(tmp_path / "away")
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cues[0], text="New."))
        renew_exports(store)
    assert not page.exists()


def test_the_page_goes_on_without_the_project_s_film(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(voiced=False)
    page, _ = export(folder)
    (tmp_path / "films/film.mp4").rename(tmp_path / "moved.mp4")
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cues[0], text="New."))
        assert renew_exports(store).files == (page / "index.html",)
    assert data_of(page)["cues"][0]["text"] == "New."
    with pytest.raises(CalvinError, match=r"The film is not at .*film.mp4: say where it is with --film"):
        export(folder, folder=tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with ProjectStore(folder) as store:  # and the one that failed is not asked for again at each change
        assert all("other" not in name for name in store.exported)
    other, _ = export(folder, folder=tmp_path / "other", film=tmp_path / "moved.mp4")
    assert (other / "film.mp4").samefile(tmp_path / "moved.mp4")
    (page / "film.mp4").unlink()
    with ProjectStore(folder) as store:
        store.edit_cue(replace(store.cues[0], text="Newer."))
        notes = renew_exports(store).notes  # an edit is not refused for a film that is gone
    assert any(note.startswith(f"{page} is as it was: The film is not at") for note in notes)
    assert data_of(other)["cues"][0]["text"] == "Newer."


def test_a_film_that_browsers_do_not_play_gets_a_copy_that_they_do(
    project: Callable[..., Path], tmp_path: Path, make_film: Callable[..., Path]
) -> None:
    film = make_film(tmp_path / "films" / "film.avi")
    folder, before = project(voiced=False, film=film), file_sha256(film)
    with ProjectStore(folder) as store:
        assert "not every browser plays film.avi, so a copy is made, of " in foretold_size(store, tmp_path / "x.listen")
    page, _ = export(folder)
    assert browser_trouble(page / "film.mp4") == ""
    assert abs(probe(page / "film.mp4").duration_ms - 9000) < 400
    assert file_sha256(film) == before
    made = (page / "film.mp4").stat()
    export(folder)
    assert (page / "film.mp4").stat() == made  # once is enough
    make_film(folder / PROXY)  # the copy that the project has for the review page is taken where there is one
    other, _ = export(folder, folder=tmp_path / "other")
    assert (other / "film.mp4").samefile(folder / PROXY)


def test_a_film_that_is_gone_keeps_no_other_format_back(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project(voiced=False)
    (tmp_path / "films/film.mp4").unlink()
    with ProjectStore(folder) as store:
        with pytest.raises(CalvinError, match="The film is not at"):
            export_script(store, find_writers(["html", "vtt"]))
        assert store.exported == ("film.vtt",)
    assert (folder / "film.vtt").is_file()
    assert not (folder / "film.listen").exists()


def test_another_film_is_refused(project: Callable[..., Path], tmp_path: Path, make_film: Callable[..., Path]) -> None:
    folder = project(voiced=False)
    short = make_film(tmp_path / "short.mp4", seconds=(2.0, 1.0))
    with pytest.raises(UsageError, match=r"lasts 3\.0 s and the project's film 9\.0 s"):
        export(folder, film=short)


def test_the_command_tells_the_size_before_it_begins(project: Callable[..., Path]) -> None:
    folder = project()
    result = CliRunner().invoke(app, ["export", str(folder), "--format", "Listening page"])
    assert result.exit_code == 0, result.output
    _, *rest = result.output.replace("\n", " ").split("film.listen")
    assert "the film has 1 MB and takes no room, being linked on its own disk, and 2 spoken cues about 1 MB" in rest[0]
    result = CliRunner().invoke(app, ["export", str(folder), "--format", "html"])
    assert "the film is there already (1 MB)" in result.output.replace("\n", " ")


@given(
    st.recursive(
        st.text() | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_text_ends_the_element_that_holds_the_data(value: Any) -> None:
    text = inline_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
