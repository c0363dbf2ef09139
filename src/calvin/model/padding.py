"""Prompts brought into the form that decoding needs: padding on the left, and known to be padding."""

from __future__ import annotations

import torch
from torch import Tensor

from calvin.core.errors import DataError


def mask_of(input_ids: Tensor, pad_token_id: int | None, bos_token_id: int | None = None) -> Tensor:
    """The attention mask [B, L] of prompts [B, L] that came without one: runs of the padding token at both ends are 0.

    Where the padding token also begins a sequence (GPT-2), one of those at the start is that beginning.

    Raises:
        DataError: a row holds nothing but padding.
    """
    if pad_token_id is None:
        return torch.ones_like(input_ids)
    pad = (input_ids == pad_token_id).long()
    leading, trailing = pad.cumprod(1), pad.flip(1).cumprod(1).flip(1)
    if pad_token_id == bos_token_id:
        starts = leading.sum(1)
        rows = torch.nonzero(starts).squeeze(1)
        leading[rows, starts[rows] - 1] = 0
        trailing[rows] = torch.where((starts[rows] == pad.shape[1])[:, None], 1, trailing[rows])
    mask = 1 - torch.maximum(leading, trailing)
    empty = torch.nonzero(mask.sum(1) == 0).squeeze(1)
    if len(empty):
        raise DataError(f"Row {int(empty[0])} holds nothing but padding: give it a prompt, or an attention_mask.")
    return mask


def padded_left(embeds: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Prompts [B, L, H] and their mask [B, L] with whatever is masked moved to the left, and the rest in its order.

    The next token is read after the last place of a row: padding there would be continued instead of the prompt.
    """
    mask = (mask != 0).long()
    if bool((mask[:, 1:] >= mask[:, :-1]).all()):
        return embeds, mask
    order = mask.argsort(dim=1, stable=True)
    return embeds.gather(1, order[..., None].expand_as(embeds)), mask.gather(1, order)
