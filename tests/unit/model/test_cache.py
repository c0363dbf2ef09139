from __future__ import annotations

import torch

from calvin.model.cache import TailLayer


def layer() -> tuple[TailLayer, torch.Tensor]:
    keys = torch.randn(2, 1, 3, 4)
    return TailLayer(keys, keys + 1, repeats=2, room=4), keys


def test_a_prompt_is_shared_by_its_rows() -> None:
    tail, keys = layer()
    assert torch.equal(tail.keys, keys.repeat_interleave(2, dim=0))
    assert tail.get_seq_length() == 3
    assert tail.get_mask_sizes(1) == (4, 0)


def test_reordering_moves_what_is_new() -> None:
    tail, keys = layer()
    new = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 1, 1, 4)
    tail.update(new, new)
    tail.reorder_cache(torch.tensor([1, 1, 2, 2]))
    assert tail.keys[:, 0, 3, 0].tolist() == [1.0, 1.0, 2.0, 2.0]
    assert torch.equal(tail.keys[:, :, :3], keys.repeat_interleave(2, dim=0))


def test_rows_can_be_left_out_and_growth_goes_on() -> None:
    tail, keys = layer()
    tail.batch_select_indices(torch.tensor([2, 3]))
    shown, _ = tail.update(torch.ones(2, 1, 2, 4), torch.ones(2, 1, 2, 4))
    assert shown.shape == (2, 1, 5, 4)
    assert torch.equal(shown[:, :, :3], keys[1:].repeat_interleave(2, dim=0))
