from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import calvin
from calvin.cli.console import decorated
from calvin.cli.main import PANELS, app, command_line, main, sentence
from calvin.core.errors import ConfigError, DataError

COMMANDS = [
    "describe",
    "demo",
    "train",
    "puppets render",
    "data check",
    "data features",
    "data prepare",
    "data strip-entities",
    "data tag-credits",
    "model info",
    "metrics install-spice",
    "voice",
    "mix",
]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def command(error: BaseException):
    """The app with `calvin demo` replaced by something that raises."""
    from calvin.cli.main import Commands, options

    broken = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
    broken.callback()(options)

    @broken.command("demo")
    def demo() -> None:
        raise error

    return broken


def test_help_is_quick_and_does_not_load_torch() -> None:
    code = (
        "import sys\nfrom calvin.cli.main import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'cv2', 'av', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    best = 10.0
    for _ in range(3):
        started = time.perf_counter()
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        best = min(best, time.perf_counter() - started)
        assert result.returncode == 0, result.stderr
        assert "describe" in result.stdout
    # Half a second on an idle machine; tests may share theirs.
    assert best < 5


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_has_help_with_an_example(words: str, runner: CliRunner) -> None:
    result = runner.invoke(app, [*words.split(), "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert f"calvin {words}" in result.stdout.split("Example", 1)[1]


def listed(words: list[str]) -> list[str]:
    """The commands that a command line of these words knows."""
    line = command_line(words)
    groups = [group.name for group in line.registered_groups]
    return [str(name) for name in (*(command.name for command in line.registered_commands), *groups)]


def test_a_command_is_loaded_alone_where_that_is_enough() -> None:
    everything = listed([])
    assert len(everything) == len(set(everything)) == sum(map(len, PANELS.values()))
    assert listed(["status", "p"]) == listed(["--debug", "status", "p"]) == ["status"]
    assert listed(["data", "check"]) == ["data"]
    assert listed(["--help", "status"]) == listed(["stats"]) == listed(["--debug"]) == everything


def test_help_shows_three_panels_in_the_order_of_use(runner: CliRunner) -> None:
    shown = runner.invoke(command_line(boxes=True), ["--help"], env={"COLUMNS": "80"}).stdout
    wanted = [word for panel, commands in PANELS.items() for word in (f"─ {panel} ─", *(f"│ {n} " for n in commands))]
    places = [shown.find(word) for word in wanted]
    assert -1 not in places
    assert list(PANELS) == ["Describe", "Train and evaluate", "Data and puppets"]
    assert places == sorted(places)
    assert max(map(len, shown.splitlines())) == 80


def test_plain_help_has_the_same_panels_and_whole_sentences(runner: CliRunner) -> None:
    shown = runner.invoke(command_line(boxes=False), ["--help"]).stdout
    wanted = [
        word for panel, commands in PANELS.items() for word in (f"\n{panel}:\n", *(f"\n  {n} " for n in commands))
    ]
    places = [shown.find(word) for word in wanted]
    assert -1 not in places
    assert places == sorted(places)
    group = runner.invoke(command_line(boxes=False), ["data", "--help"]).stdout
    assert "..." not in group.partition("Commands")[2]
    assert not re.search("[\u2500-\u257f\x1b]", shown + group), "no boxes and no colours"
    prepare = runner.invoke(command_line(boxes=False), ["data", "prepare", "--help"]).stdout
    assert "\n      calvin data prepare tvc/frames --kind frames --fps 3 --model TOWER --out tvc-features\n" in prepare


@pytest.mark.parametrize(
    ("terminal", "settings", "boxes"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_boxes_are_for_terminals_that_can_and_people_who_want_them(
    terminal: bool, settings: dict[str, str], boxes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert decorated() is boxes
    assert command_line(["status"]).rich_markup_mode == ("markdown" if boxes else None)


def test_errors_of_usage_are_plain_lines_too(runner: CliRunner) -> None:
    plain = runner.invoke(command_line(["import"], boxes=False), ["import"])
    assert plain.exit_code == 2
    assert plain.stderr.splitlines()[-1] == "Error: Missing argument 'project'."
    assert "╭" in runner.invoke(command_line(["import"], boxes=True), ["import"]).stderr


def test_the_version(runner: CliRunner) -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"calvin {calvin.__version__}\n")


def test_an_unknown_command_is_refused(runner: CliRunner) -> None:
    assert runner.invoke(app, ["describe-all"]).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("The list is empty:\n  fill it."), 1, "Error: The list is empty: fill it.\n"),
        (ConfigError("No such recipe."), 2, "Error: No such recipe.\n"),
        (OSError(28, "No space left on device", "/big/file"), 1, "Error: /big/file: No space left on device.\n"),
        (
            sqlite3.DatabaseError("malformed"),
            1,
            "Error: project.sqlite is damaged or is not a calvin project (malformed): keep it, and bring a copy of it "
            "back; without one, describe the film into another folder with -o and import what was exported from this "
            "project.\n",
        ),
        (KeyboardInterrupt(), 130, "Stopped. What was finished is kept: the same command continues from there.\n"),
    ],
)
def test_trouble_is_one_sentence_and_a_code(error: BaseException, code: int, said: str, runner: CliRunner) -> None:
    result = runner.invoke(command(error), ["demo"])
    assert (result.exit_code, result.stderr) == (code, said)


def test_debug_shows_where_it_went_wrong(runner: CliRunner) -> None:
    result = runner.invoke(command(DataError("x")), ["--debug", "demo"])
    assert isinstance(result.exception, DataError)


def test_a_reader_that_has_gone_is_no_trouble() -> None:
    shell = f"{sys.executable} -m calvin --help | head -c 0; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr


def test_an_error_without_a_file_is_told_in_its_own_words() -> None:
    assert sentence(OSError("odd")) == "odd"
    assert sentence(DataError("two\n lines")) == "two lines"


def test_model_info_names_parts_parameters_and_training(runner: CliRunner, tiny_model: Path) -> None:
    result = runner.invoke(app, ["model", "info", str(tiny_model)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    parts = {line[2:22].strip(): line[22:].split(maxsplit=1) for line in lines if line.startswith("  ")}
    assert list(parts) == ["vision tower", "frame positions", "Q-Former", "language projection", "language model"]
    total = int(lines[0].split(": ")[1].split()[0].replace(",", ""))
    assert sum(int(count.replace(",", "")) for count, _ in parts.values()) == total
    assert "stage 1" in parts["Q-Former"][1]
    assert "LoRA" in parts["language model"][1]
    assert "tiny-tower" in result.stdout
    assert "Random weights, for tests." in result.stdout


def test_data_features_from_the_command_line(runner: CliRunner, tiny_tower: Path, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(np.full((20, 30, 3), i * 40, np.uint8)).save(tmp_path / f"in/{i}.png")
    (tmp_path / "in/x.png").write_text("no")
    words = ["data", "features", tmp_path / "in", "--kind", "images", "--model", tiny_tower, "-o", tmp_path / "f.h5"]
    result = runner.invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'f.h5'}: 3 ids, 3 frames encoded\n"
    assert "dropped 1: unreadable" in result.stderr
    missing = runner.invoke(app, ["data", "features", str(tmp_path / "in"), "-o", "f.h5", "-m", str(tmp_path)])
    assert missing.exit_code == 1
    assert missing.stderr.startswith("Error: ")


def test_an_unknown_recipe_leaves_nothing_behind(runner: CliRunner, tmp_path: Path) -> None:
    result = runner.invoke(app, ["train", "nano", "--out", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "no recipe 'nano'" in result.stderr
    assert "micro" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("named", "taken"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, named: str | None, taken: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", named or "")
    if named is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    monkeypatch.setattr(sys, "argv", ["calvin", "--version"])
    with pytest.raises(SystemExit):
        main()
    assert os.environ["OMP_WAIT_POLICY"] == taken
