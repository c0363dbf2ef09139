"""Writers of scripts, by the name of their format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from calvin.core.errors import UsageError
from calvin.core.registry import Manifest, Registry
from calvin.studio.script.writers.base import Provenance, Writer


@dataclass(frozen=True, slots=True)
class WriterKind(Manifest[type[Writer]]):
    """One format of scripts; its target is the `Writer` class."""

    what: ClassVar[str] = "format"

    @property
    def writer(self) -> Writer:
        return self.load()()


_HERE = "calvin.studio.script.writers"

WRITERS = Registry(
    WriterKind,
    (
        WriterKind("vtt", "WebVTT, for players on the web", f"{_HERE}.timed_text:VttWriter"),
        WriterKind("srt", "SubRip, for any player", f"{_HERE}.timed_text:SrtWriter"),
        WriterKind("dapt", "DAPT, the W3C's TTML profile for audio description", f"{_HERE}.dapt:DaptWriter"),
        WriterKind("csv", "a table, for spreadsheets", f"{_HERE}.exchange:CsvWriter"),
        WriterKind("json", "all that is known of each cue", f"{_HERE}.exchange:JsonWriter"),
        WriterKind("txt", "plain text, for a narrator", f"{_HERE}.timed_text:TxtWriter"),
    ),
    "writers",
)


def find_writers(names: Iterable[str]) -> list[Writer]:
    """The writers of these formats, each once, in the order named.

    Raises:
        UsageError: a format that is not known, or none named.
    """
    wanted = dict.fromkeys(name.strip().lower().lstrip(".") for name in names if name.strip())
    if not wanted:
        raise UsageError(f"No format was named: choose from {WRITERS.listed()}.")
    return [WRITERS.find(name).writer for name in wanted]


__all__ = ["WRITERS", "Provenance", "Writer", "WriterKind", "find_writers"]
