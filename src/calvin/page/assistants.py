"""Workers that stay: one with a voice and one with a captioner, each opened when it is first asked for something."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calvin.page.replies import Refusal
from calvin.page.worker_link import Report, WorkerLink

Tell = Callable[[dict[str, Any]], None]
_IDLE_S = 600.0
_LONGEST_S = 600.0
_MOST_WAITING = 64
_REMEMBERED = 100
STOPPED = "Stopped; nothing was changed."


def _nobody(_: dict[str, Any]) -> None:
    """Hears nothing of how far it is."""


class Assistant:
    """A worker that does short errands one after another; after ten minutes without any it ends, to free its memory."""

    def __init__(self, show_errors: bool = False) -> None:
        self._show_errors = show_errors
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._link: WorkerLink | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: dict[tuple[Path, str], asyncio.Task[Report]] = {}
        self._stopped: deque[tuple[Path, str]] = deque(maxlen=_REMEMBERED)

    async def ask(
        self, kind: str, folder: Path, options: dict[str, Any], number: str | None = None, tell: Tell = _nobody
    ) -> dict[str, Any]:
        """What an errand gives.

        Args:
            number: by which it can be stopped.
            tell: gets how far it is, in the server's event loop.

        Raises:
            Refusal: it failed, with the sentence that says why; it was stopped; or too many are waiting.
        """
        if self._waiting >= _MOST_WAITING:
            raise Refusal(429, "Too much is asked at once: wait until what was asked before is done.")
        errand, known = {"kind": kind, "folder": str(folder), "options": options}, (folder, number or "")
        if known in self._stopped:
            raise Refusal(409, STOPPED, stopped=True)
        task = asyncio.get_running_loop().create_task(self._in_turn(errand, tell))
        if number:
            self._asked[known] = task
        self._waiting += 1
        try:
            await asyncio.wait({task})  # which does not fail where the task was cancelled: that is a stop
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            self._waiting -= 1
            if self._asked.get(known) is task:
                del self._asked[known]
        if task.cancelled():
            raise Refusal(409, STOPPED, stopped=True)
        report = task.result()
        if "done" in report:
            done: dict[str, Any] = report["done"]
            return done
        raise Refusal(int(report.get("status", 503)), str(report["failed"]))

    async def stop(self, folder: Path, number: str) -> bool:
        """End an errand at once, its worker too if it has begun; whether there was one of this number.

        One that is still on its way here is stopped when it comes.
        """
        task = self._asked.get((folder, number))
        if task is None:
            self._stopped.append((folder, number))
            return False
        task.cancel()
        await asyncio.wait({task})
        return True

    async def _in_turn(self, errand: dict[str, Any], tell: Tell) -> Report:
        async with self._turn:
            return await self._send(errand, tell)

    async def _send(self, errand: dict[str, Any], tell: Tell) -> Report:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        if self._link is None or not self._link.alive:
            tell({"stage": "getting ready", "done": 0, "total": None, "unit": "", "detail": ""})
        link = await self._opened()
        ended: asyncio.Future[Report] = loop.create_future()

        def settle(report: Report) -> None:
            if not ended.done():
                ended.set_result(report)

        def on_report(report: Report) -> None:
            if "progress" in report:
                loop.call_soon_threadsafe(tell, report["progress"])
            else:
                loop.call_soon_threadsafe(settle, report)

        link.send(errand, on_report)
        try:
            return await asyncio.wait_for(ended, _LONGEST_S)
        except BaseException as error:
            await self._end()  # it hangs, it was stopped, or nobody waits for it any more
            if isinstance(error, TimeoutError):
                raise Refusal(503, "That took too long and was given up: try again, or with less.") from error
            raise
        finally:
            self._timer = loop.call_later(_IDLE_S, self._retire)

    async def _opened(self) -> WorkerLink:
        if self._link is not None and self._link.alive:
            return self._link
        await self._end()
        opening = asyncio.ensure_future(asyncio.to_thread(WorkerLink, self._show_errors))
        try:
            self._link = await asyncio.shield(opening)
        except asyncio.CancelledError:  # stopped meanwhile: the process that comes up must not be forgotten
            self._link = await opening
            await self._end()
            raise
        return self._link

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
