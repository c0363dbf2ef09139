"""Work shared by several processes, which end with the one that began them and are missed when they die."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from calvin.core.errors import CalvinError

_Job = TypeVar("_Job")
_Made = TypeVar("_Made")


def make_in_processes(
    make: Callable[[_Job], _Made], jobs: Iterable[_Job], workers: int, chunk: int = 1,
    begin: Callable[[], object] | None = None,
) -> Iterator[_Made]:  # fmt: skip
    """What `make` makes of each job, in their order; `begin` is called once in each process.

    Spawned, as fork is unsafe beside torch.

    Raises:
        CalvinError: a process died. What is kept of the jobs until then is up to the caller.
    """
    # Not multiprocessing's own Pool, which puts another process in the place of a dead one and waits for ever for what
    # that had in hand.
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (begin,)) as pool:
        try:
            yield from pool.map(make, jobs, chunksize=chunk)
        except BrokenProcessPool as error:
            raise CalvinError(
                f"One of {workers} processes died: there may be too little memory for so many, so give the same "
                "command again with fewer --workers."
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _begin(begin: Callable[[], object] | None) -> None:
    end_with_parent()
    if begin is not None:
        begin()


def end_with_parent() -> None:
    """End this process when the one that began it ends, even if that is killed.

    A pool waits for work for ever; the pipe to its parent closes when that is gone, on every platform.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
