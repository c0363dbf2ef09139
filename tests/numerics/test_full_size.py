"""The paper's size, built from shapes alone, against parameter counts computed by hand."""

from __future__ import annotations

import pytest
import torch

from calvin.model import CalvinForConditionalGeneration
from calvin.model.assemble import full_size_config
from calvin.model.tuning import add_lora, describe_model, set_trainable

VIT_H_14 = (
    1280  # class embedding
    + 3 * 14 * 14 * 1280  # patches, without bias
    + (16 * 16 + 1) * 1280  # positions of 224 / 14 squared patches and the class
    + 2 * 1280  # norm before
    + 32 * (4 * (1280 * 1280 + 1280) + (1280 * 5120 + 5120) + (5120 * 1280 + 1280) + 2 * 2 * 1280)
    + 2 * 1280  # norm after
    + 1280 * 1024  # projection, without bias
)
LLAMA_2_7B = (
    2 * 32000 * 4096  # words in and out
    + 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096)  # attention, gated feed-forward, two norms
    + 4096  # last norm
)
QFORMER = (
    32 * 768  # queries
    + 2 * 768  # norm of the queries
    + 4
    * (
        4 * (768 * 768 + 768)  # self-attention
        + 2 * (768 * 768 + 768)  # cross-attention: query and output
        + 2 * (1024 * 768 + 768)  # cross-attention: key and value, from the encoder's width
        + (768 * 3072 + 3072)
        + (3072 * 768 + 768)
        + 3 * 2 * 768  # a norm after each of the three
    )
)
POSITIONS = 32 * 1024
LINEAR = 768 * 4096 + 4096
LORA = 32 * 4 * 32 * (4096 + 4096)  # layers, matrices, rank, in and out


@pytest.fixture(scope="module")
def model() -> CalvinForConditionalGeneration:
    with torch.device("meta"):
        model = CalvinForConditionalGeneration(full_size_config())
        add_lora(model)
    return model


def test_the_sums_are_the_published_ones() -> None:
    assert LLAMA_2_7B == 6_738_415_616
    assert LORA == 33_554_432
    assert VIT_H_14 == 632_076_800
    assert POSITIONS + QFORMER + LINEAR == 42_588_672


def test_each_part_has_its_count(model: CalvinForConditionalGeneration) -> None:
    assert {row.part: row.parameters for row in describe_model(model)} == {
        "vision tower": VIT_H_14,
        "frame positions": POSITIONS,
        "Q-Former": QFORMER,
        "language projection": LINEAR,
        "language model": LLAMA_2_7B,
        "LoRA": LORA,
    }
    assert model.num_parameters() == VIT_H_14 + POSITIONS + QFORMER + LINEAR + LLAMA_2_7B + LORA


def test_each_stage_trains_its_parts(model: CalvinForConditionalGeneration) -> None:
    assert set_trainable(model, {"projector"}) == POSITIONS + QFORMER + LINEAR
    assert set_trainable(model, {"qformer", "language_projection", "lora"}) == POSITIONS + QFORMER + LINEAR + LORA
