from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from calvin.cli.main import app


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calvin-7b-stage2"], "calvin-7b-stage2 needs --data"),
        (["calvin-7b-stage9"], "no recipe 'calvin-7b-stage9'; there are: micro, mini, calvin-7b"),
        (["calvin-7b-stage9", "--dry-run"], "no recipe 'calvin-7b-stage9'"),
        (["calvin-7b-stage1", "--data", "gone.toml"], "no data file gone.toml"),
        (["calvin-small", "--dry-run", "--data", "gone.toml"], "no data file gone.toml"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", *arguments, "--out", "run"])
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_dry_run_shows_each_stage_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["train", "calvin-small", "--dry-run"])
    assert result.exit_code == 0, result.stderr
    for line in (
        "calvin-small-stage1:",
        "calvin-small-stage2:",
        "134,515,008",
        "FSDP2 on 8",
        "TFLOP",
        "Days on 8 A100",
    ):
        assert line in result.stdout
    assert not list(tmp_path.iterdir())


def test_activations_are_kept_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    twice, once = (
        CliRunner().invoke(app, ["train", "calvin-7b-stage1", "--dry-run", *more]).stdout
        for more in ([], ["--keep-activations"])
    )
    assert "activation checkpointing computes about half as much again" in twice
    assert "activation checkpointing" not in once
    assert "23.3" in once, "GiB on one GPU"


def test_micro_batches_are_packed_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def total(*more: str) -> float:
        text = CliRunner().invoke(app, ["train", "calvin-7b-stage1", "--dry-run", *more]).stdout
        assert ("2 of them in one pass" in text) == bool(more)
        [line] = [line for line in text.splitlines() if line.strip().startswith("1 GPU")]
        return float(line.split()[-1])

    assert total("--pack", "2") > total() + 0.5, "GiB: twice the rows"


def test_nothing_to_pack_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    alone = CliRunner().invoke(app, ["train", "calvin-7b-stage2", "--dry-run", "--pack", "4"])
    assert alone.exit_code != 0
    assert "gradient_accumulation_steps" in alone.stderr
    accumulating = ["--set", "gradient_accumulation_steps=8", "--dry-run", "--pack", "4"]
    found = CliRunner().invoke(app, ["train", "calvin-7b-stage2", *accumulating])
    assert "8 micro-batches each, 4 of them in one pass" in found.stdout
