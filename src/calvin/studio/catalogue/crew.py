"""Workers of a catalogue on this machine: processes that describe what they are given, and may die at any moment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Literal, Protocol

from calvin.captioners import Captioner
from calvin.core.errors import CalvinError, first_line
from calvin.core.processes import end_with_parent
from calvin.core.progress import Progress
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.film_work import CatalogueWish, Describer, OutOfMemoryError
from calvin.studio.catalogue.listing import Entry

_TOLD_EVERY_S = 1.0
_NO_MEMORY = 75
"""How a worker's process ends that has no memory left."""
MEMORY = "it had no memory left"


@dataclass(frozen=True, slots=True)
class Event:
    """What a worker tells: that it is `ready`, or cannot be because of `error`; how far it is (`at`); what it `made` of
    the films that it was given; or that it `died`, and `how`."""

    worker: int
    kind: Literal["ready", "unready", "at", "made", "died"]
    results: tuple[FilmResult, ...] = ()
    error: CalvinError | None = None
    progress: Progress | None = None
    how: str = ""


class Crew(Protocol):
    """Workers, each with a number, that are told apart by nothing else; films are given to one that waits for some."""

    def hire(self) -> int:
        """Begin a worker. It tells when it is ready, or that it cannot be."""
        ...

    def give(self, worker: int, entries: Sequence[Entry]) -> None:
        """Films to describe together."""
        ...

    def wait(self, timeout_s: float) -> list[Event]:
        """What workers have to tell; nothing where the time is over before they have."""
        ...

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        ...


class OwnCrew:
    """The one worker that is this process itself: films are described while they are waited for."""

    def __init__(self, wish: CatalogueWish, out: Path, captioner: Captioner | None = None) -> None:
        self._wish, self._out, self._captioner = wish, out, captioner
        self._describer: Describer | None = None
        self._given: tuple[Entry, ...] = ()

    def hire(self) -> int:
        return 0

    def give(self, worker: int, entries: Sequence[Entry]) -> None:
        self._given = tuple(entries)

    def wait(self, timeout_s: float) -> list[Event]:
        if self._describer is None:
            try:
                self._describer = Describer(self._wish, self._out, self._captioner)
            except CalvinError as error:
                return [Event(0, "unready", error=error)]
            return [Event(0, "ready")]
        given, self._given = self._given, ()
        try:
            return [Event(0, "made", tuple(self._describer.describe(given)))]
        except OutOfMemoryError:
            self.close()
            return [Event(0, "died", how=MEMORY)]

    def close(self) -> None:
        if self._describer is not None:
            self._describer.__exit__()
            self._describer = None


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    line: Connection


class ProcessCrew:
    """Workers that are processes of their own, on one thread each; they end with the process that began them."""

    def __init__(self, wish: CatalogueWish, out: Path) -> None:
        self._wish, self._out = wish, out
        self._workers: dict[int, _Worker] = {}
        self._numbers = count()

    def hire(self) -> int:
        context = get_context("spawn")  # fork is unsafe beside torch
        number = next(self._numbers)
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self._wish, self._out), name=f"catalogue-{number}")
        process.start()
        theirs.close()  # so that ours tells of the end of theirs
        self._workers[number] = _Worker(process, ours)
        return number

    def give(self, worker: int, entries: Sequence[Entry]) -> None:
        with suppress(OSError):  # it has died, which waiting for it will tell
            self._workers[worker].line.send(tuple(entries))

    def wait(self, timeout_s: float) -> list[Event]:
        lines = {one.line: number for number, one in self._workers.items()}
        return [self._told(lines[line]) for line in wait(list(lines), timeout_s) if isinstance(line, Connection)]

    def _told(self, number: int) -> Event:
        worker = self._workers[number]
        try:
            event: Event = worker.line.recv()
        except (EOFError, OSError):
            event = Event(number, "died")
        if event.kind in ("unready", "died"):
            del self._workers[number]
            worker.line.close()
            worker.process.join()
        return replace(event, worker=number, how=_end_of(worker.process.exitcode) if event.kind == "died" else "")

    def close(self) -> None:
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.process.join()
            worker.line.close()
        self._workers.clear()


def _end_of(code: int | None) -> str:
    if code == _NO_MEMORY:
        return MEMORY
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        killed = ", as a system does that is out of memory" if -code == signal.SIGKILL else ""
        return f"it was ended by {name}{killed}"
    return f"it ended by itself with code {code}"


def _work(line: Connection, wish: CatalogueWish, out: Path) -> None:
    """A worker's process: films come in, what became of them goes out, until the line is closed."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that began it, which then ends it
    one_thread()
    told = 0.0

    def tell(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY_S:
            told = time.monotonic()
            line.send(Event(0, "at", progress=progress))

    try:
        describer = Describer(wish, out)
    except CalvinError as error:
        line.send(Event(0, "unready", error=error))
        return
    except Exception as error:
        unknown = CalvinError(f"The captioner cannot be opened ({type(error).__name__}: {first_line(error)}).")
        line.send(Event(0, "unready", error=unknown))
        return
    with describer:
        line.send(Event(0, "ready"))
        while True:
            try:
                entries = line.recv()
            except EOFError:
                return
            told = 0.0
            try:
                results = describer.describe(entries, tell)
            except OutOfMemoryError:
                os._exit(_NO_MEMORY)  # whatever holds the memory goes with it
            line.send(Event(0, "made", tuple(results)))


def one_thread() -> None:
    """Let PyTorch and what it calls work on one thread: workers side by side are as many as there is to do."""
    import torch

    torch.set_num_threads(1)
