"""The review page for tests: a small project, a server of it, and what a user does there, by the names on the page."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calvin.core.files import file_sha256
from calvin.core.time import Span
from calvin.core.types import Author, Cue, DialogueLine, Place, Status
from calvin.media.film.decode import decode_film
from calvin.media.film.source import probe
from calvin.studio.project.contents import Choice, Decision, DecodeRecord, FilmRow
from calvin.studio.project.store import ProjectStore

STARTS_MS = 60_000
"""A server that shares two cores with other tests may need this long; nothing here waits longer than it has to."""


@dataclass
class Studio:
    """`calvin studio` over a folder, as a process of its own that can be killed and started again.

    `path`: where the page is that a test is about, for a server of many projects.
    """

    folder: Path
    path: str = ""
    port: int = 0
    address: str = ""
    process: subprocess.Popen[str] | None = None
    said: list[str] = field(default_factory=list)

    def start(self) -> Studio:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "calvin", "studio", str(self.folder), "--no-open", "--port", str(self.port)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        )  # fmt: skip
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            found = re.search(r"http://(?:127\.0\.0\.1|localhost):(\d+)/\S*", line)
            if found:
                self.address, self.port = found[0], int(found[1])
                break
        assert self.address, "".join(self.said)
        # What it says later is read, or it would wait for somebody who reads.
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        return self

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            self.said.extend(stream)

    def kill(self) -> None:
        """End it as a power cut would, with everything that it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self._wait()

    def _wait(self) -> None:
        if self.process is not None:
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(30)

    def store(self) -> ProjectStore:
        """The project as it is on disk."""
        return ProjectStore(self.folder, read_only=True)

    def texts(self) -> list[str]:
        with self.store() as store:
            return [cue.text for cue in store.cues]


LINES = ((4200, 5600, "Where have you been?"), (15000, 16500, "I was at the mill."))
TEXTS = (
    (500, 3000, "A red block waits at the wall."),
    (6200, 8600, "It slides to the window and stops there for a long while before anybody speaks to it again."),
    (9000, 11000, "A blue blok comes in."),
    (12000, 14000, "Both blocks turn round."),
    (20000, 22500, "The lamp goes out."),
)
EMPTY = (17000, 19500)


def make_project(folder: Path, film: Path) -> Path:
    """A project of a film of 24 seconds: five cues of a model, the second too long, and a place that is empty."""
    facts = probe(film)
    with ProjectStore(folder, create=True) as store:
        decoded = decode_film(film, folder / "frames")
        values = {"bytes": film.stat().st_size, "frame_rate": facts.frame_rate or 10.0}
        store.bind_film(FilmRow("Blocks", str(film), file_sha256(film), decoded.duration_ms, values, "en"))
        store.decoded = DecodeRecord(duration_ms=decoded.duration_ms)
        store.set_shots(decoded.shots)
        store.set_dialogue([DialogueLine(Span(start, end), text) for start, end, text in LINES])
        spans = sorted([*((start, end) for start, end, _ in TEXTS), EMPTY])
        store.set_plan([Place(Span(*span), Span(*span), span[0]) for span in spans])
        words = {start: text for start, _, text in TEXTS}
        for place in store.plans:
            text = words.get(place.span.start_ms, "")
            if text:
                offered = [text, f"{text.split('.')[0]}, slowly.", "Something moves."]
                store.finish_plan(place, text, place.span, offered, Decision(Choice.BEST, "The best."), Author.MODEL)
            else:
                store.finish_plan(place, "", place.span, decision=Decision(Choice.SILENT, "The model found no words."))
    return folder


def make_long(folder: Path) -> Path:
    """Turns the small project into that of a film of two hours with 1,500 cues, a third of them approved."""
    with ProjectStore(folder) as store, store.together():
        film = store.bound_film()
        store.bind_film(FilmRow(film.title, film.path, film.sha256, 7_200_000, film.facts, film.language))
        store.set_dialogue([])
        for number in range(1495):
            span = Span(30_000 + number * 4700, 32_500 + number * 4700)
            status = Status.APPROVED if number % 3 == 0 else Status.DRAFT
            text = f"Somebody walks past house number {number}."
            store.add_cue(Cue("", span, text, span, span.start_ms, Author.MODEL, status))
    return folder


BEGINNING_S = 24
"""Of the film that comes along: four scenes, after two lines of dialogue."""


def describe_beginning(root: Path) -> Path:
    """The project of the bundled film's beginning in a folder, described by the bundled model.

    Words at a high rate fit into the gaps, so that the model is not asked for shorter ones.
    """
    from calvin.captioners.registry import open_captioner
    from calvin.core.package import bundled_film
    from calvin.studio.describe.film_project import FilmJob
    from calvin.studio.describe.films import describe_many
    from calvin.studio.project.describe_settings import DescribeSettings, DescribeSources

    film, subtitles = bundled_film()
    job = FilmJob(cut(film, root / "puppets.mp4", BEGINNING_S), subtitles, root / "puppets.calvin")
    settings = DescribeSettings(context=0, words_per_minute=240)
    sources = DescribeSources(model="calvin-mini")
    [made] = describe_many([job], open_captioner("calvin-mini"), settings, sources=sources)
    assert made.error is None
    return root / "puppets.calvin"


def cut(source: Path, target: Path, seconds: int) -> Path:
    """The beginning of a film, its packets as they are."""
    import av

    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        streams = {stream.index: part.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is None or packet.pts * packet.time_base >= seconds:
                continue
            packet.stream = streams[packet.stream.index]
            part.mux(packet)
    return target


def rows(page: Any) -> Any:
    return page.locator("#rows > li")


def row(page: Any, start: str) -> Any:
    """The row whose cue begins at a time, as its heading says it: "0:00:06.2"."""
    return rows(page).filter(has=page.get_by_role("heading", name=start))


def text_of(page: Any, start: str) -> Any:
    return row(page, start).get_by_role("textbox", name="Text", exact=True)


def is_said(page: Any, words: str) -> None:
    """Waits until the live region has said something."""
    page.wait_for_function("words => document.getElementById('live').textContent.includes(words)", arg=words)


def is_in_row(page: Any, words: str) -> None:
    """Waits until the focus is in the row whose heading holds some words."""
    page.wait_for_function(
        "words => document.activeElement.closest('[data-key]')?.querySelector('h3').textContent.includes(words)",
        arg=words,
    )


def is_settled(page: Any) -> None:
    """Waits until everything typed has been answered."""
    page.wait_for_function(
        "() => ![...document.querySelectorAll('.state')].some(s => s.textContent === 'Not sent yet')"
    )


def focused(page: Any) -> str:
    """What has the focus: the heading of its row, if it is in one, and its own name."""
    return str(
        page.evaluate(
            """() => {
              const node = document.activeElement;
              const heading = node.closest('[data-key]')?.querySelector('h3')?.textContent ?? '';
              const label = node.labels?.[0]?.textContent ?? node.getAttribute('aria-label') ?? node.textContent.trim();
              return `${heading} | ${label}`;
            }"""
        )
    )


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Any, name: str, most: int = 80, key: str = "Tab") -> None:
    """Presses Tab until the element of a name has the focus, as somebody without a mouse does."""
    for _ in range(most):
        page.keyboard.press(key)
        if focused(page).split(" | ")[1].strip() == name:
            return
    raise AssertionError(f"{most} times {key} do not lead to {name!r}; at the end: {focused(page)}")


def violations(page: Any) -> list[str]:
    """What axe-core finds on the page as it stands, a line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {one['help']}: {json.dumps([node['target'] for node in one['nodes']][:4])}" for one in found]
