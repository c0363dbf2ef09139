"""Describe killed again and again: whatever the moment, the next run goes on, and the end is the same."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from calvin.core.progress import Progress
from calvin.studio.project.store import ProjectStore
from forks import exit_code, fork, kill


def work(film: Path, model: Path, folder: Path, tell: bool) -> None:
    """Describe in a process of its own; with `tell`, a file beside the folder says when captions have begun."""
    from calvin import describe

    started = folder.with_suffix(".started")

    def watch(event: Progress) -> None:
        if tell and event.stage == "describe":
            started.touch()

    describe(film, film.with_suffix(".srt"), str(model), out_dir=folder, progress=watch)


def outcome(folder: Path) -> tuple[object, ...]:
    """All that a project holds but ids' own times of writing; and its files, byte for byte."""
    with ProjectStore(folder) as store:
        cues = store.cues
        histories = [[(r.text, r.author) for r in store.history(cue.id)] for cue in cues]
        candidates = [store.candidates(cue.id) for cue in cues]
        stored = (store.film, store.shots, store.dialogue, store.plans, cues, histories, candidates, store.decisions)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("project.")
    }
    return (*stored, files)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("most", [10, pytest.param(20, marks=pytest.mark.long)])
def test_killed_again_and_again_it_ends_as_if_it_never_was(
    tiny_model: Path, make_film: Callable[..., Path], tmp_path: Path, most: int
) -> None:
    film = make_film(tmp_path / "film.mp4", (2.0, 3.0, 2.5, 4.0, 3.0))
    film.with_suffix(".srt").write_text("1\n00:00:05,200 --> 00:00:06,800\nWhere have you been?\n\n")

    def start(folder: Path, tell: bool = False) -> BaseProcess:
        return fork(work, film, tiny_model, folder, tell)

    began = time.monotonic()
    assert exit_code(start(tmp_path / "whole")) == 0
    lasts = time.monotonic() - began

    rng = random.Random(7)
    kills, project = 0, 0
    while kills < most:
        folder = tmp_path / f"killed-{project}"
        # Every other time the clock runs from the first caption on: a decode that is killed begins anew.
        late = bool(kills % 2)
        process = start(folder, late)
        if late:
            while process.is_alive() and not folder.with_suffix(".started").exists():
                time.sleep(0.01)
        process.join(rng.uniform(0, lasts * (0.2 if late else 0.6)))
        if process.is_alive():
            kill(process)
            kills += 1
        process.join()
        folder.with_suffix(".started").unlink(missing_ok=True)
        if process.exitcode == 0:
            assert outcome(folder) == outcome(tmp_path / "whole")
            project += 1
    assert exit_code(start(tmp_path / f"killed-{project}")) == 0
    assert outcome(tmp_path / f"killed-{project}") == outcome(tmp_path / "whole")
