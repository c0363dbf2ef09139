"""What a model server was asked and answered, in tokens as the server counts them, and what that costs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Self

from calvin.core.errors import UsageError

_ASKED = ("prompt_tokens", "input_tokens", "prompt_eval_count")
_ANSWERED = ("completion_tokens", "output_tokens", "eval_count")
"""What the OpenAI API calls them, other servers of that API, and Ollama's own."""
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Spending:
    """Answers that a server gave, and the tokens that it counted in questions and answers (0: it does not say)."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.answers + other.answers,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: Spending) -> Spending:
        return self + Spending(-other.answers, -other.prompt_tokens, -other.completion_tokens)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, of questions and of answers, in whatever money the reader pays in."""

    prompt: float
    completion: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "0.25/2": a million tokens of questions, and of answers.

        Raises:
            UsageError: it is no pair of numbers.
        """
        try:
            prompt, completion = (float(part) for part in text.split("/"))
        except ValueError:
            prompt = completion = math.nan
        if not (0 <= prompt < math.inf and 0 <= completion < math.inf):
            raise UsageError(
                f"{text!r} is no price: write what a million tokens of questions and of answers cost, such as 0.25/2."
            )
        return cls(prompt, completion)

    def of(self, spent: Spending) -> float:
        return (spent.prompt_tokens * self.prompt + spent.completion_tokens * self.completion) / _MILLION


def read_spending(content: bytes) -> Spending:
    """What an answer cost by the server's own count; tokens that it does not state are 0.

    As with its words, the whole may be a stream of events, the last of which states the usage.
    """
    prompt = completion = 0
    for piece in _pieces(content.decode("utf-8-sig", "replace")):
        usage = piece.get("usage")
        usage = usage if isinstance(usage, dict) else piece
        prompt = max(prompt, _tokens(usage, _ASKED))
        completion = max(completion, _tokens(usage, _ANSWERED))
    return Spending(1, prompt, completion)


def spent_by(captioner: object) -> Spending:
    """What a captioner's server was asked so far; nothing of one that asks none."""
    return getattr(captioner, "spent", Spending())


def _pieces(text: str) -> list[dict[str, Any]]:
    """The objects of an answer: one, or one for each event of a stream."""
    lines = [line for line in text.splitlines() if not line.startswith(":")]
    events = [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]
    found: list[dict[str, Any]] = []
    for part in events or ["\n".join(lines)]:
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        value = value[0] if isinstance(value, list) and value else value
        found += [value] if isinstance(value, dict) else []
    return found


def _tokens(usage: dict[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40:
            return value
    return 0
