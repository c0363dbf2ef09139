"""A cast file whose stills, scenes and first appearances are told in the time of another release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calvin.core.files import write_text
from calvin.core.time import Span, format_timecode, parse_timecode
from calvin.media.conform.change_list import ChangeList

FILE = "cast.toml"


def moved_cast(cast: Path, changes: ChangeList, folder: Path) -> tuple[Path, int]:
    """Write a cast for another release into `folder`; its file, and how many stills and scenes are not there.

    People stay, whoever of them is seen; files of pictures are named by where they are.

    Raises:
        UsageError: the cast cannot be read.
        OSError: it cannot be written.
    """
    import tomlkit

    document = tomlkit.parse(cast.read_text(encoding="utf-8"))
    lost = 0
    for person in document.get("character", ()):
        if person.get("pictures"):
            person["pictures"] = [str((cast.parent / name).resolve()) for name in person["pictures"]]
        if person.get("known_from"):
            person["known_from"] = format_timecode(_from_then(parse_timecode(str(person["known_from"])), changes))
        if person.get("portraits"):
            moved = tomlkit.array().multiline(True)
            for portrait in person["portraits"]:
                at_ms = _carried(parse_timecode(str(portrait["at"])), changes)
                if at_ms is None:
                    lost += 1
                    continue
                row = tomlkit.inline_table()
                row.update({**portrait, "at": format_timecode(at_ms)})
                moved.append(row)
            person["portraits"] = moved
    if document.get("scene"):
        scenes = tomlkit.aot()
        for scene in document["scene"]:
            kept = _moved_scene(scene, changes)
            lost += kept is None
            if kept is not None:
                scenes.append(kept)
        document["scene"] = scenes
    target = folder / FILE
    write_text(target, tomlkit.dumps(document))
    return target, lost


def _moved_scene(scene: Any, changes: ChangeList) -> Any:
    span = Span(parse_timecode(str(scene["start"])), parse_timecode(str(scene["end"])))
    moved = changes.carried(span, span.middle_ms)
    if moved is None or not moved.duration_ms:
        return None
    scene["start"], scene["end"] = format_timecode(moved.start_ms), format_timecode(moved.end_ms)
    return scene


def _carried(ms: int, changes: ChangeList) -> int | None:
    piece = changes.piece_at(ms)
    return None if piece is None else min(max(piece.carried(ms), 0), changes.new_ms)


def _from_then(ms: int, changes: ChangeList) -> int:
    """A time, or where the other release goes on after it; its end where nothing follows."""
    here = _carried(ms, changes)
    if here is not None:
        return here
    later = [piece.start_ms for piece in changes.pieces if piece.old.start_ms >= ms]
    return min(later, default=changes.new_ms)
