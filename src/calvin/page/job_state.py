"""A job: what kind it is, how far it is, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from calvin.page.worker_link import WorkerLink

State = Literal["running", "done", "failed", "stopped"]
KINDS: dict[str, str] = {
    "begin": "Making the project",
    "describe": "Describing",
    "rewrite": "Rewriting",
    "adapt": "Adapting",
    "voice": "Speaking the cues",
    "mix": "Mixing",
    "export": "Exporting",
    "proxy": "Making a copy of the film that the browser plays",
    "cast": "Looking for who is in the film",
    "pick": "Picking scenes worth correcting",
}
"""What each kind of job is called while it runs."""
_FREE = ("proxy", "cast", "pick")
"""Kinds that leave the project free to be edited meanwhile."""


@dataclass
class Job:
    """One job; `fraction` is of its present stage, and `left_s` an estimate for that stage alone."""

    id: str
    kind: str
    state: State = "running"
    fraction: float = 0.0
    said: str = ""
    left_s: float | None = None
    result: dict[str, Any] | None = None
    link: WorkerLink | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return KINDS[self.kind]

    @property
    def holds(self) -> bool:
        """Whether it has the project's lock."""
        return self.kind not in _FREE

    def shown(self) -> dict[str, Any]:
        """The job as the page is told of it."""
        names = ("id", "kind", "state", "fraction", "said", "left_s", "result", "holds")
        return {"name": self.name, **{name: getattr(self, name) for name in names}}


def progress_words(progress: dict[str, Any]) -> str:
    """How far a worker is, by its report: "voice, 3 of 14 cues"."""
    done, total = float(progress["done"]), progress["total"]
    much = f", {done:g}{f' of {total:g}' if total else ''} {progress['unit']}" if progress["unit"] else ""
    detail = f", {progress['detail']}" if progress["detail"] else ""
    return f"{progress['stage']}{much}{detail}"
