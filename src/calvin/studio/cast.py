"""Who is in a film: a cast file, names and aliases found in text, pronouns taken to whom they mean.

[[character]]
name = "Ann Lee"
aliases = ["the captain"]
pronouns = "she/her"
pictures = ["ann.jpg"]        # beside the cast file
known_from = "00:12:00"       # not named before, so that nothing is given away

[[scene]]                     # what you know of a stretch of the film
start = "00:01:00"
end = "00:01:30"
present = ["Ann Lee"]
absent = ["Bob"]

[presence]                    # how sure a guess has to be
threshold = 0.5
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import UsageError
from calvin.core.files import file_sha256
from calvin.core.prompts import clean_line
from calvin.core.time import Span, parse_timecode
from calvin.core.types import Character

_PRONOUNS = {
    "he": ("he", "him", "his", "himself"),
    "she": ("she", "her", "hers", "herself"),
    "they": ("they", "them", "their", "theirs", "themself", "themselves"),
    "it": ("it", "its", "itself"),
}


class PresenceSettings(FrozenConfig):
    """How sure a guess must be that somebody is in a scene, and what each source of guesses is worth.

    Who is heard within a scene is taken to be in it with `heard`; within `near_ms` of it, with `near` (45% of 1,940
    such were, in 300 puppet films of the training split: by itself not enough). A likeness of `z` spreads above the
    film's mean counts as sigmoid(`slope` x (z - `offset`)).
    """

    threshold: float = Field(default=0.5, ge=0, le=1)
    heard: float = Field(default=0.7, ge=0, le=1)
    near: float = Field(default=0.45, ge=0, le=1)
    near_ms: int = Field(default=1500, ge=0)
    exemplars: int = Field(default=5, gt=0, description="frames of the film that stand for a picture (AutoAD-II: 5)")
    offset: float = 1.0
    slope: float = Field(default=2.0, gt=0)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of a stretch of film: who is in it and who is not."""

    span: Span
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class _CharacterRow(FrozenConfig):
    model_config = ConfigDict(str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=80)
    aliases: tuple[str, ...] = ()
    pronouns: str = ""
    look: str = ""
    pictures: tuple[str, ...] = ()
    known_from: str = "00:00:00"


class _SceneRow(FrozenConfig):
    start: str
    end: str
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


class _File(FrozenConfig):
    character: tuple[_CharacterRow, ...] = Field(min_length=1)
    scene: tuple[_SceneRow, ...] = ()
    presence: PresenceSettings = PresenceSettings()


@dataclass(frozen=True)
class Cast:
    """The characters, their reference pictures by name, and what is known of who is where."""

    characters: tuple[Character, ...]
    pictures: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    told: tuple[Told, ...] = ()
    settings: PresenceSettings = field(default_factory=PresenceSettings)

    def __post_init__(self) -> None:
        owners: dict[str, int] = {}
        for number, character in enumerate(self.characters):
            for name in (character.name, *character.aliases):
                if re.search(r", | and |[\n;]", name) or not clean_line(name):
                    raise UsageError(f"{name!r} is not one name: give each character an entry of its own in the cast.")
                if owners.setdefault(name.casefold(), number) != number:
                    raise UsageError(
                        f"Two characters of the cast are called {name}: tell them apart, such as by their surnames."
                    )

    @cached_property
    def _words(self) -> dict[str, Character]:
        """Every form of a name that only one character has: names, aliases, and single words of full names."""
        parts = Counter(
            word for person in self.characters for word in {w for w in person.name.split() if w[0].isupper()}
        )
        words = {
            word: person for person in self.characters for word in person.name.split()
            if parts[word] == 1 and word[0].isupper() and len(word) > 2 and word[-1] != "."
        }  # fmt: skip
        for person in self.characters:
            words |= {clean_line(name): person for name in (person.name, *person.aliases)}
        return words

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = []
        for word in sorted(self._words, key=len, reverse=True):
            first = f"[{word[0].upper()}{word[0]}]" if word[0].islower() else re.escape(word[0])
            forms.append(first + re.escape(word[1:]))
        return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)" if forms else r"(?!)")

    def resolve(self, name: str) -> str | None:
        """The character's name for any form of it, whatever its case."""
        folded = {word.casefold(): person.name for word, person in self._words.items()}
        return folded.get(clean_line(name).casefold())

    def mentioned(self, text: str) -> tuple[str, ...]:
        """The characters whose name or alias stands in a text, in order."""
        found = []
        for match in self._pattern.finditer(text):
            word = match[0]
            person = self._words.get(word) or self._words.get(word[0].lower() + word[1:])
            if person is not None:
                found.append(person.name)
        return tuple(dict.fromkeys(found))

    def meant(self, text: str, before: Sequence[str] = ()) -> tuple[str, ...]:
        """Those mentioned, and whom a pronoun means: the last one named in the texts `before` (oldest first) whose
        pronoun it is, where nobody with that pronoun is named in the text itself.
        """
        names = list(self.mentioned(text))
        forms = {person.name: _family(person.pronouns) for person in self.characters}
        taken = {forms[name] for name in names}
        words = re.findall(r"\w+", text.lower())
        for family in dict.fromkeys(family for word in words for family, all_ in _PRONOUNS.items() if word in all_):
            if family in taken:
                continue
            earlier = (name for line in reversed(before) for name in reversed(self.mentioned(line)))
            meant = next((name for name in earlier if forms[name] == family and name not in names), None)
            names += [meant] if meant else []
        return tuple(names)

    @property
    def identity(self) -> dict[str, Any]:
        """Changes with anything that decides who is named where."""
        return {
            "characters": [
                [person.name, *person.aliases, person.pronouns, person.known_from_ms] for person in self.characters
            ],
            "pictures": {name: [file_sha256(path) for path in paths] for name, paths in self.pictures.items()},
            "told": [[t.span.start_ms, t.span.end_ms, list(t.present), list(t.absent)] for t in self.told],
            "settings": self.settings.model_dump(),
        }


def _family(pronouns: str) -> str:
    first = re.split(r"[^a-z]+", pronouns.lower().strip())[0]
    return next((family for family, forms in _PRONOUNS.items() if first in forms), "")


def read_cast_file(path: str | Path) -> Cast:
    """A cast from TOML.

    Raises:
        UsageError: not such a file, two characters of one name, a picture that is not there, a name that the cast
            does not hold.
    """
    source = Path(path)
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The cast {source} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The cast {source} is not TOML: {error}.") from error
    rows = _File.load(values, source)
    missing = [name for row in rows.character for name in row.pictures if not (source.parent / name).is_file()]
    if missing:
        raise UsageError(f"The picture {source.parent / missing[0]}, named in {source}, is not there.")
    characters = tuple(
        Character(
            clean_line(row.name), tuple(map(clean_line, row.aliases)), row.pronouns, row.look,
            parse_timecode(row.known_from),
        )
        for row in rows.character
    )  # fmt: skip
    pictures = {
        clean_line(row.name): tuple(source.parent / name for name in row.pictures)
        for row in rows.character if row.pictures
    }  # fmt: skip
    cast = Cast(characters, pictures, (), rows.presence)
    told = tuple(
        Told(
            Span(parse_timecode(row.start), parse_timecode(row.end)),
            _known(cast, row.present, source), _known(cast, row.absent, source),
        )
        for row in rows.scene
    )  # fmt: skip
    return Cast(characters, pictures, told, rows.presence)


def _known(cast: Cast, names: Iterable[str], source: Path) -> tuple[str, ...]:
    found = [(name, cast.resolve(name)) for name in names]
    unknown = [name for name, person in found if person is None]
    if unknown:
        raise UsageError(f"{source} tells where {unknown[0]} is, but the cast has no such character: add one.")
    return tuple(person for _, person in found if person is not None)


def cast_of_names(names: Iterable[str]) -> Cast:
    """A cast of which no more is known than names, such as those of speakers; what is no single name is left out."""
    plain = dict.fromkeys(name for name in map(clean_line, names) if name and not re.search(r", | and |[\n;]", name))
    folded = {name.casefold(): name for name in plain}
    return Cast(tuple(Character(name) for name in folded.values()))
