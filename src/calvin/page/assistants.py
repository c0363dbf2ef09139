"""Workers that stay: one with a voice and one with a captioner, each opened when it is first asked for something."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from calvin.page.replies import Refusal
from calvin.page.worker_link import Report, WorkerLink

_IDLE_S = 600.0
_LONGEST_S = 600.0
_MOST_WAITING = 64


class Assistant:
    """A worker that does short errands one after another; after ten minutes without any it ends, to free its memory."""

    def __init__(self, show_errors: bool = False) -> None:
        self._show_errors = show_errors
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._link: WorkerLink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, kind: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
        """What an errand gives.

        Raises:
            Refusal: it failed, with the sentence that says why; or too many are waiting.
        """
        if self._waiting >= _MOST_WAITING:
            raise Refusal(429, "Too much is asked at once: wait until what was asked before is done.")
        self._waiting += 1
        try:
            async with self._turn:
                report = await self._send({"kind": kind, "folder": str(folder), "options": options})
        finally:
            self._waiting -= 1
        if "done" in report:
            done: dict[str, Any] = report["done"]
            return done
        raise Refusal(int(report.get("status", 503)), str(report["failed"]))

    async def _send(self, errand: dict[str, Any]) -> Report:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        if self._link is None or not self._link.alive:
            await self._end()
            self._link = await asyncio.to_thread(WorkerLink, self._show_errors)
        ended: asyncio.Future[Report] = loop.create_future()

        def settle(report: Report) -> None:
            if not ended.done():
                ended.set_result(report)

        def on_report(report: Report) -> None:
            if "progress" not in report:
                loop.call_soon_threadsafe(settle, report)

        self._link.send(errand, on_report)
        try:
            return await asyncio.wait_for(ended, _LONGEST_S)
        except BaseException as error:
            await self._end()  # it hangs, or nobody waits for it any more
            if isinstance(error, TimeoutError):
                raise Refusal(503, "That took too long and was given up: try again, or with less.") from error
            raise
        finally:
            self._timer = loop.call_later(_IDLE_S, self._retire)

    def _retire(self) -> None:
        task = asyncio.get_running_loop().create_task(self.close())
        self._tasks.add(task)  # else nothing would hold it
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End the worker; the next errand starts another."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._end()

    async def _end(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await asyncio.to_thread(link.end)
