"""Whether the page can be used by everybody: axe-core on each of its states, reflow, forced colours, what a screen
reader is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import review_page as pages
from review_page import Studio

DIALOGS = {
    "Alt+c": "Other wordings",
    "Alt+w": "Find and replace",
    "Alt+r": "Record in your own voice",
    "Alt+a": "Ask the film",
}
BUTTONS = {
    "Keys…": "Keys", "Settings…": "Settings", "Let the model work…": "Let the model work", "Deliver…": "Deliver",
    "Cast…": "Cast", "Approve all…": "Approve all cues?",
}  # fmt: skip


def test_axe_finds_nothing_on_any_state(own_studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(own_studio, failing=True)
    found = {"as it opens": pages.violations(page)}
    pages.press(page, "Alt+j")
    pages.row(page, "0:00:00.5").get_by_role("button", name="More").click()
    page.locator("summary").click()
    found["a row and the timeline open"] = pages.violations(page)
    for name in ("light", "dark"):
        page.emulate_media(color_scheme=name)
        found[name] = pages.violations(page)
    for key, title in DIALOGS.items():
        pages.text_of(page, "0:00:00.5").focus()
        pages.press(page, key)
        page.get_by_role("dialog", name=title).wait_for()
        found[title] = pages.violations(page)
        pages.press(page, "Escape")
    for button, title in BUTTONS.items():
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_role("dialog", name=title).wait_for()
        page.wait_for_timeout(300)
        found[title] = pages.violations(page)
        pages.press(page, "Escape")
    pages.text_of(page, "0:00:00.5").fill("never sent")
    own_studio.kill()
    page.get_by_role("button", name="Show what is not sent").click()
    page.get_by_role("dialog", name="What is not sent yet").wait_for()
    found["the server gone"] = pages.violations(page)
    assert {state: one for state, one in found.items() if one} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_lost_at_320_pixels(studio: Studio, open_page: Callable[..., Any], scheme: str) -> None:
    page = open_page(studio, viewport={"width": 320, "height": 640}, color_scheme=scheme)
    pages.press(page, "Alt+j")
    pages.row(page, "0:00:00.5").get_by_role("button", name="More").click()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 320
    for button, title in BUTTONS.items():
        page.get_by_role("button", name=button, exact=True).click()
        dialog = page.get_by_role("dialog", name=title)
        dialog.wait_for()
        box = dialog.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320, title
        assert dialog.evaluate("node => node.scrollWidth - node.clientWidth") <= 1, title
        pages.press(page, "Escape")
    assert pages.violations(page) == []


def test_targets_are_large_enough(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    pages.row(page, "0:00:00.5").get_by_role("button", name="More").click()
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, select, input, summary, textarea')]
          .filter(node => node.checkVisibility())
          .map(node => [node.textContent || node.id, (node.closest('label') ?? node).getBoundingClientRect()])
          .filter(([, box]) => box.height < 24 || box.width < 24).map(([name]) => name)"""
    )
    assert small == []


def test_forced_colours_and_reduced_motion(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, forced_colors="active", reduced_motion="reduce")
    pages.press(page, "Alt+j")
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("() => getComputedStyle(document.querySelector('.current .row')).outlineStyle") == "solid"
    moving = """() => [...document.querySelectorAll("*")].filter(one => {
      const style = getComputedStyle(one);
      return parseFloat(style.transitionDuration) || style.animationName !== "none";
    }).map(one => one.outerHTML)"""
    assert page.evaluate(moving) == []
    assert pages.violations(page) == []


def test_the_focus_is_never_hidden(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, viewport={"width": 1000, "height": 500})
    for _ in range(60):
        pages.press(page, "Tab")
        box = page.evaluate(
            """async () => {
              // What a person sees is the frame after: lists scroll and rows are built in between.
              for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
              const box = document.activeElement.getBoundingClientRect();
              return [box.top, box.bottom, innerHeight, document.activeElement.outerHTML.slice(0, 80)];
            }"""
        )
        assert box[1] > 0, box
        assert box[0] < box[2], box


def tree(page: Any) -> list[dict[str, Any]]:
    """The accessibility tree as Chromium gives it to screen readers."""
    session = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = session.send("Accessibility.getFullAXTree")["nodes"]
    return [node for node in nodes if not node.get("ignored")]


def test_a_row_as_a_screen_reader_is_given_it(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    nodes = tree(page)
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")): node for node in nodes}
    assert ("group", "Cue 2 of 6, 0:00:06.2") in named
    assert ("heading", "Cue 2 of 6, 0:00:06.2") in named
    text = next(
        node for node in nodes
        if node["role"]["value"] == "textbox" and node.get("value", {}).get("value", "").startswith("It slides")
    )  # fmt: skip
    assert text["name"]["value"] == "Text"
    described = text["description"]["value"]
    assert "too long" in described
    assert "Draft by the model" in described
    item = next(node for node in nodes if node["role"]["value"] == "listitem")
    assert item, "rows are items of a list"
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('#rows > li')].map(li => [li.ariaPosInSet, li.ariaSetSize])"
    )
    assert sizes == [[str(number), "6"] for number in range(1, 7)]


def test_a_question_is_told_with_the_dialog_that_asks_it(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    pages.tab_to(page, "Approve all…", most=40)
    pages.press(page, "Enter")
    page.get_by_role("dialog", name="Approve all cues?").wait_for()
    [dialog] = [node for node in tree(page) if node["role"]["value"] == "dialog"]
    assert dialog["description"]["value"].startswith("5 cues will be approved")
    pages.press(page, "Escape")
    assert pages.focused(page).endswith("| Approve all…"), "and the focus is where it was"


def test_a_long_list_is_as_long_as_it_says(
    long_project: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any]
) -> None:
    page = open_page(serve(long_project))
    assert page.locator("#rows > li").count() < 60, "only what is near is in the page"
    total = page.locator("#rows > li").first.get_attribute("aria-setsize")
    assert total == "1501"
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    page.get_by_role("heading", name="Cue 1501 of 1501").wait_for()
    assert page.locator("#rows > li").count() < 60
    page.evaluate("() => scrollTo(0, document.body.scrollHeight / 2)")
    page.wait_for_function(
        "() => { const at = document.querySelectorAll('#rows > li')[5].ariaPosInSet; return at > 500 && at < 1000; }"
    )
    pages.press(page, "Alt+j")
    assert pages.focused(page).startswith("Cue 1 of 1501")
    pages.press(page, *["Alt+j"] * 30)
    assert pages.focused(page).startswith("Cue 31 of 1501")
    top, bottom, height = page.evaluate(
        """() => {
          const box = document.activeElement.getBoundingClientRect();
          return [box.top, box.bottom, innerHeight];
        }"""
    )
    assert 0 <= top < bottom <= height, "what has the focus is in view"
    numbers = page.evaluate("() => [...document.querySelectorAll('#rows > li')].map(li => +li.ariaPosInSet)")
    assert numbers == sorted(numbers), "in the page they stand in the order in which they are read"
    assert {30, 31, 32} <= set(numbers), "and the neighbours are always there"


def test_tab_leads_from_row_to_row(
    long_project: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any]
) -> None:
    page = open_page(serve(long_project))
    pages.press(page, "Alt+j")
    met = []
    for _ in range(150):
        pages.press(page, "Tab")
        name = pages.focused(page)
        if name.endswith("| Text"):
            met.append(int(name.split()[1]))
    assert met == list(range(2, 2 + len(met))), "no row is passed over"
    assert len(met) > 10
