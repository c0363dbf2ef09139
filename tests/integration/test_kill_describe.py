"""Describe killed again and again: whatever the moment, the next run goes on, and the end is the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from calvin.core.package import bundled_film
from calvin.core.progress import Progress
from calvin.studio.project.store import ProjectStore

KILLS = 20


def work(model: str, folder: str, tell: bool = False) -> None:
    """Describe in a process of its own; with `tell`, a file beside the folder says when captions have begun."""
    import torch

    from calvin import describe

    torch.set_num_threads(1)
    started = Path(folder).with_suffix(".started")

    def watch(event: Progress) -> None:
        if tell and event.stage == "describe":
            started.touch()

    film, subtitles = bundled_film()
    describe(film, subtitles, model, out_dir=folder, progress=watch)


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
@pytest.mark.timeout(1800)
def test_killed_twenty_times_it_ends_as_if_it_never_was(tiny_model: Path, tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["calvin.studio.describe.films", "calvin.captioners.calvin", "torch", "transformers"]
    )

    def start(folder: Path, tell: bool = False) -> multiprocessing.process.BaseProcess:
        process = processes.Process(target=work, args=(str(tiny_model), str(folder), tell))
        process.start()
        return process

    server = processes.Process(target=time.time)  # the server imports everything once, and that is not to be timed
    server.start()
    server.join()
    began = time.monotonic()
    whole = start(tmp_path / "whole")
    whole.join()
    assert whole.exitcode == 0
    lasts = time.monotonic() - began

    rng = random.Random(7)
    kills, project = 0, 0
    while kills < KILLS:
        folder = tmp_path / f"killed-{project}"
        # Every other time the clock runs from the first caption on: a decode that is killed begins anew.
        late = bool(kills % 2)
        process = start(folder, late)
        if late:
            while process.is_alive() and not folder.with_suffix(".started").exists():
                time.sleep(0.01)
        process.join(rng.uniform(0, lasts * (0.2 if late else 0.6)))
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
            kills += 1
        process.join()
        folder.with_suffix(".started").unlink(missing_ok=True)
        if process.exitcode == 0:
            assert outcome(folder) == outcome(tmp_path / "whole")
            project += 1
    last = start(tmp_path / f"killed-{project}")
    last.join()
    assert last.exitcode == 0
    assert outcome(tmp_path / f"killed-{project}") == outcome(tmp_path / "whole")
