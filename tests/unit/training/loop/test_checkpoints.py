from __future__ import annotations

import os
import stat
from pathlib import Path

import torch
from torch import nn

from calvin.training.loop.checkpoints import load_checkpoint, save_checkpoint


def test_a_checkpoint_can_be_read_by_others_and_clears_what_a_killed_run_had_begun(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.zeros(1, 2)).sum().backward()
    optimizer.step()
    (tmp_path / ".calvin-tmp-begun").mkdir()
    before = os.umask(0o022)
    try:
        made = save_checkpoint(tmp_path, 1, model, optimizer, {})
    finally:
        os.umask(before)
    assert {path.name for path in tmp_path.iterdir()} == {made.name}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o644}


def test_the_optimiser_goes_on_with_convolutions_that_lie_in_memory_in_another_order(tmp_path: Path) -> None:
    """As the tower's do. A fused optimiser reads weights and moments side by side, whatever their strides."""

    def begun() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3))
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)

    def learn(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
        pixels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        model(pixels).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    whole, its = begun()
    learn(whole, its, 0)
    saved = save_checkpoint(tmp_path, 1, whole, its, {"fingerprint": "f"})
    again, other = begun()
    load_checkpoint(saved, again, other, "f")
    for seed in (1, 2):
        learn(whole, its, seed)
        learn(again, other, seed)
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
