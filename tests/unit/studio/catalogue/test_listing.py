"""Which films a catalogue holds, each once, and what their projects are called."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.studio.catalogue.listing import Entry, list_films, with_names
from calvin.studio.project.database import DATABASE


@pytest.fixture
def film(make_film: Callable[..., Path], tmp_path: Path) -> Path:
    return make_film(tmp_path / "films/a.mp4", (2.0,))


def listed(entries: list[Entry], below: Path) -> list[str]:
    return [entry.film.relative_to(below).as_posix() for entry in entries]


def test_a_folder_is_looked_through_without_projects_and_what_is_hidden(film: Path, tmp_path: Path) -> None:
    films, out = film.parent, film.parent / "out"
    for place in ("sub/b.MKV", "out/c.mp4", ".hidden/d.mp4", ".e.mp4", "p.calvin/mix.mp4", "notes.txt"):
        (films / place).parent.mkdir(exist_ok=True)
        shutil.copy(film, films / place)
    (films / "p.calvin" / DATABASE).touch()
    entries = list_films(films, out)
    assert listed(entries, films) == ["a.mp4", "sub/b.MKV"]
    first, second = entries
    assert (first.seconds, first.stamp) == (2.0, (film.stat().st_size, film.stat().st_mtime_ns))
    assert first.wanted
    assert (second.same_as, second.wanted) == (film, False)


def test_a_list_has_paths_from_its_own_folder_and_subtitles(film: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    here = tmp_path / "lists/films.txt"
    os.link(film, film.with_name("linked.mp4"))
    here.write_text(
        "\ufeff# films\n../films/a.mp4\t../films/a.de.srt\r\n\n  ../films/linked.mp4\tnone\n../films/gone.mp4\n"
        "../films/a.mp4\t../films/a.de.srt\n"
    )
    entries = list_films(here, tmp_path / "out")
    assert listed(entries, tmp_path.resolve()) == ["films/a.mp4", "films/linked.mp4", "films/gone.mp4", "films/a.mp4"]
    given, linked, gone, again = entries
    assert given.subtitles == film.with_name("a.de.srt")
    assert (linked.subtitles, linked.wanted) == (Path("none"), True)  # the same film, to be described in another way
    assert gone.problem == f"{film.with_name('gone.mp4')} does not exist: check the name."
    assert again.same_as == film


def test_there_has_to_be_something_to_describe(film: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "blank.txt").write_text("# nothing\n\n")
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\x00")
    for source, why in (
        (tmp_path / "empty", "no film in"),
        (tmp_path / "blank.txt", "lists no film"),
        (tmp_path / "odd.txt", "in UTF-8"),
        (tmp_path / "gone", "There is no"),
        (film, "is a film and no list"),
    ):
        with pytest.raises(UsageError, match=why):
            list_films(source, tmp_path / "out")


def test_names_are_those_of_describe_and_no_two_are_alike() -> None:
    def named(known: dict[str, str], *films: str) -> list[str]:
        entries = [Entry(Path(film)) for film in films]
        return [entry.name for entry in with_names(entries, known)]

    assert named({}, "/a/x.mp4", "/b/x.mkv", "/c/X.mp4", "/c/x-2.mp4") == [
        "x.calvin",
        "x-3.calvin",
        "X-4.calvin",
        "x-2.calvin",
    ]
    # Those of an earlier run stay, whatever has come before them.
    assert named({"/b/x.mkv": "x.calvin"}, "/a/x.mp4", "/b/x.mkv") == ["x-2.calvin", "x.calvin"]
    [bad] = with_names([Entry(Path("/x.mp4"), problem="bad")], {})
    assert bad.name == ""
