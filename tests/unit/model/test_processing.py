from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.core.prompts import STAGE_1, Prompt
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor

WITH_CONTEXT = Prompt(context=("Mara walks into the bakery .",))


@pytest.fixture
def seeing(seeing_model: CalvinForConditionalGeneration, tokenizer: Any) -> CalvinProcessor:
    return CalvinProcessor(seeing_model.vision_tower.image_processor(), tokenizer, num_query_tokens=4, max_frames=8)


def test_the_placeholder_is_added_to_the_tokenizer_once(processor: CalvinProcessor) -> None:
    size = len(processor.tokenizer)
    assert processor.visual_token_id == size - 1
    assert len(CalvinProcessor(None, processor.tokenizer).tokenizer) == size


def test_prompts_are_padded_on_the_left(processor: CalvinProcessor) -> None:
    batch = processor([WITH_CONTEXT, Prompt()], image_embeds=[np.ones((3, 16)), np.ones((5, 16))])
    ids, mask = batch["input_ids"], batch["attention_mask"]
    assert (ids == processor.visual_token_id).sum(1).tolist() == [4, 4]
    assert mask[1, 0] == 0
    assert mask[:, -1].tolist() == [1, 1]
    layout = processor.layout()
    assert ids[1][mask[1].bool()].tolist() == layout.encode(Prompt()).input_ids
    assert batch["image_embeds"].shape == (2, 5, 16)
    assert batch["frame_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["image_embeds"][0, 3:].abs().sum() == 0


def test_a_row_without_visual_has_no_placeholder(processor: CalvinProcessor) -> None:
    batch = processor([Prompt(), Prompt()], image_embeds=[None, np.ones((2, 16))])
    assert (batch["input_ids"] == processor.visual_token_id).sum(1).tolist() == [0, 4]
    assert "image_embeds" not in processor(Prompt())


def test_captions_make_labels_for_training(processor: CalvinProcessor) -> None:
    batch = processor(
        [STAGE_1, Prompt()], image_embeds=[np.ones((1, 16))] * 2, captions=["Otto walks .", "Mara runs ."]
    )
    encoded = processor.layout().encode(STAGE_1, "Otto walks .")
    length = len(encoded.input_ids)
    assert batch["input_ids"][0, :length].tolist() == encoded.input_ids
    assert batch["labels"][0, :length].tolist() == encoded.labels
    assert set(batch["labels"][0, length:].tolist()) == {-100}
    assert batch["attention_mask"][0].sum() == length


def test_images_and_frames_become_pixels(seeing: CalvinProcessor) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    video = seeing([Prompt(), Prompt()], frames=[frames, frames[:2]])
    assert video["pixel_values"].shape == (2, 3, 3, 32, 48)
    assert video["frame_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    image = seeing([Prompt(), Prompt()], images=[Image.fromarray(frames[0]), frames[1]])
    assert image["pixel_values"].shape == (2, 1, 3, 32, 48)
    assert torch.equal(image["pixel_values"][:, 0], video["pixel_values"][0, :2])


def test_its_batches_go_through_the_model(
    seeing: CalvinProcessor, seeing_model: CalvinForConditionalGeneration
) -> None:
    seeing_model.config.visual_token_id = seeing.visual_token_id
    frames = np.zeros((2, 40, 60, 3), np.uint8)
    batch = seeing([WITH_CONTEXT, Prompt()], frames=[frames, None])
    sequences = seeing_model.generate(
        **batch, max_new_tokens=4, suppress_tokens=tuple(range(len(seeing.tokenizer), 97))
    )
    captions = seeing.captions(sequences)
    assert len(captions) == 2
    assert all("<" not in caption for caption in captions)


def test_captions_lose_special_tokens_and_extra_space(processor: CalvinProcessor) -> None:
    ids = processor.tokenizer("Mara walks", add_special_tokens=False)["input_ids"]
    assert processor.captions([[1, *ids, 2, 0, 0]]) == ["Marawalks"]  # this tokenizer joins words


def test_wrong_requests_are_told_with_counts(processor: CalvinProcessor) -> None:
    with pytest.raises(UsageError, match="1 visuals for 2 prompts"):
        processor([Prompt(), Prompt()], image_embeds=[np.ones((1, 16))])
    with pytest.raises(UsageError, match="1 captions for 2 prompts"):
        processor([Prompt(), Prompt()], captions=["Mara"])
    with pytest.raises(UsageError, match="not several"):
        processor(Prompt(), images=[None], image_embeds=[None])
    with pytest.raises(FeatureError, match=r"9 frames.*8"):
        processor(Prompt(), image_embeds=[np.ones((9, 16))])
    with pytest.raises(DataError, match=r"\[16\]"):
        processor(Prompt(), image_embeds=[np.ones(16)])
    with pytest.raises(UsageError, match="no vision tower"):
        processor(Prompt(), images=[np.zeros((4, 4, 3), np.uint8)])


def test_a_visual_without_frames_is_refused(seeing: CalvinProcessor) -> None:
    with pytest.raises(DataError, match="at least one frame"):
        seeing(Prompt(), frames=[[]])


def test_a_tokenizer_without_end_is_refused(tokenizer: Any) -> None:
    tokenizer.eos_token = None
    with pytest.raises(UsageError, match="end token"):
        CalvinProcessor(None, tokenizer)


@pytest.mark.parametrize("kind", ["processor", "seeing"])
def test_saved_and_loaded_it_lays_out_the_same(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, config_of: Any
) -> None:
    ours: CalvinProcessor = request.getfixturevalue(kind)
    ours.save_pretrained(tmp_path)
    config_of().save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, CalvinProcessor)
    assert (again.image_processor is None) is (ours.image_processor is None)
    visual = {"image_embeds": [np.ones((2, 16))]}
    for key, value in ours(WITH_CONTEXT, **visual).items():
        assert torch.equal(again(WITH_CONTEXT, **visual)[key], value)
