"""Pictures of the review page, and a row of it as a screen reader reads it, from a project that was described.

    python docs/make_page_pictures.py demo-output

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
BEGIN, END = "<!-- a row, as it is read -->", "<!-- end of the row -->"
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


def write_row(page: Any, target: Path) -> None:
    """Put the row between its marks into the manual."""
    text = target.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    row = "\n".join(f"> {line}  " for line in spoken_row(page))
    target.write_text(f"{before}{BEGIN}\n{row}\n{END}{after}", encoding="utf-8")


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
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    found = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        raise SystemExit("No chromium is installed: apt-get install chromium")
    with served(given.project) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        for name, (scheme, *size) in SHOTS.items():
            take(browser, address, name, scheme, (size[0], size[1]), given.output)
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        write_row(page, given.manual)
        browser.close()
    for name in SHOTS:
        shrink(given.output / f"{name}.png")


def shrink(path: Path) -> None:
    """A palette is enough for a page, and a third of the bytes."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(255).save(path, optimize=True)


if __name__ == "__main__":
    main()
