"""Who has been introduced to whom a film is described, and may therefore be named in a scene.

That is whom the cast puts there, and whom a cue that a person wrote or approved names in the context.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from calvin.captioners.base import Licence
from calvin.captioners.looks import look_of
from calvin.captioners.people_names import PeopleFinder, looks_told, names_said, speaker_names
from calvin.core.types import Author, Character, DialogueLine, Place
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.presence import words_on
from calvin.studio.project.store import ProjectStore


@dataclass(eq=False)
class Introduced:
    """What a film's project knows of names, and from it the licence of each of its places.

    `everywhere` are names that may be said in any scene: an adapted model has learnt from a person's cues who is who.
    `looks` are those of the cast, and `told` those that a person's cues tie to names, with when they are said.
    """

    store: ProjectStore
    cast: Cast
    forms: dict[str, frozenset[str]]
    finder: PeopleFinder
    text: tuple[str, ...]
    language: str
    everywhere: frozenset[str] = frozenset()
    known: frozenset[str] = field(default=frozenset())
    looks: dict[str, str] = field(default_factory=dict)
    told: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        store: ProjectStore,
        cast: Cast | None,
        author: Author = Author.MODEL,
        looks: Mapping[str, str] | None = None,
        lines: Sequence[DialogueLine] | None = None,
        language: str | None = None,
    ) -> Self:
        """What the project of a film knows as it is now: its cast, its subtitles, and the cues of a person.

        Args:
            looks: of the cast, as captions say it, beside those that the cast file tells.
            lines: the dialogue, where that of the project is about to change; None: that of the project.
            language: the same of the language of the description.
        """
        characters = cast.characters if cast else ()
        lines = store.dialogue if lines is None else lines
        language = language or store.bound_film().language
        speakers = speaker_names(line.speaker for line in lines)
        forms = {one.name: _forms(one) for one in characters}
        names = frozenset(speakers).union(*forms.values())
        text = tuple(line.text for line in lines if line.text)
        finder = PeopleFinder(names, text, language)
        settled = names_said((cue.text for cue in store.cues if cue.settled), finder)
        known = names | settled
        everywhere = settled if author is Author.ADAPTER else frozenset()
        found = cls(
            store,
            cast or Cast(()),
            forms,
            PeopleFinder(known, text, language),
            text,
            language,
            everywhere,
            known,
        )
        if author is not Author.ADAPTER:  # what it has learnt of this film is more than looks
            told = {one.name: one.look for one in characters if look_of(one.look)}
            found.looks = {**(looks or {}), **told}
            found.told = [(cue.span.start_ms, found.looks_in(cue.text)) for cue in store.cues if cue.settled]
        return found

    @property
    def identity(self) -> str:
        """Whom a person's cues introduce, and by which looks, as text; empty where that is nobody.

        It holds no times, so that drafts outlast cues that are moved, nor those whom the cast introduces, whom drafts
        name already: to approve such a draft introduces nobody.
        """
        cast = self.cast
        pictured = {one.name for one in cast.characters if one.look} | cast.pictures.keys() | cast.portraits.keys()
        named = names_said((cue.text for cue in self.store.cues if cue.settled), self.finder)
        of_cast = {word: one for one, forms in self.forms.items() for form in forms for word in (form, *form.split())}
        found: dict[str, list[str]] = {name: [] for name in named if name not in of_cast}
        for _, told in self.told:
            for name, look in told.items():
                full = of_cast.get(name, name)
                if full not in pictured and look not in found.setdefault(full, []):
                    found[full].append(look)
        return json.dumps(found, ensure_ascii=False, sort_keys=True) if found else ""

    def looks_in(self, text: str) -> dict[str, str]:
        """The looks that a text ties to names."""
        return {self.called(name): look for name, look in looks_told([text], self.finder).items()}

    def called(self, name: str) -> str:
        """A name as the cast has it, where it is of the cast."""
        return next((full for full, forms in self.forms.items() if name in forms), name)

    def licence(self, place: Place, present: Sequence[str], context: int) -> Licence:
        """Who may be named at a place.

        Args:
            present: whom the cast puts there, by their names.
            context: how many cues before it the caption sees.
        """
        before = self.store.cues_before(place.span.start_ms, context)
        introduced = names_said((cue.text for cue in before if cue.settled), self.finder)
        may = introduced.union(self.everywhere, *(self.forms.get(name, frozenset((name,))) for name in present))
        looks = dict(self.looks)
        for at_ms, told in self.told:
            looks |= told if at_ms < place.span.start_ms else {}
        looks = {name: look for name, look in looks.items() if self.allowed(name, place)}
        pronouns = {
            form: one.pronouns for one in self.cast.characters if one.pronouns for form in self.forms.get(one.name, ())
        }
        return Licence(may, self.known, self.text, self.language, looks, pronouns)

    def allowed(self, name: str, place: Place) -> bool:
        """Whether somebody recognised at a place may be named: known by then, and not said to be elsewhere."""
        known = all(one.known_from_ms < place.visual.end_ms for one in self.cast.characters if one.name == name)
        return known and words_on(place.visual, self.cast.notes).get(name, True)


def _forms(person: Character) -> frozenset[str]:
    """The name and those aliases that are names and not words such as 'the captain'."""
    return frozenset(name for name in (person.name, *person.aliases) if not name[0].islower())
