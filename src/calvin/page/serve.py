"""The server: bound to this machine alone, at a free port, until Ctrl-C."""

from __future__ import annotations

import secrets
import socket
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from calvin.core.errors import UsageError
from calvin.page.application import create_app
from calvin.page.event_stream import Events
from calvin.page.guard import Admission
from calvin.page.shelf import Shelf
from calvin.page.workshop import Workshop

HOST = "127.0.0.1"
_PATIENCE_S = 3
_KEEP_S = 75
"""A connection is kept for so long: one that is closed just as its next request comes looks like a server that died."""


class PageServer(uvicorn.Server):
    """Says goodbye to the open pages as soon as it is asked to end: it would wait for their event streams else."""

    def __init__(self, config: uvicorn.Config, events: Events, ready: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._events, self._ready = events, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        ends = await super().on_tick(counter)
        if ends and not self._events.closed:
            self._events.close()
        return ends

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True  # not raised again, as uvicorn does: to end was asked for, and is no error


def bound(port: int = 0) -> socket.socket:
    """A socket of this machine alone, at a port that is free.

    Raises:
        UsageError: the port is taken.
    """
    # By its protocol asyncio knows a socket that must not wait: without it, the body of an answer lies still until the
    # head is acknowledged, which takes 40 ms.
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise UsageError(
            f"Port {port} cannot be used ({error.strerror}): name another with --port, or none."
        ) from error
    return found


def workshop_for(shelf: Shelf, port: int, show_errors: bool = False) -> Workshop:
    """A workshop whose token is new: only who is told it gets in."""
    return Workshop(shelf, Admission(port, secrets.token_urlsafe(24)), show_errors)


def run(
    shelf: Shelf, port: int = 0, ready: Callable[[Workshop], None] | None = None, open_browser: bool = True,
    show_errors: bool = False, begin: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Serve until Ctrl-C.

    Args:
        ready: called when the page can be opened, with what the server holds.
        begin: how the project of the shelf's only film is begun at once (`empty`, `model`, `fetch`).

    Raises:
        UsageError: the port is taken.
    """
    with bound(port) as found:
        workshop = workshop_for(shelf, found.getsockname()[1], show_errors)
        workshop.begin = begin

        def started() -> None:
            if ready is not None:
                ready(workshop)
            if open_browser:
                # Some ways to open one wait for it to be closed.
                threading.Thread(target=_open, args=(workshop.admission.address,), daemon=True).start()

        config = uvicorn.Config(
            create_app(workshop),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            http="h11",
            loop="asyncio",
            timeout_graceful_shutdown=_PATIENCE_S,
            timeout_keep_alive=_KEEP_S,
        )
        PageServer(config, workshop.events, started).run(sockets=[found])


def _open(address: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(address)
