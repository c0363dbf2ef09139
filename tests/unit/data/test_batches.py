from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError
from calvin.core.prompts import Prompt
from calvin.core.tokens import IGNORE_INDEX, Encoded, TokenLayout
from calvin.data import collate, pad_frames


def test_batches_are_padded_on_the_right(layout: TokenLayout) -> None:
    short = layout.encode(Prompt(question=None), "w1 w2")
    long = layout.encode(Prompt("What is this video about?"), "w3 w4 w5")
    embeds = [np.full((2, 3), 7.0, dtype=np.float16), np.full((5, 3), 9.0, dtype=np.float32)]
    batch = collate([short, long], embeds, pad_token_id=0)
    assert list(batch) == ["input_ids", "attention_mask", "labels", "image_embeds", "frame_mask"]
    assert batch["input_ids"].shape == batch["labels"].shape == (2, len(long.input_ids))
    count = len(short.input_ids)
    assert batch["input_ids"][0, :count].tolist() == short.input_ids
    assert batch["input_ids"][0, count:].tolist() == [0] * (len(long.input_ids) - count)
    assert batch["attention_mask"].sum(1).tolist() == [count, len(long.input_ids)]
    assert (batch["labels"][0, count:] == IGNORE_INDEX).all()
    assert (batch["labels"][0] != IGNORE_INDEX).sum() == 3  # two words and EOS, nothing of the visual
    assert (batch["input_ids"] == layout.visual_token_id).sum(1).tolist() == [4, 4]
    assert batch["image_embeds"].shape == (2, 5, 3)
    assert batch["image_embeds"].dtype == torch.float32
    assert batch["frame_mask"].tolist() == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert (batch["image_embeds"][0, 2:] == 0).all()
    assert (batch["image_embeds"][0, :2] == 7).all()


def test_text_batches_have_no_visual_part(layout: TokenLayout) -> None:
    batch = collate([layout.encode(Prompt("What is this video about?"), "w1", visual=False)])
    assert list(batch) == ["input_ids", "attention_mask", "labels"]
    assert layout.visual_token_id not in batch["input_ids"]


@pytest.mark.parametrize(
    ("embeds", "message"),
    [
        ([np.ones((2, 3))], "2 samples came with 1"),
        ([np.ones((2, 3)), np.ones((2, 4))], r"not of \[3, 4\]"),
        ([np.ones((2, 3)), np.ones((0, 3))], "must be"),
        ([np.ones(3), np.ones(3)], "must be"),
    ],
)
def test_what_does_not_fit_together_is_refused(embeds: list[np.ndarray], message: str) -> None:
    encoded = [Encoded([1, 2], [-100, 2])] * 2
    with pytest.raises(DataError, match=message):
        collate(encoded, embeds)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        collate([])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 32), min_size=1, max_size=8))
def test_padded_frames_come_back_by_the_mask(counts: list[int]) -> None:
    arrays = [np.random.default_rng(count).normal(size=(count, 5)).astype(np.float32) for count in counts]
    padded, mask = pad_frames(arrays)
    for row, array in enumerate(arrays):
        np.testing.assert_array_equal(padded[row][mask[row] == 1], array)
        assert not padded[row][mask[row] == 0].any()
