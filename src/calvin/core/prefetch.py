"""Work done ahead of time, in a thread, while the caller is busy with what it was given."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END = object()


def ahead(source: Iterator[T], depth: int = 2) -> Iterator[T]:
    """What `source` gives, in order, up to `depth` items made before they are asked for.

    One thread draws from `source`, so it needs no locks; an error in it is raised where its item would have come.
    Pays where making an item releases the GIL or the caller does, as reading films and tensor arithmetic do.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting = deque(pool.submit(next, source, _END) for _ in range(depth))
        while (found := waiting.popleft().result()) is not _END:
            waiting.append(pool.submit(next, source, _END))
            yield found  # type: ignore[misc]
