"""How long a person worked on each cue and how far its words came from where they began, for studies of editing.

Studies of human correction measure both. The log is kept only where somebody asks for it, in the project itself, and
goes nowhere. Time is what the page tells: how long the cue was worked in.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from calvin.core.text_tables import csv_text, sheet_text, sheet_time
from calvin.core.types import Author
from calvin.studio.edit import edits
from calvin.studio.edit.outcome import Outcome
from calvin.studio.project.contents import Revision
from calvin.studio.project.store import ProjectStore

COLUMNS = (
    *("cue", "start", "author", "status", "edits", "seconds", "characters_changed", "words_changed"),
    *("share_changed", "first_text", "last_text"),
)
"""`first_text` is the model's last one before a person changed it, blank where a person wrote the cue.

`characters_changed` and `words_changed` are the Levenshtein distances from there to the present text, and
`share_changed` is the first of them over the length of the longer text.
"""
_LONGEST_MS = 3_600_000
"""Nobody works on one cue for longer without a pause."""
_MANY = ""
"""In place of a cue for edits of many cues at once."""


def keeps_log(store: ProjectStore) -> bool:
    return store.edit_times is not None


def keep_log(store: ProjectStore, on: bool) -> None:
    """Begin to keep the log, or end it and forget what is in it."""
    if on and store.edit_times is None:
        store.edit_times = {}
    elif not on:
        store.edit_times = None


def note_edit(store: ProjectStore, edit: edits.Edit, outcome: Outcome, took_ms: int | None) -> None:
    """Add an edit to the log; nothing where none is kept.

    Args:
        took_ms: how long the person worked on it; None: not known, and only counted.
    """
    known = store.edit_times
    if known is None:
        return
    key = _subject(edit, outcome)
    count, total = known.get(key, (0, 0))
    store.edit_times = known | {key: (count + 1, total + min(max(took_ms or 0, 0), _LONGEST_MS))}


def _subject(edit: edits.Edit, outcome: Outcome) -> str:
    """The id of the cue that an edit was about: the new one where a place was filled or a cue put in."""
    made = isinstance(edit, edits.WritePlace | edits.Insert)
    key = outcome.focus if made else getattr(edit, "key", None)
    many = isinstance(edit, edits.ShiftFollowing) or not (key or "").startswith("cue-")
    return _MANY if many else str(key).removeprefix("cue-")


def log_table(store: ProjectStore) -> str:
    """The log as CSV: a row for each cue in time order, then those that were removed, then edits of many at once."""
    known = store.edit_times or {}
    pasts, rows = store.histories, []
    cues = store.cues
    for cue in cues:
        first = _first(pasts.get(cue.id, []), cue.text)
        about = (f"cue-{cue.id}", sheet_time(cue.span.start_ms), cue.author, cue.status)
        rows.append((*about, *_measures(known.get(cue.id), first, cue.text)))
    there = {cue.id for cue in cues} | {_MANY}
    for cue_id in sorted(known.keys() - there, key=int):
        first = _first(pasts.get(cue_id, []), "")
        rows.append((f"cue-{cue_id}", "", "", "removed", *_measures(known[cue_id], first, "")))
    if _MANY in known:
        rows.append(("several", "", "", "", *_measures(known[_MANY], "", "")))
    return csv_text(COLUMNS, rows)


def _first(past: Sequence[Revision], present: str) -> str:
    """The text that a person set out from."""
    written = [one for one in past if one.text]
    human = next((at for at, one in enumerate(written) if one.author is Author.HUMAN), None)
    if human is None:
        return written[-1].text if written else present
    return written[human - 1].text if human else ""


def _measures(times: tuple[int, int] | None, first: str, last: str) -> tuple[Any, ...]:
    count, ms = times or (0, 0)
    characters = distance(first, last)
    words = distance(first.split(), last.split())
    share = characters / max(len(first), len(last), 1)
    return count, f"{ms / 1000:.1f}", characters, words, f"{share:.3f}", sheet_text(first), sheet_text(last)


def distance(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """How many items have to be put in, left out or exchanged to make one sequence of another (Levenshtein 1966).

    Computed a row at a time in the bits of one number (Hyyrö 2001), so long texts take no time.
    """
    if not one or not other:
        return max(len(one), len(other))
    where: dict[Hashable, int] = {}
    for at, item in enumerate(one):
        where[item] = where.get(item, 0) | 1 << at
    last, full = 1 << (len(one) - 1), (1 << len(one)) - 1
    up, down, found = full, 0, len(one)
    for item in other:
        same = where.get(item, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        right_up, right_down = down | ~(diagonal | up) & full, up & diagonal
        found += bool(right_up & last) - bool(right_down & last)
        right_up, right_down = (right_up << 1 | 1) & full, right_down << 1 & full
        up, down = (right_down | ~(diagonal | right_up)) & full, right_up & diagonal
    return found
