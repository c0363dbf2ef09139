"""The composite against a Llama that is fed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForImageTextToText, LlamaForCausalLM

from calvin.model import CalvinConfig, CalvinForConditionalGeneration

VISUAL = 60


@pytest.fixture
def model() -> CalvinForConditionalGeneration:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = CalvinConfig(
        qformer_config={
            "hidden_size": 24,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "initializer_range": 0.2,
            **still,
        },
        text_config={
            "model_type": "llama",
            "vocab_size": VISUAL,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "initializer_range": 0.2,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        num_query_tokens=4,
        max_frames=8,
        image_embed_dim=16,
        visual_token_id=VISUAL,
    )
    return CalvinForConditionalGeneration(config).eval()


def sample(frames: int = 5) -> dict[str, Tensor]:
    """BOS, visual, text - as samples are laid out."""
    text = torch.randint(3, VISUAL, (2, 9))
    input_ids = torch.cat([torch.ones(2, 1, dtype=torch.long), torch.full((2, 4), VISUAL), text], dim=1)
    return {"input_ids": input_ids, "image_embeds": torch.randn(2, frames, 16)}


@torch.no_grad()
def test_logits_and_loss_are_those_of_a_llama_fed_by_hand(model: CalvinForConditionalGeneration) -> None:
    llama = LlamaForCausalLM(model.config.text_config).eval()
    llama.load_state_dict(model.language_model.state_dict())
    inputs = sample()
    words = llama.get_input_embeddings()
    ids = inputs["input_ids"]
    embeds = torch.cat([words(ids[:, :1]), model.projector(inputs["image_embeds"]), words(ids[:, 5:])], dim=1)
    labels = ids.masked_fill(torch.arange(14) < 9, -100)
    by_hand = llama(inputs_embeds=embeds, labels=labels)
    # the same kernels on the same shapes: no tolerance is needed
    assert torch.equal(model(**inputs).logits, by_hand.logits)
    # the loss takes the head over fewer positions, so sums differ in float32's last digits
    torch.testing.assert_close(model(**inputs, labels=labels).loss, by_hand.loss, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_gradients_are_those_of_the_llama(model: CalvinForConditionalGeneration) -> None:
    inputs = sample()
    labels = inputs["input_ids"].masked_fill(torch.arange(14) < 9, -100)
    with torch.enable_grad():
        model(**inputs, labels=labels).loss.backward()
    ours = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    with torch.enable_grad():
        embeds = model.embed_inputs(**inputs)
        model.language_model(inputs_embeds=embeds, labels=labels).loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_the_visual_changes_what_follows_it_and_nothing_before(model: CalvinForConditionalGeneration) -> None:
    inputs = sample()
    logits = model(**inputs).logits
    other = model(**{**inputs, "image_embeds": torch.randn(2, 5, 16)}).logits
    assert torch.equal(logits[:, 0], other[:, 0])
    assert ((logits - other).abs().amax(-1)[:, 5:] > 1e-2).all()
    answers = {
        tuple(
            model.generate(inputs["input_ids"][:1], image_embeds=torch.randn(1, 5, 16) * 3, max_new_tokens=8)[
                0
            ].tolist()
        )
        for _ in range(6)
    }
    assert len(answers) > 1


@torch.no_grad()
def test_padding_frames_change_no_logit(model: CalvinForConditionalGeneration) -> None:
    inputs = sample(frames=3)
    padded = torch.cat([inputs["image_embeds"], torch.full((2, 5, 16), 99.0)], dim=1)
    mask = torch.tensor([[1] * 3 + [0] * 5] * 2)
    # masked frames have weight 0; sums over 8 terms instead of 3 differ in float32's last digits, here of values near 1
    torch.testing.assert_close(
        model(input_ids=inputs["input_ids"], image_embeds=padded, frame_mask=mask).logits,
        model(**inputs).logits,
        rtol=1e-4,
        atol=1e-5,
    )


@torch.no_grad()
def test_text_alone_is_answered_as_by_the_language_model(model: CalvinForConditionalGeneration) -> None:
    input_ids = torch.randint(3, VISUAL, (3, 7))
    assert torch.equal(
        model(input_ids).logits, model.language_model(input_ids, attention_mask=torch.ones_like(input_ids)).logits
    )
    for beams in (1, 4):
        ours = model.generate(input_ids, max_new_tokens=8, num_beams=beams, eos_token_id=())
        theirs = model.language_model.generate(
            input_ids,
            attention_mask=torch.ones_like(input_ids),
            max_new_tokens=8,
            num_beams=beams,
            eos_token_id=None,
            do_sample=False,
        )
        assert torch.equal(ours, theirs[:, 7:])


@torch.no_grad()
def test_saving_is_bit_exact(model: CalvinForConditionalGeneration, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "a", max_shard_size="20KB")
    assert len(list((tmp_path / "a").glob("*.safetensors"))) > 1
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "a")
    assert set(again.state_dict()) == set(model.state_dict())
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())
    inputs = sample()
    assert torch.equal(again(**inputs).logits, model(**inputs).logits)
