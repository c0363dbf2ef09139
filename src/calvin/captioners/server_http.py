"""The line to a model server: requests with a key, bodies up to a cap, and nothing said of the key."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2

from calvin.captioners.server_address import Address
from calvin.captioners.spending import Spending, read_spending
from calvin.core.masking import MASK, is_secret

MAX_ANSWER = 1 << 20
"""Bytes of a response that are read."""

_T = TypeVar("_T")


@dataclass(slots=True)
class Line:
    """A way to a server; `timeout_s` is for a whole exchange where nothing else is said, and `spent` what the server
    counted in its answers so far."""

    address: Address
    key: str = field(repr=False)
    timeout_s: float
    spent: Spending = field(default_factory=Spending, init=False)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(
            # No compression: a few packed bytes could be a flood.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {}),
            timeout=httpx2.Timeout(self.timeout_s, connect=min(10.0, self.timeout_s)),
            follow_redirects=False,
            trust_env=not self.address.local,  # a proxy has no business between this machine and itself
        ) as client:
            yield client

    async def exchange(
        self, client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any] | None, limit_s: float
    ) -> tuple[int, Any, bytes]:
        """Status, headers, and the body up to its cap."""
        async with (
            asyncio.timeout(limit_s),
            client.stream(
                method,
                f"{self.address.url}{path}",
                json=body,
                timeout=httpx2.Timeout(limit_s, connect=min(10.0, limit_s)),
            ) as response,
        ):
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_ANSWER:
                    raise httpx2.ReadError(f"an answer of more than {MAX_ANSWER} bytes")
            if method == "POST" and response.status_code == 200:  # paid for, whether or not it holds a caption
                self.spent += read_spending(bytes(content))
            return response.status_code, response.headers, bytes(content)

    def masked(self, text: str) -> str:
        return text.replace(self.key, MASK) if is_secret(self.key) else text

    def excerpt(self, content: bytes) -> str:
        """The start of a server's answer, or the message in it, on one line."""
        text = content.decode("utf-8", "replace")
        try:
            value = json.loads(content)
            error = value.get("error", value.get("detail"))
            text = str(error.get("message") if isinstance(error, dict) else error or text)
        except (ValueError, AttributeError, RecursionError):
            pass
        text = self.masked(text)[:2000]  # masked before it is cut, lest half a key stays
        shown = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
        return (shown[:160] + "...") if len(shown) > 160 else shown or "nothing"


def finished(work: Coroutine[Any, Any, _T]) -> _T:
    """What a coroutine gives; Ctrl-C ends it at once. Inside another event loop, as in a notebook, a thread runs it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def seconds_asked(asked: str) -> float:
    """A Retry-After, in seconds or as a date, as seconds from now; 0 where it is neither or past."""
    try:
        seconds = float(asked) if asked[:1].isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return max(seconds, 0.0)
