"""Who speaks, by the labels that subtitles for the hard of hearing put before a line: `ANN:`, `ANN (whispering):`,
`[Ann]`. Labels of songs, sounds and sources of sound name nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_NAME = re.compile(r"^(?:[-–—]\s*)?([^\W\d_][\w .'’-]{0,40}?)\s*(?:[\[(][^\])]{0,40}[\])]\s*)?:\s+(?=\S)")
_BRACKETED = re.compile(
    r"^(?:[-–—]\s*)?[\[(]\s*([^\W\d_][\w .'’-]{0,40}?)\s*(?:[,(:][^\])]{0,40}\)?)?[\])]:?\s*(?=[^\s\[(♪♫#])"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_BEFORE = re.compile(r"[^\W\d_][,;]?\s+$")
"""What stands before a word within a sentence."""
SOUNDS = frozenset(
    re.findall(
        r"\w+",
        """alarm applause bell bells caption chant chanting chime choir chorus crash dialogue echo engine film
        footsteps gunshot gunshots horn instrumental intercom jingle laughter loudspeaker lyric lyrics machine melody
        music musical noise note orchestra phone piano radio rain recording ringtone sign silence singing siren song
        sound sounds speaker static subtitle subtitles tannoy tape telephone television text theme thunder title titles
        translation tune tv vocals vocalizing wind""",
    )
)
"""Words of labels that are no person's."""


def is_sound(label: str) -> bool:
    """Whether a label says what is heard, not who: 'MUSIC', 'Theme song', 'RADIO 2'."""
    return any(word.lower() in SOUNDS for word in _WORD.findall(label))


def label_of(text: str) -> tuple[str, str]:
    """The label in capitals before a colon and the words after it; "" where there is none."""
    named = _NAME.match(text)
    return (named[1], text[named.end() :]) if named and named[1].isupper() else ("", text)


def other_labels(texts: Sequence[str], known: Sequence[str]) -> list[tuple[str, str]]:
    """Label and words of each text whose label has another form: `[Ann] Yes.`, or `Ann: Yes.`

    Such a label may as well be a sound or the beginning of a sentence, so it has to be somebody who is known elsewhere
    (`known`, or a name that stands within a sentence), or written like a name, where a file's sounds are not, and more
    than once.
    """
    found = [_either(text) for text in texts]
    named = {name.casefold() for name in known} | _inner_names(texts)
    small = any(match and match[0][0].islower() for match in map(_first_word_in_brackets, texts))
    often = Counter(label.casefold() for label, _, _ in found if label)

    def accepted(label: str, bracketed: bool) -> bool:
        words = label.split()
        if not label or is_sound(label) or len(words) > 3 or not all(word[0].isupper() for word in words):
            return False
        if {label.casefold(), words[0].casefold()} & named:
            return True
        like_a_name = bracketed and small and not label.isupper()
        return like_a_name and often[label.casefold()] > 1

    return [(label, rest) if accepted(label, bracketed) else ("", text)
            for text, (label, rest, bracketed) in zip(texts, found, strict=True)]  # fmt: skip


def _either(text: str) -> tuple[str, str, bool]:
    bracketed, named = _BRACKETED.match(text), _NAME.match(text)
    if bracketed:
        return bracketed[1], text[bracketed.end() :], True
    return (named[1], text[named.end() :], False) if named else ("", text, False)


def _first_word_in_brackets(text: str) -> re.Match[str] | None:
    inside = re.search(r"[\[(]\s*(?=[^\W\d_])", text)
    return _WORD.match(text, inside.end()) if inside else None


def _inner_names(texts: Sequence[str]) -> set[str]:
    """Words that are capital within sentences, and never small, in texts that are not all capitals."""
    capital: set[str] = set()
    small: set[str] = set()
    for text in texts:
        if text.isupper():
            continue
        for match in _WORD.finditer(text):
            if match[0].islower():
                small.add(match[0])
            elif _BEFORE.search(text, 0, match.start()):
                capital.add(match[0].lower())
    return capital - small
