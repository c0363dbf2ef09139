"""From encoded samples and frame vectors to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from calvin.core.errors import DataError
from calvin.core.tokens import IGNORE_INDEX, Encoded

if TYPE_CHECKING:
    from torch import Tensor


def collate(
    encoded: Sequence[Encoded], embeds: Sequence[np.ndarray] | None = None, pad_token_id: int = 0
) -> dict[str, Tensor]:
    """One batch, padded on the right to its longest sample.

    Args:
        encoded: ids and labels of B samples.
        embeds: their frame vectors, each [k, D]; None for a text batch.

    Returns:
        input_ids, attention_mask, labels: int64 [B, L]; with `embeds` also image_embeds float32 [B, F, D] and
        frame_mask int64 [B, F], 1 for a real frame.

    Raises:
        DataError: no samples, as many embeds as samples not given, or vectors of different widths.
    """
    import torch  # here, because annotations and stored features are also read where there is no need of it

    if not encoded:
        raise DataError("A batch needs at least one sample.")
    length = max(len(sample.input_ids) for sample in encoded)
    input_ids = np.full((len(encoded), length), pad_token_id, dtype=np.int64)
    labels = np.full((len(encoded), length), IGNORE_INDEX, dtype=np.int64)
    attention_mask = np.zeros((len(encoded), length), dtype=np.int64)
    for row, sample in enumerate(encoded):
        count = len(sample.input_ids)
        input_ids[row, :count] = sample.input_ids
        labels[row, :count] = sample.labels
        attention_mask[row, :count] = 1
    arrays = {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}
    if embeds is not None:
        if len(embeds) != len(encoded):
            raise DataError(f"{len(encoded)} samples came with {len(embeds)} feature arrays.")
        arrays["image_embeds"], arrays["frame_mask"] = pad_frames(embeds)
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


def pad_frames(embeds: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Frame vectors [k, D] of B samples to float32 [B, F, D] and their mask int64 [B, F].

    Raises:
        DataError: vectors of different widths, or a sample without frames.
    """
    widths = {array.shape[-1] for array in embeds}
    if len(widths) != 1 or any(array.ndim != 2 or not len(array) for array in embeds):
        raise DataError(f"Frame vectors of one batch must be [frames, D] of one width, not of {sorted(widths)}.")
    frames = max(len(array) for array in embeds)
    padded = np.zeros((len(embeds), frames, widths.pop()), dtype=np.float32)
    mask = np.zeros((len(embeds), frames), dtype=np.int64)
    for row, array in enumerate(embeds):
        padded[row, : len(array)] = array
        mask[row, : len(array)] = 1
    return padded, mask
