"""What is heard, and a person's own voice, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import review_page as pages
from review_page import TEXTS, Studio

FIRST = "0:00:00.5"


@pytest.fixture
def page(studio: Studio, open_page: Callable[..., Any]) -> Any:
    opened = open_page(studio)
    pages.press(opened, "Alt+j")
    return opened


def test_a_cue_is_heard_in_the_mix_and_stopped(page: Any) -> None:
    with page.expect_response(lambda answer: "/mix.wav" in answer.url) as heard:
        pages.press(page, "Alt+m")
    told = heard.value.headers
    assert told["content-type"] == "audio/wav"
    assert int(told["content-length"]) > 2 * 2 * 48_000, "more than a second in stereo: what is before the words, too"
    page.wait_for_function("() => !document.getElementById('video').paused")
    pages.press(page, "Alt+m")
    page.wait_for_function("() => document.getElementById('video').paused")


def test_tones_and_volumes_are_asked_for(page: Any) -> None:
    page.locator("#level-ad").focus()
    pages.press(page, "ArrowLeft", "ArrowLeft")
    page.locator("#tones").focus()
    pages.press(page, "Space", "Alt+j")
    with page.expect_response(lambda answer: "/mix.wav" in answer.url) as heard:
        pages.press(page, "Alt+m")
    assert "ad=0.8" in heard.value.url
    assert "tones=1" in heard.value.url
    assert heard.value.ok


def test_the_whole_gap_is_heard(page: Any) -> None:
    with page.expect_response(lambda answer: "/gap/" in answer.url) as heard:
        pages.press(page, "Alt+l")
    assert heard.value.ok


def test_a_voice_is_recorded_and_removed(page: Any, studio: Studio) -> None:
    pages.press(page, "Alt+r")
    dialog = page.get_by_role("dialog", name="Record in your own voice")
    assert TEXTS[0][2] in dialog.text_content(), "the text stands there to be read"
    pages.press(page, "Enter")
    dialog.get_by_text("Recording. Speak now.").wait_for()
    page.wait_for_timeout(1500)
    pages.press(page, "Enter")
    dialog.get_by_text("Listen to it, keep it, or record again.").wait_for()
    assert pages.focused(page).endswith("| Keep this recording")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    facts = pages.row(page, FIRST).locator(".facts")
    page.wait_for_function("node => node.textContent.includes('own voice')", arg=facts.element_handle())
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "Remove the recording")
    pages.press(page, "Enter")
    pages.tab_to(page, "Remove it")
    pages.press(page, "Enter")
    page.wait_for_function("node => !node.textContent.includes('own voice')", arg=facts.element_handle())
