"""The command that a plan prints makes what was asked for, and nothing else."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calvin.cli import reproduce
from calvin.cli.main import app
from calvin.lab.reproduce.targets import Wanted


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted("figure8", Path("my runs/8"), "a model", None, 2, 3, ("scenes-0", "frames-1"), ("cider", "rouge")),
        Wanted("table2", Path("t2"), seeds=1, captioners=("blind:x", "openai:http://localhost:8000/v1#llava")),
        Wanted("table3", Path("t3"), data=Path("data.toml"), seeds=3, changes=("steps=2", "micro_batch=2"),
               launch=("accelerate", "launch")),
    ],
)  # fmt: skip
def test_the_command_of_a_plan_asks_for_the_same(wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[Wanted]()
    monkeypatch.setattr(reproduce, "_carry_out", lambda wanted, *_: asked.append(wanted))
    assert wanted.seeds is not None
    first, *words = shlex.split(wanted.command(wanted.seeds))
    assert first == "calvin"
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    [again] = asked
    assert again.command(wanted.seeds) == wanted.command(wanted.seeds)
    assert (again.model, again.rows, again.metrics, again.changes, again.launch, again.captioners) == (
        wanted.model, wanted.rows, wanted.metrics, wanted.changes, wanted.launch, wanted.captioners
    )  # fmt: skip
    assert (again.folder, again.data, again.films) == (wanted.folder, wanted.data, wanted.films)
