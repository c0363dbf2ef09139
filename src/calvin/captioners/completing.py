"""A language model as a plain function: the text that follows a prompt, for cleaning data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from calvin.captioners.base import OpenOptions
from calvin.captioners.blind import Blind, open_blind
from calvin.captioners.messages import Message
from calvin.captioners.server import open_server

_NEW_TOKENS = 64


def open_completer(name: str, options: OpenOptions, max_new_tokens: int = _NEW_TOKENS) -> Callable[[str], str]:
    """`openai:http://HOST:PORT/v1#MODEL`, else a causal language model: `smollm2`, a folder, a GGUF file, a hub id.

    Raises:
        UsageError: no address of a server, or nobody agreed to fetch the model.
        CheckpointError: there is no such model.
    """
    if name.startswith("openai:"):
        server = open_server(name.removeprefix("openai:"), options)
        return lambda prompt: server.ask(Message((prompt,)))
    return _Local(open_blind(name, options), max_new_tokens)


class _Local:
    """Greedy, and stopped at the end of the line: a prompt of examples is gone on with, chat markup or not."""

    def __init__(self, blind: Blind, max_new_tokens: int) -> None:
        self.model, self.tokenizer, self.max_new_tokens = blind.model, blind.tokenizer, max_new_tokens

    def __call__(self, prompt: str) -> str:
        inputs = self.tokenizer([prompt], return_tensors="pt", return_token_type_ids=False).to(self.model.device)
        stopping: dict[str, Any] = {"stop_strings": ["\n"], "tokenizer": self.tokenizer}
        answer = self.model.generate(
            **inputs, max_new_tokens=self.max_new_tokens, do_sample=False, num_beams=1,
            pad_token_id=self.tokenizer.pad_token_id, **stopping,
        )  # fmt: skip
        return str(self.tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
