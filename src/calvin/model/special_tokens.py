"""What begins, ends and fills a sequence, settled once for a tokenizer and its language model.

Tokenizers leave gaps that training falls into: Llama-2's has no padding, Qwen's no beginning, some have a `<pad>` that
was added after the model was made, so that its id lies past the last word embedding. And a model may name another end
than its tokenizer, whose captions would then never end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from calvin.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids within the vocabulary. Captions are taught to end with `eos`; `ends` are all that end one, `eos` first."""

    bos: int
    eos: int
    pad: int
    ends: tuple[int, ...]


def special_tokens(tokenizer: Any, text: Any = None) -> SpecialTokens:
    """The tokenizer's own where the model has an embedding for them, else the model's, else the end's.

    Args:
        tokenizer: any transformers tokenizer.
        text: the configuration of its language model; None: what the tokenizer says is taken on trust.

    Raises:
        UsageError: neither names an end that both know.
    """
    ends = tuple(dict.fromkeys(_known(tokenizer, text, "eos_token_id")))
    if not ends:
        raise UsageError("The tokenizer has no end token: set its eos_token.")
    bos = next(_known(tokenizer, text, "bos_token_id"), ends[0])
    # Padding is masked and never learnt, so any token will do.
    pad = next(_known(tokenizer, text, "pad_token_id"), ends[0])
    return SpecialTokens(bos, ends[0], pad, ends)


def settle_special_tokens(tokenizer: Any, text: Any) -> SpecialTokens:
    """As `special_tokens`, and the tokenizer is made to say so itself, in place: a saved one needs no model beside it.

    Raises:
        UsageError: as there.
    """
    settled = special_tokens(tokenizer, text)
    for name in ("bos", "eos", "pad"):
        wanted = getattr(settled, name)
        if getattr(tokenizer, f"{name}_token_id") != wanted:
            tokenizer.add_special_tokens({f"{name}_token": tokenizer.convert_ids_to_tokens(wanted)})
    return settled


def settle_generation(generation: Any, settled: SpecialTokens) -> None:
    """Let a generation configuration end captions where they were taught to end, in place; ends of its own stay."""
    own = tuple(_listed(generation.eos_token_id))
    ends = tuple(dict.fromkeys((*settled.ends, *own)))
    if set(ends) != set(own):
        generation.eos_token_id = list(ends) if len(ends) > 1 else ends[0]
    if generation.pad_token_id is None:
        generation.pad_token_id = settled.pad


def _known(tokenizer: Any, text: Any, name: str) -> Iterator[int]:
    """The ids of that name that both tokenizer and model know, the tokenizer's before the model's."""
    limit = float("inf") if text is None else text.vocab_size
    own = getattr(tokenizer, name)
    if own is not None and 0 <= own < limit:
        yield int(own)
    for other in _listed(getattr(text, name, None)):
        if 0 <= other < min(limit, len(tokenizer)) and tokenizer.convert_ids_to_tokens(other) is not None:
            yield int(other)


def _listed(value: int | Sequence[int] | None) -> Iterable[int]:
    return () if value is None else (value,) if isinstance(value, int) else value
