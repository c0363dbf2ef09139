"""What a model server says back: an answer, whole or not, or that it wants the question in another form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from calvin.captioners.answers import clean_answer, is_whole
from calvin.captioners.chat_markup import drop_thoughts
from calvin.captioners.two_stages import described
from calvin.core.types import LARGE_SIZE


@dataclass(frozen=True, slots=True)
class Reply:
    """The words of a completion; whether a limit `cut` them, a filter `blocked` them, or the model `thought` too."""

    text: str
    cut: bool = False
    thought: bool = False
    blocked: bool = False


_CUT = (
    "length", "max_tokens", "model_length", "max_output_tokens", "truncated", "incomplete", "token_limit",
    "model_context_window_exceeded", "context_length_exceeded",
)  # fmt: skip
_BLOCKED = (
    "content_filter", "safety", "prohibited_content", "recitation", "refusal", "blocklist", "spii", "image_safety",
    "error_toxic", "sensitive", "moderation", "guardrail_intervened", "blocked",
)  # fmt: skip
_FAILED = ("error", "abort", "aborted", "cancelled", "canceled", "network_error", "timeout", "failed")
"""Ends of an answer that broke off for the server's own reasons: what there is of it is no answer."""
_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "reasoning_text")
"""Fields beside the content that hold thoughts: DeepSeek's and llama.cpp's, vLLM's and Ollama's, others'."""
_TEXT = ("text", "output_text", "")


def read_reply(content: bytes) -> Reply | None:
    """The words of a completion, or None where the answer is not one.

    Content may come in typed parts, the whole as a stream of events though none was asked for, and comments before it
    that keep the line open.
    """
    try:
        choice = _choice(content.decode("utf-8-sig"))
        message = choice.get("message") or choice.get("delta") or {"content": choice["text"]}
        said, declined = _content(message.get("content"))
        thoughts: Any = next((message[key] for key in _THOUGHTS if message.get(key)), "")
        finish = str(choice.get("finish_reason") or "").lower()
        if not said and message.get("tool_calls"):
            said = str(message["tool_calls"][0]["function"]["arguments"])
        refusal = message.get("refusal") or declined
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    blocked = finish in _BLOCKED or bool(refusal)
    if finish in _FAILED or (said is None and not (thoughts or blocked or finish in _CUT)):
        return None
    # Half a surrogate pair is what a token limit leaves of an emoji; no file could hold it.
    said = (said or "").encode("utf-8", "ignore").decode()
    if not said.strip() and isinstance(thoughts, str) and "</think" in thoughts:
        said = drop_thoughts(thoughts)  # a server that took the answer for thoughts too
    return Reply(said, finish in _CUT, bool(thoughts), blocked)


def _choice(text: str) -> dict[str, Any]:
    """The first choice of a completion.

    Raises:
        ValueError, LookupError, TypeError, AttributeError: there is none.
    """
    bare = "\n".join(line for line in text.splitlines() if not line.startswith(":")).strip()
    if bare.startswith(("data:", "event:")):
        return _streamed(bare)
    value: Any = json.loads(bare)
    value = value[0] if isinstance(value, list) else value
    if "choices" not in value and isinstance(value.get("message"), dict):
        return {"message": value["message"], "finish_reason": value.get("done_reason")}  # Ollama's own form
    return dict(value["choices"][0])


def _streamed(text: str) -> dict[str, Any]:
    """The choice that the events of a stream add up to."""
    said, thoughts, finish = [], [], None
    for line in text.splitlines():
        if not line.startswith("data:") or line.removeprefix("data:").strip() in ("", "[DONE]"):
            continue
        value = json.loads(line.removeprefix("data:"))
        for choice in value["choices"][:1]:
            part = choice.get("delta") or choice.get("message") or {}
            said.append(_content(part.get("content"))[0] or "")
            thoughts += [str(part[key]) for key in _THOUGHTS if part.get(key)]
            finish = choice.get("finish_reason") or finish
    message = {"content": "".join(said), "reasoning": "".join(thoughts)}
    return {"message": message, "finish_reason": finish or "error"}  # a stream that does not end broke off


def _content(content: Any) -> tuple[str | None, bool]:
    """The text of a message's content (None: there is none), and whether a part of it is a refusal."""
    if content is None or isinstance(content, str):
        return content, False
    parts = [{"text": part} if isinstance(part, str) else part for part in
             ([content] if isinstance(content, dict) else list(content))]  # fmt: skip
    declined = any(part.get("type") == "refusal" for part in parts)
    return "".join(str(part["text"]) for part in parts if part.get("type", "") in _TEXT), declined


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


def dense_trouble(reply: Reply, last: bool = False) -> str:
    """Why a reply holds no description in several sentences, or "" where it does; one that goes on too long is one."""
    text = described(reply.text)
    if reply.blocked:
        return REFUSES
    first, used = clean_answer(reply.text)
    if not first and "refusals" in used:
        return REFUSES
    if len(text) >= FEWEST and (last or not reply.cut):
        return ""
    if not text and (reply.thought or "thoughts" in used):
        return THINKING
    return CUT if reply.cut else EMPTY


Judge = Callable[[Reply, bool], str]
"""From a reply, and whether it is the last try, to what is wrong with it ("": nothing)."""
FEWEST = 12
"""Characters that a description has at least."""
SIZES = (LARGE_SIZE, 512, 384, 224)
"""Pixels on the longer side of the stills that are shown, one after the other where they are too large."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a server takes: what it calls the limit of tokens ("": none), a temperature, so many stills a question, of
    so many pixels on the longer side."""

    limit: str = "max_tokens"
    temperature: bool = True
    stills: int = 64
    size: int = LARGE_SIZE


_TOO_LARGE = re.compile(
    r"max(?:_completion)?_(?:output_)?tokens.{0,80}(?:too large|at most|exceed|greater|maximum|must be)|"
    r"(?:too large|exceed).{0,60}max(?:_completion)?_tokens",
    re.IGNORECASE | re.DOTALL,
)
_PICTURES = r"(?:image|picture|photo)s?"
_IMAGES = re.compile(
    rf"(?:at most|up to|max(?:imum)?(?: number)?(?: of)?|limit(?: of| is)?|only|no more than|supports?|accepts?|takes?"
    rf"|exceeds?(?: the)?(?: limit| maximum)?(?: of)?)\D{{0,12}}(?:\d{{1,3}}|one|a single|single) {_PICTURES[:-2]}"
    rf"|{_PICTURES} (?:per|in (?:a|one|each)) (?:request|prompt|message)|too many {_PICTURES}"
    rf"|(?:multiple|several|more than (?:one|1)) {_PICTURES}|--?limit[-_]mm[-_]per[-_]prompt"
    rf"|number of {_PICTURES}(?! token)|(?:image|picture)s? (?:count|limit)|multi-image|num_images"
    rf"|{_PICTURES}: .{{0,40}}\bat most|at most \d{{1,3}} items.{{0,60}}image|\d {_PICTURES}, but",
    re.IGNORECASE,
)
_ONE = re.compile(
    rf"(?:one|a single|single)[- ]{_PICTURES}|multi-image|(?:multiple|several) {_PICTURES}", re.IGNORECASE
)
_MOST = (
    re.compile(r"\d{1,3}(?: \+ \d{1,3})? > (?:limit )?(\d{1,3})\b"),
    re.compile(
        r"(?:at most|up to|max(?:imum)?(?: number)?(?: of)?|limit(?: of| is)?|only|no more than|supports?|accepts?"
        r"|takes?"
        r"|cannot exceed|count is|images?: )\D{0,20}?\b(\d{1,3})\b",
        re.IGNORECASE,
    ),
)
"""How many pictures a server takes, where it says so."""
_SIZE = re.compile(
    r"(?:image|picture|photo)s?(?: data| file)?(?:(?:'s)? (?:size|dimensions?|resolution|width|height))?[^.]{0,30}"
    r"(?:too (?:large|big|high)|exceeds?|larger than|bigger than|beyond)"
    r"|(?:image|picture)[ _](?:size|dimensions?|resolution|pixels?)[^.]{0,40}(?:must|at most|max|limit|only|up to|not)"
    r"|(?:max(?:imum)?|largest)[^.]{0,20}(?:image|picture) (?:size|dimensions?|resolution|pixels?)"
    r"|too (?:large|big|many)[^.]{0,12} (?:an? )?(?:image|picture|pixels)\b(?!s)"
    r"|(?:max(?:imum)?|at most|limit of|exceeds?)[^.]{0,30}(?:megapixels?|pixels?)\b",
    re.IGNORECASE,
)
_SIDES = re.compile(r"pixel|dimension|resolution|\bsize|large\b|\bbig", re.IGNORECASE)
_CONTEXT = re.compile(
    r"context (?:length|size|window|limit)|exceed_context_size|too many tokens|prompt (?:is )?too (?:long|large)|"
    r"inputs? (?:is )?too (?:long|large)|request (?:entity |body )?(?:is )?too large|payload too large|longer than the "
    r"maximum|(?:inputs?|prompt) (?:length|tokens?|token count)\b.{0,80}(?:exceed|must be|limit)|reduce the length"
    r"|body "
    r"size|kv[- ]cache|out of memory",
    re.IGNORECASE | re.DOTALL,
)
_SIGHT = r"(?:image|vision|multi-?modal|picture|visual)"
_BLIND = re.compile(
    rf"{_SIGHT}(?:_url)?s?['\"`]?(?: (?:input|modality|content|add-on|capabilit\w+|data|understanding)s?)? (?:(?:is"
    rf"|are) )?"
    rf"not (?:\w+ )?(?:supported|enabled|available|loaded|allowed|accepted)"
    rf"|(?:do(?:es)?|did|can)(?: not|n['’]t|not) (?:support|accept|take|process|have|handle|allow|read|see) (?:the "
    rf"|any )?"
    rf"{_SIGHT}|not (?:a|an) (?:vlm|{_SIGHT})\b|(?:image_url|image input)s? (?:is|are) only supported by"
    rf"|no endpoints found that support {_SIGHT}|no {_SIGHT} (?:support|capabilit|model)|mmproj|missing data required "
    rf"for image|not support(?:ed)? {_SIGHT}|without vision|cannot (?:read|process|accept|see) {_PICTURES}"
    rf"|(?:unsupported|invalid|unknown) (?:message )?(?:content )?(?:type|variant|part)[^.]{{0,20}}image"
    rf"|invalid message content type|{_SIGHT}[^.]{{0,30}}(?:unsupported|not enabled)|text[- ]only model"
    r"|content['\"`]?\]?:? (?:must be|should be|input should be|expected)(?: an?)?(?: valid)? string"
    r"|expected (?:a )?string, "
    r"(?:got|found|received) (?:an? )?(?:array|list|sequence)",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"requires more (?:\w+ )?memory|resource limitations|not enough (?:\w+ )?memory|insufficient (?:\w+ )?memory"
    r"|(?:cannot|unable to|failed to) allocate",
    re.IGNORECASE,
)
_LOADING = re.compile(
    r"load(?:ing|ed)\b|start(?:ing|up)\b|warm(?:ing)?[ -]?up|not (?:yet )?ready|initiali[sz]|currently unavailable"
    r"|unavailable_error|booting|cold",
    re.IGNORECASE,
)
_LOADS = re.compile(
    r"(?:is|are|still|currently) (?:\w+ )?(?:loading|starting|warming|initiali[sz]ing|booting)|\bloading (?:the "
    r"|a )?model"
    r"|warming up|starting up|not (?:yet )?ready",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"(?:output|token) limit was reached|could not finish the message", re.IGNORECASE)


def is_blind(message: str) -> bool:
    """Whether a server says that its model takes no pictures."""
    if _many(message):
        return _most(message) == 0
    return bool(_BLIND.search(message))


def lacks_memory(message: str) -> bool:
    """Whether a server says that the machine cannot hold the model."""
    return bool(_MEMORY.search(message))


def is_loading(message: str, surely: bool = False) -> bool:
    """Whether a server says that it is loading its model; `surely`: where the status does not tell."""
    return bool((_LOADS if surely else _LOADING).search(message))


def is_unfinished(message: str) -> bool:
    """Whether a server refuses in the place of an answer that its limit of tokens cut off."""
    return bool(_UNFINISHED.search(message))


def is_too_large(message: str) -> bool:
    """Whether a server refuses the number of tokens asked for."""
    return bool(_TOO_LARGE.search(message))


def is_too_long(message: str) -> bool:
    """Whether a server says that a question is longer than its model can take in."""
    return bool(_CONTEXT.search(message))


def _many(message: str) -> bool:
    return bool(_IMAGES.search(message))


def _most(message: str) -> int | None:
    """How many pictures a server takes that has something to say of their number."""
    if _ONE.search(message):
        return 1
    return next((int(found[1]) for one in _MOST if (found := one.search(message))), None)


def other_terms(terms: Terms, message: str, asked: int, longest: int = 0, too_large: bool = False) -> Terms | None:
    """Terms that a server which refuses, in these words, a question with so many stills `asked` may take; None: none.

    A question that is too long is asked with smaller stills first, down to half of their sides, which is a quarter of
    what they take; then with fewer.

    Args:
        longest: pixels on the longer side of the largest of the stills.
        too_large: whether the status says that the question is too large.
    """
    smaller = next((size for size in SIZES if size < min(longest, terms.size)), None)
    sized = bool(_SIZE.search(message)) and not _CONTEXT.search(message)
    if _many(message) and not _SIDES.search(message):
        sized = False  # "the number of images exceeds the limit"
    if smaller is not None and sized:
        return replace(terms, size=smaller)
    if _many(message) and asked > 1:
        most = _most(message)
        return replace(terms, stills=max(1, most if most is not None and most < asked else asked // 2))
    if too_large or sized or _CONTEXT.search(message):
        half = SIZES[2]
        if asked and longest > half and terms.size > half:
            return replace(terms, size=half)
        if asked > 1:
            return replace(terms, stills=max(1, asked // 2))
        if asked and smaller is not None:
            return replace(terms, size=smaller)
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
