from __future__ import annotations

import io

import pytest
from rich.console import Console

from calvin.cli.console import ProgressView, describe, duration
from calvin.core.progress import Progress


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3723, "1:02:03")])
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_an_event_is_told_as_far_as_it_is_known() -> None:
    assert describe(Progress("describe", 10, 40, "cues", "He waves.", 20.0)) == "10 of 40 cues, 1:00 left, He waves."
    assert describe(Progress("decode", 3, None, "s")) == "3 s"
    assert describe(Progress("read", 40, 40, "cues", elapsed_s=9)) == "40 of 40 cues"
    assert describe(Progress("wait", 0)) == ""


def test_without_a_terminal_each_stage_is_a_line_and_not_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView(Console(file=io.StringIO(), force_terminal=False)) as view:
        for step in range(50):
            view(Progress("decode", step, 50, "s", elapsed_s=1))
        view(Progress("describe", 5, 10, "cues", elapsed_s=5))
        view(Progress("describe", 7, 10, "cues", elapsed_s=5))
        view(Progress("describe", 10, 10, "cues", elapsed_s=9))
        view(Progress("describe", 10, 10, "cues", elapsed_s=9))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "decode: 0 of 50 s"
    assert lines[1:] == ["describe: 50%, 5 of 10 cues, 0:05 left", "describe: 100%, 10 of 10 cues"]


def test_on_a_terminal_a_bar_is_drawn_and_taken_away() -> None:
    out = io.StringIO()
    with ProgressView(Console(file=out, force_terminal=True, width=100)) as view:
        view(Progress("describe", 5, 10, "cues", elapsed_s=5))
    assert "5 of 10 cues, 0:05 left" in out.getvalue()


def test_a_stage_that_begins_again_is_said_again(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressView(Console(file=io.StringIO(), force_terminal=False)) as view:
        for name in ("a.mp4", "b.mp4"):
            for step in (0, 4, 8):
                view(Progress("decode", step, 8, "s", name))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        *("decode: 0 of 8 s, a.mp4", "decode: 100%, 8 of 8 s, a.mp4"),
        *("decode: 0 of 8 s, b.mp4", "decode: 100%, 8 of 8 s, b.mp4"),
    ]
