"""Every function of the editor by keyboard alone: the fourteen that describers ask for most, and their company."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import review_page as pages
from calvin.core.types import Author, Status
from calvin.studio.project.store import ProjectStore
from review_page import EMPTY, TEXTS, Studio

DOCS = Path(__file__).parents[2] / "docs"
FIRST, LONG, THIRD = "0:00:00.5", "0:00:06.2", "0:00:09.0"


@pytest.fixture
def page(studio: Studio, open_page: Callable[..., Any]) -> Any:
    opened = open_page(studio)
    pages.press(opened, "Alt+j")
    return opened


def at(page: Any, times: int) -> None:
    """Goes so many rows on."""
    pages.press(page, *["Alt+j"] * times)


def test_the_list_is_walked_through_by_key(page: Any) -> None:
    assert pages.focused(page) == f"Cue 1 of 6, {FIRST} | Text"
    at(page, 1)
    assert pages.focused(page) == f"Cue 2 of 6, {LONG} | Text"
    pages.press(page, "Alt+k", "Alt+k")
    assert pages.focused(page).startswith("Cue 1 of 6"), "there is nothing before the first"
    pages.is_said(page, "This is the first row.")


def test_text_is_written_and_kept(page: Any, studio: Studio) -> None:
    pages.press(page, "Control+a")
    page.keyboard.type("A red block waits at the mill.")
    pages.press(page, "Alt+j")
    pages.is_settled(page)
    with studio.store() as store:
        cue = store.cues[0]
    assert (cue.text, cue.author) == ("A red block waits at the mill.", Author.HUMAN)


def test_what_is_typed_is_sent_without_leaving_the_field(page: Any, studio: Studio) -> None:
    pages.press(page, "End")
    page.keyboard.type(" It waits.")
    pages.is_settled(page)
    assert studio.texts()[0].endswith("It waits.")
    assert pages.focused(page) == f"Cue 1 of 6, {FIRST} | Text", "and the focus stays where it was"


def test_an_empty_place_is_written_into(page: Any, studio: Studio) -> None:
    pages.press(page, "Alt+g")
    assert pages.focused(page).startswith("Place ")
    page.keyboard.type("The red block")
    page.wait_for_function("() => document.activeElement.closest('[data-key]').dataset.key.startsWith('cue-')")
    page.keyboard.type(" looks out.")
    pages.is_settled(page)
    with studio.store() as store:
        written = next(cue for cue in store.cues if cue.span.start_ms == EMPTY[0])
    assert (written.text, written.author) == ("The red block looks out.", Author.HUMAN)
    assert pages.focused(page).endswith("| Text"), "the field is the same, though the place is a cue now"


def test_the_list_of_keys(page: Any) -> None:
    pages.press(page, "Shift+Tab", "?")
    dialog = page.get_by_role("dialog", name="Keys")
    assert dialog.get_by_role("rowheader", name="Alt+J", exact=True).is_visible()
    pages.press(page, "Escape")
    assert page.get_by_role("dialog").count() == 0
    pages.press(page, "Tab")
    page.keyboard.type("?")
    assert page.get_by_role("dialog").count() == 0, "in a field it is a question mark"


def test_keys_buttons_their_list_and_the_manual_agree(page: Any) -> None:
    """What a key does, a button in sight does too, on cues and on empty places, and both are told by one name."""
    keys = page.evaluate(
        """async () => {
          const { KEYS, nameOf } = await import("/static/keys.js");
          return Object.fromEntries(KEYS.map((entry) => [entry.action, nameOf(entry)]));
        }"""
    )
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    buttons = """nodes => nodes.filter((node) => node.checkVisibility() && node.tabIndex === 0)
      .filter((node) => node.dataset.action || node.ariaKeyShortcuts)
      .map((node) => [node.dataset.action, node.getAttribute("aria-keyshortcuts")])"""
    above = dict(page.locator("header button, .film button").evaluate_all(buttons))
    of_cue = dict(pages.row(page, FIRST).get_by_role("button").evaluate_all(buttons))
    assert above | of_cue == keys
    assert not set(above) & set(of_cue)
    pages.press(page, "Alt+g")
    place = dict(page.locator("li.current").get_by_role("button").evaluate_all(buttons))
    assert place == {name: keys[name] for name in ("hearGap", "playFrom", "again", "ask", "insert")}
    page.evaluate("async () => { (await import('/static/keys.js')).showKeys(); }")
    dialog = page.get_by_role("dialog", name="Keys")
    listed = dialog.get_by_role("rowheader").all_text_contents()
    assert sorted(listed) == sorted(keys.values())
    manual = (DOCS / "studio.md").read_text().split("## Keys")[1].split("##")[0]
    first = [line.split("|")[1].strip() for line in manual.splitlines() if line.startswith("| ") and "+" in line]
    told = [key.replace("comma", ",").replace("full stop", ".") for cell in first for key in cell.split(", ")]
    assert sorted(told) == sorted(keys.values())


def test_an_empty_place_is_asked_about_by_its_buttons(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    page.route("**/again", lambda route: route.fulfill(json={"candidates": ["The block waits."]}))
    page.route("**/ask", lambda route: route.fulfill(json={"answer": "A lamp.", "stills": [17_000]}))
    pages.press(page, "Alt+g")
    pages.tab_to(page, "Ask the film…")
    pages.press(page, "Enter")
    page.keyboard.type("What is it?")
    pages.press(page, "Enter")
    page.get_by_text("Answer: A lamp.").wait_for()
    pages.press(page, "Escape")
    assert pages.focused(page).endswith("| Ask the film…")
    pages.tab_to(page, "Other wordings…", key="Shift+Tab")
    pages.press(page, "Enter")
    pages.tab_to(page, "Ask anew")
    pages.press(page, "Enter")
    page.get_by_text("1 new wording").wait_for()
    pages.tab_to(page, "Use new wording 1: The block waits.")
    pages.press(page, "Enter")
    page.get_by_role("heading", name="Cue 5 of 6").wait_for()
    assert "The block waits." in studio.texts()


def test_the_room_left_is_told_while_one_writes(page: Any) -> None:
    at(page, 1)
    facts = pages.row(page, LONG).locator(".facts")
    assert "too long" in facts.text_content()
    described = page.evaluate("() => document.activeElement.getAttribute('aria-describedby').split(' ')[0]")
    assert described == facts.get_attribute("id"), "and a screen reader reads it with the field"
    pages.press(page, "Control+a")
    page.keyboard.type("It slides to the window.")
    assert "s left" in facts.text_content(), "before anything was sent"
    assert "words a minute" in facts.text_content()
    pages.is_said(page, "left")


def test_jumps(page: Any) -> None:
    pages.press(page, "Alt+p")
    assert pages.focused(page).startswith("Cue 2 of 6"), "the one whose words take too long"
    pages.press(page, "Alt+g")
    assert pages.focused(page).startswith("Place 5 of 6")
    pages.press(page, "Alt+u")
    assert pages.focused(page).startswith("Cue 6 of 6")
    pages.press(page, "Alt+u")
    pages.is_said(page, "Going on from the beginning.")
    assert pages.focused(page).startswith("Cue 1 of 6")


def test_nudge_frame_and_shift(page: Any, studio: Studio) -> None:
    at(page, 2)
    pages.press(page, "Alt+.")
    page.get_by_role("heading", name="0:00:09.3").wait_for()
    pages.is_said(page, "0.25 s later, at 0:00:09.250.")
    pages.press(page, "Alt+,")
    page.get_by_role("heading", name=THIRD).wait_for()
    pages.press(page, "Alt+]")
    page.get_by_role("heading", name="0:00:09.1").wait_for()
    pages.press(page, "Alt+[")
    page.get_by_role("heading", name=THIRD).wait_for()
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "Seconds")
    pages.press(page, "Control+a")
    page.keyboard.type("0.4")
    pages.tab_to(page, "Shift this and all that follow")
    pages.press(page, "Enter")
    page.get_by_role("heading", name="0:00:20.4").wait_for()
    with studio.store() as store:
        starts = [cue.span.start_ms for cue in store.cues]
    assert starts == [500, 6200, 9400, 12_400, 20_400]


def test_start_and_end_at_the_playhead(page: Any, studio: Studio) -> None:
    page.evaluate("() => { document.getElementById('video').currentTime = 0.8; }")
    page.wait_for_function("() => !document.getElementById('video').seeking")
    pages.press(page, "Alt+i")
    page.get_by_role("heading", name="0:00:00.8").wait_for()
    page.evaluate("() => { document.getElementById('video').currentTime = 2.6; }")
    page.wait_for_function("() => !document.getElementById('video').seeking")
    pages.press(page, "Alt+o")
    page.wait_for_function("() => document.querySelectorAll('#rows li .time')[1].value.startsWith('0:00:02.6')")
    with studio.store() as store:
        span = store.cues[0].span
    assert (round(span.start_ms, -2), round(span.end_ms, -2)) == (800, 2600)


def test_a_time_is_typed(page: Any, studio: Studio) -> None:
    pages.tab_to(page, "Start")
    pages.press(page, "Control+a")
    page.keyboard.type("never")
    pages.press(page, "Enter")
    assert "is no time" in pages.row(page, FIRST).locator(".problem").text_content()
    pages.press(page, "Control+a")
    page.keyboard.type("0:01.25")
    pages.press(page, "Enter")
    page.get_by_role("heading", name="0:00:01.3").wait_for()
    with studio.store() as store:
        assert store.cues[0].span.start_ms == 1250


def test_split_merge_and_undo(page: Any, studio: Studio) -> None:
    at(page, 1)
    before = studio.texts()
    pages.press(page, "Control+Home", *["Control+ArrowRight"] * 5, "Alt+Enter")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 7")
    first, second = studio.texts()[1:3]
    assert f"{first} {second}" == before[1]
    pages.press(page, "Alt+z")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 6")
    assert studio.texts() == before
    pages.press(page, "Alt+y")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 7")
    pages.press(page, "Alt+z")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 6")
    pages.press(page, "Alt+k", "Alt+j", "Alt+j")
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "Merge with the next")
    pages.press(page, "Enter")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 5")
    assert studio.texts()[2] == f"{TEXTS[2][2]} {TEXTS[3][2]}"


def test_pausing_kind_and_status_are_native_fields(page: Any, studio: Studio) -> None:
    at(page, 1)
    pages.tab_to(page, "Kind")
    page.keyboard.type("Title")
    pages.tab_to(page, "Status")
    page.keyboard.type("Needs")
    pages.tab_to(page, "Film pauses")
    pages.press(page, "Space")
    facts = pages.row(page, LONG).locator(".facts")
    page.wait_for_function("node => node.textContent.includes('The film pauses for it')", arg=facts.element_handle())
    with studio.store() as store:
        cue = store.cues[1]
    assert (cue.extended, cue.kind, cue.status) == (True, "title", "needs-work")


def test_insert_duplicate_and_delete(page: Any, studio: Studio) -> None:
    at(page, 3)
    pages.press(page, "Alt+n")
    page.wait_for_function("() => document.querySelectorAll('#rows > li').length === 7")
    page.wait_for_function(
        "() => document.activeElement.closest('[data-key]')?.querySelector('h3').textContent.includes('0:00:14')"
    )
    page.keyboard.type("They listen.")
    pages.is_settled(page)
    assert "They listen." in studio.texts()
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "Delete")
    pages.press(page, "Enter")
    page.wait_for_function(
        "() => ![...document.querySelectorAll('textarea')].some(one => one.value === 'They listen.')"
    )
    page.wait_for_function("() => document.activeElement.tagName === 'TEXTAREA'")
    assert "They listen." not in studio.texts()


def test_a_cue_is_called_by_its_time_and_not_by_a_number_of_the_store(page: Any, studio: Studio) -> None:
    at(page, 1)
    pages.press(page, "Control+Enter")
    pages.is_in_row(page, "Cue 3")
    undo = page.locator("#undo")
    assert undo.text_content() == f"Undo: approval of the cue at {LONG}"
    pages.press(page, "Alt+z")
    pages.is_said(page, f"Undone: approval of the cue at {LONG}.")
    pages.is_in_row(page, "Cue 2")
    pages.press(page, "Alt+y")
    pages.is_said(page, "Done again: approval of the cue at")
    pages.is_in_row(page, "Cue 2")
    pages.press(page, "Control+Enter")
    pages.is_said(page, "It is approved already.")


def test_approve_and_go_on_with_one_key(page: Any, studio: Studio) -> None:
    pages.press(page, "Control+Enter")
    page.wait_for_function(
        "() => document.activeElement.closest('[data-key]')?.querySelector('h3').textContent.startsWith('Cue 2')"
    )
    with studio.store() as store:
        assert [cue.status for cue in store.cues[:2]] == [Status.APPROVED, Status.DRAFT]


def test_an_answer_does_not_take_the_focus_from_where_it_has_been_moved(page: Any) -> None:
    """A slow server: the cue is approved meanwhile, and what is pressed next is what somebody went to."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/edits", hold)
    with page.expect_request("**/edits"):
        pages.press(page, "Control+Enter")
    page.locator("#next-problem").focus()
    with page.expect_response("**/edits"):
        held[0].continue_()
    pages.is_said(page, "Approved")
    assert pages.focused(page).endswith("| Next problem")
    pages.press(page, "Control+Enter")  # where nobody has moved on, the next one is led to
    pages.is_in_row(page, "Cue 2")


def test_words_typed_into_a_place_are_approved_at_once(page: Any, studio: Studio) -> None:
    pages.press(page, "Alt+g")
    page.keyboard.type("The red block looks out.")
    pages.press(page, "Control+Enter")
    pages.is_in_row(page, "Cue 6 of 6")
    with studio.store() as store:
        written = next(cue for cue in store.cues if cue.span.start_ms == EMPTY[0])
    assert (written.text, written.status) == ("The red block looks out.", Status.APPROVED)


def test_a_candidate_is_what_it_reads_though_others_came_before_it(page: Any, studio: Studio) -> None:
    with ProjectStore(studio.folder) as store, store.step("other words"):
        offered = [text for text, _ in store.scored_candidates(["1"])["1"]]
        store.offer("1", [("A newer wording.", None), *[(text, None) for text in offered]])
    pages.press(page, "Alt+c")
    pages.tab_to(page, "Use candidate 2: A red block waits at the wall, slowly.")
    pages.press(page, "Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    assert studio.texts()[0] == "A red block waits at the wall, slowly."


def test_candidates_are_chosen(page: Any, studio: Studio) -> None:
    pages.press(page, "Alt+c")
    pages.tab_to(page, "Use candidate 2: A red block waits at the wall, slowly.")
    pages.press(page, "Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    pages.is_settled(page)
    assert studio.texts()[0] == "A red block waits at the wall, slowly."
    assert pages.focused(page) == f"Cue 1 of 6, {FIRST} | Text", "and the focus is where it was"


def test_find_and_replace_shows_what_would_change(page: Any, studio: Studio) -> None:
    pages.press(page, "Alt+w")
    page.keyboard.type("blok")
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Find and replace")
    dialog.get_by_text("1 match in 1 cue.").wait_for()
    pages.tab_to(page, "Replace by")
    page.keyboard.type("block")
    assert dialog.locator("mark").all_text_contents() == ["blok", "block"]
    assert dialog.locator("li p").all_text_contents() == [
        "Before: A blue blok comes in.", "After: A blue block comes in."
    ]  # fmt: skip
    pages.tab_to(page, "Replace all 1")
    pages.press(page, "Enter")
    dialog.get_by_text("Undo takes it back in one step. No match is left.").wait_for()
    assert pages.focused(page).endswith("| Find"), "the focus is not left on a button that has nothing to do any more"
    pages.press(page, "Escape")
    assert studio.texts()[2] == "A blue block comes in."


def test_undo_names_what_the_server_would_undo_after_work(page: Any, studio: Studio) -> None:
    with ProjectStore(studio.folder) as store, store.step("what a model wrote"):
        store.offer("1", [("A newer wording.", None)])
    pages.tab_to(page, "Deliver…", key="Shift+Tab")
    pages.press(page, "Enter")
    pages.tab_to(page, "Write these files")
    pages.press(page, "Enter")
    page.get_by_role("dialog").get_by_text("Written").wait_for()
    page.wait_for_function("() => document.getElementById('undo').textContent === 'Undo: what a model wrote'")


def test_matches_are_replaced_one_by_one_skipped_and_all_at_once(page: Any, studio: Studio) -> None:
    """The word stands in three cues, in the last with a capital letter; "there" and "they" are other words."""
    before = studio.texts()
    pages.press(page, "Alt+w")
    page.keyboard.type("the")
    pages.tab_to(page, "Whole words")
    pages.press(page, "Space")
    dialog = page.get_by_role("dialog", name="Find and replace")
    dialog.get_by_text("3 matches in 3 cues.").wait_for()
    pages.tab_to(page, "Match case")
    pages.press(page, "Space")
    dialog.get_by_text("2 matches in 2 cues.").wait_for()
    pages.tab_to(page, "Match case")
    pages.press(page, "Space")
    dialog.get_by_text("3 matches in 3 cues.").wait_for()
    pages.tab_to(page, "Replace by")
    page.keyboard.type("that")
    pages.press(page, "Enter")
    assert pages.focused(page).endswith("| Replace this one, 1 of 3")
    described = page.evaluate("() => document.activeElement.getAttribute('aria-describedby').split(' ')")
    assert [page.locator(f"#{one}").text_content() for one in described] == [
        f"Before: {TEXTS[0][2]}", "After: A red block waits at that wall."
    ]  # fmt: skip
    pages.press(page, "Enter")
    dialog.get_by_text("Replaced in 1 cue.").wait_for()
    assert pages.focused(page).endswith("| Replace this one, 2 of 3"), "and on to the next"
    pages.press(page, "Tab", "Enter")
    assert pages.focused(page).endswith("| Replace this one, 3 of 3"), "the second is skipped"
    pages.tab_to(page, "Replace all 1")
    pages.press(page, "Enter")
    dialog.get_by_text("No match is left.").wait_for()
    pages.press(page, "Escape")
    changed = ["A red block waits at that wall.", *before[1:4], "that lamp goes out."]
    assert studio.texts() == changed, "what was skipped stays"
    undo = page.locator("#undo")
    assert undo.text_content() == 'Undo: "the" replaced in 1 cue'
    pages.press(page, "Alt+z")
    pages.is_said(page, "Undone")
    assert studio.texts() == [*changed[:4], before[4]]
    pages.press(page, "Alt+z")
    page.wait_for_function("words => document.querySelector('textarea').value === words", arg=before[0])
    assert studio.texts() == before


def test_two_matches_of_one_cue_are_told_apart(page: Any, studio: Studio) -> None:
    pages.press(page, "Control+a")
    page.keyboard.type("A block waits, and a block goes.")
    pages.is_settled(page)
    pages.press(page, "Alt+w")
    page.keyboard.type("a block")
    pages.tab_to(page, "Replace by")
    page.keyboard.type("the red block")
    dialog = page.get_by_role("dialog", name="Find and replace")
    dialog.get_by_text("2 matches in 1 cue.").wait_for()
    pages.press(page, "Enter", "Tab", "Enter")
    assert pages.focused(page).endswith("| Replace this one, 2 of 2")
    pages.press(page, "Enter")
    dialog.get_by_text("Replaced in 1 cue.").wait_for()
    assert studio.texts()[0] == "A block waits, and the red block goes."
    pages.tab_to(page, "Skip 1 of 2", key="Shift+Tab")
    pages.press(page, "Enter")
    pages.tab_to(page, "Replace all 1")
    pages.press(page, "Enter")
    dialog.get_by_text("No match is left.").wait_for()
    assert studio.texts()[0] == "the red block waits, and the red block goes."


def test_comments(page: Any, studio: Studio) -> None:
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "New comment")
    page.keyboard.type("Is it red?")
    pages.press(page, "Enter")
    pages.row(page, FIRST).locator(".findings").get_by_text("Comment: Is it red?").wait_for()
    pages.tab_to(page, "Is it red? (done)", key="Shift+Tab")
    pages.press(page, "Space")
    pages.row(page, FIRST).locator(".findings").get_by_text("Comment").wait_for(state="detached")


def test_earlier_texts_come_back(page: Any, studio: Studio) -> None:
    pages.press(page, "Control+a")
    page.keyboard.type("Something else.")
    pages.is_settled(page)
    pages.tab_to(page, "More")
    pages.press(page, "Enter")
    pages.tab_to(page, "Earlier texts…")
    pages.press(page, "Enter")
    pages.tab_to(page, f"Put this back: {TEXTS[0][2]}")
    pages.press(page, "Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    assert studio.texts()[0] == TEXTS[0][2]


def test_a_question_that_nobody_can_answer_says_so(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, failing=True)
    pages.press(page, "Alt+j", "Alt+a")
    page.keyboard.type("What is it holding?")
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog")
    page.wait_for_function("() => /[.]$/.test(document.querySelector('dialog [role=status]').textContent)")
    assert dialog.locator(".answers li").count() == 0
    pages.press(page, "Escape")
    assert studio.texts() == [text for _, _, text in TEXTS], "nothing of it enters the script"


def test_the_log_for_studies(page: Any, studio: Studio) -> None:
    pages.tab_to(page, "Settings…", key="Shift+Tab")
    pages.press(page, "Enter")
    log = "Keep a log of edit times and edit distances in this project"
    pages.tab_to(page, log)
    pages.press(page, "Space")
    page.get_by_text("From now on the log is kept.").wait_for()
    pages.press(page, "Escape", "Alt+j")
    pages.press(page, "Control+a")
    page.keyboard.type("A red block waits.")
    pages.is_settled(page)
    pages.tab_to(page, "Settings…", key="Shift+Tab")
    pages.press(page, "Enter")
    pages.tab_to(page, "Save the log as CSV")
    with page.expect_download() as got:
        pages.press(page, "Enter")
    kept = list(csv.DictReader(got.value.path().read_text().splitlines()))
    assert [one["edits"] for one in kept] == ["0", "1", "0", "0", "0"]
    assert float(kept[1]["seconds"]) > 0
    assert (kept[1]["first_text"], kept[1]["last_text"]) == (TEXTS[1][2], "A red block waits.")


def test_what_a_run_has_changed_is_shown_side_by_side(page: Any) -> None:
    change = {"key": "cue-1", "start_ms": 500, "before": TEXTS[0][2], "after": "A red block stands there."}
    job = {"id": "900", "kind": "rewrite", "state": "done", "fraction": 1, "said": "Described: 1 text changed.",
           "left_s": None, "result": {"before_after": [change]}}  # fmt: skip
    page.route("**/jobs", lambda route: route.fulfill(status=202, json={"job": job}))
    pages.tab_to(page, "Let the model work…", key="Shift+Tab")
    pages.press(page, "Enter")
    pages.tab_to(page, "Rewrite the rest")
    pages.press(page, "Enter")
    page.get_by_role("dialog").get_by_text("Described: 1 text changed.").wait_for()
    pages.tab_to(page, "Before and after…")
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Before and after")
    dialog.wait_for()
    assert [cell.text_content() for cell in dialog.get_by_role("cell").all()] == [change["before"], change["after"]]
    pages.press(page, "Escape")
    assert pages.focused(page).endswith("| Before and after…")


def test_an_answer_is_shown_with_the_stills_it_is_about(page: Any, studio: Studio) -> None:
    answer = {"answer": "A small lamp.", "stills": [500, 1000]}
    page.route("**/ask", lambda route: route.fulfill(json=answer))
    pages.press(page, "Alt+a")
    page.keyboard.type("What is she holding?")
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Answer: A small lamp.").wait_for()
    assert [one.get_attribute("alt") for one in dialog.get_by_role("img").all()] == [
        "Still at 0:00:00.5", "Still at 0:00:01.0"
    ]  # fmt: skip
    pages.press(page, "Escape")
    assert studio.texts() == [text for _, _, text in TEXTS], "nothing of it enters the script"


def test_where_the_film_stands_can_be_asked_about(page: Any) -> None:
    asked: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json={"answer": "A lamp.", "stills": [12_000]})

    page.route("**/ask", answer)
    dialog = page.get_by_role("dialog", name="Ask the film")
    pages.press(page, "Alt+a")
    dialog.get_by_text("The question is about the cue itself, at 0:00:00.5.").wait_for()
    pages.press(page, "Escape")
    page.evaluate("() => { document.getElementById('video').currentTime = 12; }")
    page.wait_for_function("() => !document.getElementById('video').seeking")
    pages.press(page, "Alt+a")
    page.keyboard.type("What is it?")
    pages.press(page, "Enter")
    dialog.get_by_text("0:00:00.5: What is it?").wait_for()
    pages.press(page, "Shift+Tab")
    assert pages.focused(page).endswith("| The cue itself, at 0:00:00.5")
    pages.press(page, "ArrowDown")
    assert pages.focused(page).endswith("| Where the film stands, at 0:00:12.0")
    pages.press(page, "Tab")
    page.keyboard.type("And now?")
    pages.press(page, "Enter")
    dialog.get_by_text("0:00:12.0: And now?").wait_for()
    about = [{name: one[name] for name in ("key", "at_ms") if name in one} for one in asked]
    assert about == [{"key": "cue-1"}, {"at_ms": 12_000}]


def test_shorter_words_are_asked_for_with_whom_they_name(page: Any, studio: Studio) -> None:
    asked = []

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json={"candidates": ["A block waits."]})

    page.route("**/again", answer)
    pages.press(page, "Alt+c")
    pages.tab_to(page, "Ask for shorter words")
    pages.press(page, "Enter")
    page.get_by_text("1 new wording, at the top of the list.").wait_for()
    pages.tab_to(page, "Use new wording 1: A block waits.")
    pages.press(page, "Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    assert studio.texts()[0] == "A block waits."
    assert all(one.pop("number") for one in asked), "by which it can be stopped"
    assert asked == [{"key": "cue-1", "shorter": True, "names": []}]


def test_the_film_plays_from_before_the_cue(page: Any) -> None:
    at(page, 1)
    pages.press(page, "Alt+x")
    page.wait_for_function("() => !document.getElementById('video').paused")
    assert 4.1 <= page.evaluate("() => document.getElementById('video').currentTime") < 9
    pages.press(page, "Alt+x")
    pages.is_said(page, "Paused at 0:00:0")
