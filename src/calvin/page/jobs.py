"""Long work that the page asks for: one job a project at a time, each in a process of its own that can be stopped.

A job goes on when the page is reloaded or closed; every page that is open is told how far it is.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from calvin.page.desk import Desk
from calvin.page.event_stream import Events
from calvin.page.job_state import KINDS, Job, progress_words
from calvin.page.replies import Refusal
from calvin.page.worker_link import Report, WorkerLink

_KEPT = 20
"""Jobs of a project that are remembered."""


class Jobs:
    """The jobs of all projects."""

    def __init__(self, events: Events, show_errors: bool = False) -> None:
        self._events, self._show_errors = events, show_errors
        self._jobs: dict[str, list[Job]] = defaultdict(list)
        self._numbers = count(1)
        self._ended: Callable[[Desk, Job], Awaitable[None]] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def of(self, pid: str) -> list[Job]:
        """The jobs of a project, oldest first."""
        return list(self._jobs.get(pid, []))

    def running(self, pid: str) -> Job | None:
        return next((job for job in self._jobs.get(pid, []) if job.state == "running"), None)

    def all_running(self) -> list[dict[str, Any]]:
        """What runs in any project: `pid`, and the `job` as the page is told of it."""
        return [{"pid": pid, "job": job.shown()} for pid in self._jobs if (job := self.running(pid)) is not None]

    def last(self, pid: str) -> Job | None:
        """The job that was begun last, whether it runs or has ended, and how."""
        return next(reversed(self._jobs.get(pid, [])), None)

    def making(self, pid: str) -> bool:
        """Whether the project is only being made."""
        job = self.running(pid)
        return job is not None and job.kind == "begin"

    def find(self, pid: str, number: str) -> Job:
        """
        Raises:
            Refusal: there is none.
        """
        found = next((job for job in self._jobs.get(pid, []) if job.id == number), None)
        if found is None:
            raise Refusal(404, "There is no job of this number.")
        return found

    def when_ended(self, act: Callable[[Desk, Job], Awaitable[None]]) -> None:
        """`act` is called whenever a job has ended, whichever way."""
        self._ended = act

    async def start(self, desk: Desk, kind: str, options: dict[str, Any]) -> Job:
        """
        Args:
            options: what the errand of this kind takes (`calvin.page.errands`).

        Raises:
            Refusal: another job is at work on the project.
        """
        busy = self.running(desk.pid)
        if busy is not None:
            raise Refusal(423, f"{busy.name} is at work on this project: wait until that ends, or stop it.")
        job = Job(str(next(self._numbers)), kind, said=f"{KINDS[kind]}.")
        self._jobs[desk.pid] = [*self._jobs[desk.pid], job][-_KEPT:]
        desk.job = job  # from here on nobody opens the project for writing
        self._events.tell(desk.pid, {"type": "job", "job": job.shown()})  # so that it can be stopped already
        try:
            if job.holds:
                await desk.let_go()
            loop = asyncio.get_running_loop()
            job.link = await asyncio.to_thread(WorkerLink, self._show_errors)
        except BaseException:
            job.state = "stopped" if job.state == "stopped" else "failed"
            if desk.job is job:
                desk.job = None
            raise
        if job.state == "stopped":  # while its worker was starting, which has been sent nothing yet
            await asyncio.to_thread(job.link.end)
            await self._end(desk, job)
            return job

        def on_report(report: Report) -> None:
            loop.call_soon_threadsafe(self._hear, desk, job, report)

        job.link.send({"kind": kind, "folder": str(desk.folder), "options": options}, on_report)
        self._events.tell(desk.pid, {"type": "job", "job": job.shown()})
        return job

    async def stop(self, desk: Desk, number: str) -> Job:
        """End a job where it stands; what it has finished is kept. One whose worker is still starting never begins."""
        job = self.find(desk.pid, number)
        if job.state == "running":
            job.state, job.left_s = "stopped", None
            job.said = f"{job.name}: stopped. What was finished is kept; started again, it goes on from there."
            if job.link is not None:
                await asyncio.to_thread(job.link.end)
                await self._end(desk, job)
        return job

    async def close(self) -> None:
        """Stop everything: the server ends."""
        for jobs in self._jobs.values():
            for job in jobs:
                if job.state == "running":
                    job.state = "stopped"
                    if job.link is not None:
                        await asyncio.to_thread(job.link.end)

    def _hear(self, desk: Desk, job: Job, report: Report) -> None:
        if job.state != "running":
            return
        if "progress" in report:
            _advance(job, report["progress"])
            self._events.tell(desk.pid, {"type": "job", "job": job.shown()})
            return
        task = asyncio.get_running_loop().create_task(self._finish(desk, job, report))
        self._tasks.add(task)  # else nothing would hold it
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, desk: Desk, job: Job, report: Report) -> None:
        """A job has ended when its process has, and with it the lock on the project."""
        if job.link is not None:
            await asyncio.to_thread(job.link.end)
        if job.state != "running":
            return
        job.left_s = None
        if "done" in report:
            job.state, job.fraction, job.result = "done", 1.0, report["done"]
            job.said = str(report["done"].get("said") or f"{job.name}: done.")
        else:
            job.state, job.said = "failed", str(report.get("failed", "It failed."))
        await self._end(desk, job)

    async def _end(self, desk: Desk, job: Job) -> None:
        job.link = None
        if desk.job is job:
            desk.job = None
        self._events.tell(desk.pid, {"type": "job", "job": job.shown()})
        if self._ended is not None:
            await self._ended(desk, job)


def _advance(job: Job, progress: dict[str, Any]) -> None:
    done, total = float(progress["done"]), progress["total"]
    job.fraction = min(1.0, done / total) if total else 0.0
    job.left_s = progress["left_s"]
    job.said = f"{job.name}: {progress_words(progress)}"
