"""Text to tokens, once for all metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.ptb import ptb_tokenize

Tokenizer = Literal["ptb", "whitespace"]


def tokenize(text: str, tokenizer: Tokenizer = "ptb") -> Sequence[str]:
    """Tokens as coco-caption makes them ("ptb": lower case, punctuation removed), or text split at white space."""
    return ptb_tokenize(text) if tokenizer == "ptb" else text.split()


def tokenize_pairs(pairs: Pairs, tokenizer: Tokenizer) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """The tokens of each candidate [N] and of each reference, those of one item after those of another [R]."""
    split: Callable[[str], Sequence[str]] = ptb_tokenize if tokenizer == "ptb" else str.split
    return (
        [split(text) for text in pairs.candidates],
        [split(text) for texts in pairs.references for text in texts],
    )
