"""A describer's whole day on the film that comes along, cut to its first minute: once by mouse, once by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

import review_page as pages
from calvin.core.package import bundled_film
from calvin.core.types import Author, Status
from calvin.media.subtitles import read_subtitles
from calvin.studio.describe.films import describe
from review_page import Studio

SECONDS = 48
WORK_MS = 1_200_000
CORRECTED = (
    "A puppet stands by the well.",
    "It lifts its hand and waves.",
    "Then the puppet walks on, and the square is empty.",
)


def cut(source: Path, target: Path, seconds: int) -> Path:
    """The beginning of a film, its packets as they are."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        streams = {stream.index: part.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is None or packet.pts * packet.time_base >= seconds:
                continue
            packet.stream = streams[packet.stream.index]
            part.mux(packet)
    return target


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("day")
    film, subtitles = bundled_film()
    short = cut(film, root / "puppets.mp4", SECONDS)
    lines = [line for line in read_subtitles(subtitles).lines if line.span.end_ms < SECONDS * 1000]
    assert lines, "there is dialogue in it"
    describe(short, subtitles, "calvin-mini", out_dir=root / "puppets.calvin", text=False)
    return root / "puppets.calvin"


class Mouse:
    """Clicks what a user sees."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def go_to(self, number: int) -> None:
        heading = self.page.get_by_role("heading", name=re.compile(rf"^\w+ {number + 1} of "))
        row = pages.rows(self.page).filter(has=heading)
        self.page.evaluate("() => scrollTo(0, 0)")
        self.page.mouse.move(900, 600)
        for _ in range(100):
            if row.count():
                break
            self.page.mouse.wheel(0, 500)
            self.page.wait_for_timeout(100)
        row.get_by_role("textbox", name="Text", exact=True).click()

    def button(self, name: str) -> None:
        scope = self.page.get_by_role("dialog").last if self.page.get_by_role("dialog").count() else self.page
        current = self.page.locator("li.current")
        if scope is self.page and current.get_by_role("button", name=name, exact=True).count():
            scope = current
        scope.get_by_role("button", name=name, exact=True).click()

    def choose(self, label: str, words: str) -> None:
        self.page.locator("li.current").get_by_label(label, exact=True).select_option(label=words)

    def split(self) -> None:
        self.button("More")
        self.button("Split at the cursor")

    def record(self) -> None:
        self.button("More")
        self.button("Record…")

    def undo(self) -> None:
        self.page.locator("#undo").click()

    def redo(self) -> None:
        self.page.locator("#redo").click()

    def close(self) -> None:
        self.button("Close")


class Keys(Mouse):
    """Presses keys, and never anything else."""

    def go_to(self, number: int) -> None:
        total = int(pages.rows(self.page).first.get_attribute("aria-setsize"))
        for _ in range(2 * total):
            now = re.match(r"\w+ (\d+) of", pages.focused(self.page))
            at = int(now[1]) - 1 if now else -1
            if at == number and pages.focused(self.page).endswith("| Text"):
                return
            pages.press(self.page, "Alt+k" if at > number else "Alt+j")
        raise AssertionError(f"row {number} is not reached: {pages.focused(self.page)}")

    def button(self, name: str) -> None:
        pages.tab_to(self.page, name, most=250)
        pages.press(self.page, "Enter")

    def choose(self, label: str, words: str) -> None:
        pages.tab_to(self.page, label)
        self.page.keyboard.type(words)

    def split(self) -> None:
        pages.press(self.page, "Alt+Enter")

    def record(self) -> None:
        pages.press(self.page, "Alt+r")

    def undo(self) -> None:
        pages.press(self.page, "Alt+z")

    def redo(self) -> None:
        pages.press(self.page, "Alt+y")

    def close(self) -> None:
        pages.press(self.page, "Escape")


def wait_for_rows(page: Any, total: int) -> None:
    page.wait_for_function(
        "n => document.querySelector('#rows > li').ariaSetSize === String(n)", arg=total, timeout=30_000
    )


def wait_for_job(page: Any, words: str) -> None:
    """Until the job that was begun in a dialog has ended; then its last words are there."""
    status = page.get_by_role("dialog").get_by_role("status")
    page.wait_for_function(
        "words => document.getElementById('job').hidden && "
        "document.querySelector('dialog [role=status]').textContent.includes(words)",
        arg=words, timeout=WORK_MS,
    )  # fmt: skip
    assert "failed" not in status.text_content()


@pytest.mark.long
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("hand_of", [Mouse, Keys])
def test_a_whole_day(
    hand_of: type[Mouse],
    described: Path,
    tmp_path: Path,
    serve: Callable[[Path], Studio],
    open_page: Callable[..., Any],
) -> None:
    studio = serve(Path(shutil.copytree(described, tmp_path / "puppets.calvin")))
    page = open_page(studio, accept_downloads=True)
    hand = hand_of(page)
    total = int(pages.rows(page).first.get_attribute("aria-setsize"))
    assert total >= 5

    correct(page, hand)
    pages.is_settled(page)
    with studio.store() as store:
        corrected = [cue for cue in store.cues if cue.text in CORRECTED]
    assert [cue.author for cue in corrected] == [Author.HUMAN] * 3

    divide(page, hand, total)
    wait_for_rows(page, total + 1)
    hand.undo()
    wait_for_rows(page, total)
    hand.redo()
    wait_for_rows(page, total + 1)

    speak(page, hand)
    leave_one(page, hand, studio)
    hand.button("Approve all…")
    hand.button("Approve all")
    page.wait_for_function("() => /: 0 empty, 0 draft|, 0 draft/.test(document.getElementById('counts').textContent)")
    with studio.store() as store:
        approved = {cue.id: cue.text for cue in store.cues if cue.status is Status.APPROVED}
    assert len(approved) >= total - 2

    hand.button("Let the model work…")
    hand.button("Adapt the model")
    wait_for_job(page, "Adapted")
    hand.button("Rewrite the rest")
    wait_for_job(page, "Described")
    hand.close()
    with studio.store() as store:
        now = {cue.id: cue.text for cue in store.cues}
    assert {number: now[number] for number in approved} == approved, "nothing approved is touched"

    deliver(page, hand, studio)


def correct(page: Any, hand: Mouse) -> None:
    for number, text in enumerate(CORRECTED):
        hand.go_to(number)
        pages.press(page, "Control+a")
        page.keyboard.type(text)


def divide(page: Any, hand: Mouse, total: int) -> None:
    """Splits the third cue where its second half begins."""
    hand.go_to(2)
    pages.press(page, "Control+Home", *["ArrowRight"] * CORRECTED[2].index("and"))
    hand.split()


def speak(page: Any, hand: Mouse) -> None:
    """Records the first cue with the browser's own test tone for a microphone."""
    hand.go_to(0)
    hand.record()
    dialog = page.get_by_role("dialog", name="Record in your own voice")
    dialog.wait_for()
    hand.button("Record")
    dialog.get_by_text("Recording. Speak now.").wait_for()
    page.wait_for_timeout(1200)
    hand.button("Stop")
    dialog.get_by_text("Listen to it, keep it, or record again.").wait_for()
    hand.button("Keep this recording")
    dialog.wait_for(state="detached", timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('#rows > li .facts').textContent.includes(\"In a person's own voice\")"
    )


def leave_one(page: Any, hand: Mouse, studio: Studio) -> None:
    """The last cue is not good, and is left for the model to write anew."""
    with studio.store() as store:
        last = len(store.cues) - 1
    hand.go_to(last)
    hand.choose("Status", "Needs work")
    page.wait_for_function("() => /[1-9] to be worked on/.test(document.getElementById('counts').textContent)")


def deliver(page: Any, hand: Mouse, studio: Studio) -> None:
    hand.button("Deliver…")
    dialog = page.get_by_role("dialog", name="Deliver")
    dialog.get_by_text(re.compile("error")).first.wait_for()
    hand.button("Speak all cues")
    wait_for_job(page, "spoken")
    hand.button("Mix into the film")
    wait_for_job(page, "every cue is heard")
    hand.button("Write these files")
    wait_for_job(page, "Written")
    link = dialog.get_by_role("link", name=re.compile(r"\.vtt$")).first
    link.wait_for()
    with page.expect_download() as got:
        if isinstance(hand, Keys):
            pages.tab_to(page, link.text_content(), most=250)
            pages.press(page, "Enter")
        else:
            link.click()
    text = got.value.path().read_text()
    assert text.startswith("WEBVTT")
    assert CORRECTED[0] in text
    with page.expect_download() as got:
        dialog.get_by_role("link", name=re.compile(r"\.mkv$")).first.click()
    with av.open(str(got.value.path())) as mixed:
        assert len(mixed.streams.audio) == 2, "the film's sound, and the described one"
