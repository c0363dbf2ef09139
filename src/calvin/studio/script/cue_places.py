"""The cues of a project placed in its film: what is said, in which words and when, with the reason kept for each.

What a person wrote or approved stays to the letter and at its time. All that a model drafted is chosen anew, for the
film as a whole, by how long it takes to say: estimated while a film is described, measured once a voice has spoken it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from calvin.captioners.answers import is_sound
from calvin.core.time import Span, in_s
from calvin.core.types import Author, Character, Cue, CueKind, Place
from calvin.media.gaps import dialogue_gaps
from calvin.media.schedule.film_schedule import schedule_film
from calvin.media.schedule.items import Candidate, Item, Left, Placed, Schedule, ScheduleSettings, window_of
from calvin.media.schedule.wording import people_in, says_again
from calvin.studio.project.contents import Choice, Decision
from calvin.studio.project.store import MAX_TEXT, ProjectStore
from calvin.studio.project.timing import SpokenLength
from calvin.studio.script.script_files import project_plan

_PRIORITIES = {CueKind.PICTURE: 0, CueKind.TEXT: 1, CueKind.CREDIT: 1, CueKind.TITLE: 2}
"""What is said first where silence is short: a film has one title, and many signs."""
_RANK = 0.1
"""By how much a candidate counts as less likely than the one before it where the model does not say."""


@dataclass
class Changes:
    """Which drafts, by id, got other words, a pause of the film, or none any more; and which were left out."""

    reworded: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    freed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.reworded, self.paused, self.freed, self.moved, self.removed))


def film_schedule(store: ProjectStore, spoken: SpokenLength, rules: ScheduleSettings | None = None) -> Schedule:
    """The schedule of a project's film as it now stands; nothing is stored.

    Raises:
        StoreError: the project has no film yet.
    """
    rules = rules or ScheduleSettings()
    plan, duration_ms = project_plan(store), store.bound_film().duration_ms
    lines = [line.span for line in store.dialogue]
    gaps = dialogue_gaps(lines, duration_ms, plan.min_gap_ms, plan.guard_ms)
    return schedule_film(film_items(store, spoken, rules), gaps, rules)


def film_items(store: ProjectStore, spoken: SpokenLength, rules: ScheduleSettings) -> list[Item]:
    """The cues of a project as what there is to say, in the order of what they describe."""
    cuts = sorted({shot.start_ms for shot in store.shots} | {shot.end_ms for shot in store.shots})
    people = _People(store.characters, (line.speaker for line in store.dialogue))
    return _items(store.cues, cuts, store.places_of_cues(), store.scored_candidates(), people, spoken, rules)


def script_items(
    cues: Sequence[Cue],
    cuts: Sequence[int],
    places: Mapping[str, Place],
    characters: Sequence[Character],
    spoken: SpokenLength,
    rules: ScheduleSettings,
) -> list[Item]:
    """The cues of a script as `film_items` has them, each in the words that it has now."""
    offered: dict[str, list[tuple[str, float | None]]] = {cue.id: [(cue.text, None)] for cue in cues}
    return _items(cues, cuts, places, offered, _People(characters), spoken, rules)


def _items(
    cues: Sequence[Cue],
    cuts: Sequence[int],
    places: Mapping[str, Place],
    offered: Mapping[str, Sequence[tuple[str, float | None]]],
    people: _People,
    spoken: SpokenLength,
    rules: ScheduleSettings,
) -> list[Item]:
    found = []
    for cue in sorted(cues, key=lambda cue: (cue.event_ms, cue.span.start_ms, len(cue.id), cue.id)):
        if not (cue.settled or sayable(cue, offered[cue.id])):
            continue
        shot = shot_of(cue, cuts)
        if cue.settled:
            end_ms = cue.span.start_ms if cue.extended else cue.span.start_ms + spoken.ms(cue.text)
            taken = Span(cue.span.start_ms, max(cue.span.end_ms, end_ms))
            own = people.candidate(cue.text, spoken.ms(cue.text), 0.0)
            found.append(Item(cue.id, (own,), shot, cue.event_ms, cue.span, cue.kind, fixed=taken))
            continue
        place = places.get(cue.id) or Place(cue.span, cue.visual, cue.event_ms)
        words = tuple(people.candidate(text, spoken.ms(text), score) for text, score in sayable(cue, offered[cue.id]))
        found.append(
            Item(
                cue.id,
                words,
                shot,
                cue.event_ms,
                window_of(shot, place.span, rules),
                cue.kind,
                priority=_PRIORITIES[cue.kind],
                pause=place.span.start_ms,
            )
        )
    return found


def shot_of(cue: Cue, cuts: Sequence[int]) -> Span:
    """The piece of a shot in which the event of a cue lies, as far as the cue describes it."""
    later = bisect_right(cuts, cue.event_ms)
    start = max(cue.visual.start_ms, cuts[later - 1] if later else 0)
    end = min(cue.visual.end_ms, cuts[later] if later < len(cuts) else cue.visual.end_ms)
    return Span(min(start, cue.event_ms), max(end, cue.event_ms))


def sayable(cue: Cue, offered: Sequence[tuple[str, float | None]]) -> list[tuple[str, float]]:
    """What a model offered for a cue that can be said, best first, and how likely it holds each."""
    texts = dict(offered)
    if cue.text not in texts:  # a project of an earlier version kept shorter words by themselves
        texts = {cue.text: None, **texts}
    known = None not in texts.values()
    found = []
    for rank, (text, score) in enumerate(texts.items()):
        # What stands on the screen may loop as it likes: it is read out.
        sound = is_sound(text, None) if cue.kind is CueKind.PICTURE else any(map(str.isalnum, text))
        if len(text) <= MAX_TEXT and sound:
            found.append((text, score if known and score is not None else -_RANK * rank))
    return found


class _People:
    """Who may be named in a film's description, and from when on."""

    def __init__(self, characters: Iterable[Character], speakers: Iterable[str] = ()) -> None:
        self._characters = [one for one in characters if one.name]
        self._names = {speaker.title(): speaker.title() for speaker in speakers if speaker}
        self._names |= {name: one.name for one in self._characters for name in (one.name, *one.aliases) if name}

    def candidate(self, text: str, ms: int, score: float) -> Candidate:
        people, looks = people_in(text, self._names)
        known = [one.known_from_ms for one in self._characters if one.known_from_ms and one.named_in(text)]
        return Candidate(text, ms, score, max(known, default=0), people, looks)


def place_cues(
    store: ProjectStore,
    spoken: SpokenLength,
    found: Schedule | None = None,
    shorter: Mapping[str, Collection[str]] | None = None,
) -> Changes:
    """Give each draft the words and the time that the schedule of the film chose, and note why.

    A draft whose words were all said shortly before is removed. Those that a person wrote or approved are not touched.

    Args:
        found: a schedule of the project as it stands; None: a new one.
        shorter: candidates, by cue, that were asked for in few words.
    """
    found = found or film_schedule(store, spoken)
    before = {decision.cue_id: decision for decision in store.decisions}
    changes = Changes()
    with store.together():
        for one in found.placed:
            if one.item.fixed is not None:
                continue
            cue = store.cue(one.item.id)
            known = before.get(cue.id)
            decision = _decision(one, found, cue, known, (shorter or {}).get(cue.id, ()))
            if known is not None and (known.choice, known.reason) != (decision.choice, decision.reason):
                store.decide(cue.id, decision)
            if one.left in (Left.REPEATED, Left.NO_WORDS):
                store.delete_cue(cue.id, Author.MODEL)
                changes.removed.append(cue.id)
                continue
            assert one.candidate is not None
            new = replace(cue, span=one.span, text=one.candidate.text, extended=one.left is not None)
            if new == cue or (replace(new, span=cue.span) == cue and _holds(cue.span, one, found)):
                continue
            store.edit_cue(new)
            if new.text != cue.text:
                changes.reworded.append(cue.id)
            if new.extended != cue.extended:
                (changes.paused if new.extended else changes.freed).append(cue.id)
            if new.span.start_ms != cue.span.start_ms:
                changes.moved.append(cue.id)
    return changes


def _holds(span: Span, one: Placed, found: Schedule) -> bool:
    """Whether a cue can keep the longer span that it has."""
    free = one.silence is not None and span.end_ms <= one.silence.end_ms
    longer = span.start_ms == one.span.start_ms and span.end_ms >= one.span.end_ms
    return free and longer and not any(span.overlap_ms(other.span) for other in found.placed if other is not one)


def _decision(one: Placed, found: Schedule, cue: Cue, known: Decision | None, shorter: Collection[str]) -> Decision:
    """What was decided for an item, in words."""
    candidate, item = one.candidate, one.item
    if candidate is None:
        return Decision(Choice.SILENT, "The model found no words.")
    if one.left is Left.REPEATED:
        return Decision(Choice.REPEATED, f'"{candidate.text}" was said just before.')
    takes = in_s(candidate.spoken_ms)
    if one.left is not None:
        return Decision(Choice.EXTENDED, f"It takes {takes}, {_why_left(one, found)}: the film pauses.")
    when, best = _when(one), item.candidates[0]
    asked = candidate.text in shorter or (
        known is not None and known.choice is Choice.SHORTER and cue.text == candidate.text
    )
    if asked:
        return Decision(
            Choice.SHORTER,
            f"The best takes {in_s(best.spoken_ms)}; asked for fewer words, the model says it in {takes}, {when}.",
        )
    if candidate is best:
        return Decision(Choice.BEST, f"Takes {takes}, {when}.")
    if best.spoken_ms > candidate.spoken_ms:
        why = f"The best takes {in_s(best.spoken_ms)}; the best other for the silence as a whole takes {takes}, {when}."
    elif any(
        says_again(best.text, other.candidate.text) for other in found.said if other.candidate and other is not one
    ):
        why = f"The best was said just before; this one takes {takes}, {when}."
    else:
        why = f"The best says more again of what was said before; this one takes {takes}, {when}."
    return Decision(Choice.CANDIDATE, why)


def _when(one: Placed) -> str:
    """When a cue begins, as it bears on what it describes."""
    at, item = one.span.start_ms, one.item
    if at < item.shot.start_ms:
        return f"and begins {in_s(item.shot.start_ms - at)} before its shot"
    if one.late_ms:
        return f"and begins {in_s(one.late_ms)} after its event"
    return f"and begins {in_s(item.event_ms - at)} before its event"


def _why_left(one: Placed, found: Schedule) -> str:
    if one.silence is None:
        return "and there is no silence near its shot"
    room = one.silence.end_ms - max(one.silence.start_ms, one.item.window.start_ms)
    if one.left is Left.TOO_LONG:
        return f"but the silence around its shot has {in_s(room)}"
    others = [other for other in found.said if other.silence == one.silence]
    taken = sum(other.span.duration_ms for other in others)
    many = "1 other cue takes" if len(others) == 1 else f"{len(others)} other cues take"
    return f"and in the silence of {in_s(one.silence.duration_ms)} {many} {in_s(taken)}"
