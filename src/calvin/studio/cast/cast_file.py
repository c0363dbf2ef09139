"""Writing a cast file: a new one, or more in one that a person wrote, whose words, order and comments stay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calvin.core.files import write_text
from calvin.core.time import format_timecode
from calvin.studio.cast.characters import Cast, parse_cast
from calvin.studio.cast.portraits import WHOLE, Portrait, shared

HEADER = """\
Who is in the film: `calvin describe PROJECT --cast` this file. Give pronouns ("she/her"), other names (aliases)
and how people look; see docs/cast.md.
"""
if TYPE_CHECKING:
    from tomlkit.items import Array, InlineTable

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""What TOML forbids in a comment."""
_SAME = 0.5
"""Boxes of one still that share so much are one portrait."""


@dataclass(frozen=True, slots=True)
class Addition:
    """Somebody found: their name and others, portraits, and, as comments, remarks and stills that may show them, each
    with why."""

    name: str
    aliases: tuple[str, ...] = ()
    portraits: tuple[Portrait, ...] = ()
    remarks: tuple[str, ...] = ()
    offered: tuple[tuple[Portrait, str], ...] = ()
    pictures: tuple[str, ...] = ()
    """Files of pictures from elsewhere, as seen from the folder of the cast file."""


def written(portrait: Portrait) -> dict[str, Any]:
    """A portrait as the file holds it."""
    hours, rest = format_timecode(portrait.at_ms).split(":", 1)
    at = rest if hours == "00" else f"{hours}:{rest}"
    box = {} if portrait.box == WHOLE else {"box": [round(value, 3) for value in portrait.box]}
    return {"at": at, **box}


def merge(text: str, additions: Sequence[Addition], source: Path) -> str:
    """The text of a cast file with more in it; what stands there stays. Blank: a new file.

    Raises:
        UsageError: the file cannot be read, or what is added does not go with it.
    """
    import tomlkit  # not at the top: commands that only read casts start without it

    known = parse_cast(text, source) if text.strip() else None
    document = tomlkit.parse(text)
    if known is None:
        for line in HEADER.splitlines():
            document.add(tomlkit.comment(line))
        document.add(tomlkit.nl())
    rows = document.setdefault("character", tomlkit.aot())
    for one in additions:
        name = known.resolve(one.name) if known else None
        row = next((row for row in rows if name is not None and " ".join(str(row["name"]).split()) == name), None)
        if row is None:
            row = tomlkit.table()
            row.add("name", one.name)
            if one.aliases:
                row.add("aliases", list(one.aliases))
            for remark in one.remarks:
                row.add(tomlkit.comment(_CONTROL.sub(" ", remark)))
            rows.append(row)
            if one.offered:
                row.add("portraits", _list_of(one))
                if one.pictures:
                    row.add("pictures", list(one.pictures))
                continue
        there = [str(picture) for picture in row.get("pictures", ())]
        if any(picture not in there for picture in one.pictures):
            row["pictures"] = [*there, *(picture for picture in one.pictures if picture not in there)]
        fresh = _fresh(one.portraits, known, name)
        if fresh:
            array = row.get("portraits")
            if array is None:
                array = tomlkit.array()
            lines = "\n" in array.as_string()  # written one a line, perhaps with comments, which `multiline` loses
            for portrait in fresh:
                array.add_line(_table(portrait)) if lines else array.append(_table(portrait))
            if not lines:
                array.multiline(len(array) > 1)
            row["portraits"] = array
    made = tomlkit.dumps(document)
    parse_cast(made, source)
    return made


def _table(portrait: Portrait) -> InlineTable:
    import tomlkit

    table = tomlkit.inline_table()
    table.update(written(portrait))
    return table


def _list_of(one: Addition) -> Array:
    """The portraits of somebody new, one a line, those that are only offered as comments: each can be taken by itself
    or with others, since TOML takes a list only once.
    """
    import tomlkit

    array = tomlkit.array()
    for portrait in one.portraits:
        array.add_line(_table(portrait))
    taken = {portrait.at_ms for portrait in one.portraits}
    for portrait, why in one.offered:
        if portrait.at_ms not in taken:
            array.add_line(comment=_CONTROL.sub(" ", f"{_table(portrait).as_string()},  # {why}"))
    array.add_line(indent="")
    return array


def _fresh(portraits: Sequence[Portrait], known: Cast | None, name: str | None) -> list[Portrait]:
    """Those that the file does not hold yet."""
    there = known.portraits.get(name, ()) if known and name else ()
    return [
        one for one in portraits if not any(one.at_ms == o.at_ms and shared(one.box, o.box) >= _SAME for o in there)
    ]


def add_to_cast(path: Path, additions: Sequence[Addition]) -> bool:
    """Write what is found into a cast file, which need not exist yet; whether anything changed.

    Raises:
        UsageError: as `merge`.
    """
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    made = merge(before, additions, path)
    if made != before:
        write_text(path, made)
    return made != before
