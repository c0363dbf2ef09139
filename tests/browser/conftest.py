"""The review page in a browser: Debian's chromium, a small project made by calls of the store, and a server of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from review_page import STARTS_MS, Studio, make_long, make_project

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
         "--autoplay-policy=no-user-gesture-required")  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in a browser that fails is tried once more, and the summary names it.

    A page, its server and the test are three programs that wait for each other; on a busy machine a key may be pressed
    before the page listens. What is wrong with the page itself fails twice.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as Debian packages it; Playwright fetches none."""
    pytest.importorskip("starlette", reason="the extra `studio` is not installed: pip install '.[studio]'")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no chromium is installed: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """open_page(studio, **options of a context): the editor, ready. No page may have complained at the end.

    `failing=True` lets requests fail, which the browser's console tells of each time.
    """
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_one(studio: Studio, failing: bool = False, ready: bool = True, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = browser.new_context(**options)
        context.set_default_timeout(STARTS_MS)
        contexts.append(context)
        page = context.new_page()

        def hear(message: Any) -> None:
            if message.type in ("error", "warning") and not (failing and "Failed to load resource" in message.text):
                complaints.append(f"{message.type}: {message.text} ({message.location})")

        page.on("console", hear)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.goto(studio.address)
        if studio.path:
            page.goto(studio.address.split("?")[0].rstrip("/") + studio.path)
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory, make_film: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("studio")
    return make_project(root / "blocks.calvin", make_film(root / "blocks.mp4", (4.0,) * 6))


@pytest.fixture
def project(made_project: Path, tmp_path: Path) -> Path:
    """A copy of the small project, whose film lies where it lay."""
    return Path(shutil.copytree(made_project, tmp_path / "blocks.calvin"))


@pytest.fixture
def serve(browser: Any) -> Iterator[Callable[[Path], Studio]]:
    """serve(folder): a running server of it."""
    running: list[Studio] = []

    def start(folder: Path) -> Studio:
        studio = Studio(folder)
        running.append(studio)
        return studio.start()

    yield start
    for studio in running:
        studio.kill()


@pytest.fixture
def own_studio(project: Path, serve: Callable[[Path], Studio]) -> Studio:
    """A server of the small project alone, which may be killed."""
    return serve(project)


@pytest.fixture(scope="session")
def shared_studio(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A server that many tests share, because starting one takes longer than most of them."""
    running = Studio(tmp_path_factory.mktemp("shelf"))
    yield running.start()
    running.kill()


@pytest.fixture
def studio(made_project: Path, shared_studio: Studio) -> Studio:
    """A project of a test's own on the shared server."""
    from calvin.page.shelf import id_of  # needs the extra `studio`, without which a test is skipped and not in error

    name = f"{len(list(shared_studio.folder.iterdir()))}.calvin"
    folder = Path(shutil.copytree(made_project, shared_studio.folder / name))
    return replace(shared_studio, folder=folder, path=f"/p/{id_of(folder)}/")


@pytest.fixture
def long_project(made_project: Path, tmp_path: Path) -> Path:
    """The project of a two-hour film with 1,500 cues, a third of them approved."""
    return make_long(Path(shutil.copytree(made_project, tmp_path / "long.calvin")))
