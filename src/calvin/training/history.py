"""What a run did and when: `history.jsonl` in its folder, a line as each thing happens, by every process of the run.

A card reads it, so that nobody has to add up what a run took.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_FILE = "history.jsonl"


def leads() -> bool:
    """Whether this process is the one of a distributed run that speaks."""
    return os.environ.get("RANK", "0") == "0"


def note_start(folder: Path, machine: str) -> None:
    """Note that a command takes up the run, on what machine and with which code."""
    _note(folder, event="start", machine=machine, version=version("calvin-ad"), commit=commit())


def note_end(folder: Path) -> None:
    _note(folder, event="end")


@contextmanager
def timed(folder: Path, step: str) -> Iterator[None]:
    """Note how long a step worked, and how long the processor did; what a killed process worked, nobody notes."""
    started, worked = time.monotonic(), _processor()
    _note(folder, event="begin", step=step)
    done = False
    try:
        yield
        done = True
    finally:
        seconds, processor = time.monotonic() - started, _processor() - worked
        _note(folder, event="worked", step=step, seconds=seconds, processor=processor, done=done)


@dataclass(frozen=True, slots=True)
class History:
    """A run in short. `seconds` and `processor` are by step, `starts` how often the command was given; `begun` and
    `ended` are times of UTC, `ended` the last thing that was noted."""

    begun: str
    ended: str
    starts: int
    machine: str
    version: str
    commits: tuple[str, ...]
    seconds: dict[str, float]
    processor: dict[str, float]

    @property
    def minutes(self) -> float:
        """From the first thing to the last, minutes on the clock, pauses between two starts included."""
        first, last = map(datetime.fromisoformat, (self.begun, self.ended))
        return (last - first).total_seconds() / 60


def read_history(folder: Path) -> History:
    """What a run noted so far; empty where it noted nothing."""
    rows = list(_rows(folder / _FILE))
    starts = [row for row in rows if row["event"] == "start"]
    seconds, processor = dict[str, float](), dict[str, float]()
    for row in rows:
        if row["event"] == "worked":
            seconds[row["step"]] = seconds.get(row["step"], 0.0) + row["seconds"]
            processor[row["step"]] = processor.get(row["step"], 0.0) + row["processor"]
    last: dict[str, Any] = starts[-1] if starts else {}
    return History(
        begun=rows[0]["at"] if rows else "1970-01-01T00:00:00+00:00",
        ended=rows[-1]["at"] if rows else "1970-01-01T00:00:00+00:00",
        starts=len(starts),
        machine=last.get("machine", ""),
        version=last.get("version", ""),
        commits=tuple(dict.fromkeys(row["commit"] for row in starts if row["commit"])),
        seconds=seconds,
        processor=processor,
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines that are whole: a kill may have cut one."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def commit() -> str:
    """The commit that this code is of, with "+" if files were changed since; "" where there is no repository."""
    where = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "-C", str(where), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def _note(folder: Path, **row: Any) -> None:
    if not leads():
        return
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    # One short write in append mode: two processes of a run do not cut each other's lines.
    with open(folder / _FILE, "a", encoding="utf-8") as stream:
        stream.write(json.dumps({"at": at, **row}) + "\n")


def _processor() -> float:
    """Seconds of processor time of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
