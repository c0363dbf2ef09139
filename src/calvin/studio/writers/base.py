"""What every writer of scripts is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from calvin.core.files import write_text
from calvin.core.prompts import clean_line
from calvin.core.types import Cue, Script


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a script comes from: the film's facts, the model that wrote it, and what there was to say about it."""

    film: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Writer(ABC):
    """Writes a script in one format, whole or not at all."""

    name: ClassVar[str]
    suffix: ClassVar[str]

    @abstractmethod
    def render(self, script: Script, provenance: Provenance) -> str:
        """The file's text."""

    def write(self, script: Script, path: str | Path, provenance: Provenance | None = None) -> Path:
        """Write `script` to `path`, atomically."""
        target = Path(path)
        write_text(target, self.render(script, provenance or Provenance()))
        return target


def spoken(script: Script) -> Iterator[tuple[Cue, str]]:
    """The cues that say something, each with its text on one line."""
    for cue in script.cues:
        text = clean_line("".join(char if char.isprintable() else " " for char in cue.text))
        if text:
            yield cue, text
