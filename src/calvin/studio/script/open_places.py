"""Places of a project that nobody has described: rows of tables without text, to be filled in and imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode
from calvin.core.types import Cue, Place
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.script_lines import ScriptLine
from calvin.studio.script.writers import OpenPlace, printable

STILLS = "stills"
"""The folder of a project where the stills of its open places lie."""


def still_name(span: Span) -> str:
    return f"{format_timecode(span.start_ms).replace(':', '-')}.jpg"


def open_places(store: ProjectStore) -> tuple[OpenPlace, ...]:
    """The places of a skeleton that have no words yet, with what is said before each; none of any other project."""
    if not store.skeleton:
        return ()
    lines, found = store.dialogue, []
    for place in (place for place in store.plans if not place.done):
        before = [line for line in lines if line.span.start_ms < place.span.start_ms][-2:]
        said = " / ".join(f"{line.speaker}: {line.text}" if line.speaker else line.text for line in before)
        still = f"{STILLS}/{still_name(place.span)}"
        found.append(OpenPlace(place, still if (store.folder / still).is_file() else "", printable(said)))
    return tuple(found)


def unwritten(store: ProjectStore) -> str | None:
    """What to say of a skeleton's open places, and what to do about them."""
    count = len(open_places(store))
    if not count:
        return None
    verb = "has" if count == 1 else "have"
    return (
        f"{counted(count, 'place')} {verb} no words yet: run `calvin export {store.folder} -f csv`, fill the column "
        f"`text` and `calvin import` it, or run `calvin describe {store.folder} --model MODEL`."
    )


def without_empty(lines: Sequence[ScriptLine], places: Sequence[OpenPlace]) -> list[ScriptLine]:
    """The lines without those that are still empty, as the skeleton has them."""
    return [line for line in lines if printable(line.text) or _place_of(line, places) is None]


def placed(cue: Cue, line: ScriptLine, places: Sequence[OpenPlace]) -> tuple[Cue, int | None]:
    """A new cue that a line makes, about what its place is about, and the place's id."""
    place = _place_of(line, places)
    if place is None:
        return cue, None
    return replace(cue, visual=place.visual, event_ms=place.event_ms), place.id


def _place_of(line: ScriptLine, places: Sequence[OpenPlace]) -> Place | None:
    for one in places:
        span = one.place.span
        start, end = abs(span.start_ms - line.span.start_ms), abs(span.end_ms - line.span.end_ms)
        if max(start, end) < max(line.within_ms, 2):
            return one.place
    return None
