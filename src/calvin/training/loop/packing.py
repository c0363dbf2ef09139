"""Several micro-batches in one pass, where the optimiser moves only after several of them.

A pass of six rows is over before a fast GPU has been told of the next operation; four micro-batches of six rows take
it little longer than one. What is learnt stays: every micro-batch keeps its own mean loss, and each counts alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from calvin.core.errors import DataError
from calvin.core.tokens import IGNORE_INDEX

_FILLED_WITH = {"input_ids": 0, "attention_mask": 0, "labels": IGNORE_INDEX, "image_embeds": 0, "frame_mask": 0}


def passes(first: int, last: int, packed: int, accumulation: int, looks: int | None = None) -> Iterator[range]:
    """The steps [first, last) in runs of at most `packed`, each of which is one pass.

    No run goes over a move of the optimiser (after every `accumulation` steps) or over a look (after every `looks`), so
    that whoever looks sees the weights that it would have seen. All processes of a run cut at the same steps.
    """
    start = first
    while start < last:
        end = min(start + packed, last, _after(start, accumulation), _after(start, looks) if looks else last)
        yield range(start, end)
        start = end


def _after(step: int, every: int) -> int:
    """The first multiple of `every` above a step."""
    return (step // every + 1) * every


def pack(batches: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Micro-batches, as `calvin.data.collate` makes them, one below the other, padded on the right to the longest.

    Returns:
        What `collate` returns, for the rows of all, and `num_items_in_batch` float32 [B], how many labelled tokens the
        micro-batch of each row has. Rows of text alone hold no frames; none is looked at (`embed_inputs`).

    Raises:
        DataError: a batch holds something else.
    """
    odd = sorted({name for batch in batches for name in batch} - set(_FILLED_WITH))
    if odd:
        raise DataError(f"Batches that hold {', '.join(odd)} cannot be read in one pass: leave out --pack.")
    rows = [len(batch["input_ids"]) for batch in batches]
    packed: dict[str, Tensor] = {}
    for name, filling in _FILLED_WITH.items():
        found = [batch[name] for batch in batches if name in batch]
        if not found:
            continue
        width = max(value.shape[1] for value in found)
        pieces = []
        for batch, count in zip(batches, rows, strict=True):
            value = batch[name] if name in batch else found[0].new_zeros(count, 0, *found[0].shape[2:])
            missing = (0, 0) * (value.ndim - 2) + (0, width - value.shape[1])
            pieces.append(functional.pad(value, missing, value=filling))
        packed[name] = torch.cat(pieces)
    counts = [(batch["labels"][:, 1:] != IGNORE_INDEX).sum().clamp(min=1) for batch in batches]
    packed["num_items_in_batch"] = torch.stack(counts).float().repeat_interleave(torch.tensor(rows))
    return packed


def packed_losses(model: nn.Module, batch: Mapping[str, Any], rows: Sequence[int]) -> Tensor:
    """The loss [P] of each of P micro-batches that `pack` put together, of so many rows each: the mean over its own
    labelled tokens, as the model gives it for a micro-batch by itself."""
    shares = model(**batch).loss
    return torch.stack([share.sum() for share in shares.split(list(rows))])
