"""An event loop of its own for a test: tests in a browser may have left the main thread with one that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run_apart(story: Coroutine[Any, Any, _Result]) -> _Result:
    """What `asyncio.run` returns, from a thread in which no loop is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, story).result()
