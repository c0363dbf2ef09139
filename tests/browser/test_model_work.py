"""Work with the model by keyboard alone: scenes picked to be corrected, questions, and Stop, which is never lost."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import review_page as pages
from calvin.studio.project.describe_settings import DescribeSources
from calvin.studio.project.store import ProjectStore
from review_page import TEXTS, Studio

FIRST, THIRD = "0:00:00.5", "0:00:09.0"
AT_WORK = re.compile("…$")
"""What is told of a question while it is at work: getting ready, where no worker was, or how far it is."""


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A model server that takes every question and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"openai:http://127.0.0.1:{listening.getsockname()[1]}/v1#mute"


@pytest.fixture
def page(studio: Studio, silent_server: str, open_page: Callable[..., Any]) -> Any:
    """A project that was described by a server which is silent now, with frame vectors of another model's."""
    from calvin.data import FeatureWriter

    with ProjectStore(studio.folder) as store:
        store.sources = DescribeSources(model=silent_server)
        store.model = {**store.model, "name": "mute", "encoder_hash": "e" * 64}
        vectors = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float16)
        with FeatureWriter(store.folder / f"features-{'e' * 12}.safetensors", "tower", "e" * 64, 5.0, 3) as writer:
            writer.add(store.bound_film().sha256, vectors)
    opened = open_page(studio, failing=True)
    pages.press(opened, "Alt+j")
    return opened


def enter(page: Any, name: str, key: str = "Tab") -> None:
    """Goes to the button of a name and presses it."""
    pages.tab_to(page, name, key=key)
    pages.press(page, "Enter")


def test_scenes_are_picked_walked_through_and_counted_off(page: Any, studio: Studio) -> None:
    page.locator("#next-picked").focus()
    pages.press(page, "Enter")
    pages.is_said(page, "No scenes are picked yet.")
    page.locator("#work").focus()
    pages.press(page, "Enter")
    pages.tab_to(page, "How many")
    pages.press(page, "Control+a")
    page.keyboard.type("2")
    enter(page, "Pick scenes")
    dialog = page.get_by_role("dialog", name="Let the model work")
    dialog.get_by_text("2 of 2 picked scenes still to be corrected or approved.").wait_for()
    picks = json.loads((studio.folder / "picks.json").read_text())
    texts = [text for start, _, text in TEXTS if [start] in [one["span"][:1] for one in picks]]
    for text in texts:
        assert dialog.get_by_text(f"Not corrected yet: {text}").is_visible()
    assert pages.violations(page) == []
    way = dialog.locator(".picks button").first.text_content()
    enter(page, way)
    dialog.wait_for(state="detached")
    pages.is_in_row(page, way.removeprefix("Go to "))
    page.keyboard.press("Control+Enter" if pages.focused(page).startswith("Cue") else "Alt+j")
    page.locator("#next-picked").focus()
    pages.press(page, "Enter")
    pages.is_said(page, "still to be corrected or approved.")
    last = max(picks, key=lambda one: one["span"][0])
    second = last["span"][0] / 1000
    pages.is_in_row(page, f"0:00:{second:04.1f}")


def test_a_question_is_stopped_and_kept(page: Any, studio: Studio) -> None:
    """First by Escape, which closes nothing then, and then by the button; the question is there when one comes back."""
    pages.press(page, "Alt+a")
    page.keyboard.type("What is it made of?")
    pages.press(page, "Enter")
    status = page.get_by_role("dialog", name="Ask the film").get_by_role("status")
    status.get_by_text(AT_WORK).wait_for()
    pages.press(page, "Escape")
    status.get_by_text("Stopped. What you wrote is kept.").wait_for()
    assert pages.focused(page).endswith("| Question about this moment")
    assert page.get_by_label("Question about this moment").input_value() == "What is it made of?"
    pages.press(page, "Enter")
    status.get_by_text(AT_WORK).wait_for()
    enter(page, "Stop")
    status.get_by_text("Stopped. What you wrote is kept.").wait_for()
    pages.press(page, "Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    pages.press(page, "Alt+a")
    assert page.get_by_label("Question about this moment").input_value() == "What is it made of?"
    assert studio.texts() == [text for _, _, text in TEXTS]


def test_the_search_for_other_words_is_stopped(page: Any) -> None:
    pages.press(page, "Alt+c")
    enter(page, "Ask anew")
    dialog = page.get_by_role("dialog", name="Other wordings")
    dialog.get_by_role("status").get_by_text(AT_WORK).wait_for()
    assert dialog.get_by_role("button", name="Ask anew").get_attribute("aria-disabled") == "true"
    enter(page, "Stop")
    dialog.get_by_role("status").get_by_text("Stopped. What you wrote is kept.").wait_for()
    assert dialog.get_by_role("button", name="Ask anew").get_attribute("aria-disabled") is None


def test_a_stop_before_work_has_begun_is_carried_out(page: Any, studio: Studio) -> None:
    """Pressed while the request is still on its way: what it begins is ended as soon as it has begun."""
    held: list[Any] = []
    page.route("**/jobs", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
    page.locator("#work").focus()
    pages.press(page, "Enter")
    enter(page, "Describe")
    dialog = page.get_by_role("dialog", name="Let the model work")
    dialog.get_by_text("Describing: starting.").wait_for()
    enter(page, "Stop")
    pages.is_said(page, "is stopped as soon as it has.")
    with page.expect_response(lambda answer: answer.request.method == "DELETE") as stopped:
        held[0].continue_()
    assert stopped.value.json()["job"]["state"] == "stopped"
    dialog.get_by_text("Describing: stopped.").wait_for()
    assert page.locator("#job").is_hidden()


def test_what_cannot_be_heard_while_work_goes_on_is_told(page: Any, studio: Studio) -> None:
    """An edit waits and the cue was never spoken: why, in words. One that was is heard as it was stored."""
    with page.expect_response(lambda answer: "/mix.wav" in answer.url):
        pages.press(page, "Alt+m")
    pages.press(page, "Escape")
    page.locator("#work").focus()
    pages.press(page, "Enter")
    enter(page, "Describe")
    page.locator("#job").wait_for()
    pages.press(page, "Escape", "Alt+j")
    pages.text_of(page, THIRD).focus()
    page.keyboard.type("And ")
    pages.press(page, "Alt+m")
    pages.is_said(page, "Describing is at work on the project. This has not been spoken yet as it reads")
    pages.text_of(page, FIRST).focus()
    pages.press(page, "End")
    page.keyboard.type(" It waits.")
    with page.expect_response(lambda answer: "/mix.wav" in answer.url) as heard:
        pages.press(page, "Alt+m")
    assert heard.value.ok
    pages.is_said(page, "What you typed is not stored yet: you hear the cue as it was before.")
    page.locator("#job-stop").focus()
    pages.press(page, "Enter")
    page.locator("#job").wait_for(state="hidden")
    pages.is_settled(page)
    assert studio.texts()[0].endswith("It waits.")


def test_films_of_one_name_are_told_apart(
    made_project: Path, tmp_path: Path, serve: Callable[[Path], Studio], open_page: Callable[..., Any]
) -> None:
    for name in ("same.mp4", "same.mkv"):
        (tmp_path / name).write_bytes((made_project.parent / "blocks.mp4").read_bytes())
    page = open_page(serve(tmp_path), ready=False)
    page.get_by_role("button", name="Begin a project of same.mkv").wait_for()
    for name in ("same.mp4", "same.mkv"):
        told = f"Another film here is called same too, so its project is the folder {name}.calvin."
        assert page.get_by_text(told).is_visible()
