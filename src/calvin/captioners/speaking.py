"""How the captioners that were not trained on audio description write, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from calvin.captioners.messages import MAX_NEW_TOKENS


@torch.inference_mode()
def say(model: Any, tokenizer: Any, inputs: Any, max_new_tokens: int = MAX_NEW_TOKENS) -> list[tuple[str, float]]:
    """What a model writes after each prompt by always taking the likeliest token, and its mean log-probability.

    `inputs` holds left-padded `input_ids` [B, T] and what else the model takes.
    """
    answer = model.generate(
        **inputs,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        pad_token_id=tokenizer.pad_token_id,
        output_scores=True,
        return_dict_in_generate=True,
    )
    new = answer.sequences[:, -len(answer.scores) :]  # [B, N]
    chances = torch.stack([step.float().log_softmax(-1) for step in answer.scores], dim=1)  # [B, N, V]
    scores = chances.gather(2, new.unsqueeze(2)).squeeze(2)
    ends = _ends(model, tokenizer)
    results = []
    for row, chance in zip(new.tolist(), scores, strict=True):
        length = next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
        text = tokenizer.decode(row[:length], skip_special_tokens=True)
        results.append((text, float(chance[:length].mean())))
    return results


def prepare_tokenizer(tokenizer: Any) -> None:
    """Prompts of a batch end together: they are padded on the left."""
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token


def _ends(model: Any, tokenizer: Any) -> set[int]:
    configured = model.generation_config.eos_token_id
    ends = configured if isinstance(configured, Sequence) else [configured]
    return {token for token in (*ends, tokenizer.eos_token_id, tokenizer.pad_token_id) if token is not None}


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
