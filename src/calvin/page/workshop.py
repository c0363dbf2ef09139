"""Everything that the server holds: what may be opened, desks, jobs, open pages, and workers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.requests import Request

from calvin.core.files import atomic_path
from calvin.page.assistants import Assistant
from calvin.page.desk import QUIET_S, Desk
from calvin.page.event_stream import Events
from calvin.page.film_files import Stills
from calvin.page.guard import Admission
from calvin.page.job_state import Job
from calvin.page.jobs import Jobs
from calvin.page.shelf import ListedFilm, Shelf, id_of

_REMEMBERED = 100
"""Answers to edits that are kept, for pages that did not get them."""


@dataclass
class Workshop:
    """The server's state; to be used in its event loop alone."""

    shelf: Shelf
    admission: Admission
    show_errors: bool = False
    quiet_s: float = QUIET_S
    begin: dict[str, Any] | None = None
    """How the project of the shelf's only film is begun as soon as the server runs; None: it waits to be asked."""
    events: Events = field(default_factory=Events)
    stills: Stills = field(default_factory=Stills)

    def __post_init__(self) -> None:
        self.jobs = Jobs(self.events, self.show_errors)
        self.jobs.when_ended(self._job_ended)
        self.speaker, self.captioner = Assistant(self.show_errors), Assistant(self.show_errors)
        self._desks: dict[str, Desk] = {}
        self.brought: dict[Path, list[Path]] = {}
        """Subtitle files that were brought in, by the film that they are for; gone when the server ends."""
        self._kept: TemporaryDirectory[str] | None = None
        self._answered: OrderedDict[tuple[str, str], Any] = OrderedDict()

    def desk(self, pid: str) -> Desk:
        """
        Raises:
            Refusal: there is no such project.
        """
        folder = self.shelf.project(pid)
        if pid not in self._desks:
            self._desks[pid] = Desk(pid, folder, self.events, self.quiet_s)
        return self._desks[pid]

    async def start(self) -> None:
        """Begin what was asked for before there was a page."""
        if self.begin is not None and len(self.shelf.films) == 1:
            [film] = self.shelf.films
            await self.make(film, self.begin)

    async def make(self, film: ListedFilm, options: dict[str, Any]) -> tuple[Desk, Job]:
        """Begin the project of a film.

        Raises:
            Refusal: it is being made already.
        """
        desk = self.desk(id_of(film.project))
        return desk, await self.jobs.start(desk, "begin", {"film": str(film.path), **options})

    def keep_brought(self, film: Path, name: str, body: bytes) -> Path:
        """Keep a file that was brought in for a film until the server ends; one of its name makes way for it."""
        if self._kept is None:
            self._kept = TemporaryDirectory(prefix="calvin-studio-")
        home = Path(self._kept.name) / id_of(film)
        home.mkdir(exist_ok=True)
        with atomic_path(home / name) as temporary:
            temporary.write_bytes(body)
        files = self.brought.setdefault(film, [])
        if home / name not in files:
            files.append(home / name)
        return home / name

    def look(self) -> None:
        """See which projects and films there are now."""
        self.shelf.look(self.jobs.making)

    def remembered(self, pid: str, number: str | None) -> Any:
        """The answer that an edit of this number got before; None where it is new."""
        return self._answered.get((pid, number)) if number else None

    def remember(self, pid: str, number: str | None, answer: Any) -> None:
        """Keep the answer to an edit: a page that lost it sends the edit again, which must not be done twice."""
        if number and len(number) <= 64:
            self._answered[pid, number] = answer
            while len(self._answered) > _REMEMBERED:
                self._answered.popitem(last=False)

    async def close(self) -> None:
        """Stop what is at work and let every project go."""
        self.events.close()
        await self.jobs.close()
        for one in (self.speaker, self.captioner):
            await one.close()
        for desk in self._desks.values():
            await desk.close()
        if self._kept is not None:
            self._kept.cleanup()

    async def _job_ended(self, desk: Desk, job: Job) -> None:
        """Have the open pages read the rows again that the job may have changed."""
        if job.kind in ("begin", "describe", "rewrite", "adapt", "voice"):
            self.look()
            self.events.tell(desk.pid, {"type": "rows", "all": True, "changed": [], "removed": []})


def workshop_of(request: Request) -> Workshop:
    found: Workshop = request.app.state.workshop
    return found


def desk_of(request: Request) -> Desk:
    """The desk of the project that the address names.

    Raises:
        Refusal: there is no such project.
    """
    return workshop_of(request).desk(request.path_params["pid"])
