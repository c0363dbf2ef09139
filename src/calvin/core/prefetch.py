"""Work done ahead of time, in threads, while the caller is busy with what it already has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, repeat
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")
_END = object()


def ahead(source: Iterator[T], depth: int = 2) -> Iterator[T]:
    """The items of `source`, in order, up to `depth` of them made before they are asked for.

    One thread draws from `source`, so it needs no locks; an error in it is raised in place of its item. This pays if
    making an item or using it releases the GIL, as reading films and tensor arithmetic do.
    """
    for found in ahead_each(lambda _: next(source, _END), repeat(None), depth, threads=1):
        if found is _END:
            return
        yield found  # type: ignore[misc]


def ahead_each(function: Callable[[S], T], items: Iterable[S], depth: int, threads: int = 2) -> Iterator[T]:
    """`function` of each item, in order, up to `depth` of them made by `threads` before they are asked for."""
    rest = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        waiting = deque(pool.submit(function, item) for item in islice(rest, depth))
        while waiting:
            found = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
            yield found
