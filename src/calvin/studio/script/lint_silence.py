"""Silence that a script leaves unused although it holds something to say: what the rule `unused-silence` finds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from calvin.core.time import Span, format_timecode, in_s
from calvin.core.types import Author, Character, Cue, Place, Status
from calvin.media.schedule.film_schedule import free_silences, schedule_film
from calvin.media.schedule.items import Item, Placed, ScheduleSettings
from calvin.studio.project.timing import SpokenLength
from calvin.studio.script.cue_places import script_items

_RULES = ScheduleSettings()
"""Those by which `calvin voice` places drafts: a silence counts as unused only if it would use it."""


def unused_silence(
    cues: Sequence[Cue],
    gaps: Sequence[Span],
    spoken: SpokenLength,
    shots: Sequence[Span] = (),
    places: Mapping[str, Place] | None = None,
    characters: Sequence[Character] = (),
) -> Iterator[tuple[Cue, str, str]]:
    """Cues for which the film is to pause although its silences hold them, and long silences in which things happen.

    Args:
        gaps: the silences of the dialogue, less what is kept free beside it.
        spoken: how long a text takes to say.
        shots: of the film; none: not known, and only pauses are looked at.
        places: where each cue, by id, was to be said; else it counts from where it stands.
        characters: of the film; nobody is named before viewers know the name.
    """
    cuts = sorted({edge for shot in shots for edge in (shot.start_ms, shot.end_ms)})
    yield from _pauses(cues, gaps, spoken, cuts, places or {}, characters)
    yield from _silences([cue for cue in cues if not cue.extended], gaps, cuts)


def _pauses(
    cues: Sequence[Cue],
    gaps: Sequence[Span],
    spoken: SpokenLength,
    cuts: Sequence[int],
    places: Mapping[str, Place],
    characters: Sequence[Character],
) -> Iterator[tuple[Cue, str, str]]:
    """Drafts that the schedule of the film would say as well, and a person's that fit beside all that is said now."""
    if not any(cue.extended and cue.text.strip() for cue in cues):
        return
    mine = {cue.id: cue for cue in cues}
    items = script_items(cues, cuts, places, characters, spoken, _RULES)
    # What is said stays so: nothing is gained where another draft would have to pause the film instead.
    more = sum(1 + item.priority for item in items if mine[item.id].extended)
    drafts = [one if mine[one.id].extended else replace(one, priority=one.priority + more) for one in items]
    found = schedule_film(drafts, gaps, _RULES)
    for one in found.said:
        cue = mine[one.item.id]
        if cue.extended and one.silence is not None:
            yield cue, *_in_words(one, [(mine[other.item.id], other) for other in found.said if other is not one])
    settled = [cue for cue in cues if cue.settled and cue.extended]
    if settled:
        said = [replace(cue, author=Author.HUMAN) for cue in cues if not cue.extended]
        open_ones = [replace(cue, author=Author.MODEL, status=Status.DRAFT) for cue in settled]
        items = script_items([*said, *open_ones], cuts, places, characters, spoken, _RULES)
        for one in schedule_film(items, gaps, _RULES).said:
            if one.silence is not None:
                yield mine[one.item.id], *_in_words(one, [])


def _in_words(one: Placed, others: Sequence[tuple[Cue, Placed]]) -> tuple[str, str]:
    """What is wrong and what to do, and whether others would have to move."""
    assert one.silence is not None
    moved = any(cue.span.start_ms != other.span.start_ms for cue, other in others if other.silence == one.silence)
    problem = f"The film is to pause for it, yet it fits into the silence of {in_s(one.silence.duration_ms)} there"
    at = format_timecode(one.span.start_ms)
    if moved:
        return f"{problem} if others move.", f"Say it at {at}; `calvin voice` moves drafts so."
    return f"{problem}.", f"Say it at {at}."


def _silences(cues: Sequence[Cue], gaps: Sequence[Span], cuts: Sequence[int]) -> Iterator[tuple[Cue, str, str]]:
    """Stretches of more than 20 s without a word in which shots begin that nothing that is said describes."""
    if not cues:
        return
    taken = [Item(cue.id, (), cue.visual, cue.event_ms, cue.span, fixed=cue.span) for cue in cues]
    for free in free_silences(gaps, taken, _RULES):
        told = [cue.visual for cue in cues]
        new = [cut for cut in cuts if free.start_ms <= cut < free.end_ms]
        inside = sum(not any(span.start_ms <= cut < span.end_ms for span in told) for cut in new)
        if free.duration_ms <= _RULES.long_silence_ms or not inside:
            continue
        near = min(
            cues, key=lambda cue: min(abs(cue.span.end_ms - free.start_ms), abs(cue.span.start_ms - free.end_ms))
        )
        where = "after" if near.span.start_ms < free.start_ms else "before"
        shots = "1 shot begins" if inside == 1 else f"{inside} shots begin"
        yield near, f"In the silence of {in_s(free.duration_ms)} {where} it, {shots}.", "Say what happens there."
