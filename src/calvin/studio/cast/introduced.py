"""Who has been introduced to whom a film is described, and may therefore be named in a scene.

That is whom the cast puts there, and whom a cue that a person wrote or approved names in the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from calvin.captioners.base import Licence
from calvin.captioners.people_names import PeopleFinder, is_label, names_said
from calvin.core.types import Author, Character, DialogueLine, Place
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.presence import speakers_of
from calvin.studio.project.store import ProjectStore


@dataclass(eq=False)
class Introduced:
    """What a film's project knows of names, and from it the licence of each of its places.

    `everywhere` are names that may be said in any scene: an adapted model has learnt from a person's cues who is who.
    """

    store: ProjectStore
    forms: dict[str, frozenset[str]]
    finder: PeopleFinder
    text: tuple[str, ...]
    language: str
    everywhere: frozenset[str] = frozenset()
    known: frozenset[str] = field(default=frozenset())

    @classmethod
    def of(cls, store: ProjectStore, cast: Cast | None, author: Author = Author.MODEL) -> Self:
        """What the project of a film knows as it is now: its cast, its subtitles, and the cues of a person."""
        characters = cast.characters if cast else ()
        lines, film = store.dialogue, store.bound_film()
        speakers = known_speakers(lines)
        forms = {one.name: _forms(one) for one in characters}
        names = frozenset(speakers).union(*forms.values())
        text = tuple(line.text for line in lines if line.text)
        finder = PeopleFinder(names, text, film.language)
        settled = names_said((cue.text for cue in store.cues if cue.settled), finder)
        known = names | settled
        everywhere = settled if author is Author.ADAPTER else frozenset()
        return cls(store, forms, PeopleFinder(known, text, film.language), text, film.language, everywhere, known)

    def licence(self, place: Place, present: Sequence[str], context: int) -> Licence:
        """Who may be named at a place.

        Args:
            present: whom the cast puts there, by their names.
            context: how many cues before it the caption sees.
        """
        before = self.store.cues_before(place.span.start_ms, context)
        introduced = names_said((cue.text for cue in before if cue.settled), self.finder)
        may = introduced.union(self.everywhere, *(self.forms.get(name, frozenset((name,))) for name in present))
        return Licence(may, self.known, self.text, self.language)


def known_speakers(lines: Sequence[DialogueLine]) -> list[str]:
    """The people whom subtitles name as speakers: no sounds, and nobody who could be anybody."""
    return [one.name for one in speakers_of(lines).characters if not is_label(one.name)]


def _forms(person: Character) -> frozenset[str]:
    """The name and those aliases that are names and not words such as 'the captain'."""
    return frozenset(name for name in (person.name, *person.aliases) if not name[0].islower())
