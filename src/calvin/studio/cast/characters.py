"""Who is in a film: the cast file, names and aliases found in text, and the person that a pronoun stands for.

[[character]]
name = "Ann Lee"
aliases = ["the captain"]
pronouns = "she/her"
pictures = ["ann.jpg"]        # beside the cast file
portraits = [{at = "0:12.4", box = [0.3, 0.1, 0.2, 0.8]}]  # stills of the film (see `portraits`)
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

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict, Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import DataError, UsageError
from calvin.core.files import file_sha256
from calvin.core.prompts import clean_line
from calvin.core.time import Span, format_timecode, parse_timecode
from calvin.core.types import Character
from calvin.data.entities import GENERIC, RANKS, TITLES
from calvin.studio.cast.portraits import Portrait, PortraitRow, check_apart, portrait_of

_PRONOUNS = {
    "he": ("he", "him", "his", "himself"),
    "she": ("she", "her", "hers", "herself"),
    "they": ("they", "them", "their", "theirs", "themself", "themselves"),
    "it": ("it", "its", "itself"),
}
_ARTICLES = ("the", "a", "an")


_LATER = ("with_vectors", "by_colours", "faces", "face_distance", "face_slope")


class PresenceSettings(FrozenConfig):
    """How sure a guess must be that somebody is in a scene, and how far each source of guesses is trusted.

    Somebody heard during a scene is taken to be in it with confidence `heard`; somebody heard within `near_ms` of it,
    with `near` (by itself not enough). A likeness of `z` spreads above the film's mean counts as
    sigmoid(`slope` x (z - `offset`)). Portraits from the film are judged by colours too: `with_vectors` holds the
    constant and the weights of z, of the likeness by colours and of as much of it as comes of others who are there;
    `by_colours` is the same without z, for captioners without frame vectors. If somebody is in the film, their pictures
    tell its scenes apart at least `contrast` times as well as the film's own frames do.

    Threshold, curve and `near` are what `calvin adapt-compare` chooses on ten training puppet films of 150 scenes: the
    curve by logistic regression, the threshold by F0.5, because a wrong name misleads more than a missing one. In those
    films nobody speaks on screen in a scene that is described, so `heard` is a guess. Of the casts of training films of
    20 to 150 scenes, with one picture or three, 95% reach a contrast of 0.99. The weights for portraits are what
    `benchmarks/presence.py` chooses by logistic regression on six training films of 100 scenes.
    """

    threshold: float = Field(default=0.5, ge=0, le=1)
    heard: float = Field(default=0.7, ge=0, le=1)
    near: float = Field(default=0.45, ge=0, le=1)
    near_ms: int = Field(default=1500, ge=0)
    exemplars: int = Field(default=5, gt=0, description="frames of the film that stand for a picture (AutoAD-II: 5)")
    offset: float = 0.47
    slope: float = Field(default=1.93, gt=0)
    with_vectors: tuple[float, float, float, float] = (-5.0, 1.32, 13.92, -12.31)
    by_colours: tuple[float, float, float] = (-4.77, 13.85, -12.58)
    faces: bool = Field(default=True, description="whether faces are looked for, where the extra is installed")
    face_distance: float = Field(default=0.52, gt=0, description="between faces, at which it is even odds")
    face_slope: float = Field(default=30.0, gt=0)
    contrast: float = Field(default=1.0, ge=0)

    @property
    def unused(self) -> set[str]:
        """Settings of later versions that are as they come: without them a cast has the identity that it always had."""
        return {name for name in _LATER if getattr(self, name) == type(self).model_fields[name].default}


@dataclass(frozen=True, slots=True)
class Note:
    """What a person notes about a stretch of film: who is in it and who is not."""

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
    portraits: tuple[PortraitRow, ...] = ()
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
    """The characters, their pictures and portraits from the film by name, and what is known of who is where."""

    characters: tuple[Character, ...]
    pictures: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    settings: PresenceSettings = field(default_factory=PresenceSettings)
    portraits: Mapping[str, tuple[Portrait, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        owners: dict[str, int] = {}
        for number, character in enumerate(self.characters):
            for name in (character.name, *character.aliases):
                if re.search(r", | and |[\n;]", name) or not clean_line(name):
                    raise UsageError(f"{name!r} is not one name: give each character an entry of its own in the cast.")
                owner = self.characters[owners.setdefault(name.casefold(), number)]
                if owner is not character:
                    same = owner.name.casefold() == character.name.casefold()
                    both = "" if same else f", {owner.name} and {character.name},"
                    raise UsageError(
                        f"Two characters of the cast{both} are called {name}: tell them apart by "
                        "surname, or make them one if they are one person."
                    )

    @cached_property
    def _words(self) -> dict[str, Character]:
        """Every form of a name that means one character: names, aliases, and single words of a full name, unless the
        word could mean anybody ('Woman', 'King') or is part of somebody else's name too.
        """
        parts = Counter(
            word for person in self.characters
            for word in {w.casefold() for name in (person.name, *person.aliases) for w in name.split()}
        )  # fmt: skip
        words = {
            word: person for person in self.characters for word in person.name.split()
            if parts[word.casefold()] == 1 and _tells_apart(word)
        }  # fmt: skip
        for person in self.characters:
            words |= {clean_line(name): person for name in (person.name, *person.aliases)}
        return words

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = []
        for word in sorted(self._words, key=len, reverse=True):
            # "the captain" also opens sentences, and "The Captain" also stands within them.
            either = word[0].islower() or word.split()[0].lower() in _ARTICLES
            first = f"[{word[0].upper()}{word[0].lower()}]" if either else re.escape(word[0])
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
            forms = (word, word[0].lower() + word[1:], word[0].upper() + word[1:])
            person = next((self._words[form] for form in forms if form in self._words), None)
            if person is not None:
                found.append(person.name)
        return tuple(dict.fromkeys(found))

    def meant(self, text: str, before: Sequence[str] = ()) -> tuple[str, ...]:
        """The characters mentioned, and those that pronouns stand for.

        A pronoun stands for the last character with that pronoun named in the texts `before` (oldest first), unless one
        is named in the text itself.
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
    def identity(self) -> str:
        """JSON that changes with anything that decides who is named where."""
        facts = {
            "characters": [[one.name, *one.aliases, one.pronouns, one.known_from_ms] for one in self.characters],
            "pictures": {name: [file_sha256(path) for path in paths] for name, paths in self.pictures.items()},
            "told": [[t.span.start_ms, t.span.end_ms, list(t.present), list(t.absent)] for t in self.notes],
            "settings": self.settings.model_dump(exclude=self.settings.unused),
        }
        looks = {one.name: one.look for one in self.characters if one.look}
        if looks:
            facts["looks"] = looks
        if self.portraits:  # a cast without them is the one that it always was
            rows = {name: [[one.at_ms, *one.box] for one in many] for name, many in self.portraits.items()}
            facts["portraits"] = rows
        return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _tells_apart(word: str) -> bool:
    """Whether a word of a full name means that person: not a title, article, initial or common noun."""
    if not word[0].isupper() or len(word) <= 2 or word[-1] == "." or word.lower() in GENERIC:
        return False
    return re.fullmatch(f"{TITLES}|{RANKS}", word.title()) is None


def _family(pronouns: str) -> str:
    """'he', 'she', 'they' or 'it', by the first pronoun; empty where none is known."""
    first = next(iter(re.findall(r"\w+", pronouns.lower())), "")
    return next((family for family, forms in _PRONOUNS.items() if first in forms), "")


def cast_of_identity(identity: str, characters: Sequence[Character]) -> Cast:
    """The cast of such an identity, from the characters that a project keeps.

    Raises:
        UsageError: it has pictures, which a project does not keep.
        DataError: it is not such an identity.
    """
    try:
        facts = json.loads(identity)
        pictures = facts["pictures"]
        notes = tuple(Note(Span(start, end), tuple(there), tuple(away)) for start, end, there, away in facts["told"])
        portraits = {
            name: tuple(Portrait(at_ms, (left, top, width, height)) for at_ms, left, top, width, height in rows)
            for name, rows in facts.get("portraits", {}).items()
        }
        settings = PresenceSettings.load(facts["settings"], "cast")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("What this project keeps of its cast is damaged: name the cast with --cast.") from error
    if pictures:
        raise UsageError("The cast of this project has pictures and its file is not known: name it with --cast.")
    return Cast(tuple(characters), {}, notes, settings, portraits)


def read_cast_file(path: str | Path) -> Cast:
    """A cast from TOML.

    Raises:
        UsageError: not such a file, two characters of one name, a picture that is not there, a portrait outside of its
            picture or of two people, a name that the cast does not hold, unknown pronouns, a malformed time, a scene
            that ends before it starts or contradicts itself.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The cast {source} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The cast {source} is not TOML: {error}.") from error
    return parse_cast(text, source)


def parse_cast(text: str, source: Path) -> Cast:
    """A cast from the text of such a file; `source` is where it is, for pictures and errors.

    Raises:
        UsageError: as `read_cast_file`.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The cast {source} is not TOML: {error}.") from error
    rows = _File.load(values, source)
    missing = [name for row in rows.character for name in row.pictures if not (source.parent / name).is_file()]
    if missing:
        raise UsageError(f"The picture {source.parent / missing[0]}, named in {source}, is not there.")
    characters = tuple(_character(row, source) for row in rows.character)
    pictures = {
        clean_line(row.name): tuple(source.parent / name for name in row.pictures)
        for row in rows.character if row.pictures
    }  # fmt: skip
    portraits = {
        clean_line(row.name): tuple(portrait_of(one, f"{source}, character {row.name!r}") for one in row.portraits)
        for row in rows.character if row.portraits
    }  # fmt: skip
    check_apart(portraits, str(source))
    cast = Cast(characters, pictures, (), rows.presence, portraits)
    notes = tuple(_note(row, cast, f"{source}, scene {number}") for number, row in enumerate(rows.scene, 1))
    _check_notes(cast, notes, source)
    return Cast(characters, pictures, notes, rows.presence, portraits)


def _character(row: _CharacterRow, source: Path) -> Character:
    where = f"{source}, character {row.name!r}"
    words = re.findall(r"\w+", row.pronouns.lower())
    if row.pronouns and not (words and all(any(word in forms for forms in _PRONOUNS.values()) for word in words)):
        raise UsageError(
            f"{where}: the pronouns {row.pronouns!r} are not known: give he/him, she/her, they/them or it/its, or none."
        )
    known_from = _time(row.known_from, "known_from", where)
    return Character(clean_line(row.name), tuple(map(clean_line, row.aliases)), row.pronouns, row.look, known_from)


def _time(text: str, what: str, where: str) -> int:
    try:
        return parse_timecode(text)
    except DataError as error:
        raise UsageError(f"{where}: {what} is {text!r}, which is not a time such as 00:12:00.") from error


def _note(row: _SceneRow, cast: Cast, where: str) -> Note:
    start, end = _time(row.start, "start", where), _time(row.end, "end", where)
    if end <= start:
        raise UsageError(f"{where}: the end, {row.end}, must lie after the start, {row.start}.")
    return Note(Span(start, end), _known(cast, row.present, where), _known(cast, row.absent, where))


def _check_notes(cast: Cast, notes: Sequence[Note], source: Path) -> None:
    """
    Raises:
        UsageError: a note that says of somebody that they are there and that they are not, or one against a portrait.
    """
    for number, note in enumerate(notes, 1):
        both = next((name for name in note.present if name in note.absent), None)
        if both is not None:
            raise UsageError(f"{source}, scene {number}: {both} is both present and absent: leave one of them out.")
        for name in note.absent:
            seen = (one for one in cast.portraits.get(name, ()) if note.span.start_ms <= one.at_ms < note.span.end_ms)
            portrait = next(seen, None)
            if portrait is not None:
                at = format_timecode(portrait.at_ms)
                raise UsageError(
                    f"{source}, scene {number}: {name} is absent, but has a portrait at {at}: leave one of them out."
                )


def _known(cast: Cast, names: Iterable[str], where: str) -> tuple[str, ...]:
    found = [(name, cast.resolve(name)) for name in names]
    unknown = [name for name, person in found if person is None]
    if unknown:
        raise UsageError(f"{where} names {unknown[0]}, but the cast has no character of that name: add one.")
    return tuple(person for _, person in found if person is not None)


def cast_of_names(names: Iterable[str]) -> Cast:
    """A cast from names alone, such as those of speakers. What is not a single name is left out."""
    plain = dict.fromkeys(name for name in map(clean_line, names) if name and not re.search(r", | and |[\n;]", name))
    folded = {name.casefold(): name for name in plain}
    return Cast(tuple(Character(name) for name in folded.values()))
