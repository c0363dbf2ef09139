from __future__ import annotations

from typing import Any

import pytest
import torch

from calvin.core.errors import DataError, FeatureError
from calvin.model import CalvinProjector
from calvin.model.modeling import CalvinForConditionalGeneration


def test_one_to_max_frames_become_the_query_tokens(model: CalvinForConditionalGeneration) -> None:
    for frames in (1, 8):
        assert model.projector(torch.randn(2, frames, 16)).shape == (2, 4, 32)


def test_it_starts_at_the_scale_of_the_word_embeddings(model: CalvinForConditionalGeneration) -> None:
    spread = model.projector(torch.randn(64, 8, 16)).std().item()
    words = model.get_input_embeddings().weight.std().item()
    assert spread == pytest.approx(words, rel=0.35)


def test_frame_positions_are_drawn_as_wide_as_asked(model: CalvinForConditionalGeneration) -> None:
    torch.manual_seed(0)
    weight = model.projector.frame_position_embedding.weight
    before = weight.detach().clone()
    model.projector.scale_positions(0.5)
    assert weight.std().item() == pytest.approx(0.5, rel=0.2)
    with torch.no_grad():
        weight.copy_(before)


def test_queries_are_drawn_narrow(config_of: Any) -> None:
    wide = config_of(num_query_tokens=2000)
    queries = CalvinForConditionalGeneration(wide).projector.query_tokens
    assert queries.std().item() == pytest.approx(0.02, rel=0.05)  # 48,000 draws


def test_the_order_of_frames_matters(model: CalvinForConditionalGeneration) -> None:
    vectors = torch.randn(1, 4, 16)
    torch.nn.init.normal_(model.projector.frame_position_embedding.weight)
    assert not torch.allclose(model.projector(vectors), model.projector(vectors.flip(1)), atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "error", "words"),
    [
        ((2, 4, 20), FeatureError, r"\[2, 4, 20\].*16.*tiny-tower"),
        ((2, 9, 16), FeatureError, "9 frames.*1 to 8"),
        ((2, 0, 16), FeatureError, "0 frames"),
        ((4, 16), FeatureError, r"\[4, 16\]"),
    ],
)
def test_vectors_that_do_not_fit_are_named_with_both_sizes(
    model: CalvinForConditionalGeneration, shape: tuple[int, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        model.projector(torch.zeros(shape))


def test_masks_that_do_not_fit_are_refused(model: CalvinForConditionalGeneration) -> None:
    projector: CalvinProjector = model.projector
    with pytest.raises(DataError, match="one entry per frame"):
        projector(torch.zeros(2, 4, 16), torch.ones(2, 3))
    with pytest.raises(DataError, match="no real frame"):
        projector(torch.zeros(2, 4, 16), torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]))
