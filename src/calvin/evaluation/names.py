"""Names in captions: who is named, and whether they are there.

Which words are names comes from a cast list where there is one, else from the captions' own capitals.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calvin.core.errors import DataError
from calvin.data.readers.text_files import read_json

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?:\"”]\s*$")
_TITLES = frozenset({"Mr", "Mrs", "Ms", "Dr", "The", "Of", "And", "Young", "Old", "SOMEONE", "I"})


@dataclass(frozen=True, slots=True)
class NameList:
    """Single words that are names; `source` says where they come from, and `fold` that their case does not matter."""

    words: frozenset[str]
    source: str
    fold: bool = False

    def found(self, text: str) -> tuple[str, ...]:
        """The names in a text, each once, in their order, the possessive taken off."""
        known = {word.lower(): word for word in self.words} if self.fold else {word: word for word in self.words}
        words = (re.sub(r"['’]s$", "", word) for word in _WORD.findall(text))
        return tuple(dict.fromkeys(known[word] for word in words if word in known))

    def wrong(self, caption: str, right: Collection[str]) -> bool:
        """Whether a caption names somebody who is not among those of `right` (texts that hold the right names)."""
        there = {name for text in right for name in self.found(text)}
        return not set(self.found(caption)) <= there


def harvest(texts: Iterable[str]) -> NameList:
    """Names by capitals: words that are capitalised within a sentence and never occur in lower case."""
    capital: set[str] = set()
    lower: set[str] = set()
    for text in texts:
        for match in _WORD.finditer(text):
            word, before = re.sub(r"['’]s$", "", match[0]), text[: match.start()]
            if word[0].islower():
                lower.add(word)
            elif before.strip() and not _SENTENCE_END.search(before):
                capital.add(word)
    words = {word for word in capital if word.lower() not in lower} - _TITLES
    return NameList(frozenset(words), "capitalised words of references and captions")


def read_cast(path: str | Path, texts: Sequence[str] = ()) -> tuple[dict[str, NameList], NameList]:
    """Role names of each film, and of all, from a character bank in MAD's form.

    Args:
        texts: the references; where none holds a capital, names are looked for in lower case too.

    Raises:
        DataError: not such a file.
    """
    bank = read_json(path)
    try:
        roles = {str(movie): [str(person["role"]) for person in people] for movie, people in bank.items()}
    except (AttributeError, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a character bank: a list of people with a role by film is expected.") from error
    fold = not any(letter.isupper() for text in texts for letter in text)
    cast = {movie: from_names(people, f"{path}", fold) for movie, people in roles.items()}
    return cast, from_names([name for people in roles.values() for name in people], f"{path}", fold)


def read_roles(path: str | Path) -> dict[str, dict[str, str]]:
    """By film, what each person of a character bank is called in it, by their id; without those who have none.

    Raises:
        DataError: not such a file.
    """
    try:
        return {
            str(movie): {str(person["id"]): str(person["role"]) for person in people if person.get("id")}
            for movie, people in read_json(path).items()
        }
    except (AttributeError, TypeError, KeyError) as error:
        raise DataError(f"{path} is not a character bank: a list of people with a role by film is expected.") from error


def from_names(names: Iterable[str], source: str, fold: bool = False) -> NameList:
    """A list of full names as single words, titles and lower-case words left out."""
    words = {word for name in names for word in _WORD.findall(name) if word[0].isupper() and len(word) > 1}
    return NameList(frozenset(words - _TITLES), source, fold)


def oracle(
    texts: Sequence[str], movie: str | None, cast: Mapping[str, NameList], everyone: NameList
) -> tuple[str, ...]:
    """The names that a scene's references hold, in order: the paper's assumption of section 5.1."""
    known = cast.get(movie or "", everyone)
    return tuple(dict.fromkeys(name for text in texts for name in known.found(text)))
