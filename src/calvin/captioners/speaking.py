"""What the captioners that were not trained on audio description have in common: asking, generating, answering."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch

from calvin.captioners.answers import clean_answer
from calvin.captioners.base import CaptionAnswer
from calvin.captioners.instruction import CONTEXT, STYLE, UNSEEN

MAX_NEW_TOKENS = 64


def to_answer(said: str, score: float = 0.0) -> CaptionAnswer:
    """A model's words as an answer: cleaned, with what cleaned them, and the words as they were."""
    text, cleaned = clean_answer(said)
    return CaptionAnswer(text, score, (text,), cleaned, said if cleaned else "")


def fingerprint(weights: str, **settings: Any) -> str:
    """Of everything that shapes a captioner's words: weights, settings, and the words it is asked with."""
    asked = json.dumps([weights, settings, CONTEXT, STYLE, UNSEEN], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


@torch.inference_mode()
def say(model: Any, tokenizer: Any, inputs: Any) -> list[tuple[str, float]]:
    """What a model writes after each prompt by always taking the likeliest token, and its mean log-probability.

    `inputs` holds left-padded `input_ids` [B, T] and what else the model takes.
    """
    answer = model.generate(
        **inputs,
        max_new_tokens=MAX_NEW_TOKENS,
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
