"""What goes wrong on a day of work: each says so, and keeps the text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import review_page as pages
from calvin.core.types import Author
from review_page import TEXTS, Studio

FIRST, THIRD = "0:00:00.5", "0:00:09.0"


@dataclass
class Held:
    """Edits that a page has sent and the server has not been given."""

    page: Any
    routes: list[Any] = field(default_factory=list)

    def hold(self, route: Any) -> None:
        self.routes.append(route)

    def let_go(self) -> None:
        for route in self.routes:
            route.continue_()
        self.page.unroute("**/edits")


def hold_edits(page: Any) -> Held:
    held = Held(page)
    page.route("**/edits", held.hold)
    return held


def wait_until(page: Any, condition: Callable[[], object]) -> None:
    """Waits for something that only the test sees, while the page goes on."""
    for _ in range(600):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to that")


def test_two_tabs_show_the_same(studio: Studio, open_page: Callable[..., Any]) -> None:
    one = open_page(studio)
    other = one.context.new_page()
    other.goto(one.url)
    other.wait_for_selector("body[data-ready]")
    pages.text_of(one, FIRST).fill("Another text.")
    pages.is_settled(one)
    other.wait_for_function("() => document.querySelector('textarea').value === 'Another text.'")


def test_one_cue_changed_in_two_tabs_shows_both_texts(studio: Studio, open_page: Callable[..., Any]) -> None:
    one = open_page(studio, failing=True)
    other = one.context.new_page()
    other.goto(one.url)
    other.wait_for_selector("body[data-ready]")
    held = hold_edits(one)
    pages.press(one, "Alt+j", "Control+a")
    one.keyboard.type("Mine")
    one.wait_for_function("() => document.querySelector('.state').textContent === 'Not sent yet'")
    pages.press(other, "Alt+j", "Control+a")
    other.keyboard.type("Theirs.")
    pages.press(other, "Alt+j")
    pages.is_settled(other)
    assert studio.texts()[0] == "Theirs."
    # What is typed while the first words are on their way belongs to the question, and is not sent past it.
    wait_until(one, lambda: held.routes)
    one.keyboard.type(", and more.")
    held.let_go()
    dialog = one.get_by_role("dialog", name="Two texts for one cue")
    dialog.wait_for()
    assert dialog.get_by_label("Your text").input_value() == "Mine, and more."
    assert dialog.get_by_label("The text that stands now").input_value() == "Theirs."
    assert pages.violations(one) == []
    pages.press(one, "Escape", "Escape")
    dialog.get_by_text("Choose one of the two buttons").wait_for()
    assert studio.texts()[0] == "Theirs.", "nothing is sent before somebody has chosen, and Escape chooses nothing"
    dialog.get_by_label("Your text").fill("Mine and theirs.")
    dialog.get_by_role("button", name="Put my text in its place").click()
    one.wait_for_function("() => document.querySelector('textarea').value === 'Mine and theirs.'")
    pages.is_settled(one)
    assert studio.texts()[0] == "Mine and theirs."
    other.wait_for_function("() => document.querySelector('textarea').value === 'Mine and theirs.'")


def test_text_of_a_cue_that_another_tab_deleted_stays_until_it_has_a_place(
    studio: Studio, open_page: Callable[..., Any]
) -> None:
    one = open_page(studio, failing=True)
    other = one.context.new_page()
    other.goto(one.url)
    other.wait_for_selector("body[data-ready]")
    one.route("**/edits", lambda route: route.abort())
    pages.text_of(one, THIRD).focus()
    one.keyboard.press("Control+a")
    one.keyboard.type("Mine.")
    one.locator("#trouble").wait_for()
    pages.row(other, THIRD).get_by_role("button", name="More").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    other.get_by_role("heading", name=f"Place 3 of 6, {THIRD}").wait_for()
    one.unroute("**/edits")
    dialog = one.get_by_role("dialog", name="Two texts for one cue")
    dialog.wait_for()
    one.route("**/edits", lambda route: route.fulfill(status=400, json={"error": "There is no room for it."}))
    dialog.get_by_role("button", name="Insert my text as a new cue").click()
    one.get_by_role("dialog").get_by_text("There is no room for it.").wait_for()
    assert dialog.get_by_label("Your text").input_value() == "Mine.", "and it is still there"
    one.unroute("**/edits")
    dialog.get_by_role("button", name="Insert my text as a new cue").click()
    dialog.wait_for(state="detached")
    there = "() => [...document.querySelectorAll('#rows textarea')].some(({ value }) => value === 'Mine.')"
    one.wait_for_function(there)
    with studio.store() as store:
        assert [cue.span.start_ms for cue in store.cues if cue.text == "Mine."] == [9000], "where the cue was"


def test_the_text_outlives_the_server(own_studio: Studio, open_page: Callable[..., Any]) -> None:
    """Killed while somebody types, and started again: the page takes up the new token and sends what it kept."""
    page = open_page(own_studio, failing=True)
    pages.text_of(page, FIRST).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("Written before ")
    own_studio.kill()
    page.keyboard.type("and after.")
    page.keyboard.press("Alt+j")
    page.get_by_text("The server does not answer.").first.wait_for()
    assert pages.text_of(page, FIRST).input_value() == "Written before and after."
    assert pages.row(page, FIRST).locator(".state").text_content() == "Not sent yet"
    page.get_by_role("button", name="Show what is not sent").click()
    assert "Written before and after." in page.get_by_label("Not sent yet", exact=True).input_value()
    page.keyboard.press("Escape")
    assert own_studio.texts()[0] == TEXTS[0][2]
    own_studio.start()
    new = page.context.new_page()
    new.goto(own_studio.address)
    new.wait_for_selector("body[data-ready]")
    pages.is_settled(page)
    assert own_studio.texts()[0] == "Written before and after."
    page.locator("#trouble").wait_for(state="hidden")


def test_text_for_which_the_disk_has_no_room_is_sent_when_there_is_some(
    studio: Studio, open_page: Callable[..., Any]
) -> None:
    page = open_page(studio, failing=True)
    page.route("**/edits", lambda route: route.fulfill(status=507, json={"error": "The disk is full."}))
    pages.text_of(page, FIRST).fill("Typed on a full disk.")
    page.locator("#trouble").get_by_text("The disk is full.").wait_for()
    assert pages.row(page, FIRST).locator(".state").text_content() == "Not sent yet"
    assert studio.texts()[0] == TEXTS[0][2]
    page.unroute("**/edits")
    pages.is_settled(page)
    assert studio.texts()[0] == "Typed on a full disk."


def test_without_a_microphone_it_says_so(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError')); }"
    )
    pages.text_of(page, FIRST).focus()
    page.keyboard.press("Alt+r")
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("dialog").get_by_text("No microphone was found.").wait_for()
    assert page.get_by_role("button", name="Record", exact=True).is_enabled(), "and it can be tried again"


def test_a_microphone_that_goes_keeps_what_was_said(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    page.evaluate("""() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => (window.stream = await open(wish));
    }""")
    pages.text_of(page, FIRST).focus()
    page.keyboard.press("Alt+r")
    page.get_by_role("button", name="Record", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Recording. Speak now.").wait_for()
    page.wait_for_timeout(800)
    page.evaluate("() => window.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    dialog.get_by_text("The microphone has gone. Recorded").wait_for()
    assert page.evaluate("() => window.stream.getTracks()[0].readyState") == "ended"
    page.get_by_role("button", name="Keep this recording").click()
    dialog.wait_for(state="detached")


def test_a_microphone_that_is_allowed_too_late_is_closed(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    page.evaluate("""() => {
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => {
        await new Promise((resolve) => (window.allow = resolve));
        return (window.stream = await open(wish));
      };
    }""")
    pages.text_of(page, FIRST).focus()
    page.keyboard.press("Alt+r")
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("Opening the microphone").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.evaluate("() => window.allow()")
    page.wait_for_function("() => window.stream?.getTracks().every((track) => track.readyState === 'ended')")


def test_a_file_that_is_no_wav_is_told(studio: Studio, open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page(studio, failing=True)
    pages.row(page, FIRST).get_by_role("button", name="More").click()
    page.get_by_role("button", name="Bring in a WAV file…").click()
    page.get_by_role("button", name="Use this file").click()
    page.get_by_text("Choose a file first.").wait_for()
    (tmp_path / "song.wav").write_bytes(b"ID3 this is no WAV at all")
    page.get_by_label("WAV file, at most 30 MB").set_input_files(tmp_path / "song.wav")
    page.get_by_role("button", name="Use this file").click()
    page.get_by_text("That is no WAV file").wait_for()
    (tmp_path / "torn.wav").write_bytes(b"RIFF\x10\0\0\0WAVEtorn")
    page.get_by_label("WAV file, at most 30 MB").set_input_files(tmp_path / "torn.wav")
    page.get_by_role("button", name="Use this file").click()
    page.wait_for_function(
        "() => !/Sending|is no WAV file/.test(document.querySelector('dialog [role=status]').textContent)"
    )
    assert page.get_by_role("dialog", name="Bring in a WAV file").is_visible(), "what the server says is shown there"


def test_a_film_that_is_gone_leaves_the_text_editable(
    project: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any], tmp_path: Path
) -> None:
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project) as store, store._change() as db:
        db.execute("UPDATE film SET path = ?", (str(tmp_path / "away.mp4"),))
    studio = serve(project)
    page = open_page(studio)
    assert page.locator("#video").is_hidden()
    assert "away.mp4" in page.locator("#film-note").text_content()
    pages.text_of(page, FIRST).fill("Still written.")
    pages.is_settled(page)
    assert studio.texts()[0] == "Still written."
    with studio.store() as store:
        spans = [cue.span for cue in store.cues]
    for key in ("Alt+i", "Alt+o"):
        page.keyboard.press(key)
        pages.is_said(page, "there is no playhead")
    page.get_by_role("button", name="Insert a cue at the playhead").click()
    with studio.store() as store:
        assert [cue.span for cue in store.cues] == spans, "nothing goes to the film's beginning"


def test_what_cannot_be_is_told_at_its_row(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, failing=True)
    row = pages.row(page, FIRST)
    row.get_by_label("Start").fill("99:00:00")
    page.keyboard.press("Tab")
    row.get_by_text("Start: the film ends at").wait_for()
    pages.text_of(page, FIRST).fill("")
    page.keyboard.press("Tab")
    row.get_by_text("A cue needs words").wait_for()
    assert studio.texts()[0] == TEXTS[0][2]
    pages.text_of(page, FIRST).fill("Typed on.")
    pages.is_settled(page)
    assert studio.texts()[0] == "Typed on."


def test_names_and_markup_are_text(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    hostile = '<img src=x onerror=alert(1)><script>alert(2)</script> & "quotes"'
    pages.text_of(page, FIRST).fill(hostile)
    pages.is_settled(page)
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert pages.text_of(page, FIRST).input_value() == hostile
    assert page.locator("main script, main img[onerror]").count() == 0
    assert studio.texts()[0] == hostile


def test_undo_outlives_the_server(own_studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(own_studio, failing=True)
    pages.text_of(page, FIRST).fill("Changed.")
    pages.is_settled(page)
    own_studio.kill()
    own_studio.start()
    page = open_page(own_studio)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("words => document.querySelector('textarea').value === words", arg=TEXTS[0][2])
    with own_studio.store() as store:
        assert (store.cues[0].text, store.cues[0].author) == (TEXTS[0][2], Author.MODEL)


def test_nothing_is_stored_in_the_browser(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    pages.text_of(page, FIRST).fill("Not stored.")
    pages.is_settled(page)
    assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("async () => (await indexedDB.databases()).length") == 0
    assert "token" not in page.url
