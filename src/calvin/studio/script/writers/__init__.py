"""Writers of scripts, by the name of their format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from calvin.core.errors import UsageError
from calvin.studio.script.writers.base import Provenance, Writer
from calvin.studio.script.writers.dapt import DaptWriter
from calvin.studio.script.writers.exchange import CsvWriter, JsonWriter
from calvin.studio.script.writers.timed_text import SrtWriter, TxtWriter, VttWriter

WRITERS: Mapping[str, Writer] = MappingProxyType(
    {w.name: w for w in (VttWriter(), SrtWriter(), DaptWriter(), CsvWriter(), JsonWriter(), TxtWriter())}
)


def find_writers(names: Iterable[str]) -> list[Writer]:
    """The writers of these formats, each once, in the order named.

    Raises:
        UsageError: a format that is not known, or none named.
    """
    wanted = list(dict.fromkeys(name.strip().lower().lstrip(".") for name in names if name.strip()))
    unknown = [name for name in wanted if name not in WRITERS]
    if unknown or not wanted:
        problem = f"There is no format {unknown[0]!r}" if unknown else "No format was named"
        raise UsageError(f"{problem}: choose from {', '.join(WRITERS)}.")
    return [WRITERS[name] for name in wanted]


__all__ = ["WRITERS", "Provenance", "VttWriter", "Writer", "find_writers"]
