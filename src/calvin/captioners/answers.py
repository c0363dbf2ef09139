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
from calvin.captioners.chat_markup import drop_thoughts, drop_tokens, unwrap
from calvin.captioners.lead_ins import cut_camera, cut_label, cut_openers, cut_preamble, cut_time, upper
from calvin.captioners.refusals import is_refusal
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
            if words[start] != words[start + size]:
                continue
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
    return upper(text) if is_whole(text) else text


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


_BULLET = re.compile(r"^\s*(?:[-*•‣–→➤►▪●◦·~]|\(?\d{1,2}[.)]|\(?[a-e]\)(?=\s+[\"“]?[A-Z]))\s+")
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|st|prof|sgt|lt|capt|cpt|cpl|jr|sr|vs|no|col|gen|rev|maj|gov|sen|hon|fr|mt|ave|blvd|inc"
    r"|ltd|co|dept"
    r"|approx|etc)|\b[a-z])\.$",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…]++[\"'”’)]*+(?=\s)|[.!?…]++")  # a run without a space after it is read over in one go
_PAIRS = (('"', '"'), ("“", "”"), ("'", "'"), ("‘", "’"), ("`", "`"), ("«", "»"), ("(", ")"), ("[", "]"), ("|", "|"))
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^“”\n]*”|«[^«»\n]*»|(?<!\w)‘[^‘’\n]*’(?!\w)"
    r"|(?<![\w'])'(?=[^\W\d])[^'\n]*(?:(?<=\w)'(?=\w)[^'\n]*)*'(?!\w)"
)
"""Words that a sentence quotes: what ends in them does not end it."""
_MARKS = (
    (re.compile(r"```\w*\n?|```"), ""),
    (re.compile(r"\[([^\[\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)((?:(?!\1).)+)(?<=\S)\1", re.DOTALL), r"\2"),
    (re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])"), r"\1"),
    (re.compile(r"(?<![\w_])_(?=[^\s_])([^_\n]+?)(?<=\S)_(?![\w_])"), r"\1"),
    (re.compile(r"`([^`\n]+)`"), r"\1"),
    (
        re.compile(r"\A\s*(?:#{1,6}\s[^\n]*|[^\n.!?…]{1,60}\n\s{0,3}(?:-{3,}|={3,})[ \t]*)\n\s*(?=\S)"),
        "",
    ),  # a heading over it
    (re.compile(r"^[ \t]*(?:#{1,6}|>)\s+", re.MULTILINE), ""),
)


_PICTOGRAPH = re.compile(r"[\U0001f000-\U0001faff\u2600-\u2668\u2670-\u27bf\ufe0f\u200d\s]")
"""Small pictures around an answer, which a voice would read out; notes of music are none."""


def _markdown(text: str) -> str:
    for pattern, kept in _MARKS:
        text = pattern.sub(kept, text)
    start, end = 0, len(text)
    while start < end and _PICTOGRAPH.match(text[start]):
        start += 1
    while end > start and _PICTOGRAPH.match(text[end - 1]):
        end -= 1
    return text[start:end]


_REMARK = re.compile(
    r"\s{0,3}(?:[—–-]\s{0,3})?[\[(](?:the )?(?:dialog(?:ue)?|speech|music|sound|audio|silence|pause|beat|end"
    r"|cont(?:inued|['’]d)|fade|cut|scene|no (?:dialogue|further|new))\b[^\])\n]{0,40}[\])]\W{0,3}\Z",
    re.IGNORECASE,
)
"""What a script says to its reader behind a line: [dialogue resumes]."""


def _remark(text: str) -> str:
    before = _REMARK.sub("", text)
    return before if re.search(r"\w", before) else text


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
    quoted = _QUOTED.finditer(text)
    quote = next(quoted, None)
    for match in _END.finditer(text):
        end = match.end()
        if first is None or first.start() > end or not text[end : end + 1].isspace():
            continue
        while quote is not None and quote.end() < end:
            quote = next(quoted, None)
        if quote is not None and quote.start() < end < quote.end():
            continue
        if text[end - 1] in "\"'”’»!?" and text[end:].lstrip()[:1].islower():
            continue  # “Run!” in red letters
        if text[:end].endswith(("...", "…")) and text[end:].lstrip()[:1].islower():
            continue
        # An abbreviation is short: it stands in the last few characters.
        if not _ABBREVIATION.search(text[max(0, end - 12) : end]):
            return text[:end] if words.search(text, end) else text
    return text


_NEVER_LAST = re.compile(r"(?:an?|the|and|or|but|my|our|its|their|whose|very)")
"""Words that no sentence ends with, whatever mark stands behind them."""
_WANTING = re.compile(
    rf"(?:{_OPEN.pattern}|{_NEVER_LAST.pattern}|upon|between|towards?|near|during|against|among|across|was|were|has|whom"
    rf"|have"
    r"|while|because|if|when|where|than|like|wearing|holding|carrying|says|then|beneath|above)"
)
"""Words that want another behind them where a text has no sentence mark."""
_ADJECTIVE = re.compile(
    r"\b(?:an?|the|his|her|their|its|two|three) (?:large|small|big|little|young|old|tall|short|long|red|blue|green"
    r"|black|white"
    r"|brown|grey|gray|yellow|dark|bright|wooden|new|other|same|open|empty|heavy|beautiful|single|pair of|group of)$",
    re.IGNORECASE,
)


_PARTICLE = re.compile(
    r"\b(?:walk|come|go|run|step|drive|ride|move|break|climb|get|turn|look|march|storm|stroll|rush|lean|dive|jump"
    r"|fall|sail"
    r"|hang|drop|zoom|close|lock|pass|stop|swim|crawl|drift|hop|limp)(?:s|es)? (?:in|on|by|over|behind)$|\blooks? "
    r"before$",
    re.IGNORECASE,
)
_POSSESSED = re.compile(
    r"(?:\b(?:as|while|when|and|that|because) (?:he|she|they|we)"
    r"|,\s(?:and\s)?(?:then\s)?(?:his|her|she|he|they|it|its)|,\s(?:his|her|its|their)\s\w+"
    r"|\b(?:in|of|on|into|under|over|and|through|across) her)$",
    re.IGNORECASE,
)
"""What begins and does not go on: ", her", ", its tail", "in her"."""


def _broken_off(text: str) -> str:
    """Nothing, where a text stops amid a sentence; no caption is ever cut."""
    bare = text.rstrip()
    words = re.findall(r"[\w'’-]+", bare[-200:].lower())
    if not words or re.search(r"[.!?…。！？]\W{0,4}$", bare):
        lone = len(words) == 1 and _ABBREVIATION.fullmatch(bare) and len(bare) > 2
        last = bool(words) and _NEVER_LAST.fullmatch(words[-1]) and bare.endswith(".") and len(words) > 1
        return "" if lone or last else text
    if bare[-1] in ",;:–—-&(/\"'“‘" and (bare[-1] not in "\"'" or bare.count(bare[-1]) % 2):
        return ""
    if bare.count('"') % 2 or bare.count("“") > bare.count("”") or _ADJECTIVE.search(bare[-60:]):
        return ""
    wanting = _WANTING.fullmatch(words[-1]) and words[-1] != "her" and not _PARTICLE.search(bare[-40:])
    return "" if wanting or _POSSESSED.search(bare[-60:]) else text


RULES: Mapping[str, Callable[[str], str]] = {
    "thoughts": drop_thoughts,
    "control tokens": drop_tokens,
    "wrappers": unwrap,
    "markdown": _markdown,
    "refusals": lambda text: "" if is_refusal(text) else text,
    "preambles": cut_preamble,
    "lists": _list,
    "further lines": _lines,
    "labels": cut_label,
    "times": cut_time,
    "remarks": _remark,
    "quotes": _quotes,
    "openers": cut_openers,
    "camera": cut_camera,
    "further sentences": _sentences,
    "loops": cut_loop,
    "half sentences": _broken_off,
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
