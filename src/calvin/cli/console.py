"""What the command line shows: words on stdout, progress and problems on stderr."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from calvin.core.masking import masked
from calvin.core.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_PLAIN_EVERY_S = 10.0
_COMMANDING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]")
"""Characters that a terminal obeys instead of showing: controls but tab and line end, and reversed writing."""


def shown(text: str) -> str:
    """A text that a terminal can only show: each character that would command it is spelled out, as in JSON.

    Captions, names of films and headings of tables are other people's words, and all pass through here. Passwords, keys
    and tokens are masked.
    """
    return _COMMANDING.sub(lambda match: f"\\u{ord(match[0]):04x}", masked(text))


def say(text: str = "") -> None:
    """One line of a command's answer."""
    sys.stdout.write(shown(text) + "\n")


def warn(text: str) -> None:
    """One line on stderr, apart from the answer."""
    sys.stderr.write(shown(text) + "\n")


def warn_all(notes: Iterable[str]) -> None:
    """What a person should know beside the answer, one line per note."""
    for note in notes:
        warn(f"Note: {note}")


def decorated() -> bool:
    """Whether boxes, bars and colours may be drawn: on a terminal that can, for somebody who has not declined.

    Piped output, TERM=dumb and NO_COLOR (https://no-color.org) get plain lines, which screen readers and logs prefer.
    """
    terminal = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return terminal and not os.environ.get("NO_COLOR")


class ProgressView:
    """A listener that draws progress: a bar on a terminal, else a line as a stage begins, now and then, and at its end.

    Use as a context manager, so that the bar is taken off the screen at the end.
    """

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console  # only here: most commands show no progress and start sooner without it

        self._bars_wanted = console.is_terminal if console else decorated()
        self._console = console or Console(stderr=True)
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._stage = ""
        self._said_at = 0.0
        self._finished = False
        self._done = 0.0

    def __enter__(self) -> Self:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        if self._bars_wanted:
            # A caption such as "[/b]" is text and not markup of rich.
            texts = [TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[left]}")]
            columns = (texts[0], BarColumn(), texts[1])
            self._bars = Bars(*columns, console=self._console, transient=True)
            self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, event: Progress) -> None:
        if self._bars is None:
            self._write_plain(event)
            return
        if event.stage not in self._tasks:
            self._tasks[event.stage] = self._bars.add_task(shown(event.stage), total=event.total, left="")
        left = " ".join(shown(describe(event)).split())
        self._bars.update(self._tasks[event.stage], completed=event.done, total=event.total, left=left)

    def _write_plain(self, event: Progress) -> None:
        now = time.monotonic()
        finished = bool(event.total) and event.done >= (event.total or 0)
        same = event.stage == self._stage and event.done >= self._done
        self._done = event.done
        if same and (self._finished or (now - self._said_at < _PLAIN_EVERY_S and not finished)):
            return
        self._stage, self._said_at, self._finished = event.stage, now, finished
        share = f" {event.done / event.total:.0%}" if event.total and event.done else ""
        tail = describe(event)
        warn(f"{event.stage}:{share}{', ' if share and tail else ' ' if tail else ''}{tail}".rstrip(" :"))


def describe(event: Progress) -> str:
    """'12 of 40 scenes, 1:20 left, loss 2.1', as far as known."""
    parts = []
    if event.unit:
        total = f" of {event.total:g}" if event.total else ""
        parts.append(f"{event.done:g}{total} {event.unit}")
    if event.remaining_s is not None and event.done < (event.total or 0):
        parts.append(f"{duration(event.remaining_s)} left")
    if event.detail:
        parts.append(event.detail)
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """'0:07', '12:30', '1:02:03'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
