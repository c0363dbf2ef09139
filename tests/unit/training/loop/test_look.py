from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from calvin.training.loop.checkpoints import load_weights
from calvin.training.loop.log import draw_curve, read_log
from calvin.training.loop.look import Look
from calvin.training.loop.train import train
from calvin.training.steps import LoopConfig, Validation


class Line(nn.Module):
    """Learns the wanted number; dropout tells whether it is looked at in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(1, 1))
        self.dropout = nn.Dropout(0.5)

    def forward(self, wanted: torch.Tensor, labels: torch.Tensor) -> Any:
        return SimpleNamespace(loss=(self.dropout(torch.ones(1)) * (self.value - wanted) ** 2).mean())


def batch_at(index: int) -> dict[str, torch.Tensor]:
    return {"wanted": torch.ones(4), "labels": torch.ones(4, 3, dtype=torch.long)}


def held_out() -> Iterator[dict[str, torch.Tensor]]:
    """Two batches of unlike size: three tokens that want 0.5 and one that wants 0.1."""
    yield {"wanted": torch.full((3,), 0.5), "labels": torch.tensor([[-100, 1]] * 3)}
    yield {"wanted": torch.full((1,), 0.1), "labels": torch.tensor([[5, 1, -100]])}


def captions(model: Any) -> list[dict[str, str]]:
    return [{"id": "a", "reference": "A lamp.", "caption": f"{model.value.item():.3f}"}]


def look(folder: Path, **settings: Any) -> Look:
    config = Validation.load({"evaluate_every": 10, **settings})
    return Look(held_out, captions, config, folder, bf16=False)


def config(**changes: object) -> LoopConfig:
    values = {"steps": 200, "max_lr": 2e-2, "precision": "fp32", "schedule": "constant", "weight_decay": 0.0}
    return LoopConfig.load({**values, "checkpoint_every": 15, "log_every": 1, **changes})


def expected(value: float) -> float:
    return (3 * (value - 0.5) ** 2 + (value - 0.1) ** 2) / 4


def test_the_loss_is_the_mean_over_held_out_tokens_without_dropout(tmp_path: Path) -> None:
    model = Line()
    with torch.no_grad():
        model.value.fill_(0.3)
    assert not look(tmp_path)(model, 10)
    [row] = read_log(tmp_path / "heldout.jsonl")
    assert row["loss"] == pytest.approx(expected(0.3))
    assert row["captions"][0]["caption"] == "0.300"
    assert model.training
    assert "the model: 0.300" in (tmp_path / "captions.txt").read_text()


def test_training_ends_where_the_held_out_loss_rises_and_the_best_weights_are_kept(tmp_path: Path) -> None:
    model, watch = Line(), look(tmp_path, early_stop=2, keep_best=True)
    result = train(model, batch_at, config(), tmp_path, gate=watch, gate_every=10)
    rows = read_log(tmp_path / "heldout.jsonl")
    best = min(rows, key=lambda row: float(row["loss"]))
    assert watch.best is not None
    assert watch.best["step"] == best["step"]
    assert result.steps == rows[-1]["step"] == best["step"] + 20 < 200
    load_weights(tmp_path / "best", model)
    assert expected(model.value.item()) == pytest.approx(best["loss"])


class Killed(Exception):
    pass


@pytest.mark.parametrize("stop_at", [9, 12, 21, 33, 44])
def test_a_run_that_was_stopped_looks_as_one_that_was_not(tmp_path: Path, stop_at: int) -> None:
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    settings = {"early_stop": 2, "keep_best": True}
    train(Line(), batch_at, config(), straight, gate=look(straight, **settings), gate_every=10)

    def stopping(index: int) -> dict[str, torch.Tensor]:
        if index == stop_at:
            raise Killed
        return batch_at(index)

    with pytest.raises(Killed):
        train(Line(), stopping, config(), stopped, gate=look(stopped, **settings), gate_every=10)
    train(Line(), batch_at, config(), stopped, gate=look(stopped, **settings), gate_every=10)
    for name in ("heldout.jsonl", "captions.txt", "log.csv", "best/state.json"):
        assert (stopped / name).read_text() == (straight / name).read_text(), name


def test_looking_changes_nothing_that_is_learnt(tmp_path: Path) -> None:
    seen, unseen = Line(), Line()
    train(seen, batch_at, config(steps=40), tmp_path / "seen", gate=look(tmp_path / "seen"), gate_every=10)
    train(unseen, batch_at, config(steps=40), tmp_path / "unseen")
    assert torch.equal(seen.value, unseen.value)


def test_the_curve_and_the_table_hold_both_losses(tmp_path: Path) -> None:
    train(Line(), batch_at, config(steps=20), tmp_path, gate=look(tmp_path), gate_every=10)
    with open(tmp_path / "log.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    looks = [json.loads(line) for line in (tmp_path / "heldout.jsonl").read_text().splitlines()]
    assert {int(row["step"]): float(row["heldout_loss"]) for row in rows if row["heldout_loss"]} == {
        row["step"]: row["loss"] for row in looks
    }
    assert len([row for row in rows if row["loss"]]) == 20
    draw_curve([("run", tmp_path / "log.jsonl")], tmp_path / "with.png")
    (tmp_path / "heldout.jsonl").unlink()
    draw_curve([("run", tmp_path / "log.jsonl")], tmp_path / "without.png")
    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()
