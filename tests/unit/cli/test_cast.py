"""`calvin cast`: listed where nobody can answer, written with --yes, and asked on a terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calvin.cli.main import app
from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.media.film.frames import FrameWriter
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "film.calvin"
    with ProjectStore(folder, create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "ab" * 32, 4000, {}))
        store.set_shots([Span(0, 2000), Span(2000, 4000)])
        said = (("ANN", "Come here, Bob!"), ("MAN", "Who is it?"), ("", "Thank you, Bob."))
        spans = [Span(1000 * i, 1000 * i + 900) for i in range(len(said))]
        store.set_dialogue([DialogueLine(span, text, who) for span, (who, text) in zip(spans, said, strict=True)])
    with FrameWriter(folder / "frames", 5.0) as writer:
        for level in range(20):
            writer.add(np.full((8, 16, 3), 10 * level, np.uint8))
    return folder


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["cast", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("options", [(), ("--list",)])
def test_where_nobody_can_answer_the_cast_is_only_listed(project: Path, options: tuple[str, ...]) -> None:
    result = run(project, *options)
    assert "Ann: speaks once" in result.stdout
    assert "Bob: is called twice" in result.stdout
    assert '1  00:00:00  while Ann says "Come here, Bob!"' in result.stdout
    assert "Labels that name nobody in particular: Man." in result.stderr
    assert ("no terminal" in result.stderr) == (not options)
    assert not (project / "cast.toml").exists()
    assert (project / "cast" / "ann-1.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_yes_writes_the_names_and_only_proposes_stills(project: Path) -> None:
    result = run(project, "--yes")
    assert "cast.toml: 2 characters, 0 portraits" in result.stdout
    cast = read_cast_file(project / "cast.toml")
    assert [person.name for person in cast.characters] == ["Ann", "Bob"]
    assert cast.portraits == {}
    again = run(project, "--yes")
    assert "nothing in it changed" in again.stdout


def test_answers_on_a_terminal_become_portraits(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = iter(["1 left", "skip"])
    monkeypatch.setattr("calvin.cli.cast.on_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    out = tmp_path / "people.toml"
    assert "people.toml: 1 character, 1 portrait" in run(project, "-o", out).stdout
    assert list(read_cast_file(out).portraits) == ["Ann"]


def test_subtitles_without_names_are_told_as_such(project: Path) -> None:
    with ProjectStore(project) as store:
        store.set_dialogue([DialogueLine(Span(0, 900), "It rains.", "")])
    assert "neither label who speaks nor call anybody by name" in run(project, code=2).stderr
