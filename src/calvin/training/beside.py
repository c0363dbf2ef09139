"""A step of a run in a process of its own, while this one does what does not need it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from calvin.core.errors import CalvinError

_LOOK_S = 0.3


class Beside:
    """`function(*args)` in another process on one thread; it ends with this process, however that ends.

    Both must be at the top of a module, and what they take must be pickled: the process is a new one.
    """

    def __init__(self, what: str, function: Callable[..., object], *args: Any) -> None:
        self.what = what
        # Fork is unsafe beside torch's threads.
        process = get_context("spawn").Process(target=_work, args=(os.getpid(), function, args), daemon=True)
        process.start()
        self._process = process

    def join(self) -> None:
        """Wait until it is done.

        Raises:
            CalvinError: it failed; it has said why.
        """
        self._process.join()
        if self._process.exitcode:
            raise CalvinError(
                f"The {self.what} step, in a process of its own, ended with code {self._process.exitcode}: see what it "
                "said above; the same command goes on from there."
            )

    def stop(self) -> None:
        """End it now, if it still works."""
        self._process.terminate()
        self._process.join()


def _work(parent: int, function: Callable[..., object], args: tuple[Any, ...]) -> None:
    import torch

    def watch() -> None:
        # A killed parent cannot say so; without this, two processes would write one checkpoint after a new start.
        while os.getppid() == parent:
            time.sleep(_LOOK_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    torch.set_num_threads(1)
    function(*args)
