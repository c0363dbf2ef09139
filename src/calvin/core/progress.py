"""Progress of long work, as events: the library emits them, the command line draws them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` (None: not known) units of `stage`, with what else is worth showing."""

    stage: str
    done: float
    total: float | None = None
    unit: str = ""
    detail: str = ""
    elapsed_s: float = 0.0

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds left, by the pace so far."""
        if not self.total or self.done <= 0:
            return None
        return self.elapsed_s * max(self.total - self.done, 0) / self.done


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The listener that shows nothing."""


@dataclass
class Stage:
    """Emits the progress of one stage of work to a listener."""

    name: str
    listener: Listener
    total: float | None = None
    unit: str = ""
    started: float = field(default_factory=time.monotonic)

    def update(self, done: float, detail: str = "") -> None:
        elapsed = time.monotonic() - self.started
        self.listener(Progress(self.name, done, self.total, self.unit, detail, elapsed))
