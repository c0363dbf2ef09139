"""What happens in a project, told to every open page as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

from calvin.page.replies import Refusal, plain

Event = dict[str, Any]
MOST_PAGES = 32
"""Open pages of one project."""
EVERY = ""
"""In place of a project's id: all of them, as one tab hears it for all tabs of a browser."""
_MOST_WAITING = 1000
_QUIET_S = 15.0
"""After so long without an event a comment is sent, by which both sides see that the other is there."""


class Events:
    """Open pages by project; what is told to one project's reaches all of its pages."""

    def __init__(self) -> None:
        self._pages: dict[str, set[asyncio.Queue[Event | None]]] = defaultdict(set)
        self.closed = False

    def tell(self, pid: str, event: Event) -> None:
        """To be called in the server's event loop."""
        self._put(pid, event)
        self._put(EVERY, {"pid": pid, **event})

    def _put(self, place: str, event: Event) -> None:
        for queue in list(self._pages[place]):
            if queue.full():  # its reader hangs: the page comes back and asks for everything
                self._pages[place].discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    def close(self) -> None:
        """Say goodbye: the server ends."""
        self.closed = True
        for pid in list(self._pages):
            self._put(pid, {"type": "bye"})
            for queue in self._pages[pid]:
                queue.put_nowait(None)

    def pages(self, pid: str) -> int:
        return len(self._pages[pid])

    async def stream(self, pid: str, first: list[Event]) -> AsyncIterator[bytes]:
        """The events of a project from now on, as they go over the line; `first` go before them.

        Those of `EVERY` project say by their `pid` which it is.

        Raises:
            Refusal: too many pages of it are open.
        """
        if self.pages(pid) >= MOST_PAGES:
            raise Refusal(429, f"{MOST_PAGES} pages of this project are open: close some of them.")
        queue: asyncio.Queue[Event | None] = asyncio.Queue(_MOST_WAITING)
        self._pages[pid].add(queue)
        try:
            yield b"retry: 2000\n\n"
            for event in first:
                yield _line(event)
            while not self.closed or not queue.empty():
                try:
                    found = await asyncio.wait_for(queue.get(), _QUIET_S)
                except TimeoutError:
                    yield b": ping\n\n"
                    continue
                if found is None:
                    return
                yield _line(found)
        finally:
            self._pages[pid].discard(queue)


def _line(event: Event) -> bytes:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"), default=plain)
    return f"data: {text}\n\n".encode("utf-8", "replace")
