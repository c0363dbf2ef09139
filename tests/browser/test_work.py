"""Projects begun from the page, work that runs and is stopped, and the timeline, which is for the mouse."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import review_page as pages
from calvin.media.sound.levels import SPECS
from review_page import TEXTS, Studio

FIRST, THIRD = "0:00:00.5", "0:00:09.0"


def test_a_project_is_begun_by_hand(
    made_project: Path, tmp_path: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any]
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(made_project.parent / "blocks.mp4", folder / "new.mp4")
    shutil.copytree(made_project, folder / "blocks.calvin")
    page = open_page(serve(folder), ready=False)
    page.get_by_role("link", name="Blocks").wait_for()
    assert pages.violations(page) == []
    page.get_by_role("button", name="Begin a project of new.mp4").click()
    page.get_by_label("Without a model").check()
    assert pages.violations(page) == []
    page.get_by_role("button", name="Begin", exact=True).click()
    page.wait_for_selector("body[data-ready]", timeout=120_000)
    assert page.get_by_role("heading", name="new", exact=True).is_visible()
    assert page.get_by_role("heading", name="Place 1 of").is_visible(), "there are places, and none is filled"
    pages.press(page, "Alt+j")
    page.keyboard.type("A block.")
    pages.is_settled(page)
    assert Studio(folder / "new.calvin").texts() == ["A block."]


def test_text_waits_for_work_that_is_stopped(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, failing=True)
    page.get_by_role("button", name="Deliver…").click()
    page.get_by_role("button", name="Speak all cues").click()
    page.locator("#job").wait_for()
    page.keyboard.press("Escape")
    pages.text_of(page, FIRST).fill("Written meanwhile.")
    page.keyboard.press("Alt+j")
    page.locator("#trouble").wait_for()
    assert pages.row(page, FIRST).locator(".state").text_content() == "Not sent yet"
    assert studio.texts()[0] == TEXTS[0][2]
    page.locator("#job-stop").click()
    page.locator("#job").wait_for(state="hidden")
    pages.is_settled(page)
    page.locator("#trouble").wait_for(state="hidden")
    assert studio.texts()[0] == "Written meanwhile."


def test_the_loudness_of_a_delivery_is_chosen_and_a_mix_that_is_not_kept_says_why(
    studio: Studio, open_page: Callable[..., Any]
) -> None:
    page = open_page(studio, failing=True)
    page.get_by_role("button", name="Deliver…").click()
    dialog = page.get_by_role("dialog", name="Deliver")
    loudness = dialog.get_by_label("Loudness", exact=True)
    assert loudness.input_value() == "", "as loud as the film, unless somebody chooses"
    assert len(loudness.locator("option").all()) == 1 + len(SPECS)
    loudness.select_option("ebu-r128")
    with page.expect_request(lambda asked: asked.method == "POST" and asked.url.endswith("/jobs")) as asked:
        dialog.get_by_role("button", name="Mix into the film").click()
    assert asked.value.post_data_json["spec"] == "ebu-r128"
    told = dialog.get_by_role("region", name="What was measured")
    told.wait_for()
    assert "No mix was kept" in told.text_content()
    assert "run `calvin voice" in told.text_content()
    assert pages.violations(page) == []


def test_a_cue_is_trimmed_on_the_timeline_and_snaps(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio)
    page.locator("summary").click()
    page.get_by_role("button", name="Whole film").click()

    def to(ms: int) -> None:
        box = page.locator("#timeline").bounding_box()  # the page scrolls to the row that is taken hold of
        page.mouse.move(box["x"] + ms * box["width"] / 24_000, box["y"] + 93, steps=4)

    to(9050)
    page.mouse.down()
    to(8060)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert pages.focused(page).startswith("Cue 3 of 6"), "what is taken hold of is the current row"
    to(9050)
    page.mouse.down()
    to(8060)
    page.mouse.up()
    page.get_by_role("heading", name="0:00:08.0").wait_for()
    with studio.store() as store:
        spans = [(cue.span.start_ms, cue.span.end_ms) for cue in store.cues]
    assert (8000, 11_000) in spans, "the cut at 8 s took hold of it, and what was let go by Escape did nothing"
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name=THIRD).wait_for()
