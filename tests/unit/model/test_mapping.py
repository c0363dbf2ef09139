"""The projectors of ClipCap and AutoAD-I in CALVIN's place for its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from calvin.core.errors import CheckpointError, FeatureError
from calvin.model import CalvinProcessor, load_calvin
from calvin.model.mapping import PROJECTORS
from calvin.model.modeling import CalvinForConditionalGeneration
from calvin.model.tuning import add_lora, base_kept, describe_model, load_adapter, save_adapter, set_trainable

PEERS = ["clipcap", "autoad"]


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, config_of: Any) -> CalvinForConditionalGeneration:
    torch.manual_seed(0)
    return CalvinForConditionalGeneration(config_of(projector_type=request.param)).eval()


def test_one_to_max_frames_become_a_prefix_at_the_scale_of_the_words(peer: CalvinForConditionalGeneration) -> None:
    for frames in (1, 8):
        assert peer.projector(torch.randn(2, frames, 16)).shape == (2, 4, 32)
    words = peer.get_input_embeddings().weight.std().item()
    assert peer.projector(torch.randn(64, 1, 16)).std().item() == pytest.approx(words, rel=0.35)


def test_padding_frames_change_nothing(peer: CalvinForConditionalGeneration) -> None:
    vectors = torch.randn(2, 3, 16)
    padded = torch.cat([vectors, torch.full((2, 2, 16), 9.0)], dim=1)
    mask = torch.tensor([[1, 1, 1, 0, 0]] * 2)
    torch.testing.assert_close(peer.projector(padded, mask), peer.projector(vectors))


def test_clipcap_sees_the_mean_of_the_frames_and_autoad_their_order(config_of: Any) -> None:
    vectors = torch.randn(3, 4, 16)
    clipcap, autoad = (CalvinForConditionalGeneration(config_of(projector_type=name)).eval() for name in PEERS)
    torch.testing.assert_close(clipcap.projector(vectors), clipcap.projector(vectors.mean(dim=1, keepdim=True)))
    torch.testing.assert_close(clipcap.projector(vectors), clipcap.projector(vectors.flip(1)))
    assert not torch.allclose(autoad.projector(vectors), autoad.projector(vectors.flip(1)), atol=1e-2)


def test_clipcap_is_a_perceptron_with_a_hidden_layer_of_half_the_prefix(config_of: Any) -> None:
    projector = CalvinForConditionalGeneration(config_of(projector_type="clipcap")).eval().projector
    vector, hidden, last = torch.randn(16), projector.hidden, projector.language_projection
    assert (hidden.out_features, last.out_features) == (4 * 32 // 2, 4 * 32)
    by_hand = last.weight @ torch.tanh(hidden.weight @ vector + hidden.bias) + last.bias
    torch.testing.assert_close(projector(vector[None, None])[0], by_hand.view(4, 32))
    wide = config_of(projector_type="clipcap", mapping_width=50)
    assert CalvinForConditionalGeneration(wide).projector.hidden.out_features == 50


def test_autoad_has_the_layers_and_heads_that_it_is_given(config_of: Any) -> None:
    config = config_of(projector_type="autoad", mapping_layers=3, image_embed_dim=128)
    projector = CalvinForConditionalGeneration(config).projector
    assert [layer.self_attn.num_heads for layer in projector.encoder.layers] == [2, 2, 2]
    assert projector.prompt_vectors.shape == (1, 4, 128)


def test_every_weight_learns_and_the_parts_have_names(peer: CalvinForConditionalGeneration) -> None:
    trained = set_trainable(peer, {"projector"})
    assert trained == sum(value.numel() for value in peer.projector.parameters())
    peer.projector(torch.randn(2, 8, 16)).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().sum() > 0 for value in peer.projector.parameters())
    names = [row.part for row in describe_model(peer)]
    assert "mapping network" in names
    assert "Q-Former" not in names


def test_saved_and_loaded_with_the_same_captions(peer: CalvinForConditionalGeneration, tokenizer: Any, tmp_path: Path
                                                 ) -> None:  # fmt: skip
    processor = CalvinProcessor(None, tokenizer, num_query_tokens=4, max_frames=8)
    peer.config.visual_token_id = processor.visual_token_id
    peer.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, _ = load_calvin(tmp_path)
    assert loaded.config.projector_type == peer.config.projector_type
    assert type(loaded.projector) is PROJECTORS[peer.config.projector_type]
    for name, value in peer.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    vectors = torch.randn(2, 5, 16)
    assert torch.equal(loaded.projector(vectors), peer.projector(vectors))


def test_an_adapter_holds_the_projector_of_its_kind(peer: CalvinForConditionalGeneration, config_of: Any,
                                                    tmp_path: Path) -> None:  # fmt: skip
    vectors = torch.randn(1, 5, 16)
    before = peer.projector(vectors)
    with base_kept(peer):
        add_lora(peer)
        with torch.no_grad():
            peer.projector.language_projection.weight.mul_(2)
        tuned = peer.projector(vectors)
        save_adapter(peer, tmp_path / "adapter")
    assert torch.equal(peer.projector(vectors), before)
    load_adapter(peer, tmp_path / "adapter")
    assert torch.equal(peer.projector(vectors), tuned)
    with pytest.raises(CheckpointError, match=r"is incomplete|does not fit"):
        load_adapter(CalvinForConditionalGeneration(config_of()), tmp_path / "adapter")


def test_what_does_not_fit_is_refused(peer: CalvinForConditionalGeneration, config_of: Any) -> None:
    with pytest.raises(FeatureError, match="9 frames"):
        peer.projector(torch.zeros(2, 9, 16))
    with pytest.raises(CheckpointError, match=r"no projector 'flamingo'.*clipcap"):
        CalvinForConditionalGeneration(config_of(projector_type="flamingo"))


def test_a_qformer_is_saved_as_it_always_was(config_of: Any) -> None:
    """Folders of earlier versions name no projector."""
    assert config_of().projector_type == "qformer"
    assert CalvinForConditionalGeneration(config_of()).state_dict()["projector.query_tokens"].shape == (1, 4, 24)
