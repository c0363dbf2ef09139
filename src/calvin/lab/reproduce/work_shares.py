"""The runs of a table or figure, shared among processes: each is made once, whole or not at all, by who comes first.

A run has a folder, which one process holds while it works. Where folders can be locked that is all that is needed; for
machines without locks in common, `part` deals the runs out beforehand.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calvin.core.errors import CalvinError, MissingExtraError, UsageError
from calvin.core.files import locked
from calvin.core.progress import Listener, Stage, silent

DONE = "scores.json"
"""What a run leaves last."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: of what (a system or a setting) with which seed, and about how many minutes of one core it takes."""

    what: str
    seed: int
    minutes: float = 0.0

    @property
    def key(self) -> str:
        """Its folder's name."""
        return f"{self.what}-seed-{self.seed}"

    @property
    def label(self) -> str:
        return f"{self.what}, seed {self.seed}"


def share_of(text: str) -> tuple[int, int]:
    """K/N as numbers.

    Raises:
        UsageError: it is not a share.
    """
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"{text!r} is not a share such as 1/2 (the first of two).")
    return int(part), int(parts)


class Experiment(Protocol):
    """A table or figure at work. It can be sent to another process."""

    @property
    def folder(self) -> Path: ...

    def jobs(self) -> Sequence[Job]: ...

    def perform(self, job: Job, place: Path, listener: Listener = silent) -> None:
        """Make a run in the folder `place`, going on where an earlier process stopped; `DONE` is written last."""
        ...


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Hold a folder if nobody else does; the value says whether. A process that dies lets go of it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder))
        except CalvinError:
            yield False
            return
        yield True


@contextmanager
def awaited(folder: Path) -> Iterator[None]:
    """Hold a folder, once whoever holds it has let it go: for what every run needs and one process makes."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network folder without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def place_of(experiment: Experiment, job: Job) -> Path:
    return experiment.folder / "runs" / job.key


def left_over(experiment: Experiment) -> list[Job]:
    """The runs that are not made yet."""
    return [job for job in experiment.jobs() if not (place_of(experiment, job) / DONE).is_file()]


def carry_out(experiment: Experiment, share: tuple[int, int] = (1, 1), listener: Listener = silent) -> int:
    """Make this share of the runs, without those that are made or that another process is making; returns how many of
    all runs are still to be made.

    Args:
        share: (1, 2) is the first of two.
    """
    part, parts = share
    mine = list(experiment.jobs())[part - 1 :: parts]
    waiting = [job for job in mine if not (place_of(experiment, job) / DONE).is_file()]
    stage = Stage("runs", listener, sum(job.minutes for job in waiting), "minutes")
    done = 0.0
    for job in waiting:
        perform_one(experiment, job, listener)
        done += job.minutes
        stage.update(done, job.label)
    return len(left_over(experiment))


def perform_one(experiment: Experiment, job: Job, listener: Listener = silent) -> bool:
    """Make a run unless it is made, or another process is at it; returns whether it was made here."""
    place = place_of(experiment, job)
    with claimed(place) as mine:
        # Another process may have finished it since it was looked for.
        if not mine or (place / DONE).is_file():
            return False
        experiment.perform(job, place, listener)
        return True


def carry_out_by_ray(experiment: Experiment) -> int:
    """The same with a task of Ray's for each run, on the cluster of RAY_ADDRESS or on this machine; its nodes need the
    experiment's folder in common.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("Sharing runs by Ray", "cluster") from error

    if not ray.is_initialized():
        ray.init(address=os.environ.get("RAY_ADDRESS"), log_to_driver=False, include_dashboard=False)
    task = ray.remote(num_cpus=1)(perform_one)
    ray.get([task.remote(experiment, job) for job in left_over(experiment)])
    return len(left_over(experiment))
