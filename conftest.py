"""What holds for every test, whoever runs it.

With CALVIN_STRICT_SKIPS=1 (as in .ci/run) a test that skips itself makes the whole run fail, unless it is marked `gpu`,
`hub` or `shared` (inputs that cannot be put into the repository): a suite that quietly tests nothing would otherwise
pass.
"""

from __future__ import annotations

import gc
import os
from typing import Any

import pytest

BROWSER = "tests/browser/"
MAY_SKIP = frozenset({"gpu", "hub", "shared"})


class StrictSkips:
    """Collects skips that have no right to be, and fails the session for them."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        expected_failure = hasattr(report, "wasxfail")
        if report.skipped and not expected_failure and not MAY_SKIP & set(getattr(report, "keywords", ())):
            self.skipped.append(f"{report.nodeid}: {_reason(report)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.skipped:
            terminalreporter.section("skips that are not allowed", sep="=", red=True)
            for line in self.skipped:
                terminalreporter.line(line)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    longrepr = report.longrepr
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def pytest_configure(config: pytest.Config) -> None:
    # Workers of pytest-xdist send their reports to the main process, which judges them all.
    if os.environ.get("CALVIN_STRICT_SKIPS") == "1" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StrictSkips(), "calvin-strict-skips")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, by the time they are allowed, so that none is begun when the rest is done."""

    def allowed(item: pytest.Item) -> float:
        if item.nodeid.startswith(BROWSER):
            return 1500.0  # minutes together, see pytest_xdist_make_scheduler
        if not item.get_closest_marker("slow"):
            return 0.0
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker else 1.0

    items.sort(key=allowed, reverse=True)


def pytest_collection_finish() -> None:
    """What importing and collecting left stays to the end, so no collection of garbage looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile` a worker takes a file at a time, so what a file's tests share is made once.

    The tests in a browser are one such piece: a browser and a server are started once, and one browser runs at a time.
    """
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Pieces(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return BROWSER if nodeid.startswith(BROWSER) else str(super()._split_scope(nodeid))

    return Pieces(config, log)
