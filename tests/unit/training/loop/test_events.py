"""A run shows its curves in TensorBoard where that is installed, and says nothing where it is not."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from calvin.training.loop.events import LOOKS, TRAINING, Events
from calvin.training.loop.log import TrainingLog


class Writer:
    """In place of torch's `SummaryWriter`, whose package is not among those of the tests."""

    made: ClassVar[list[Writer]] = []
    full = False

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purged, self.told = Path(folder), purge_step, list[tuple[str, float, int]]()
        Writer.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        if Writer.full:
            raise OSError(28, "No space left on device")
        self.told.append((name, value, step))

    def flush(self) -> None:
        pass


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> type[Writer]:
    module: Any = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(Writer, "made", [])
    monkeypatch.setattr(Writer, "full", False)
    return Writer


def test_the_log_of_a_run_is_told_to_tensorboard(board: type[Writer], tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 5, events=True)
    log.add(5, loss=2.0, lr=0.1)
    [made] = board.made
    assert made.folder == tmp_path / "tensorboard" / "training"
    assert made.purged == 5, "a run that goes on hides what was told of these steps"
    assert made.told == [("loss", 2.0, 5), ("lr", 0.1, 5)]
    TrainingLog(tmp_path, 5).add(5, loss=2.0)
    assert len(board.made) == 1, "an adaptation has no curves to show"


def test_a_full_disk_ends_the_curve_and_not_the_run(board: type[Writer], tmp_path: Path) -> None:
    events = Events(tmp_path, LOOKS, 2)
    board.full = True
    events.add(2, loss=1.0)
    board.full = False
    events.add(4, loss=1.0)
    assert board.made[0].told == []


def test_without_tensorboard_nothing_is_written_or_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    Events(tmp_path, TRAINING).add(1, loss=1.0)
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr() == ("", "")
