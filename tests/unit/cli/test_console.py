from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from calvin.cli.console import ProgressView, describe, duration, say, shown, warn
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


HOSTILE = (
    "[/INST]",
    "[bold]x",
    "\x1b[31mred",
    "\x9b2J",
    "a\rb",
    "bell\x07",
    "\x1b]0;title\x07",
    "\u202egpj.exe",
    "\x7f",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_words_of_others_command_the_terminal(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    warn(text)
    out = io.StringIO()
    with ProgressView(Console(file=out, force_terminal=True, width=100, color_system=None)) as view:
        view(Progress(f"decode {text}", 1, 10, "s", text))
    with ProgressView(Console(file=io.StringIO(), force_terminal=False)) as view:
        view(Progress(f"decode {text}", 1, 10, "s", text))
    captured = capsys.readouterr()
    for stream in (captured.out, captured.err):
        assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c == "\u202e" for c in stream)
    bar = out.getvalue()
    assert shown(text) in bar
    assert not any(code in bar for code in ("\x1b[31m", "\x9b", "\x07", "\x1b]", "\u202e", "\x7f"))


def test_words_of_every_script_are_shown_as_they_are() -> None:
    text = "Zoë\u200d \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645\tक्‍ष\n"
    assert shown(text) == text
    assert json.loads(shown(json.dumps("\x9b\x1b\x7f", ensure_ascii=False))) == "\x9b\x1b\x7f"
