"""Which options of transformers' `generate` go to our own search, which to its loop, which nowhere, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedConfig

from calvin.core.errors import UsageError
from calvin.model.generation import Options, logits_processors, options_from

_PROMPT = "it reads the prompt's tokens, and a visual has none"
_ENCODER = "it is for encoder-decoder models"
_DRAFT = "a draft model would not see the visual"
_OWN_HEADS = "it is for language models with heads of their own for it"
_CODE = "no code is taken from a hub or folder"
_MOVED = "transformers keeps it in code on a hub, and no code is taken from there"
REFUSED: Mapping[str, str] = {
    "encoder_repetition_penalty": _PROMPT,
    "encoder_no_repeat_ngram_size": _PROMPT,
    "token_healing": _PROMPT,
    "prompt_lookup_num_tokens": _PROMPT,
    "max_matching_ngram_size": _PROMPT,
    "prefill_chunk_size": _PROMPT,
    "guidance_scale": _PROMPT,
    "negative_prompt_ids": _PROMPT,
    "negative_prompt_attention_mask": _PROMPT,
    "forced_bos_token_id": _ENCODER,
    "decoder_start_token_id": _ENCODER,
    "assistant_model": _DRAFT,
    "assistant_tokenizer": _DRAFT,
    "is_assistant": _DRAFT,
    "num_assistant_tokens": _DRAFT,
    "num_assistant_tokens_schedule": _DRAFT,
    "assistant_confidence_threshold": _DRAFT,
    "assistant_lookbehind": _DRAFT,
    "assistant_ensemble_weight": _DRAFT,
    "target_lookbehind": _DRAFT,
    "speculation_type": _DRAFT,
    "assistant_early_exit": _OWN_HEADS,
    "use_mtp": _OWN_HEADS,
    "trust_remote_code": _CODE,
    **dict.fromkeys(
        (
            "constraints",
            "diversity_penalty",
            "dola_layers",
            "force_words_ids",
            "low_memory",
            "num_beam_groups",
            "penalty_alpha",
        ),
        _MOVED,
    ),
    "continuous_batching_config": "it batches tokens alone, and a visual has none",
    "cache": "a prompt with its visual is always computed whole",
    "past_key_values": "a prompt with its visual is always computed whole",
}
"""What cannot be had, and why."""
ARGUMENTS = frozenset({
    "logits_processor", "stopping_criteria", "prefix_allowed_tokens_fn", "synced_gpus", "streamer", "custom_generate",
    "tokenizer",
})  # fmt: skip
"""Arguments of transformers' `generate` that are not part of a configuration."""
_WITHOUT_EFFECT = frozenset({"use_cache", "bos_token_id", "disable_compile", "transformers_version", "compile_config"})
"""The prompt is always kept, so that captions are the same whatever these say."""
_LENGTHS = ("max_length", "min_length")


@dataclass(frozen=True)
class Asked:
    """Options of one call: those that our search has, and what only transformers' loop has."""

    options: Options
    further: Mapping[str, Any]
    arguments: Mapping[str, Any]

    @property
    def ours(self) -> bool:
        """Whether our own search has all that was asked for."""
        return not self.further and not self.arguments


def sort_options(
    base: GenerationConfig | None, config: PreTrainedConfig, changes: Mapping[str, Any], length: int
) -> Asked:
    """What a call of `generate` asks for.

    Args:
        base: the configuration that the call, or else the model, brings.
        changes: what the call itself says, which comes first.
        length: of the prompts, padding and visual included: `max_length` and `min_length` count it.

    Raises:
        UsageError: an option that is unknown, cannot be had, or is out of range.
    """
    fields = _fields()
    given = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(set(given) - fields - ARGUMENTS - set(REFUSED) - set(Options.model_fields))
    if unknown:
        raise UsageError(f"generate has no option {unknown[0]!r}: docs/transformers.md lists those that there are.")
    stated = {name: value for name, value in vars(base).items() if name in fields} if base is not None else {}
    whole = {**{name: value for name, value in stated.items() if value is not None}, **given}
    neutral = GenerationConfig._get_default_generation_params()
    wanted = {name: value for name, value in whole.items() if not _says_nothing(name, value, neutral)}
    if "custom_generate" in wanted and isinstance(wanted["custom_generate"], str):
        raise UsageError(f"custom_generate from a place cannot be had: {_CODE}. Give a function.")
    if wanted.get("cache_implementation") == "paged":
        raise UsageError("cache_implementation='paged' cannot be had: it takes tokens alone, and a visual has none.")
    refused = sorted(set(wanted) & set(REFUSED))
    if refused:
        raise UsageError(f"{refused[0]} cannot be had: {REFUSED[refused[0]]}. Leave it out.")
    changed = _lengths(whole, given, length)
    further = {
        name: value
        for name, value in wanted.items()
        if name in fields and name not in Options.model_fields and name not in _LENGTHS
    }
    if whole.get("early_stopping") == "never":
        further["early_stopping"], changed["early_stopping"] = "never", False
    stopped = {"early_stopping": False} if getattr(base, "early_stopping", None) == "never" else {}
    ours = {name: value for name, value in changes.items() if name in Options.model_fields}
    options = options_from(base, config, {**stopped, **ours, **changed})
    return Asked(options, further, {name: given[name] for name in ARGUMENTS & set(given)})


def _fields() -> frozenset[str]:
    return frozenset(name for name in vars(GenerationConfig()) if not name.startswith("_"))


def _says_nothing(name: str, value: Any, neutral: Mapping[str, Any]) -> bool:
    """Whether an option only says what is so without it."""
    if name in _WITHOUT_EFFECT or value is None or value is False:
        return True
    if isinstance(value, (list, tuple, dict)):
        return not value
    return name in neutral and not isinstance(value, Tensor) and bool(value == neutral[name])


def _lengths(whole: Mapping[str, Any], given: Mapping[str, Any], length: int) -> dict[str, Any]:
    """`max_length` and `min_length`, which count the prompt, as numbers of new tokens, unless these are said too."""
    changed: dict[str, Any] = {}
    for total, new in (("max_length", "max_new_tokens"), ("min_length", "min_new_tokens")):
        # What a call says comes before what a model's configuration says of the same thing by another name.
        if whole.get(total) is not None and (total in given or whole.get(new) is None) and new not in given:
            changed[new] = max(0, int(whole[total]) - length)
    if changed.get("max_new_tokens") == 0:
        raise UsageError(
            f"max_length {whole['max_length']} leaves no room for a caption after a prompt of {length} tokens: raise "
            "it, or give max_new_tokens."
        )
    return changed


class Tempered(LogitsProcessor):
    """The temperature of a deterministic beam search, which transformers' loop has for sampling alone."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Log-probabilities [R, V] as they would be of logits divided by the temperature."""
        return (scores / self.temperature).log_softmax(-1)


def for_transformers(asked: Asked, device: torch.device) -> dict[str, Any]:
    """The arguments of transformers' `generate` that make its loop decide as our search does, and what only it has."""
    options, arguments = asked.options, dict(asked.arguments)
    values: dict[str, Any] = {
        "max_new_tokens": options.max_new_tokens,
        "num_beams": options.num_beams,
        "num_return_sequences": options.num_return_sequences,
        "do_sample": options.do_sample,
        "length_penalty": options.length_penalty,
        "early_stopping": options.early_stopping,
        "eos_token_id": list(options.eos_token_id),
        "pad_token_id": options.pad_token_id,
    }
    tempered = options.temperature != 1.0 and options.num_beams > 1 and not options.do_sample
    if tempered:
        # Before the bans, as in our search: after them, their share would be given to other words.
        own = LogitsProcessorList([Tempered(options.temperature), *logits_processors(options, device)])
        arguments["logits_processor"] = LogitsProcessorList([*own, *(arguments.get("logits_processor") or ())])
    else:
        values |= {
            "repetition_penalty": options.repetition_penalty,
            "no_repeat_ngram_size": options.no_repeat_ngram_size,
            "suppress_tokens": list(options.suppress_tokens) or None,
            "bad_words_ids": [list(word) for word in options.bad_words_ids] or None,
        }
        values |= {"min_new_tokens": options.min_new_tokens} if options.min_new_tokens else {}
        if options.do_sample:
            values |= {"temperature": options.temperature, "top_k": options.top_k, "top_p": options.top_p}
    return {**arguments, "generation_config": GenerationConfig(**{**values, **asked.further})}
