"""A describer's whole day on the film that comes along, cut to its first scenes: once by mouse, once by keyboard."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import review_page as pages
from calvin.core.types import Author, Cue, Status
from calvin.studio.project.status import RECORDED_FOLDER
from calvin.studio.project.store import ProjectStore
from review_page import Studio

WORK_MS = 900_000
ITERATIONS = "2"
"""The fewest that adapting takes: how much the model learns is the matter of other tests."""
RATE = 48_000
CORRECTED = (
    "A puppet stands by the well.",
    "It lifts its hand and waves.",
    "Then the puppet walks on, and the square is empty.",
)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project, shortened, and spoken by a voice that is quick, with which its voicing goes on."""
    from calvin.studio.sound.voiced_cues import voice_project

    folder = pages.describe_beginning(tmp_path_factory.mktemp("day"))
    voice_project(folder, "espeak")
    assert len(cues_of(folder)) == 4
    return folder


class Mouse:
    """Clicks what a user sees."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def go_to(self, number: int) -> None:
        heading = self.page.get_by_role("heading", name=re.compile(rf"^\w+ {number + 1} of "))
        row = pages.rows(self.page).filter(has=heading)
        row.get_by_role("textbox", name="Text", exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).click()

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

    def fill(self, label: str, words: str) -> None:
        self.page.get_by_role("dialog").get_by_label(label).click()
        self.page.keyboard.type(words)

    def take(self, link: Any) -> Path:
        """Downloads what a link leads to."""
        with self.page.expect_download() as got:
            self.lead(link)
        return Path(got.value.path())

    def lead(self, link: Any) -> None:
        link.click()

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

    def follow(self, name: str) -> None:
        self.button(name)

    def button(self, name: str) -> None:
        if not pages.focused(self.page).endswith(f"| {name}"):
            pages.tab_to(self.page, name, most=250)
        pages.press(self.page, "Enter")

    def fill(self, label: str, words: str) -> None:
        pages.tab_to(self.page, label, most=250)
        self.page.keyboard.type(words)

    def lead(self, link: Any) -> None:
        self.button(link.text_content())

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
    """Until the job that was begun in a dialog has ended; its last words are then there."""
    page.wait_for_function(
        "() => document.getElementById('job').hidden && "
        "!document.querySelector('dialog [role=status]').textContent.endsWith('…')",
        timeout=WORK_MS,
    )
    said = page.get_by_role("dialog").get_by_role("status").text_content()
    assert words in said, said


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("hand_of", [Mouse, Keys])
def test_a_whole_day(
    hand_of: type[Mouse],
    described: Path,
    tmp_path: Path,
    serve: Callable[[Path], Studio],
    open_page: Callable[..., Any],
) -> None:
    folder = Path(shutil.copytree(described, tmp_path / "puppets.calvin"))
    page = open_page(serve(tmp_path), ready=False, accept_downloads=True)
    hand = hand_of(page)
    page.get_by_role("link", name="puppets").wait_for()
    hand.follow("puppets")
    page.wait_for_selector("body[data-ready]")

    correct(page, hand)
    pages.is_settled(page)
    first = cues_of(folder)
    assert [(cue.text, cue.author) for cue in first[:3]] == [(text, Author.HUMAN) for text in CORRECTED]

    divide(page, hand)
    speak(page, hand)
    hand.button("Approve all…")
    hand.button("Approve all")
    page.wait_for_function("() => / 5 approved/.test(document.getElementById('counts').textContent)")
    leave_one(page, hand, len(first))
    approved = [cue for cue in cues_of(folder) if cue.status is Status.APPROVED]
    assert len(approved) == len(first), "one is two since it was split, and one is left for the model"

    let_the_model_work(page, hand)
    assert [cue for cue in cues_of(folder) if cue.status is Status.APPROVED] == approved, "none of them is touched"
    with ProjectStore(folder, read_only=True) as store:
        assert store.sources is not None
        assert store.sources.adapter == str(folder / "adapter"), "the rest is the adapted model's"

    deliver(page, hand, folder)


def cues_of(folder: Path) -> list[Cue]:
    with ProjectStore(folder, read_only=True) as store:
        return store.cues


def correct(page: Any, hand: Mouse) -> None:
    for number, text in enumerate(CORRECTED):
        hand.go_to(number)
        pages.press(page, "Control+a")
        page.keyboard.type(text)


def divide(page: Any, hand: Mouse) -> None:
    """Splits the third cue where its second half begins, takes that back, and does it after all."""
    total = int(pages.rows(page).first.get_attribute("aria-setsize"))
    hand.go_to(2)
    pages.press(page, "Control+Home", *["ArrowRight"] * CORRECTED[2].index("and"))
    hand.split()
    wait_for_rows(page, total + 1)
    hand.undo()
    wait_for_rows(page, total)
    hand.redo()
    wait_for_rows(page, total + 1)


def speak(page: Any, hand: Mouse) -> None:
    """Records the first cue with the browser's own test tone for a microphone, until it has been heard."""
    hand.go_to(0)
    hand.record()
    dialog = page.get_by_role("dialog", name="Record in your own voice")
    dialog.wait_for()
    hand.button("Record")
    dialog.get_by_text("Recording. Speak now.").wait_for()
    page.wait_for_function("() => document.querySelector('dialog meter').value > 0.05")
    # It beeps once a second, and a single beep is too short for a word.
    dialog.get_by_text(re.compile(r"^[3-9]\.\d s recorded")).wait_for()
    hand.button("Stop")
    dialog.get_by_text("Listen to it, keep it, or record again.").wait_for()
    hand.button("Keep this recording")
    dialog.wait_for(state="detached")
    page.wait_for_function(
        "() => document.querySelector('#rows > li .facts').textContent.includes(\"In a person's own voice\")"
    )


def leave_one(page: Any, hand: Mouse, last: int) -> None:
    """The last cue is not good after all, and is left for the model to write anew."""
    hand.go_to(last)
    hand.choose("Status", "Needs work")
    page.wait_for_function("() => /[1-9] to be worked on/.test(document.getElementById('counts').textContent)")


def let_the_model_work(page: Any, hand: Mouse) -> None:
    hand.button("Let the model work…")
    hand.fill("Iterations (empty: 100; fewer take less time and teach less)", ITERATIONS)
    hand.button("Adapt the model")
    wait_for_job(page, "Adapted to 4 scenes")
    hand.button("Rewrite the rest")
    wait_for_job(page, "Described: 5 cues")
    hand.close()


def deliver(page: Any, hand: Mouse, folder: Path) -> None:
    """Speaks, mixes, writes and downloads, and looks at what was delivered."""
    hand.button("Deliver…")
    dialog = page.get_by_role("dialog", name="Deliver")
    dialog.get_by_text(re.compile("error")).first.wait_for()
    hand.button("Speak all cues")
    wait_for_job(page, "1 cue recorded by a person")
    hand.button("Mix into the film")
    wait_for_job(page, "every cue is heard")
    hand.button("Write these files")
    wait_for_job(page, "Written")
    script = hand.take(dialog.get_by_role("link", name=re.compile(r"\.vtt$"))).read_text()
    assert script.startswith("WEBVTT")
    words = " ".join(line for line in script.splitlines() if line and "-->" not in line)
    assert all(text in words for text in CORRECTED[:2])
    assert re.search(r"Then the puppet walks on,? .*and the square is empty\.", words, re.IGNORECASE)
    own, with_words = tracks(hand.take(dialog.get_by_role("link", name=re.compile(r"\.mkv$"))))
    with ProjectStore(folder, read_only=True) as store:
        [recording] = store.recordings.values()
    [heard] = tracks(folder / RECORDED_FOLDER / recording.file)
    assert likeness(with_words, heard) > 0.8, "what was recorded is in the described sound"
    assert likeness(own, heard) < 0.4, "and not in the film's own"


def tracks(path: Path) -> list[np.ndarray]:
    """The sound tracks of a file, each as samples [N] of one channel."""
    found = []
    with av.open(str(path)) as container:
        count = len(container.streams.audio)
    for number in range(count):
        with av.open(str(path)) as container:
            resampler = av.AudioResampler("fltp", "mono", RATE)
            frames = [part for frame in container.decode(audio=number) for part in resampler.resample(frame)]
            found.append(np.concatenate([frame.to_ndarray()[0] for frame in frames]))
    return found


def likeness(sound: np.ndarray, part: np.ndarray) -> float:
    """How well a part fits into a sound where it fits best, from 0 to 1: correlation over the root of the energies."""
    length = 1 << (len(sound) + len(part)).bit_length()
    sums = np.fft.irfft(np.fft.rfft(sound, length) * np.conj(np.fft.rfft(part, length)), length)
    starts = len(sound) - len(part) + 1
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    there = energy[len(part) : len(part) + starts] - energy[:starts]
    return float(np.max(np.abs(sums[:starts]) / np.sqrt(np.maximum(there, 1e-6) * np.sum(part**2))))
