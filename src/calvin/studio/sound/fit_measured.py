"""Cues fitted once more when a voice has said them: the estimate they were written by may have been too short."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from calvin.captioners.guard import is_sound, says_again
from calvin.core.time import Span, in_s
from calvin.core.types import Cue
from calvin.studio.describe.fitting import NOT_AGAIN
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import rooms
from calvin.studio.script.exports import project_plan


@dataclass(frozen=True, slots=True)
class Said:
    """A cue and how long the voice took for it."""

    cue: Cue
    ms: int


def room_to_speak(store: ProjectStore, guarded: bool = True) -> dict[str, int]:
    """The milliseconds that each cue, by id, may be spoken for; `guarded` keeps the time before dialogue free."""
    guard = project_plan(store).guard_ms if guarded else 0
    lines = [Span(max(0, line.span.start_ms - guard), line.span.end_ms) for line in store.dialogue]
    return rooms(store.cues, lines, store.film.duration_ms if store.film else None)


def fit_measured(store: ProjectStore, said: Sequence[Said], ms: Callable[[Cue, str], int | None]) -> dict[str, Cue]:
    """Replace cues that take longer than their room by the best candidate that fits, else mark them as `extended`.

    A cue that was marked and fits after all loses the mark. `ms` speaks other words for a cue and says how long they
    take. Returns the cues that changed, by id.
    """
    room, changed = room_to_speak(store), {}
    order = [one.cue for one in said]
    for number, one in enumerate(said):
        cue, has = one.cue, room[one.cue.id]
        if cue.settled or cue.extended == (one.ms > has):
            continue
        needs = f"Spoken, it takes {in_s(one.ms)} of {in_s(has)}"
        if cue.extended:
            new, decision = _lasting(replace(cue, extended=False), one.ms), Decision(Choice.BEST, f"{needs}.")
        else:
            near = [c.text for c in (*order[max(0, number - NOT_AGAIN) : number], *order[number + 1 : number + 2])]
            new, decision = _other_words(cue, store.candidates(cue.id), near, has, ms, needs)
        with store.together():
            changed[cue.id] = order[number] = store.edit_cue(new)
            store.decide(cue.id, decision)
    return changed


def _other_words(
    cue: Cue,
    candidates: Sequence[str],
    near: Sequence[str],
    room_ms: int,
    ms: Callable[[Cue, str], int | None],
    needs: str,
) -> tuple[Cue, Decision]:
    """The best candidate that fits and says nothing that is said `near`, else the cue with the mark of a pause."""
    for text in candidates:
        if text == cue.text or not is_sound(text, None) or any(says_again(text, other) for other in near):
            continue
        length = ms(cue, text)
        if length is not None and length <= room_ms:
            why = f"{needs}; the best other that fits takes {in_s(length)}."
            return _lasting(replace(cue, text=text), length), Decision(Choice.CANDIDATE, why)
    why = f"{needs}, and no other candidate fits: the film pauses."
    return replace(cue, extended=True), Decision(Choice.EXTENDED, why)


def _lasting(cue: Cue, ms: int) -> Cue:
    return replace(cue, span=Span(cue.span.start_ms, cue.span.start_ms + ms))
