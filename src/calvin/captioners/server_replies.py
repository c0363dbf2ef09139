"""What a model server says back: an answer, whole or not, or that it wants the question in another form."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from calvin.captioners.answers import clean_answer, is_whole
from calvin.captioners.chat_markup import drop_thoughts


@dataclass(frozen=True, slots=True)
class Reply:
    """The words of a completion; whether a limit `cut` them, a filter `blocked` them, or the model `thought` too."""

    text: str
    cut: bool = False
    thought: bool = False
    blocked: bool = False


_CUT = ("length", "max_tokens", "model_length", "max_output_tokens")
_THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Fields beside the content that hold thoughts: DeepSeek's and llama.cpp's, vLLM's and Ollama's, others'."""
_BLOCKED = ("content_filter", "safety", "prohibited_content", "recitation", "refusal")


def read_reply(content: bytes) -> Reply | None:
    """The words of a completion, or None where the answer is not one. Content may come in typed parts."""
    try:
        choice = json.loads(content)["choices"][0]
        message = choice["message"]
        said = message.get("content")
        if isinstance(said, list):
            said = "".join(part["text"] for part in said if part.get("type") == "text")
        thoughts = next(
            (message[key] for key in ("reasoning_content", "reasoning", "thinking") if message.get(key)), ""
        )
        finish = str(choice.get("finish_reason") or "").lower()
        refusal = message.get("refusal")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    blocked = finish in _BLOCKED or bool(refusal)
    if not isinstance(said, str):
        if not (thoughts or blocked or finish in _CUT):
            return None
        said = ""
    # Half a surrogate pair is what a token limit leaves of an emoji; no file could hold it.
    said = said.encode("utf-8", "ignore").decode()
    if not said.strip() and isinstance(thoughts, str) and "</think" in thoughts:
        said = drop_thoughts(thoughts)  # a server that took the answer for thoughts too
    return Reply(said, finish in _CUT, bool(thoughts), blocked)


THINKING = "spent its tokens on thinking, which its server can turn off"
CUT = "was cut off by its limit of tokens"
REFUSES = "would not describe it"
EMPTY = "gave an empty answer"
HALF = "stopped amid a sentence"


def trouble_of(reply: Reply, last: bool = False) -> str:
    """Why a reply holds no whole caption, or "" where it does; of the `last` try, a whole first sentence will do."""
    text, used = clean_answer(reply.text)
    if reply.blocked:
        return REFUSES
    if text and not reply.cut:
        return ""
    if text and last and is_whole(text) and not reply.text.rstrip().endswith(text[-12:]):
        return ""
    if "refusals" in used and not text:
        return REFUSES
    if not text and ("thoughts" in used or reply.thought):
        return THINKING
    if reply.cut:
        return CUT
    return HALF if "half sentences" in used else EMPTY


@dataclass(frozen=True, slots=True)
class Terms:
    """What a server takes: what it calls the limit of tokens ("": none), a temperature, so many stills a question."""

    limit: str = "max_tokens"
    temperature: bool = True
    stills: int = 64


_TOO_LARGE = re.compile(
    r"max(?:_completion)?_(?:output_)?tokens.{0,80}(?:too large|at most|exceed|greater|maximum|must be)|"
    r"(?:too large|exceed).{0,60}max(?:_completion)?_tokens",
    re.IGNORECASE | re.DOTALL,
)
_IMAGES = re.compile(
    r"(?:at most|up to|max(?:imum)?(?: number)?(?: of)?|limit(?: of| is)?|only|no more than|support[s]?|exceeds?(?: "
    r"the)?(?: limit| maximum)?(?: of)?)"
    r"\D{0,12}(\d{1,3}|one|a single|single) (?:image|picture|photo)|(?:image|picture)s? (?:per|in (?:a|one|each)) "
    r"(?:request|prompt|message)"
    r"|too many (?:image|picture)s|(?:multiple|several|more than (?:one|1)) (?:image|picture)s?"
    r"|--?limit[-_]mm[-_]per[-_]prompt"
    r"|(?:number of images|image count|images? limit)",
    re.IGNORECASE,
)
_CONTEXT = re.compile(
    r"context (?:length|size|window)|exceed_context_size|too many tokens|prompt (?:is )?too (?:long|large)|input "
    r"(?:is )?too (?:long|large)"
    r"|request (?:entity )?too large|payload too large|longer than the maximum",
    re.IGNORECASE,
)
_BLIND = re.compile(
    r"image input is not supported|(?:does|do|did) not support (?:the )?(?:image|vision|multimodal|picture|visual)"
    r"|not a (?:multimodal|vision) model"
    r"|image_url is only supported by|no (?:multimodal|vision) (?:support|capabilit)|mmproj|missing data required "
    r"for image"
    r"|not support(?:ed)? (?:image|vision)|image(?:s|_url)? (?:is|are) not supported|without vision|cannot (?:read"
    r"|process|accept) images?"
    r"|(?:image|vision)[^.]{0,30}(?:unsupported|not enabled)|unknown variant `image_url`|text[- ]only model",
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"load(?:ing|ed)\b|start(?:ing|up)\b|warm(?:ing)?[ -]?up|not (?:yet )?ready|initiali[sz]|currently unavailable"
    r"|unavailable_error|booting|cold",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"(?:output|token) limit was reached|could not finish the message", re.IGNORECASE)


def is_blind(message: str) -> bool:
    """Whether a server says that its model takes no pictures."""
    return bool(_BLIND.search(message)) and not _many(message)


def is_loading(message: str) -> bool:
    return bool(_LOADING.search(message))


def is_unfinished(message: str) -> bool:
    """Whether a server refuses in the place of an answer that its limit of tokens cut off."""
    return bool(_UNFINISHED.search(message))


def is_too_large(message: str) -> bool:
    """Whether a server refuses the number of tokens asked for."""
    return bool(_TOO_LARGE.search(message))


def _many(message: str) -> bool:
    return bool(_IMAGES.search(message))


def other_terms(terms: Terms, message: str, asked: int, size: bool = False) -> Terms | None:
    """Terms that a server which refuses, in these words, a question with so many stills `asked` may take; None: none.

    Args:
        size: whether the status says that the question is too large.
    """
    if _many(message) and asked > 1:
        number = next((found[1] for found in _IMAGES.finditer(message) if found[1]), "")
        most = int(number) if number.isdigit() else 1 if number else asked // 2
        return replace(terms, stills=max(1, most if most < asked else asked // 2))
    if (size or _CONTEXT.search(message)) and asked > 1:
        return replace(terms, stills=max(1, asked // 2))
    low = message.lower()
    if terms.limit and terms.limit in low and not is_too_large(message):
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": ""}[terms.limit]
        return replace(terms, limit=other)
    if "temperature" in low and terms.temperature:
        return replace(terms, temperature=False)
    return None


def model_ids(content: bytes) -> tuple[str, ...] | None:
    """The names in a list of models, or None where it is not one."""
    try:
        listed: Any = json.loads(content)
        listed = listed.get("data", listed.get("models")) if isinstance(listed, dict) else listed
        found = [str(one.get("id") or one["name"]) if isinstance(one, dict) else str(one) for one in listed]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return tuple("".join(c if c.isprintable() else " " for c in one)[:100] for one in found)


def knows(ids: tuple[str, ...], model: str) -> bool:
    """Whether a model is among a server's; Ollama's `name` is its `name:latest`."""
    names = {one.lower() for one in ids}
    return bool(names & {model.lower(), f"{model.lower()}:latest"})
