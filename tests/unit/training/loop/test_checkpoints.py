from __future__ import annotations

import os
import stat
from pathlib import Path

import torch
from torch import nn

from calvin.training.loop.checkpoints import save_checkpoint


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
