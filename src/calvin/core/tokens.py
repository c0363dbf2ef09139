"""From a prompt and a caption to token ids, the same way in training and at inference.

Layout (settled for CALVIN's Figure 3): BOS, one placeholder for each query token, prompt, caption, EOS. The loss is on
the caption and EOS only; everything else is labelled IGNORE_INDEX.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from calvin.core.errors import DataError
from calvin.core.prompts import PlainPrompt, Prompt, clean_line

IGNORE_INDEX = -100


@dataclass(frozen=True, slots=True)
class Encoded:
    """Ids of one sample; `labels` has the same length and is IGNORE_INDEX outside caption and EOS."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True, slots=True)
class TokenLayout:
    """How a model's sequences are laid out.

    Args:
        tokenizer: any transformers tokenizer.
        visual_token_id: id of the placeholder that the model replaces by a visual embedding.
        num_query_tokens: placeholders per sample, 32 in the paper.
        max_length: ids at most, visual placeholders included; if they do not fit, the oldest context goes first.
    """

    tokenizer: Any
    bos_token_id: int
    eos_token_id: int
    visual_token_id: int
    num_query_tokens: int = 32
    max_length: int = 512

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    def _split(self, prompt: str, caption: str) -> tuple[list[int], list[int]]:
        """Ids of the prompt and of the caption as they stand in one running text."""
        # Tokenized together, the caption begins with a space as it does inside any text; where a tokenizer joins the
        # last word of the prompt with it, the two are tokenized apart.
        prompt_ids = self._ids(prompt)
        whole = self._ids(f"{prompt} {caption}" if prompt else caption)
        if whole[: len(prompt_ids)] == prompt_ids:
            return prompt_ids, whole[len(prompt_ids) :]
        return prompt_ids, self._ids(caption)

    def encode(self, prompt: Prompt | PlainPrompt, caption: str | None = None, visual: bool = True) -> Encoded:
        """Lay out one sample; without a caption, the part to generate from.

        Raises:
            DataError: the caption is blank, or prompt and caption exceed `max_length` even without context.
        """
        if caption is not None and not caption.strip():
            raise DataError("A caption to learn from must not be blank.")
        head = [self.bos_token_id] + [self.visual_token_id] * (self.num_query_tokens if visual else 0)
        while True:
            prompt_ids, caption_ids = self._ids(prompt.text), list[int]()
            if caption is not None:
                prompt_ids, caption_ids = self._split(prompt.text, clean_line(caption))
                caption_ids.append(self.eos_token_id)
            before = head + prompt_ids
            length = len(before) + len(caption_ids)
            if length <= self.max_length:
                return Encoded(before + caption_ids, [IGNORE_INDEX] * len(before) + caption_ids)
            if not prompt.context:
                raise DataError(f"A sample of {length} tokens does not fit into {self.max_length}.")
            prompt = replace(prompt, context=prompt.context[1:])
