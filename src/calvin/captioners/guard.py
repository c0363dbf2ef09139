"""The repetition guard: a caption must not loop, nor say again exactly what was said last."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    """The text without the stray full stop or comma that a small model may begin with; quotes and dashes stay."""
    return text.lstrip(" .,;:")


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


def says_again(text: str, before: str) -> bool:
    """Whether all that a text says, word for word, was part of another."""
    words, old = _words(text), _words(before)
    return any(words == old[start : start + len(words)] for start in range(len(old) - len(words) + 1))


def choose(candidates: Sequence[str], previous: str | None) -> int:
    """Index of the best candidate that has words, does not loop and is not the previous caption.

    Where none passes: the best that does not loop, else the first.
    """
    sound = [i for i, text in enumerate(candidates) if is_sound(text, None)]
    fresh = [i for i in sound if is_sound(candidates[i], previous)]
    return (fresh or sound or [0])[0]
