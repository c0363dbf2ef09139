"""Processes that are killed and started again many times: forked from one that has imported everything once, because
importing torch and what reads the writing in films takes longer than most of what they do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any

PRELOADED = [
    "calvin.captioners.calvin",
    "calvin.lab.release",
    "calvin.studio.describe.films",
    "matplotlib.pyplot",
    "rapidocr.main",
    "torch",
    "transformers",
]


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    first = context.Process(target=time.time)  # whoever measures a time does not measure the imports
    first.start()
    first.join()
    return context


def fork(function: Callable[..., object], *args: Any) -> BaseProcess:
    """`function(*args)`, from the top of a module, in a process that leads a group of its own and has torch."""
    process = _context().Process(target=_lead, args=(function, args))
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """End it, and whatever it has started, as a power cut would."""
    assert process.pid is not None
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # it has not come to lead its group yet
        process.kill()
    process.join()


def exit_code(process: BaseProcess) -> int | None:
    """How a process ends, when it does."""
    process.join()
    return process.exitcode


def _lead(function: Callable[..., object], args: tuple[Any, ...]) -> None:
    os.setsid()
    import torch

    torch.set_num_threads(1)
    function(*args)
