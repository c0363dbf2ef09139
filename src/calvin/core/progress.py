"""Progress of long work, as events: the library emits them, the command line draws them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None: not known) units of `stage`, with what else is worth showing.

    `kept` units of those done are an earlier run's and took none of the time.
    """

    stage: str
    done: float
    total: float | None = None
    unit: str = ""
    detail: str = ""
    elapsed_s: float = 0.0
    kept: float = 0.0
    apart_s: float = 0.0
    """Seconds of `elapsed_s` that no piece took, such as for loading a model."""

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds left, by the pace so far."""
        made = self.done - self.kept
        if not self.total or made <= 0:
            return None
        return (self.elapsed_s - self.apart_s) * max(self.total - self.done, 0) / made


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The listener that shows nothing."""


@dataclass
class Stage:
    """Emits the progress of one stage of work to a listener; `kept` is what an earlier run had done."""

    name: str
    listener: Listener
    total: float | None = None
    unit: str = ""
    started: float = field(default_factory=time.monotonic)
    kept: float = 0.0
    apart_s: float | None = None

    def update(self, done: float, detail: str = "") -> None:
        done = min(done, self.total) if self.total else done
        elapsed = time.monotonic() - self.started
        self.listener(Progress(self.name, done, self.total, self.unit, detail, elapsed, self.kept, self.apart_s or 0.0))
        if self.apart_s is None and done > self.kept:
            # What comes before the first piece, such as loading a model, is no measure of those that follow.
            self.apart_s, self.kept = elapsed, done


def now_and_then(update: Callable[[float], None], every_s: float = 5.0) -> Callable[[float], None]:
    """Progress every few seconds instead of at every block of sound."""
    said = -every_s

    def listen(seconds: float) -> None:
        nonlocal said
        if seconds - said >= every_s or seconds < said:
            said = seconds
            update(max(0, round(seconds)))

    return listen
