"""What is done to a model's words before they are a caption.

The guard against repetition is for every captioner: a caption must not loop, nor say again exactly what was said last.
The rules are for chatty models, whose answers they turn into one line of audio description. Each rule has a name and is
reported with the answer that it changed. They are applied in the order of `RULES`, again until nothing changes.

An answer may be long and may be anything, so each rule takes time in proportion to its length: where a search fails,
the next one must not read the same stretch again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from calvin.captioners.base import CaptionAnswer
from calvin.core.prompts import clean_line

_MAX_PHRASE = 12


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def loop_start(text: str) -> int | None:
    """Index of the first word of a needless repeat, or None.

    A loop is a phrase of up to 12 words said three times in a row, or one of three words or more said twice in a row.
    """
    words = _words(text)
    for start in range(len(words)):
        for size in range(1, min(_MAX_PHRASE, (len(words) - start) // 2) + 1):
            times = 2 if size >= 3 else 3
            phrase = words[start : start + size]
            if words[start : start + size * times] == phrase * times:
                return start + size
    return None


def cut_loop(text: str) -> str:
    """The text up to where it begins to loop."""
    stop = loop_start(text)
    if stop is None:
        return text
    ends = [match.end() for match in re.finditer(r"\w+", text)]
    return text[: ends[stop - 1]].rstrip(" ,;:-") + "."


def strip_start(text: str) -> str:
    """The text without the stray full stop or comma that a small model may begin with; quotes and dashes stay.

    A whole sentence gets its capital: captions of clips, which models learn from, often have none.
    """
    text = text.lstrip(" .,;:")
    return _upper(text) if is_whole(text) else text


def same_words(one: str, other: str) -> bool:
    return _words(one) == _words(other)


_OPEN = re.compile(
    r"(?:an?|the|and|or|but|of|to|in|on|at|by|for|from|with|into|onto|over|under|beside|behind|before"
    r"|his|her|their|its|is|are|as|that|who|which)"
)
"""Words that an English sentence does not end with."""


def is_whole(text: str) -> bool:
    """Whether a text is a sentence to its end: it closes with a sentence mark and not on a word that wants another."""
    words = _words(text)
    return bool(words) and not _OPEN.fullmatch(words[-1]) and text.rstrip("\"'”’) ").endswith((".", "!", "?", "…"))


def is_sound(text: str, previous: str | None) -> bool:
    """Whether a text has words, does not loop, and is not the previous caption."""
    return bool(_words(text)) and loop_start(text) is None and not (previous and same_words(text, previous))


def choose(candidates: Sequence[str], previous: str | None) -> int:
    """Index of the best candidate that has words, does not loop and is not the previous caption.

    Where none passes: the best that does not loop, else the first.
    """
    sound = [i for i, text in enumerate(candidates) if is_sound(text, None)]
    fresh = [i for i in sound if is_sound(candidates[i], previous)]
    return (fresh or sound or [0])[0]


_NOUN = (
    r"(?:(?:short|given|provided|current|next|first|final|opening|same)\s+)?"
    r"(?:video|clip|footage|film|movie|scene|image|picture|photo|frame|still|shot|sequence|visual)s?"
    r"(?:\s+(?:clip|sequence|frame|footage|scene|segment)s?)?"
)
_SHOW = (
    r"(?:(?:then|now|also|clearly|again)\s+)?(?:(?:is|are)\s+)?"
    r"(?:show|depict|feature|portray|captur|display|present|illustrat|open|begin|start|follow|focus|contain|captures?)"
    r"(?:s|es|e|ing)?(?:\s+(?:with|on|us|a view of))*"
)
_THAT = r"(?:\s+(?:that|how|where))?\s+"
_SEE = r"(?:we|you|one|viewers?)\s+(?:can\s+|could\s+)?(?:also\s+|then\s+)?(?:sees?|watch(?:es)?|observes?|notices?)"

_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"^(?:(?:i['’]?m|i am) (?:sorry|unable)|sorry,|i (?:can(?:no|['’])t|do not|don['’]t) "
    r"(?:see|view|watch|help|assist|have|access)|as an ai\b|unfortunately, i\b)",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"^(?:sure|certainly|of course|here(?:['’]s| is| are)|okay|ok)\b[^\n]*?:\s+(?=\S)", re.IGNORECASE
)
_LABEL = re.compile(
    r"^(?:(?:audio )?description|(?:final )?caption|ad|answer|response|output|line|narrator|scene|assistant)"
    r"(?: \d+)?\s*:\s*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•‣–]|\(?\d{1,2}[.)])\s+")
_STAMP = re.compile(
    r"^[<\[(]?\s*(?:\d+(?:\.\d+)?\s*(?:s|sec|seconds)|\d{1,2}(?::\d{2}){1,2}(?:\.\d+)?)\s*[>\])]?[:,]?\s+"
)
_OPENERS = (
    re.compile(rf"^(?:the|this|these|a|an|our)\s+{_NOUN},?\s+{_SHOW}{_THAT}", re.IGNORECASE),
    re.compile(rf"^(?:in|during|throughout)\s+(?:the|this|these)\s+{_NOUN}\s*,?\s+(?:{_SEE}{_THAT})?", re.IGNORECASE),
    re.compile(rf"^{_SEE}{_THAT}", re.IGNORECASE),
    re.compile(rf"^it\s+{_SHOW}{_THAT}", re.IGNORECASE),
    re.compile(rf"^(?:a|an|the)\s+(?:{_NOUN}|view|close-?up|wide shot|medium shot)\s+of\s+", re.IGNORECASE),
)
_CAMERA = re.compile(
    r"^(?:as\s+)?the\s+camera\s+(?:(?:then|slowly|now)\s+)?"
    r"(?:show|pan|zoom|move|cut|focus|tilt|track|follow|pull|dollie|close|linger|reveal|capture)(?:s|es|ing)?"
    r"(?:\s+(?:in|out|up|down|over|back|away|left|right|across|around|on|to|onto|towards?|from))*"
    r"(?:\s+(?:to\s+)?(?:show|reveal)(?:ing|s)?)?,?\s+",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|st|prof|sgt|lt|capt|jr|sr|vs|no|col|gen|rev)|\b[a-z])\.$", re.IGNORECASE
)
_END = re.compile(r"[.!?…]++[\"'”’)]*+(?=\s)|[.!?…]++")  # a run without a space after it is read over in one go
_PAIRS = (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("`", "`"))
_MARKS = (
    (re.compile(r"```\w*\n?|```"), ""),
    (re.compile(r"\[([^\[\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)((?:(?!\1).)+)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=\S)_(?![\w_])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    (re.compile(r"\A\s*#{1,6}\s[^\n]*\n\s*(?=\S)"), ""),  # a heading over the answer
    (re.compile(r"^[ \t]*(?:#{1,6}|>)\s+", re.MULTILINE), ""),
)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cut_start(*patterns: re.Pattern[str]) -> Callable[[str], str]:
    """A rule that takes off what a pattern finds at the start, unless nothing would be left."""

    def rule(text: str) -> str:
        for pattern in patterns:
            match = pattern.match(text)
            rest = text[match.end() :] if match else ""
            if re.search(r"\w", rest):
                return _upper(rest.lstrip(" ,:"))
        return text

    return rule


def _markdown(text: str) -> str:
    for pattern, kept in _MARKS:
        text = pattern.sub(kept, text)
    return text


def _preamble(text: str) -> str:
    first, _, rest = text.partition("\n")
    if first.rstrip().endswith(":") and rest.strip():
        return rest.strip()
    return _cut_start(_PREAMBLE)(text)


def _list(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return _BULLET.sub("", lines[0]).strip() if lines and _BULLET.match(lines[0]) else text


def _lines(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _quotes(text: str) -> str:
    for left, right in _PAIRS:
        if len(text) > 2 and text.startswith(left) and text.endswith(right):
            inner = text[1:-1]
            if left not in inner and right not in inner:
                return inner.strip()
    return text


def _sentences(text: str) -> str:
    words = re.compile(r"\w")
    first = words.search(text)
    for match in _END.finditer(text):
        end = match.end()
        if first is None or first.start() > end or not text[end : end + 1].isspace():
            continue
        # An abbreviation is short: it stands in the last few characters.
        if not _ABBREVIATION.search(text[max(0, end - 12) : end]):
            return text[:end] if words.search(text, end) else text
    return text


RULES: Mapping[str, Callable[[str], str]] = {
    "thoughts": lambda text: _THOUGHT.sub("", text).strip(),
    "markdown": _markdown,
    "refusals": lambda text: "" if _REFUSAL.match(text) else text,
    "preambles": _preamble,
    "lists": _list,
    "further lines": _lines,
    "labels": _cut_start(_LABEL),
    "times": _cut_start(_STAMP),
    "quotes": _quotes,
    "openers": _cut_start(*_OPENERS),
    "camera": _cut_start(_CAMERA),
    "further sentences": _sentences,
    "loops": cut_loop,
}
"""Name of each rule, as it is reported, and what it does."""

_ROUNDS = 20


def clean_answer(answer: str) -> tuple[str, tuple[str, ...]]:
    """One line of description out of a model's answer, and the names of the rules that changed it.

    Nothing is left of an answer that is a refusal or holds no word.
    """
    text, used = answer.strip(), dict[str, None]()
    for _ in range(_ROUNDS):
        before = text
        for name, rule in RULES.items():
            after = rule(text).strip()
            if after != text:
                text, used[name] = after, None
        if text == before:
            break
    text = clean_line(text)
    return (text if re.search(r"\w", text) else ""), tuple(used)


def count_cleanings(answers: Iterable[Iterable[str]], counts: Mapping[str, int] | None = None) -> dict[str, int]:
    """How many of the answers were cleaned ("cleaned"), and how many by each rule, on top of earlier `counts`."""
    total = Counter(counts or {})
    for used in map(tuple, answers):
        total.update([*used, *(["cleaned"] if used else [])])
    return dict(total)


def cleaning_note(counts: Mapping[str, int], answers: int) -> str | None:
    """A sentence on what was cleaned of so many answers, or None where nothing was."""
    if not counts.get("cleaned"):
        return None
    by_rule = ", ".join(f"{name} {counts[name]}" for name in RULES if counts.get(name))
    return f"Of {answers} answers of the model {counts['cleaned']} were cleaned: {by_rule}."


def to_answer(said: str, score: float = 0.0) -> CaptionAnswer:
    """A model's words as an answer: cleaned, with what cleaned them, and the words as they were."""
    text, cleaned = clean_answer(said)
    return CaptionAnswer(text, score, (text,), cleaned, said if cleaned else "")
