"""What happens in a scene, kept structured; captions are scored against it and not against one wording: do they say
what happened, who did it and to whom, with what, and where?
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.puppets.lexicon import ACTIONS, COLOURS, GARMENTS, PLACES, PROPS


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks throughout one film. `hat` is a colour or None; `woman` gives long hair, "her" and "woman"."""

    coat: str
    garment: str
    hat: str | None
    woman: bool
    skin: int = 0
    hair: int = 0

    @property
    def his(self) -> str:
        return "her" if self.woman else "his"

    @property
    def noun(self) -> str:
        return "woman" if self.woman else "man"


@dataclass(frozen=True, slots=True)
class SceneTruth:
    """Who does what to whom, with what, where and when.

    `agent`, `patient` and `present` are names; `looks` maps every name present to its look. `event_ms` is when the
    action is under way beyond doubt, within [start_ms, end_ms]. All times count from the start of the film.
    """

    film: str
    scene: int
    start_ms: int
    end_ms: int
    event_ms: int
    action: str
    agent: str
    patient: str | None
    prop: str | None
    place: str
    present: tuple[str, ...]
    looks: dict[str, Look]

    @property
    def span(self) -> Span:
        return Span(self.start_ms, self.end_ms)

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"present": list(self.present)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            DataError: a field is missing or unknown.
        """
        try:
            looks = {name: Look(**look) for name, look in values["looks"].items()}
            return cls(**{**values, "present": tuple(values["present"]), "looks": looks})
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"This is not the truth of a puppet scene: {error}.") from error


def read_told(path: Path) -> Iterator[tuple[str, str, SceneTruth]]:
    """The name of the film or clip, the caption and the truth of each scene of a world's `truth.jsonl`, in order."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        media, caption = row.pop("media"), row.pop("caption")
        yield media, caption, SceneTruth.from_json(row)


_COLOUR = "|".join(COLOURS)
_LOOK = re.compile(
    rf",? *\bin an? (?:{_COLOUR}) (?:{'|'.join(GARMENTS)}|hat)(?: and an? (?:{_COLOUR}) hat)?\b,?", re.IGNORECASE
)
SLOT_PATTERNS = {
    "p": r"(?P<p>[A-Z]\w+|an? (?:wo)?man|someone|SOMEONE)",
    "o": rf"the (?P<o>{'|'.join(PROPS)})",
    "l": rf"the (?P<l>{'|'.join(place.key for place in PLACES)})",
    "his": "(?:his|her|their)",
}
"""What may stand in a phrase's slots, as regular expressions with a group for each."""
_NOT_NAMES = frozenset({"A", "An", "In", "On", "At", "The", "SOMEONE"})


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (action.key, re.compile(rf"\b{phrase.format(**SLOT_PATTERNS)}(?!\w)"))
        for action in ACTIONS
        for phrase in action.phrases
    )


def _match(caption: str) -> tuple[str, re.Match[str]] | None:
    # Looks are taken out first: "Mara, in a red coat, nods" and "Mara nods" are to match the same phrase.
    plain = " ".join(_LOOK.sub(" ", caption).replace(" ,", ",").split())
    found = [(key, match) for key, pattern in _patterns() if (match := pattern.search(plain))]
    if len({key for key, _ in found}) != 1:
        return None
    return max(found, key=lambda item: len(item[1][0]))


def action_of(caption: str) -> str | None:
    """The one action that the caption mentions; None if there is none, or several."""
    found = _match(caption)
    return found[0] if found else None


def names_in(caption: str, cast_names: Collection[str]) -> frozenset[str]:
    """Which of `cast_names` the caption holds, as whole words."""
    words = set(re.findall(r"\w+", caption))
    return frozenset(name for name in cast_names if name in words)


def place_of(caption: str) -> str | None:
    """The one place that the caption names; None if there is none, or several."""
    words = set(re.findall(r"\w+", caption))
    found = [place.key for place in PLACES if place.key in words]
    return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Told:
    """What a caption says happens; None of what it does not say, or says twice. `agent` may be "He" or "She"."""

    action: str | None
    agent: str | None
    patient: str | None
    prop: str | None
    place: str | None


def told_in(caption: str) -> Told:
    """What a caption tells, by the phrases of the puppet world."""
    found, place = _match(caption), place_of(caption)
    if found is None:
        return Told(None, None, None, None, place)
    match = found[1]
    # In "In the cave, Mara hugs Otto", whoever stands last before the verb acts.
    before = [word for word in re.findall(r"\b[A-Z]\w+", match.string[: match.start()]) if word not in _NOT_NAMES]
    slots = match.groupdict()
    return Told(found[0], before[-1] if before else None, slots.get("p"), slots.get("o"), place)


def score_caption(caption: str, truth: SceneTruth, cast_names: Collection[str]) -> dict[str, bool | None]:
    """What a caption got right. None: the scene, or the caption, has nothing to judge.

    Keys: `action`; `agent` (the name before the verb) and `patient` (the name in the verb's slot; None for actions of
    one person); `names_exact` (the cast members named are exactly those who act); `wrong_name` (a cast member who is
    not there is named); `prop` (None for actions without one); `place` (None where the caption names no place).
    """
    told, named = told_in(caption), names_in(caption, cast_names)
    return {
        "action": told.action == truth.action,
        "agent": told.agent == truth.agent,
        "patient": None if truth.patient is None else told.patient == truth.patient,
        "names_exact": named == frozenset(truth.present),
        "wrong_name": bool(named - frozenset(truth.present)),
        "prop": None if truth.prop is None else told.prop == truth.prop,
        "place": None if told.place is None else told.place == truth.place,
    }
