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


def begin_to_record(page: Any) -> Any:
    """Opens the recorder and speaks into it."""
    pages.press(page, "Alt+r")
    dialog = page.get_by_role("dialog", name="Record in your own voice")
    dialog.wait_for()
    speak_on(page)
    return dialog


def speak_on(page: Any) -> None:
    """The browser's own microphone beeps once a second, and one beep alone is too short for a word."""
    pages.press(page, "Enter")
    page.get_by_text("Recording. Speak now.").wait_for()
    page.wait_for_function("() => parseFloat(document.querySelector('meter + p').textContent) > 2.2")


def is_kept(page: Any) -> None:
    facts = pages.row(page, FIRST).locator(".facts")
    page.wait_for_function("node => node.textContent.includes('own voice')", arg=facts.element_handle())


def test_a_voice_is_recorded_and_removed(page: Any, studio: Studio) -> None:
    dialog = begin_to_record(page)
    assert TEXTS[0][2] in dialog.text_content(), "the text stands there to be read"
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


def test_escape_and_close_lose_no_recording(page: Any, studio: Studio) -> None:
    dialog = begin_to_record(page)
    pages.press(page, "Escape")
    dialog.get_by_text("Listen to it, keep it, or record again.").wait_for()
    question = page.get_by_role("dialog", name="Keep the recording?")
    pages.press(page, "Escape")
    question.get_by_text("and it is not kept yet").wait_for()
    for dialogs in (1, 2, 1):
        pages.press(page, "Escape")
        # By its element: a dialog that closes has no role any more before the page hears of it.
        page.wait_for_function("n => document.querySelectorAll('dialog').length === n", arg=dialogs)
    assert pages.focused(page).endswith("| Keep this recording"), "each second time it goes back to the recorder"
    pages.tab_to(page, "Close")
    pages.press(page, "Enter")
    question.wait_for()
    assert pages.violations(page) == []
    pages.press(page, "Escape")
    # A gesture of the system's own, which no page can refuse.
    page.evaluate("() => document.querySelector('dialog').close()")
    question.wait_for()
    pages.tab_to(page, "Keep it")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    is_kept(page)
    assert pages.focused(page) == f"Cue 1 of 6, {FIRST} | Text"


def test_a_recording_is_thrown_away_only_by_saying_so(page: Any, studio: Studio) -> None:
    dialog = begin_to_record(page)
    pages.press(page, "Escape", "Escape")
    page.get_by_role("dialog", name="Keep the recording?").wait_for()
    pages.tab_to(page, "Throw it away")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    pages.is_said(page, "The recording is thrown away.")
    with studio.store() as store:
        assert not store.recordings


def test_every_take_can_be_kept(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, failing=True)
    pages.press(page, "Alt+j")
    sent = []

    def refuse_once(route: Any) -> None:
        sent.append(route.request.post_data_buffer)
        route.fulfill(status=507, json={"error": "The disk is full."}) if len(sent) == 1 else route.continue_()

    page.route("**/recordings/*", refuse_once)
    dialog = begin_to_record(page)
    pages.press(page, "Escape")
    pages.tab_to(page, "Record again")
    speak_on(page)
    pages.press(page, "Escape")
    dialog.get_by_text("The takes before it are still here").wait_for()
    pages.tab_to(page, "Take")
    pages.press(page, "ArrowUp")
    pages.tab_to(page, "Keep this recording")
    pages.press(page, "Enter")
    dialog.get_by_text("The disk is full. The recording is still here").wait_for()
    with page.expect_download() as got:
        pages.tab_to(page, "Save it as a file")
        pages.press(page, "Enter")
    pages.press(page, "Escape")
    pages.tab_to(page, "Keep take 1")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    assert sent[0] == sent[1] == got.value.path().read_bytes(), "three times the first take"
    is_kept(page)


def test_the_browser_asks_before_it_closes_on_a_recording(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    pages.press(page, "Alt+j")
    dialog = begin_to_record(page)
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert dialog.get_by_text("Recording. Speak now.").is_visible(), "it goes on"
    pages.press(page, "Escape")
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    assert asked == ["beforeunload"] * 2
    pages.tab_to(page, "Keep this recording")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    is_kept(page)


def test_a_microphone_that_is_refused_takes_nothing_away(page: Any) -> None:
    refuse = """() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"));
    }"""
    page.evaluate("""() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await open(wish));
    }""")
    dialog = begin_to_record(page)
    page.evaluate("() => window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    dialog.get_by_text("The microphone has gone. Recorded").wait_for()
    page.evaluate(refuse)
    pages.tab_to(page, "Record again")
    pages.press(page, "Enter")
    dialog.get_by_text("What you recorded before is still here.").wait_for()
    assert "The browser may not use the microphone" in dialog.get_by_role("status").text_content()
    assert pages.focused(page).endswith("| Record again"), "and it can be tried again"
    pages.press(page, "Escape")
    pages.tab_to(page, "Keep it")
    pages.press(page, "Enter")
    dialog.wait_for(state="detached")
    is_kept(page)
