"""What happens in a scene, kept structured so that captions are scored against it and not against one wording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from calvin.core.errors import DataError
from calvin.core.time import Span


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
    """Name of the film or clip, caption and truth of each scene of a world's `truth.jsonl`, in order."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        media, caption = row.pop("media"), row.pop("caption")
        yield media, caption, SceneTruth.from_json(row)
