"""Pictures of the review page, a row of it as a screen reader reads it, and what axe-core says of each of its states,
from a project that was described.

    python docs/make_page_pictures.py demo-output
    python docs/make_page_pictures.py demo-output --texts    # the row, and what axe-core says, without the pictures

The project is copied first, so that the page's edits are not in it. Chromium has to be installed, and the extra `test`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROW = ("<!-- a row, as it is read -->", "<!-- end of the row -->")
AXE = ("<!-- axe-core, state by state -->", "<!-- end of axe-core -->")
KEYS = {
    "other wordings": "Alt+c", "find and replace": "Alt+w", "the recorder": "Alt+r", "a question to the film": "Alt+a",
}  # fmt: skip
BUTTONS = {
    "keys": "Keys…", "settings": "Settings…", "the model's work": "Let the model work…", "delivery": "Deliver…",
    "the cast": "Cast…",
}  # fmt: skip
"""Dialogs, by what opens them."""
SILENT = ("StaticText", "InlineTextBox", "ListMarker", "none", "generic", "LabelText")
"""Roles that say nothing by themselves."""
SHOTS = {
    "studio-light": ("light", 1280, 860),
    "studio-dark": ("dark", 1280, 860),
    "studio-narrow": ("light", 360, 860),
    "studio-narrow-dark": ("dark", 360, 860),
}


@contextmanager
def served(project: Path) -> Iterator[str]:
    """The address of a server over a copy of a project."""
    with tempfile.TemporaryDirectory() as root:
        folder = shutil.copytree(project, Path(root) / project.name)
        command = [sys.executable, "-u", "-m", "calvin", "studio", str(folder), "--no-open"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
                yield address
            finally:
                server.terminate()


def spoken_row(page: Any) -> list[str]:
    """The first row of a cue in Chromium's accessibility tree, a line for each thing that is read."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    by_id = {node["nodeId"]: node for node in nodes}
    group = next(node for node in nodes if _role(node) == "group" and _name(node).startswith("Cue "))
    lines: list[str] = []

    def read(node: dict[str, Any]) -> None:
        role = _role(node)
        if not node.get("ignored") and role not in (
            "StaticText",
            "InlineTextBox",
            "ListMarker",
            "none",
            "generic",
            "LabelText",
        ):
            lines.append(_sentence(node, role, by_id))
        for child in node.get("childIds", []):
            if role not in ("textbox", "combobox", "button", "heading") and child in by_id:
                read(by_id[child])

    read(group)
    return [line for line in lines if line]


def _role(node: dict[str, Any]) -> str:
    return str(node.get("role", {}).get("value", ""))


def _name(node: dict[str, Any]) -> str:
    return str(node.get("name", {}).get("value", ""))


def _sentence(node: dict[str, Any], role: str, by_id: dict[str, dict[str, Any]]) -> str:
    words = {"textbox": "edit", "combobox": "combo box", "listitem": "item", "image": "picture"}.get(role, role)
    name = _name(node)
    if role in ("paragraph", "listitem", "list"):
        return "" if role == "list" else " ".join("".join(_texts(node, by_id)).split())
    properties = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
    parts = [name, words]
    if properties.get("multiline"):
        parts.append("multi-line")
    if role == "checkbox":
        parts.append("checked" if properties.get("checked") == "true" else "not checked")
    if "expanded" in properties:
        parts.append("expanded" if properties["expanded"] else "collapsed")
    if node.get("value", {}).get("value"):
        parts.append(f"“{node['value']['value']}”")
    if node.get("description", {}).get("value"):
        parts.append(f"({node['description']['value']})")
    return ", ".join(part for part in parts if part)


def _texts(node: dict[str, Any], by_id: dict[str, dict[str, Any]]) -> Iterator[str]:
    if _role(node) == "StaticText":
        yield _name(node)
        return
    for child in node.get("childIds", []):
        if child in by_id:
            yield from _texts(by_id[child], by_id)


def states(page: Any) -> Iterator[str]:
    """Brings the page into each of its states, and names it."""
    yield "as it opens"
    row = page.locator("#rows > li").first
    row.get_by_role("button", name="More").click()
    page.locator("summary").click()
    yield "a row and the timeline open"
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        yield f"the same, {scheme}"
    page.emulate_media(forced_colors="active")
    yield "the same, forced colours"
    page.emulate_media(forced_colors="none")
    for name, key in KEYS.items():
        row.get_by_role("textbox", name="Text", exact=True).focus()
        page.keyboard.press(key)
        page.get_by_role("dialog").wait_for()
        yield f"dialog: {name}"
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")
    for name, button in BUTTONS.items():
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_role("dialog").wait_for()
        yield f"dialog: {name}"
        page.keyboard.press("Escape")
        page.get_by_role("dialog").wait_for(state="detached")


def axe_table(page: Any) -> list[str]:
    """What axe-core says of each state, as a table: rules that hold, are broken, or are left to a person."""
    from axe_playwright_python.sync_playwright import Axe

    axe, lines = Axe(), ["| state | rules that hold | broken | for a person to judge |", "|---|---|---|---|"]
    for state in states(page):
        found = axe.run(page).response
        named = {kind: ", ".join(one["id"] for one in found[kind]) or "none" for kind in ("violations", "incomplete")}
        lines.append(f"| {state} | {len(found['passes'])} | {named['violations']} | {named['incomplete']} |")
    return lines


def write_between(marks: tuple[str, str], lines: list[str], target: Path) -> None:
    """Put lines between two marks into the manual."""
    text = target.read_text(encoding="utf-8")
    before, after = text.split(marks[0])[0], text.split(marks[1])[1]
    content = "\n".join(lines)
    target.write_text(f"{before}{marks[0]}\n{content}\n{marks[1]}{after}", encoding="utf-8")


def take(browser: Any, address: str, name: str, scheme: str, size: tuple[int, int], folder: Path) -> None:
    """One picture: a cue chosen, its tools and the timeline open."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, device_scale_factor=1)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    page.locator("summary").click()
    page.locator("#rows textarea").nth(1).focus()
    page.locator("#video").evaluate("(video, at) => { video.currentTime = at; }", 12)
    page.wait_for_function(
        "() => [...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete)"
    )
    page.wait_for_timeout(1500)
    if size[0] < 600:
        page.locator("#rows > li").nth(1).scroll_into_view_if_needed()
    page.screenshot(path=folder / f"{name}.png")
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("--output", type=Path, default=DOCS / "images")
    parser.add_argument("--manual", type=Path, default=DOCS / "studio.md")
    parser.add_argument("--texts", action="store_true", help="leave the pictures as they are")
    given = parser.parse_args()
    shots = {} if given.texts else SHOTS
    from playwright.sync_api import sync_playwright

    found = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("No chromium is installed: apt-get install chromium")
    with served(given.project) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, (scheme, *size) in shots.items():
            take(browser, address, name, scheme, (size[0], size[1]), given.output)
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        write_between(ROW, [f"> {line}  " for line in spoken_row(page)], given.manual)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        write_between(AXE, axe_table(page), given.manual)
        browser.close()
    for name in shots:
        shrink(given.output / f"{name}.png")


def shrink(path: Path) -> None:
    """A palette is enough for a page, and a third of the bytes."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(255).save(path, optimize=True)


if __name__ == "__main__":
    main()
