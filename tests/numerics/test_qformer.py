"""The projector against BERT's own layers, against transformers' Q-Former and against the formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, Blip2QFormerModel

from calvin.model import CalvinConfig, CalvinProjector
from calvin.model.assemble import copy_bert

SIZES = {"hidden_size": 48, "num_attention_heads": 4, "intermediate_size": 96}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
EXACT = {"rtol": 1e-5, "atol": 1e-5}
"""float32 keeps 7 digits; the values are of the order of 1 and sums have at most 96 terms."""


@pytest.fixture
def projector() -> CalvinProjector:
    config = CalvinConfig(
        qformer_config={**SIZES, **STILL, "initializer_range": 0.3},
        text_config={"model_type": "llama", "hidden_size": 40, "num_attention_heads": 4, "vocab_size": 50},
        num_query_tokens=6,
        max_frames=10,
        image_embed_dim=20,
    )
    projector = CalvinProjector(config)
    projector.init_weights()
    nn.init.normal_(projector.query_tokens)
    nn.init.normal_(projector.frame_position_embedding.weight)
    return projector.eval()


@torch.no_grad()
def test_from_bert_the_queries_take_berts_path(projector: CalvinProjector) -> None:
    """With cross-attention taken out, four layers are BERT's first four: self-attention and the copied feed-forward."""
    bert = BertModel(BertConfig(**SIZES, **STILL, num_hidden_layers=6, initializer_range=0.3), add_pooling_layer=False)
    for parameter in bert.parameters():
        nn.init.normal_(parameter, std=0.3)  # norms and biases too, or a forgotten one would not show
    bert.eval()
    copy_bert(bert, projector.qformer)
    for layer in projector.qformer.encoder.layer:
        layer.has_cross_attention = False
    ours = projector.qformer(query_embeds=projector.query_tokens, encoder_hidden_states=torch.zeros(1, 1, 20))
    states = bert.embeddings.LayerNorm(projector.query_tokens)
    for layer in bert.encoder.layer[:4]:
        states = layer(states)
        states = states[0] if isinstance(states, tuple) else states
    torch.testing.assert_close(ours.last_hidden_state, states, **EXACT)


@torch.no_grad()
def test_every_layer_looks_at_the_frames(projector: CalvinProjector) -> None:
    assert all(layer.has_cross_attention for layer in projector.qformer.encoder.layer)
    vectors = torch.randn(1, 5, 20)
    whole = projector(vectors)
    for layer in projector.qformer.encoder.layer:
        layer.has_cross_attention = False
        assert not torch.allclose(projector(vectors), whole, atol=1e-2)
        layer.has_cross_attention = True


@torch.no_grad()
def test_padding_frames_change_nothing(projector: CalvinProjector) -> None:
    """A masked frame gets weight exp(-inf) = 0; what is left is the order of sums, so float32's last digits."""
    vectors = torch.randn(3, 10, 20)
    mask = torch.ones(3, 10, dtype=torch.long)
    lengths = (1, 4, 10)
    for row, length in enumerate(lengths):
        mask[row, length:] = 0
    padded = projector(vectors, mask)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(projector(vectors[row : row + 1, :length])[0], padded[row], **EXACT)
    poisoned = vectors.masked_fill(mask[..., None] == 0, 1e4)
    assert torch.equal(projector(poisoned, mask), padded)


@torch.no_grad()
def test_it_is_positions_then_qformer_then_a_line(projector: CalvinProjector) -> None:
    """A Q-Former of transformers with the same weights, fed by hand."""
    theirs = Blip2QFormerModel(projector.config.qformer_config).eval()
    theirs.load_state_dict(projector.qformer.state_dict())
    vectors = torch.randn(2, 7, 20)
    states = theirs(
        query_embeds=projector.query_tokens.repeat(2, 1, 1),
        encoder_hidden_states=vectors + projector.frame_position_embedding.weight[:7],
    ).last_hidden_state
    weight, bias = projector.language_projection.weight, projector.language_projection.bias
    torch.testing.assert_close(projector(vectors), states @ weight.T + bias, **EXACT)


@torch.no_grad()
def test_cross_attention_is_the_formula(projector: CalvinProjector) -> None:
    """softmax(Q K^T / sqrt(d)) V over real frames only, in float64, then dense, residual and norm."""
    block = projector.qformer.encoder.layer[0].crossattention
    queries, frames, mask = (
        torch.randn(2, 6, 48),
        torch.randn(2, 5, 20),
        torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]),
    )
    seen: dict[str, Tensor] = {}

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], keywords: dict[str, Tensor], output: Tensor) -> None:
        seen.update(
            queries=keywords["hidden_states"],
            frames=keywords["encoder_hidden_states"],
            output=output[0] if isinstance(output, tuple) else output,
        )

    handle = block.register_forward_hook(keep, with_kwargs=True)
    projector.qformer(query_embeds=queries, encoder_hidden_states=frames, encoder_attention_mask=mask)
    handle.remove()
    exact = block.double()
    attention = exact.attention
    heads = [
        layer(value.double()).unflatten(-1, (4, 12)).transpose(1, 2)
        for layer, value in (
            (attention.query, seen["queries"]),
            (attention.key, seen["frames"]),
            (attention.value, seen["frames"]),
        )
    ]
    scores = heads[0] @ heads[1].transpose(-1, -2) / 12**0.5
    scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
    mixed = (scores.softmax(-1) @ heads[2]).transpose(1, 2).flatten(2)
    residual = exact.output.dense(mixed) + seen["queries"].double()
    torch.testing.assert_close(seen["output"].double(), exact.output.LayerNorm(residual), **EXACT)
