"""What chat models put around their answer without meaning it to be read: thoughts, control tokens, wrappers.

Tables by kind, after what the models' own chat templates and the parsers of model servers know. Each rule reads an
answer once: whatever a pattern may repeat is bounded, or stops where the next search begins.
"""

from __future__ import annotations

import ast
import html
import json
import re
from collections import deque
from typing import Any

_NAMES = (
    r"think(?:ing)?|thoughts?|reason(?:ing)?|analysis|reflection|rationale|scratchpad|planning|inner_monologue"
    r"|seed:think|seed:cot_budget_reflect|antthinking|internal|details"
)
"""Elements that hold thoughts: Qwen, DeepSeek, GLM, EXAONE, Seed-OSS, Claude and what models are prompted to write."""
_TAGS = {
    "open": rf"<(?:{_NAMES})(?:\s[^<>\n]{{0,80}})?>|\[(?:think|thinking|reasoning)\]|◁think▷|<\|START_THINKING\|>"
    r"|<\|begin_of_thought\|>|<\|channel>(?:thought|analysis)?|<\|(?:think(?:ing)?|thought|reasoning)\|>"
    r"|<\|im_start\|>think\b",
    "close": rf"</(?:{_NAMES})\s?>|\[/(?:think|thinking|reasoning)\]|◁/think▷|<\|END_THINKING\|>"
    r"|<\|end_of_thought\|>|<channel\|>|<\|/(?:think(?:ing)?|thought|reasoning)\|>|<\|im_start\|>answer\b",
}
"""Beside those: Magistral's brackets, Kimi's triangles, Command A's, OpenThinker's and Gemma 4's tokens."""
_TAG = re.compile(f"(?P<open>{_TAGS['open']})|(?P<close>{_TAGS['close']})", re.IGNORECASE)
_CHANNEL = re.compile(r"<\|channel\|>\s{0,4}(\w{1,20})")
_MESSAGE_END = re.compile(r"<\|(?:end|return|start|call)\|>")
_FUSED = re.compile(r"(?:analysis|commentary)(?=[A-Z])")
"""gpt-oss's channels after a decoder has dropped the tokens between them: "analysisWe need ...assistantfinalA man."."""
_HEADED = re.compile(
    r"[#* ]{0,8}(?:here(?:['’]s| is) (?:my|a|the) (?:thought|thinking|reasoning) process[^\n:]{0,60}"
    r"|thinking(?: process)?|(?:first |rough )?draft|step (?:1|one)|thoughts?|reasoning|analysis"
    r"|chain of thought)[* ]{0,4}(?::|\n|\.\.\.|…)",
    re.IGNORECASE,
)
_MARKER = re.compile(
    r"(?:^|\n|(?<=[.!?]) )[#* ]{0,8}(?:here(?:['’]s| is) my (?:response|answer)|\.\.\.done thinking\.?"
    r"|(?:(?:so|therefore|thus|hence),? )?(?:the |my )?(?:final |revised |improved |polished )?(?:answer|response"
    r"|caption|output|audio description|description|ad|sentence|revised|version))"
    r"(?: is| could be| would be)?[* ]{0,4}(?::[* ]{0,4}|\n)",
    re.IGNORECASE,
)
"""What stands between thoughts in words and the answer."""
_HUM = r"(?:(?:okay|ok|alright|all right|hm+|well|so|got it|right|now|first|wait|let['’]s see)[,.!]{0,3}\s{1,3})"
_ALOUD = re.compile(
    rf"{_HUM}{{0,3}}(?:the user (?:wants?|asks?|is asking|needs?|has|said|provided|requests?|would)\b|let me (?:\w+ "
    rf")?(?:look|see|think|describe|start|begin|write|analy[sz]e|go|check|craft|consider|note|break|examine|review"
    rf"|watch|try|put|focus|summari[sz]e|give|provide)\b"
    r"|let['’]s (?:see|think|look at|analy[sz]e|start|break|consider)\b"
    r"|i (?:need to|should|have to|must|will (?:write|describe|focus|use|say|keep|now)|want to|think|was asked)\b"
    r"|we (?:need to|should|have to|must|are asked|were asked)\b|i['’]ll (?:write|describe|focus|use|keep|go|look"
    r"|start|begin|analy[sz]e|examine|need to)\b"
    r"|(?:my|the) (?:task|prompt|instructions?) (?:is|are|says?|asks?|wants?|requires?|tells?|states?)\b|(?:looking"
    r"|judging) at (?:the|these) (?:frames?|images?|video)\b(?![^\n,]{0,40},\s[^\n]+\Z))",
    re.IGNORECASE,
)
_HUMMED = re.compile(
    rf"{_HUM}{{1,3}}(?:the (?:frames?|images?|video|clip|scene)s? (?:shows?|depicts?|is|are)|we see|i (?:see"
    rf"|look at)|there "
    rf"(?:is|are))\b",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"(?:i|we|my|so|but|then|wait|hm+|also|perhaps|maybe)\b|.{0,80}\bthe (?:user|prompt)\b", re.IGNORECASE
)


def drop_thoughts(text: str) -> str:
    """The text without what a model thought before it answered; nothing, where it did not come to an answer."""
    channels = list(_CHANNEL.finditer(text))
    if channels:
        return _final_channel(text, channels)
    if _FUSED.match(text):
        return text.rpartition("assistantfinal")[2] if "assistantfinal" in text else ""
    text = _outside_tags(text)
    if _HEADED.match(text) and ("\n" in text or _MARKER.search(text)):
        return _after_marker(text)
    if _ALOUD.match(text) or (_HUMMED.match(text) and "\n" in text.strip()):
        return _after_marker(text)
    return text


def _final_channel(text: str, channels: list[re.Match[str]]) -> str:
    """Of gpt-oss's channels (the harmony format) the last one called final."""
    for number in range(len(channels) - 1, -1, -1):
        if channels[number][1].lower() == "final":
            stop = channels[number + 1].start() if number + 1 < len(channels) else len(text)
            body = text[channels[number].end() : stop]
            body = body.partition("<|message|>")[2] if "<|message|>" in body else body
            end = _MESSAGE_END.search(body)
            return (body[: end.start()] if end else body).strip()
    return ""


def _outside_tags(text: str) -> str:
    """What stands outside thinking tags; templates may have written the opening one into the prompt already."""
    kept: list[str] = []
    depth, at, found = 0, 0, False
    for tag in _TAG.finditer(text):
        if depth == 0:
            kept.append(text[at : tag.start()])
        if tag["open"]:
            depth += 1
        elif depth:
            depth -= 1
        else:
            kept.clear()  # a closing tag whose opening one is not here: all before it was thought
        at, found = tag.end(), True
    if depth == 0:
        kept.append(text[at:])
    return " ".join(part.strip() for part in kept).strip() if found else text


def _after_marker(text: str) -> str:
    """The answer behind thoughts in words: what follows the last such marker, else a last line that is no thought."""
    marker = _last(_MARKER, text)
    if marker is not None and re.search(r"\w", text[marker.end() :]):
        return text[marker.end() :].strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1]
    if len(lines) > 1 and not (_ALOUD.match(last) or _HEADED.match(last) or _OWN.match(last)):
        return last
    _, colon, rest = last.rpartition(": ")
    said = rest.lstrip('"“*')
    return rest if colon and said[:1].isupper() and len(said.split()) > 2 and not _ALOUD.match(said) else ""


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


_TURN_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text|return|END_OF_TURN_TOKEN|END_RESPONSE|user|observation"
    r"|end_of_solution|turn_end|fim_pad)\|>|</s>|<eos>|<end_of_turn>|<turn\|>|<end_of_utterance>|<｜end▁of▁sentence｜>"
    r"|<｜User｜>|\[(?:EOS|\|endofturn\|)\]|(?<=[.!?\"”])(?:assistant|user)\s{0,2}(?=\n|\Z|(?-i:[A-Z]))"
    r"|\n###? {0,2}(?:human|user|instruction|question)\b",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"(?:<special_\d{1,4}>|<\|(?:im_start|im_assistant|im_user|im_system|start|start_of_role|start_of_turn"
    r"|start_header_id|turn)\|?>|<start_of_turn>)\s{0,2}"
    r"(?:assistant|model|system|user|ai|bot)?(?:<\|(?:end_of_role|end_header_id|im_middle)\|>)?\s{0,4}",
    re.IGNORECASE,
)
_PLACES = re.compile(
    r"<\|det\|>[^<>]{0,400}<\|/det\|>|<box>[^<>]{0,400}</box>|<\|box_start\|>[^<>]{0,400}<\|box_end\|>"
    r"|<<SYS>>[^<]{0,4000}<</SYS>>"
)
_TOKENS = re.compile(
    r"<\|[^|<>\n]{1,48}\|>|<｜[^｜<>\n]{1,48}｜>|<\|[a-z_]{1,24}>|<[a-z_]{1,24}\|>|<<?/?SYS>>?"
    r"|\[\|[a-z]{1,20}\|\]|<(?!(?:audio_description|final_answer|tool_call"
    r"|inner_monologue)>)[a-z]{2,16}(?:_[a-z0-9]{1,16}){1,4}>"
    r"|</?(?:s|json|bos|eos|pad|unk|mask|sep|cls|sop|eop|image|images|video|IMG_CONTEXT|assistant|model|bot|ai|xml|root"
    r"|ref|box|quad|start_of_turn"
    r"|end_of_turn|end_of_utterance|fake_token_around_image|global-img|row_\d{1,3}_col_\d{1,3}|loc\d{1,4}|seg\d{1,4}"
    r"|extra_id_\d{1,3}|unused\d{1,4}|0x[0-9A-F]{2}|start_of_image|end_of_image|image_soft_token|im_patch"
    r"|special_\d{1,4})>"
    r"|</?points?(?:\s[^<>\n]{0,400})?>"
    r"|\[/?(?:gMASK|sMASK|MASK|BOS|EOS|BOT|EOT|END|PAD|SEP|CLS|UNK|IMG|IMG_BREAK|IMG_END|INST|TOOL_CALLS"
    r"|SYSTEM_PROMPT)\]"
    r"|</?(?:p|br|em|strong|span|div|center|html|body|img|summary)(?:\s[^<>\n]{0,80})?/?>",
    re.IGNORECASE,
)
"""Control tokens of the chat templates of Llama, ChatML, Gemma, Mistral, Phi, DeepSeek, Command, GLM, Granite,
InternVL, SmolVLM, PaliGemma, Molmo and others, and HTML."""
_PAIRED = re.compile(r"<(b|i|u)>([^<>\n]*)</\1>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|nbsp|#39|#x27|#34);")
_FUSED_ROLE = re.compile(r"(?:thought(?:\n|\[\]|\(\)|(?=[A-Z]))|(?:assistant|model)\s{0,2}\n)\s{0,4}")
_BROKEN = re.compile(r"(?:</|<\|)[\w|]{0,20}$")
"""The start of a control token at which an answer was cut."""
_GLUE = re.compile(r"(?<=[\w.,;:!?'\"])Ġ|(?<=\w)[Ċ]")
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))
"""Spaces of no width, which say nothing; joiners and soft hyphens are part of words."""
_DIALOGUE = re.compile(r"\A(?:user|human):.{0,4000}?\b(?:assistant|ai):\s{0,4}(?=\S)", re.DOTALL | re.IGNORECASE)
"""The templates of LLaVA and SmolVLM, when all of the talk comes back."""


def drop_tokens(text: str) -> str:
    """The text without control tokens, and without the turns that follow its own."""
    before = text
    text = _DIALOGUE.sub("", text.translate(_UNSEEN))
    if "[/INST]" in text:
        text = text.rpartition("[/INST]")[2] if re.search(r"\w", text.rpartition("[/INST]")[2]) else text
    for end in _TURN_END.finditer(text):
        if re.search(r"\w", _TOKENS.sub("", _ROLE.sub("", text[: end.start()]))):
            text = text[: end.start()]
            break
        text = text[end.end() :]
        break
    text = _PAIRED.sub(r"\2", text)
    text = _BROKEN.sub("", _TOKENS.sub("", _PLACES.sub("", _ROLE.sub("", text))))
    text = _FUSED_ROLE.sub("", text, count=1) if _FUSED_ROLE.match(text) else text
    text = _ENTITY.sub(lambda one: html.unescape(one[0]).replace("\xa0", " "), text)
    text = _GLUE.sub(" ", text.replace("\u2581", " ")).strip()
    return text[:1].upper() + text[1:] if text != before.strip() else before


_KEYS = (
    "audio_description", "audiodescription", "ad", "final_caption", "caption", "final_answer", "description",
    "sentence",    "line", "answer", "response", "output", "final", "narration", "result", "text", "content", "message",
)  # fmt: skip
"""Fields of a structured answer that hold the caption, the surest first."""
_ELEMENT = re.compile(
    r"<(answer|final_answer|final|response|output|caption|ad|audio_description|description|sentence|line|result"
    r"|solution"
    r"|text|summary|tool_call|narration)>",
    re.IGNORECASE,
)
_END_ELEMENT = re.compile(_ELEMENT.pattern.replace("<(", "</("), re.IGNORECASE)
_CALL = re.compile(r"\w{1,30}\(\s{0,4}(?:\w{1,20}=)?([\"'])(.*)\1\s{0,4}\)", re.DOTALL)
_FIELD = re.compile(
    rf"[\"']?\b(?:{'|'.join(_KEYS)})[\"']?\s{{0,4}}[:=]\s{{0,4}}\"([^\"\\]*(?:\\.[^\"\\]*)*)\"", re.IGNORECASE
)
_ASSIGNED = re.compile(
    rf"(?:{'|'.join(_KEYS)})\s{{0,4}}[:=]\s{{0,4}}'([^'\n]+(?:(?<=\w)'(?=\w)[^'\n]*)*)'", re.IGNORECASE
)
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mbox)\{([^{}]*)\}")
_SHORT = 4000
"""Characters of a structured answer that are read as Python where they are no JSON."""


def unwrap(text: str) -> str:
    """The caption inside a code fence, an element, LaTeX, JSON or a call; nothing, where its field is broken off."""
    text = _fenced(text)
    element = _last(_ELEMENT, text)
    if element is not None:
        inner = text[element.end() :]
        end = _END_ELEMENT.search(inner)
        inner = inner[: end.start()] if end else inner
        if re.search(r"\w", inner):
            text = inner.strip()
    text = _latex(_of_table(_END_ELEMENT.sub("", text)))
    call = _CALL.fullmatch(text.strip())
    return _structured(call[2] if call else text)


def _of_table(text: str) -> str:
    """The longest cell of the first row of a table in Markdown."""
    lines = text.strip().splitlines()
    if len(lines) < 3 or not lines[0].startswith("|") or not re.fullmatch(r"[|\s:-]{3,400}", lines[1]):
        return text
    return max((cell.strip() for cell in lines[2].split("|")), key=len)


def _fenced(text: str) -> str:
    text = text.replace("~~~", "```") if text.startswith("~~~") else text
    start = text.find("```")
    if start < 0:
        return text
    inner = text[start + 3 :]
    inner = inner[: inner.find("```")] if "```" in inner else inner
    first, newline, rest = inner.partition("\n")
    inner = rest if newline and re.fullmatch(r"\s*\w{0,20}\s*", first[:40]) else inner
    return inner.strip() if re.search(r"\w", inner) else text


def _latex(text: str) -> str:
    start = text.rfind("\\boxed{")
    if start >= 0:
        depth, at = 1, start + len("\\boxed{")
        for brace in re.finditer(r"[{}]", text[at:]):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                text = text[at : at + brace.start()]
                break
        else:
            text = text[at:]
    if "\\" in text:
        text = _LATEX_TEXT.sub(r"\1", text).strip()
    return text[1:-1].strip() if len(text) > 2 and text[0] == text[-1] == "$" else text


def _structured(text: str) -> str:
    bare = text.strip()
    alone = _FIELD.fullmatch(bare) or _ASSIGNED.fullmatch(bare)
    if alone is not None:
        return alone[1]
    if not re.match(r"\{\s{0,40}(?:[\"'}]|\w{1,30}\s?:)|\[\s{0,40}[\"'{]", bare):
        return text
    try:
        value: Any = json.JSONDecoder(strict=False).raw_decode(bare)[0]
    except (ValueError, RecursionError):
        field = _FIELD.search(bare)
        if field is not None:
            return field[1].replace('\\"', '"').replace("\\n", "\n").strip()
        try:
            value = ast.literal_eval(bare) if len(bare) <= _SHORT else None
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            value = None
    found = _caption_in(value)
    # What begins as an object and holds no caption is broken off; a list may be a sentence's own bracket.
    return (found or "").strip() if found is not None or bare.startswith("{") else text


def _caption_in(value: Any, depth: int = 0) -> str | None:
    if isinstance(value, str):
        return value
    if depth > 8:
        return None
    if isinstance(value, list | tuple):
        return next((found for one in value[:8] if (found := _caption_in(one, depth + 1))), None)
    if not isinstance(value, dict):
        return None
    fields = {str(key).lower().replace(" ", "_").replace("-", "_"): one for key, one in value.items()}
    for key in _KEYS:
        if key in fields and (found := _caption_in(fields[key], depth + 1)):
            return found
    for one in fields.values():
        if isinstance(one, dict | list) and (found := _caption_in(one, depth + 1)):
            return found
    words = [one for one in fields.values() if isinstance(one, str)]
    return words[0] if len(words) == 1 else None
