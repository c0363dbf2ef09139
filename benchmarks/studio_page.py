"""How quick the review page is on a film of two hours with 1,500 cues, and how much memory its server takes.

    python benchmarks/studio_page.py [--cues 1500] [--edits 300] [--project FOLDER]

A server is started as `calvin studio` starts it, on a project made of sentences. Measured are: from asking for the page
until its first rows are answered (page, what the page loads, the project, light rows), and until the findings of lint
are there too; edits of the text, moves, copies and undoing, each from sending to the whole answer; beside each the
processor time that the server took for it, which other work on the machine changes less; and the server's resident
memory at the end, without its workers. The exit code is 1 if a figure is missed: first rows after 1.0 s, a median edit
of 30 ms, 250 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil

from calvin.core.text_tables import markdown_table
from calvin.core.time import Span
from calvin.core.types import DialogueLine, Place
from calvin.page.guard import TOKEN_HEADER
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.store import ProjectStore

FIRST_ROWS_S, EDIT_S, MEMORY_MB = 1.0, 0.030, 250.0
HOURS = 2
SENTENCES = (
    "{} walks into the hall and looks around.",
    "{} sits down at the table by the window.",
    "A letter lies on the floor; {} picks it up and reads.",
    "{} runs across the yard in the rain.",
    "{} smiles.",
)
PEOPLE = ("Mara", "The old man", "A woman in a red coat", "Tom", "The girl")


def make_project(folder: Path, cues: int) -> None:
    """A project of a film that is not there: shots, dialogue, places, drafts with candidates."""
    step = HOURS * 3_600_000 // cues
    with ProjectStore(folder, create=True) as store, store.together():
        store.bind_film(FilmRow("two hours", str(folder / "film.mp4"), "0" * 64, HOURS * 3_600_000, {"bytes": 1}))
        starts = range(0, step * cues, step)
        store.set_shots([Span(at, at + step) for at in starts])
        talk = [Span(at + step * 6 // 10, at + step * 9 // 10) for at in starts]
        store.set_dialogue([DialogueLine(span, f"This is line {n}.", "ANN") for n, span in enumerate(talk)])
        store.set_plan([Place(Span(at, at + step * 6 // 10), Span(at, at + step), at + step // 3) for at in starts])
        for number, place in enumerate(store.plans):
            words = SENTENCES[number % len(SENTENCES)].format(PEOPLE[number % len(PEOPLE)])
            text, other = f"{words[:-1]}, {number}.", f"Somebody is there, {number}."
            span = Span(place.span.start_ms, place.span.start_ms + 2500)
            store.finish_plan(place, text, span, [text, other], Decision(Choice.BEST, "Its best words fit."))


@contextlib.contextmanager
def server(project: Path) -> Iterator[tuple[httpx2.Client, psutil.Process, str]]:
    """`calvin studio`, a client that has its token, and the process."""
    command = [sys.executable, "-m", "calvin", "studio", str(project), "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"(http://127\.0\.0\.1:\d+)/\?token=(\S+)", process.stdout.readline())
        assert found is not None
        with httpx2.Client(base_url=found[1], timeout=60, headers={TOKEN_HEADER: found[2]}) as client:
            client.get(f"/?token={found[2]}")
            yield client, psutil.Process(process.pid), client.get("/api/projects").json()["projects"][0]["pid"]
    finally:
        process.terminate()
        process.wait()


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def open_page(client: httpx2.Client, pid: str, light: bool) -> None:
    """What a browser asks for until it can show rows."""
    page = client.get(f"/p/{pid}/").raise_for_status().text
    for asset in sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))):
        client.get(asset)
    client.get(f"/api/p/{pid}").raise_for_status()
    client.get(f"/api/p/{pid}/rows", params={"light": int(light)}).raise_for_status()


class Editor:
    """Makes edits one after another, each on the rows as the answers before left them."""

    def __init__(self, client: httpx2.Client, pid: str) -> None:
        self._client, self._api = client, f"/api/p/{pid}"
        self.versions = {
            row["key"]: row["version"] for row in client.get(f"{self._api}/rows?light=1").json()["rows"] if row["cue"]
        }
        self.keys = list(self.versions)

    def edit(self, op: str, number: int, **values: Any) -> None:
        key = self.keys[number % len(self.keys)]
        self.send("edits", {"op": op, "key": key, "version": self.versions[key], **values})

    def send(self, address: str, body: dict[str, Any]) -> None:
        answer = self._client.post(f"{self._api}/{address}", json=body)
        answer.raise_for_status()
        self.versions |= {row["key"]: row["version"] for row in answer.json()["changed"]}


class Meter:
    """Takes the seconds of each kind of request, and of the server's processor."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.taken: dict[str, list[float]] = {}
        self.processor: dict[str, float] = {}

    def measure(self, name: str, times: int, work: Callable[[int], Any]) -> None:
        before = sum(self._process.cpu_times()[:2])
        self.taken[name] = [seconds(lambda number=number: work(number)) for number in range(times)]  # type: ignore[misc]
        self.processor[name] = (sum(self._process.cpu_times()[:2]) - before) / times

    def lines(self) -> list[list[str]]:
        """Name, median, longest, processor time of one, and how many, for a table."""
        return [
            [name, *(f"{1000 * s:.1f} ms" for s in (statistics.median(taken), max(taken), self.processor[name])),
             str(len(taken))]
            for name, taken in self.taken.items()
        ]  # fmt: skip


def measure_all(meter: Meter, client: httpx2.Client, pid: str, edits: int) -> None:
    """Open the page some times, then edit, each time another cue."""
    meter.measure("page and first rows", 5, lambda _: open_page(client, pid, True))
    meter.measure("page and rows with findings", 3, lambda _: open_page(client, pid, False))
    editor = Editor(client, pid)
    editor.edit("text", 0, text="The first one opens the project.")
    meter.measure("text", edits, lambda n: editor.edit("text", n * 7, text=f"She turns to the door, number {n}."))
    meter.measure("nudge", edits, lambda n: editor.edit("nudge", n * 11 + 1, by_ms=100))
    meter.measure("duplicate", edits, lambda n: editor.edit("duplicate", n * 13 + 2))
    meter.measure("undo", edits, lambda _: editor.send("undo", {}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cues", type=int, default=1500)
    parser.add_argument("--edits", type=int, default=300)
    parser.add_argument("--project", type=Path, help="a project to measure on instead, which is edited")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = given.project or Path(folder) / "two-hours.calvin"
        if given.project is None:
            make_project(project, given.cues)
        with server(project) as (client, process, pid):
            meter = Meter(process)
            measure_all(meter, client, pid, given.edits)
            memory = process.memory_info().rss / 1e6
    print(markdown_table(("what", "median", "longest", "server's processor", "times"), meter.lines()))
    print(f"\nThe server takes {memory:.0f} MB.")
    slow = [statistics.median(meter.taken[kind]) for kind in ("text", "nudge", "duplicate", "undo")]
    missed = max(meter.taken["page and first rows"]) > FIRST_ROWS_S or max(slow) > EDIT_S or memory > MEMORY_MB
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
