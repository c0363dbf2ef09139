"""The log of a run survives being taken up again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from calvin.training.loop.log import TrainingLog, draw_curve, read_log


def test_a_log_is_cut_to_the_resumed_step_or_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curve = TrainingLog(tmp_path)
    for step in range(5):
        curve.add(step=step, loss=1.0)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            TrainingLog(tmp_path, 3)
    assert [row["step"] for row in read_log(curve.path)] == [0, 1, 2, 3, 4]
    TrainingLog(tmp_path, 3).add(step=3, loss=0.5)
    assert [(row["step"], row["loss"]) for row in read_log(curve.path)] == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.5)]


def test_without_matplotlib_a_run_goes_on_and_says_once_how_to_get_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = TrainingLog(tmp_path)
    log.add(step=0, loss=1.0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for _ in range(2):
        draw_curve([("run", log.path)], tmp_path / "nothing.png")
    said = capsys.readouterr().err
    assert said.count("no nothing.png is drawn") == said.count("pip install 'calvin-ad[train]'") == 1
    assert not (tmp_path / "nothing.png").exists()
    monkeypatch.undo()
    draw_curve([("run", log.path)], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
