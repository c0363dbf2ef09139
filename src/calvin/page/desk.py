"""A project as the page works on it: its store, kept open in a thread of its own while somebody writes.

Opening a store checks all that is in it, which takes longer than an edit may. So it stays open from one edit to the
next, and with it the lock that keeps other commands out; once the page has been quiet for a while, what was exported is
renewed and the project is let go.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from calvin.core.errors import CalvinError, StoreError
from calvin.page.event_stream import Events
from calvin.page.job_state import Job
from calvin.page.replies import Refusal, sentence_of, status_of
from calvin.studio.project.database import is_project
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_files import renew_exports

QUIET_S = 2.0
_Found = TypeVar("_Found")


class Desk:
    """One project: reads and edits, one after another; `job` is at work on it and has its lock meanwhile."""

    def __init__(self, pid: str, folder: Path, events: Events, quiet_s: float = QUIET_S) -> None:
        self.pid, self.folder = pid, folder
        self.job: Job | None = None
        self._events, self._quiet_s = events, quiet_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"project-{pid}")
        self._store: ProjectStore | None = None
        self._writes = False
        self._edited = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, look: Callable[[ProjectStore], _Found]) -> _Found:
        """What `look` finds in the store; it has to be quick, since edits wait for it."""
        return await self._in_turn(look, writes=False)

    async def change(self, edit: Callable[[ProjectStore], _Found]) -> _Found:
        """What `edit` says of what it changed.

        Raises:
            Refusal: another process, or a job of this page, is at work on the project.
        """
        self.check_free()
        return await self._in_turn(edit, writes=True)

    async def study(self, look: Callable[[ProjectStore], _Found]) -> _Found:
        """What `look` finds in a store of its own, beside the edits, however long it takes."""

        def opened() -> _Found:
            self._check_there()
            with ProjectStore(self.folder, read_only=True) as store:
                return look(store)

        return await asyncio.to_thread(opened)

    async def let_go(self) -> None:
        """Renew what was exported, and give the project's lock back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        said = await asyncio.get_running_loop().run_in_executor(self._thread, self._finish)
        for text in said:
            self._events.tell(self.pid, {"type": "said", "text": text})

    async def close(self) -> None:
        await self.let_go()
        self._thread.shutdown(wait=True)

    def check_free(self) -> None:
        """
        Raises:
            Refusal: a job holds the project.
        """
        if self.job is not None and self.job.holds:
            raise Refusal(
                423,
                f"{self.job.name} is at work on this project: your text is kept here; wait until that ends, or stop "
                "it.",
            )

    async def _in_turn(self, work: Callable[[ProjectStore], _Found], writes: bool) -> _Found:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._work, work, writes)
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_later(self._quiet_s, self._fall_quiet)

    def _fall_quiet(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self._letting_go())
        self._tasks.add(task)  # else nothing would hold it
        task.add_done_callback(self._tasks.discard)

    async def _letting_go(self) -> None:
        await self.let_go()

    def _work(self, work: Callable[[ProjectStore], _Found], writes: bool) -> _Found:
        store = self._opened(writes)
        try:
            found = work(store)
        except (sqlite3.Error, OSError, StoreError):
            # Whatever is wrong with it is found out when it is opened the next time.
            self._shut()
            raise
        self._edited = self._edited or writes
        return found

    def _opened(self, writes: bool) -> ProjectStore:
        if self._store is not None and (self._writes or not writes):
            return self._store
        self._shut()
        self._check_there()
        try:
            self._store, self._writes = ProjectStore(self.folder, read_only=not writes), writes
        except StoreError as error:
            if status_of(error) == 423:
                raise Refusal(
                    423,
                    "This project is in use by another calvin: your text is kept here; wait until that has ended, or "
                    "close it, and try again.",
                ) from error
            raise
        return self._store

    def _check_there(self) -> None:
        if not is_project(self.folder):
            raise Refusal(404, "The project is not there (any more, or yet): go back to the list of projects.")

    def _finish(self) -> list[str]:
        said: list[str] = []
        if self._store is not None and self._edited:
            try:
                said += renew_exports(self._store).notes
            except (CalvinError, OSError, sqlite3.Error) as error:
                said.append(f"The exported files could not be renewed. {sentence_of(error)}")
        self._edited = False
        self._shut()
        return said

    def _shut(self) -> None:
        if self._store is not None:
            self._store.close()
        self._store, self._writes = None, False
