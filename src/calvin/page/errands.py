"""What a worker process of the page does: errands by kind, each a call of the same functions that the commands call.

A line of JSON for each errand comes in, lines on how far it is and how it ended go out.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError
from calvin.core.progress import Listener, Progress

Options = dict[str, Any]
Done = dict[str, Any]
Errand = Callable[[Path, Options, Listener], Done]
_EVERY_S = 0.25
_NICE = 5
"""The page is to stay quick while work goes on beside it."""


def serve() -> None:
    """The process: errands one after another, until the server closes the pipe or ends."""
    # What libraries print must not be taken for a report.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    with suppress(AttributeError, OSError):  # not on Windows
        os.nice(_NICE)
    errands: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_take, args=(errands,), daemon=True).start()
    while True:
        errand = json.loads(errands.get())
        _report(reports, run(errand, lambda event: _report(reports, {"progress": event})))


def _take(errands: queue.Queue[str]) -> None:
    for line in sys.stdin:
        errands.put(line)
    os._exit(1)  # the server has gone, and nobody waits for what is at work here


def _report(stream: Any, value: dict[str, Any]) -> None:
    try:
        stream.write(json.dumps(value) + "\n")
        stream.flush()
    except OSError:
        os._exit(1)


def run(errand: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Do an errand; returns the report on how it ended. `tell` gets how far it is, now and then."""
    from calvin.page.replies import sentence_of, status_of

    try:
        done = _find(errand["kind"])(Path(errand["folder"]), errand["options"], _now_and_then(tell))
    except Exception as error:
        known = isinstance(error, CalvinError | OSError)
        return {"failed": sentence_of(error), "status": status_of(error) if known else 503}
    return {"done": done}


def _find(kind: str) -> Errand:
    if kind in ("ask", "again"):
        from calvin.page import moment_errands  # not for the others: what captioners need is large

        return moment_errands.ERRANDS[kind]
    from calvin.page import cue_errands, film_errands, picks, project_errands, subtitle_errands

    homes = (project_errands, film_errands, cue_errands, picks, subtitle_errands)
    return next(home.ERRANDS[kind] for home in homes if kind in home.ERRANDS)


def _now_and_then(tell: Callable[[dict[str, Any]], None]) -> Listener:
    said, stage = 0.0, ""

    def listen(event: Progress) -> None:
        nonlocal said, stage
        now, whole = time.monotonic(), bool(event.total) and event.done >= (event.total or 0)
        if event.stage == stage and now - said < _EVERY_S and not whole:
            return
        said, stage = now, event.stage
        names = ("stage", "done", "total", "unit", "detail")
        tell({**{name: getattr(event, name) for name in names}, "left_s": event.remaining_s})

    return listen
