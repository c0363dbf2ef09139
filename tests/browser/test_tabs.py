"""Many tabs of one browser: it opens six connections to a server for all of them, and none may wait for one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import review_page as pages
from review_page import Studio

MANY = 8
FIRST = "0:00:00.5"
SHOWS = "words => document.querySelector('textarea')?.value === words"


def test_eight_tabs_open_and_hear_of_each_other(own_studio: Studio, open_page: Callable[..., Any]) -> None:
    tabs = [open_page(own_studio)]
    took = []
    for _ in range(MANY - 1):
        begun = time.monotonic()
        tab = tabs[0].context.new_page()
        tab.goto(tabs[0].url)
        tab.wait_for_selector("body[data-ready]")
        took.append(time.monotonic() - begun)
        tabs.append(tab)
    print("seconds until ready, tab by tab:", [round(one, 1) for one in took])
    pages.text_of(tabs[-1], FIRST).fill("Written in the last tab.")
    for tab in tabs:
        tab.wait_for_function(SHOWS, arg="Written in the last tab.")
    tabs.pop(0).close()  # the one that listened for all
    pages.text_of(tabs[0], FIRST).fill("Written after the first was closed.")
    for tab in tabs:
        tab.wait_for_function(SHOWS, arg="Written after the first was closed.")
    pages.is_settled(tabs[0])
    assert own_studio.texts()[0] == "Written after the first was closed."
    own_studio.kill()
    for tab in tabs:
        tab.locator("#trouble").wait_for()
