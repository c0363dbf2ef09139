"""The driver of a catalogue: it hands films to workers, keeps what became of them, and writes the report.

A film is the unit of work. What its worker has finished of it lies in its project, so that whoever is given the film
next goes on there: a worker or a driver that is killed loses at most what it was doing just then.
"""

from __future__ import annotations

import shutil
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from calvin.captioners import Captioner
from calvin.captioners.spending import Price, Spending
from calvin.core.errors import CalvinError, UsageError
from calvin.core.files import locked
from calvin.core.progress import Listener, Progress, Stage, silent
from calvin.core.text_tables import counted
from calvin.studio.cast.characters import read_cast_file
from calvin.studio.catalogue.catalogue_report import CatalogueReport, CatalogueRow, spending_words
from calvin.studio.catalogue.crew import Crew, Event, OwnCrew, ProcessCrew
from calvin.studio.catalogue.film_journal import FilmJournal, FilmResult
from calvin.studio.catalogue.film_work import CatalogueWish
from calvin.studio.catalogue.listing import Entry, list_films, with_names
from calvin.studio.describe.cue_words import TOGETHER
from calvin.studio.script.writers import find_writers

STRIKES = 3
"""How many workers may die over a film before it is given up, or one after the other before they are ready; and with
how many films in a row a model server may fail."""
IN_FLIGHT = 8
"""Requests that all workers together may have under way at a model server."""
SERVED = "openai:"
"""How a model is named that a server has."""
_BYTES_A_SECOND = 60_000
_SPARE = 32 << 20
"""What a project takes of the disk for a second of film, with a little more than that in hand."""
_LOOKED_EVERY_S = 5.0


def catalogue(
    source: Path,
    out: Path,
    wish: CatalogueWish,
    *,
    workers: int = 1,
    together: int = 1,
    in_flight: int | None = None,
    ray: bool = False,
    captioners: int | None = None,
    price: Price | None = None,
    captioner: Captioner | None = None,
    listener: Listener = silent,
) -> CatalogueReport:
    """Describe the films of a folder or a list into projects in `out`; called again, it goes on where it stopped.

    Args:
        workers: processes that describe films side by side, on one thread each; 0: this process, one film after the
            other.
        together: films that a worker describes at once, with captions in common batches.
        in_flight: how many requests all workers together may have under way at a model server; None: 8.
        ray: workers are Ray's, on the cluster of RAY_ADDRESS or this machine.
        captioners: with Ray, actors that hold tower and language model, for workers that then only decode and plan;
            0: every worker has its own. None: as many as the cluster has GPUs.
        price: what the tokens of a model server cost, for the report.
        captioner: one that is open already, for this process.

    Raises:
        UsageError: nothing to describe, or options that contradict each other or an earlier run's.
        CalvinError: no worker can be had, the disk of `out` has too little room for the next film, or the model server
            fails film after film. What is done is kept, and the report is written.
    """
    _check(workers, together, in_flight, ray, captioners, captioner)
    if wish.wish.formats is not None:
        find_writers(wish.wish.formats)
    if wish.sources.cast is not None:
        read_cast_file(wish.sources.cast)
    entries = list_films(source, out)
    with locked(out):
        journal = FilmJournal(out, wish.asked)
        entries = with_names(entries, journal.names)
        run = _Run(out, entries, journal, together, price, listener)
        workers = min(workers, -(-len(run.waiting) // together))
        if (wish.model or "").startswith(SERVED):
            most = in_flight or IN_FLIGHT
            workers = min(workers, most)
            wish = replace(wish, in_flight=most // max(1, workers))
        crew: Crew | None = None
        try:
            if run.waiting:
                crew, workers = _crew(wish, out, workers, ray, captioners, captioner)
                run.carry_out(crew, workers)
        finally:
            if crew is not None:
                crew.close()
            report = run.report()
            report.write()
    return report


def _crew(
    wish: CatalogueWish, out: Path, workers: int, ray: bool, captioners: int | None, captioner: Captioner | None
) -> tuple[Crew, int]:
    """Whoever does the work, and how many of them."""
    if captioner is not None or not workers:
        return OwnCrew(wish, out, captioner), 1
    if not ray:
        return ProcessCrew(wish, out), workers
    from calvin.studio.catalogue.ray_crew import RayCrew

    crew = RayCrew(wish, out.absolute(), workers, captioners)
    return crew, crew.workers


def _check(
    workers: int, together: int, in_flight: int | None, ray: bool, captioners: int | None, captioner: Captioner | None
) -> None:
    if workers < 0 or (in_flight is not None and in_flight < 1) or not 1 <= together <= TOGETHER:
        raise UsageError(
            f"A catalogue takes no fewer than 0 workers, 1 request in flight, and 1 to {TOGETHER} films together."
        )
    if ray and (not workers or captioner is not None):
        raise UsageError("With Ray there is at least one worker: give --workers, or leave --ray out.")
    if captioners is not None and not (ray and captioners >= 0):
        raise UsageError("Captioners apart from the workers are for --ray: give that too, or leave --captioners out.")


class _Run:
    """The films of one run: those that wait, those in the hands of workers, and what became of the others."""

    def __init__(
        self, out: Path, entries: Sequence[Entry], journal: FilmJournal, together: int, price: Price | None,
        listener: Listener,
    ) -> None:  # fmt: skip
        self._out, self._entries, self._journal = out, entries, journal
        self._together, self._price = together, price
        self._kept = {entry: done for entry in entries if entry.wanted and (done := journal.done(entry)) is not None}
        self._results: dict[Entry, FilmResult] = {}
        # The longest first: begun last, one would leave all workers but its own without work at the end.
        todo = [entry for entry in entries if entry.wanted and entry not in self._kept]
        self.waiting = deque(sorted(todo, key=lambda entry: -entry.seconds))
        self._alone: set[Entry] = set()
        self._flying: dict[int, tuple[Entry, ...]] = {}
        self._strikes: Counter[Entry] = Counter()
        self._stopped, self._server_failed = "", 0
        wanted = [entry for entry in entries if entry.wanted]
        seconds = sum(entry.seconds for entry in wanted)
        self._unit, self._unit_s = ("hours of film", 3600) if seconds >= 7200 else ("minutes of film", 60)
        kept = self._amount(self._kept)
        self._stage = Stage("catalogue", listener, self._amount(wanted), self._unit, kept=kept)

    def carry_out(self, crew: Crew, workers: int) -> None:
        """Have all waiting films described.

        Raises:
            CalvinError: no worker can be had, the disk is full, or the model server fails.
        """
        idle: set[int] = set()
        starting = {crew.hire() for _ in range(workers)}
        deaths, trouble = 0, CalvinError("No worker could be begun.")
        self._tell()
        while self.waiting or self._flying:
            for worker in sorted(idle):
                lot = self._next_lot()
                if not lot:
                    break
                idle.remove(worker)
                crew.give(worker, lot)
                self._flying[worker] = lot
            if not self._flying and (self._stopped or not (starting or idle)):
                break
            for event in crew.wait(_LOOKED_EVERY_S):
                if event.kind == "at":
                    self._tell(event.progress)
                    continue
                if event.kind in ("ready", "made"):
                    starting.discard(event.worker)
                    idle.add(event.worker)
                    deaths = 0
                    self._take(event)
                    continue
                began = event.worker in starting
                starting.discard(event.worker)
                idle.discard(event.worker)
                self._lose(event)
                if event.error is not None:
                    trouble = event.error
                    continue  # what does not open now will not a moment later
                deaths += began
                if began:
                    trouble = CalvinError(f"{STRIKES} workers died before they were ready ({event.how}): {_FEWER}")
                if self.waiting and deaths < STRIKES:
                    starting.add(crew.hire())
        if self._stopped:
            raise CalvinError(self._stopped)
        if self.waiting:
            raise trouble

    def _next_lot(self) -> tuple[Entry, ...]:
        """The films for a worker; none where none wait, or the disk has no room for the next."""
        lot: list[Entry] = []
        while self.waiting and len(lot) < self._together and not self._stopped:
            entry = self.waiting[0]
            if lot and (entry in self._alone or lot[0] in self._alone):
                break  # over which a worker died: by itself, so that it takes no others with it
            if not self._has_room(entry):
                break
            self._journal.begin(entry)
            lot.append(self.waiting.popleft())
        return tuple(lot)

    def _has_room(self, entry: Entry) -> bool:
        needed = _SPARE + round(entry.seconds * _BYTES_A_SECOND)
        free = shutil.disk_usage(self._out).free
        if free < needed:
            self._stopped = (
                f"The disk of {self._out} has too little room for {entry.film.name}: {needed / 2**20:,.0f} MiB are "
                f"needed and {free / 2**20:,.0f} are free. {self._left()}: "
                "free some space, and give the same command again."
            )
        return not self._stopped

    def _left(self) -> str:
        left = len(self.waiting)
        return f"{counted(left, 'film')} {'is' if left == 1 else 'are'} left"

    def _take(self, event: Event) -> None:
        for entry, result in zip(self._flying.pop(event.worker, ()), event.results, strict=True):
            self._end(entry, result)
        self._tell()

    def _lose(self, event: Event) -> None:
        """A worker is gone: its films wait again, but those over which several died."""
        for entry in reversed(self._flying.pop(event.worker, ())):
            self._strikes[entry] += 1
            self._alone.add(entry)
            if self._strikes[entry] < STRIKES:
                self.waiting.appendleft(entry)
            else:
                self._end(entry, FilmResult(error=f"{STRIKES} workers died over it ({event.how}): {_FEWER}"))
        self._tell()

    def _end(self, entry: Entry, result: FilmResult) -> None:
        self._journal.end(entry, result)
        self._results[entry] = result
        self._server_failed = self._server_failed + 1 if result.server else 0
        if self._server_failed == STRIKES and self.waiting:
            self._stopped = (
                f"The model server failed with {STRIKES} films, one after the other ({result.error.rstrip('.')}). "
                f"{self._left()}: mend it, and give the same command again."
            )

    def _tell(self, at: Progress | None = None) -> None:
        ended = [*self._kept, *self._results]
        failed = sum(bool(result.error) for result in self._results.values())
        wanted = sum(entry.wanted for entry in self._entries)
        parts = [f"{len(ended)} of {counted(wanted, 'film')}", f"{failed} failed" if failed else ""]
        parts.append(spending_words(self._spent, self._price))
        if at is not None:
            share = f" {at.done / at.total:.0%}" if at.total else ""
            parts.append(f"{at.stage}{share}")
        self._stage.update(self._amount(ended), ", ".join(part for part in parts if part))

    @property
    def _spent(self) -> Spending:
        return sum((result.spent for result in (*self._kept.values(), *self._results.values())), Spending())

    def _amount(self, entries: Iterable[Entry]) -> float:
        """Hours or minutes of film."""
        return round(sum(entry.seconds for entry in entries) / self._unit_s, 2)

    def report(self) -> CatalogueReport:
        return CatalogueReport(self._out, [self._row(entry) for entry in self._entries], self._price)

    def _row(self, entry: Entry) -> CatalogueRow:
        if entry.problem:
            return CatalogueRow(entry, "failed", FilmResult(error=entry.problem))
        if entry.same_as is not None:
            return CatalogueRow(entry, "the same film")
        if entry in self._kept:
            return CatalogueRow(entry, "described before", self._kept[entry])
        result = self._results.get(entry)
        if result is None:
            return CatalogueRow(entry, "not begun")
        return CatalogueRow(entry, "failed" if result.error else "described", result)


_FEWER = "there may be too little memory for so many, so give the same command again with fewer --workers."
