from __future__ import annotations

import zlib

import torch
from torch import nn

from calvin.training.run import round_matrices


def test_matrices_are_rounded_as_autocast_does_and_pack_smaller() -> None:
    torch.manual_seed(0)
    part = nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64))
    nn.init.normal_(part[0].weight, std=0.05)
    before = {name: value.clone() for name, value in part.state_dict().items()}
    round_matrices(part)
    after = part.half().state_dict()
    assert torch.equal(after["0.weight"].to(torch.bfloat16), before["0.weight"].to(torch.bfloat16))
    for name in ("0.bias", "1.weight", "1.bias"):
        assert torch.equal(after[name], before[name].half())
    sizes = [len(zlib.compress(value.numpy().tobytes())) for value in (before["0.weight"].half(), after["0.weight"])]
    assert sizes[1] < 0.9 * sizes[0]
