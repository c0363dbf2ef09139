"""What a describer chooses or brings in, by keyboard: subtitles, portraits and pictures.

A file itself is handed over: the system's own dialog for files cannot be reached from here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

import review_page as pages
from review_page import Studio

SRT = "1\n00:00:01,000 --> 00:00:02,000\nANN: Hello.\n\n2\n00:00:03,000 --> 00:00:04,000\n[door]\n"
READ = "Read as SRT (utf-8): 1 line of dialogue in 2 cues, 1 speaker named; left out: 1 that describe sounds only."


def refused(page: Any, address: str) -> list[Any]:
    """Notes what is posted to an address, and refuses it: what would be done has tests of its own."""
    posted: list[Any] = []

    def note(route: Any) -> None:
        if route.request.method != "POST":
            return route.continue_()
        posted.append(route.request.post_data_json)
        return route.fulfill(status=400, json={"error": "Not now."})

    page.route(address, note)
    return posted


def enter(page: Any, name: str) -> None:
    pages.tab_to(page, name)
    pages.press(page, "Enter")


def test_subtitles_of_a_new_film_are_chosen_and_brought_in(
    made_project: Path, tmp_path: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any]
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(made_project.parent / "blocks.mp4", folder / "new.mp4")
    (folder / "talk.srt").write_text(SRT)
    (tmp_path / "mine.srt").write_text(SRT)
    page = open_page(serve(folder), ready=False, failing=True)
    page.get_by_role("button", name="Begin a project of new.mp4").focus()
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Begin a project of new.mp4")
    dialog.get_by_role("option", name="talk.srt").wait_for(state="attached")
    pages.tab_to(page, "Subtitles")
    page.keyboard.type("talk")
    dialog.get_by_text(READ).wait_for()
    assert pages.violations(page) == []
    dialog.get_by_label("Bring in a subtitle file").set_input_files(tmp_path / "mine.srt")
    dialog.get_by_role("option", name="mine.srt, brought in").wait_for(state="attached")
    dialog.get_by_text(READ).wait_for()
    (tmp_path / "none.srt").write_text("This holds no cues.")
    dialog.get_by_label("Bring in a subtitle file").set_input_files(tmp_path / "none.srt")
    dialog.get_by_text("give SRT, VTT, ASS or TTML").wait_for()
    posted = refused(page, "**/api/projects")
    page.get_by_role("button", name="Begin", exact=True).focus()
    pages.press(page, "Enter")
    dialog.get_by_text("Not now.").wait_for()
    assert posted[0]["subtitles"].startswith("brought-"), "the last one that could be read"


def test_a_project_goes_by_other_subtitles(studio: Studio, open_page: Callable[..., Any]) -> None:
    page = open_page(studio, failing=True)
    posted = refused(page, "**/jobs")
    page.locator("#work").focus()
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Let the model work")
    pages.tab_to(page, "Dialogue: go by other subtitles")
    pages.press(page, "Enter")
    dialog.get_by_text("Now: 2 lines, 2 with words").wait_for()
    enter(page, "Use these subtitles")
    dialog.get_by_text("Choose subtitles first").wait_for()
    page.get_by_label("Subtitles", exact=True).focus()
    page.keyboard.type("None")
    dialog.get_by_text("No subtitles are used").wait_for()
    enter(page, "Use these subtitles")
    dialog.get_by_text("Not now.").wait_for()
    assert posted == [{"kind": "describe", "subtitles": "none"}]


def test_a_portrait_and_a_picture_of_somebody_join_the_cast(
    studio: Studio, open_page: Callable[..., Any], tmp_path: Path
) -> None:
    Image.new("RGB", (400, 300), (10, 90, 200)).save(tmp_path / "tom.png")
    page = open_page(studio)
    page.locator("#cast").focus()
    pages.press(page, "Enter")
    dialog = page.get_by_role("dialog", name="Cast")
    dialog.get_by_text("Nobody is known yet.").wait_for()
    pages.tab_to(page, "The box around the face: arrow keys move it, with Shift they make it larger and smaller")
    pages.press(page, "ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft", "Shift+ArrowDown")
    dialog.get_by_text("The box: left 37, top 14, width 29, height 51 percent.").wait_for()
    pages.tab_to(page, "Name")
    page.keyboard.type("Ann")
    enter(page, "Keep as a portrait")
    dialog.get_by_text("Ann, 1 portrait", exact=True).wait_for()
    assert "box = [0.37, 0.14, 0.29, 0.51]" in (studio.folder / "cast.toml").read_text()
    dialog.get_by_label("Picture (PNG or JPEG").set_input_files(tmp_path / "tom.png")
    pages.tab_to(page, "Whom it shows")
    page.keyboard.type("Tom")
    enter(page, "Keep this picture")
    dialog.get_by_text("A picture of Tom is kept, 400 x 300 pixels.").wait_for()
    dialog.get_by_text("Tom, 1 picture", exact=True).wait_for()
    assert len(list((studio.folder / "cast-pictures").glob("*.jpg"))) == 1
    assert pages.violations(page) == []
