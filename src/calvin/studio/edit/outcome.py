"""What came of an edit: which rows are others now, and a sentence that says what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from calvin.core.errors import CalvinError
from calvin.core.time import Span, in_s, joined
from calvin.studio.edit.rows import FilmPart, Row
from calvin.studio.project.store import ProjectStore

_APART_MS = 60_000
"""What lies nearer together than this is read together."""
_MANY = 20
"""From so many stretches on, the whole film is read."""
_TROUBLE = ("over-dialogue", "overlap", "beyond-film")


@dataclass
class Outcome:
    """What an edit changed.

    Attributes:
        changed: the rows that are new or read otherwise now, also those beside the edit, in time order.
        removed: the keys of rows that are no more.
        said: what happened, and the room left, in a sentence or two.
        undo: what the next undo takes back; None: nothing. `redo` likewise.
        focus: the key of the row to go on with; None: where one is.
        muted: the keys of cues whose recording is no longer heard, as it has other words.
    """

    changed: list[Row] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    said: str = ""
    undo: str | None = None
    redo: str | None = None
    focus: str | None = None
    muted: list[str] = field(default_factory=list)


class StaleCue(CalvinError):
    """An edit of a cue that is another by now. `mine` are the words of the edit, `theirs` is the row as it stands, or
    None where the cue was removed."""

    def __init__(self, mine: str, theirs: Row | None) -> None:
        what = "has been removed" if theirs is None else "has been changed"
        super().__init__(
            f"The cue {what} in the meantime: compare it with what is there now, then make the edit again."
        )
        self.mine = mine
        self.theirs = theirs


@contextmanager
def watched(store: ProjectStore, touched: Iterable[Span], whole: bool = False) -> Iterator[Outcome]:
    """Fills in an outcome by what becomes of the rows while the block runs.

    Args:
        touched: where, and about which stretches of the film, anything changes.
        whole: anything may change anywhere.
    """
    stretches = joined(touched, _APART_MS - 1)
    whole = whole or len(stretches) > _MANY
    before = [FilmPart(store)] if whole else [FilmPart(store, stretch) for stretch in stretches]
    outcome = Outcome()
    yield outcome
    after = [FilmPart(store)] if whole else [FilmPart(store, stretch) for stretch in stretches]
    old: dict[str, Row] = {}
    new: dict[str, Row] = {}
    for number, (once, now) in enumerate(zip(before, after, strict=True)):
        keys = None if whole else once.beside(stretches[number]) | now.beside(stretches[number])
        old |= {row.key: row for row in once.rows(keys, linted=True)}
        new |= {row.key: row for row in now.rows(keys, linted=True)}
    changed = [row for key, row in new.items() if row != old.get(key)]
    outcome.changed = sorted(changed, key=lambda row: (row.start_ms, row.end_ms))
    outcome.removed = [key for key in old if key not in new]
    heard = {key for key, row in old.items() if row.recorded}
    outcome.muted = [row.key for row in outcome.changed if row.key in heard and not row.recorded]
    outcome.undo, outcome.redo = store.next_steps
    if outcome.focus is None and outcome.removed:
        outcome.focus = _nearest([*new.values()], old[outcome.removed[0]])


def _nearest(there: Sequence[Row], gone: Row) -> str | None:
    """Where to go on when a row has gone: at the place that it leaves, else at the row after it, else at the one
    before."""
    place = next((row.key for row in there if row.cue is None and row.place == gone.place), None)
    later = [row for row in there if row.start_ms >= gone.start_ms]
    following = min(later, key=lambda row: row.start_ms, default=None)
    last = max(there, key=lambda row: row.start_ms, default=None)
    return place or (following.key if following else last.key if last else None)


def room_in_words(row: Row) -> str:
    """How a cue stands in its room, and what it is spoken over."""
    if row.cue is None:
        return f"{in_s(row.room_ms)} free."
    about = "" if row.measured else "about "
    if row.extended:
        room = "The film pauses for it."
    elif row.left_ms < 0:
        room = f"{about}{in_s(-row.left_ms)} too long.".capitalize()
    else:
        room = f"{about}{in_s(row.left_ms)} left.".capitalize()
    trouble = [finding["message"] for finding in row.findings if finding["rule"] in _TROUBLE]
    return " ".join([room, *trouble])


def muted_in_words(outcome: Outcome) -> str:
    """That recordings have other words than their cues now."""
    if not outcome.muted:
        return ""
    if len(outcome.muted) == 1:
        return "The recording has other words and is not heard: record it again, or take the change back."
    return f"{len(outcome.muted)} recordings have other words and are not heard: record them again, or undo this."


def overlap_in_words(part: FilmPart, cue_id: str) -> str:
    """Whether the next cue begins before this one ends; a finding of lint says it of the next."""
    for one, other in pairwise(part.cues):
        shared = one.span.overlap_ms(other.span)
        if one.id == cue_id and shared and not one.extended:
            return f"The next cue begins {in_s(shared)} before this one ends."
    return ""
