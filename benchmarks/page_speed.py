"""How quick the review page is with a film of two hours and 1,500 cues, in Chromium on this machine.

    python benchmarks/page_speed.py

Prints how long after it is asked for the first row can have the focus, how long edits take to be answered, how long
the page is busy with each key that is typed, and the memory of the server. Needs the extras `studio` and `test`, and a
chromium.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from review_page import Studio, make_long, make_project

TEXT = "Somebody in a long grey coat walks past the house and looks up at the window. "
PAINTED = """() => {
  window.busy = [];
  window.tasks = [];
  new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(one => one.duration)))
    .observe({type: 'longtask'});
  document.addEventListener('keydown', () => {
    const began = performance.now();
    setTimeout(() => window.busy.push(performance.now() - began));
  }, true);
}"""


def film_at(path: Path) -> Path:
    """A film of 24 seconds, one picture a second; its project says that it lasts two hours."""
    import av
    import numpy as np

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(240):
            picture = np.full((64, 96, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def worked_ms(session: Any) -> float:
    """Processor time of the page's main thread so far, which other work on the machine does not lengthen."""
    values = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return float(values["TaskDuration"]) * 1000


def measure(page: Any, address: str) -> dict[str, float]:
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    page.wait_for_selector("#rows textarea")
    worked = worked_ms(session)
    first = page.evaluate("() => performance.getEntriesByName('first-row')[0].startTime")
    page.wait_for_selector("body[data-ready]")
    whole = page.evaluate("() => performance.now()")
    page.evaluate(PAINTED)
    page.locator("#rows textarea").nth(1).focus()
    before = worked_ms(session)
    page.keyboard.type(TEXT * 3, delay=15)
    typed = (worked_ms(session) - before) / len(TEXT * 3)
    page.wait_for_timeout(3000)
    for _ in range(30):
        page.keyboard.type("And on. ")
        page.keyboard.press("Alt+j")
        page.wait_for_timeout(150)
    page.wait_for_timeout(3000)
    answers = page.evaluate(
        "() => performance.getEntriesByType('resource').filter(one => one.name.endsWith('/edits'))"
        ".map(one => one.responseEnd - one.requestStart)"
    )
    busy, tasks = page.evaluate("() => [window.busy, window.tasks]")
    return {
        "first row can have the focus, ms": first,
        "of that, the page's own work, ms": worked,
        "the page's own work for a key, ms": typed,
        "everything is there, with what lint finds, ms": whole,
        "keys typed": len(busy),
        "busy with a key, median, ms": statistics.median(busy),
        "busy with a key, 99 in 100 below, ms": statistics.quantiles(busy, n=100)[98],
        "busy with a key, longest, ms": max(busy),
        "tasks over 50 ms while typing": len(tasks),
        "edits": len(answers),
        "an edit answered, median, ms": statistics.median(answers),
        "an edit answered, longest, ms": max(answers),
    }


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as root:
        folder = make_long(make_project(Path(root) / "long.calvin", film_at(Path(root) / "film.mp4")))
        studio = Studio(folder).start()
        try:
            with sync_playwright() as playwright:
                path = shutil.which("chromium") or shutil.which("google-chrome")
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                figures = measure(page, studio.address)
                assert studio.process is not None
                server = psutil.Process(studio.process.pid)
                figures["memory of the server, MiB"] = server.memory_info().rss / 2**20
                figures["memory of its workers, MiB"] = sum(
                    child.memory_info().rss / 2**20 for child in server.children(recursive=True)
                )
                browser.close()
        finally:
            studio.stop()
    for name, value in figures.items():
        print(f"{name}: {value:.0f}" if value >= 10 or value == int(value) else f"{name}: {value:.1f}")


if __name__ == "__main__":
    main()
