"""The rows in which a person edits a film's description: each cue, and each place that has no words yet."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from calvin.core.time import Span, in_s
from calvin.core.types import Cue, Place, Script
from calvin.studio.project.comments import Comment, standing_comments
from calvin.studio.project.excerpts import Excerpt
from calvin.studio.project.status import recorded_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength, MeasuredLength, SpokenLength, free_part
from calvin.studio.script.lint import Finding, LintSettings, lint
from calvin.studio.script.project_lint import lint_project, lint_settings
from calvin.studio.script.writers import printable

EMPTY = "empty"
"""The status of a place without words; those of cues are `Status`."""
FILM_RULES = frozenset({"unused-silence", "name-unknown", "one-name-twice", "name-look"})
"""Rules of lint that look at the whole film: what they find of a cue may change with an edit far away."""
_LEAST_FREE_MS = 1000
"""A place of which cues leave less than this free is no place to write in."""


@dataclass(frozen=True)
class Row:
    """A line of the list: a cue, or a place without words.

    Attributes:
        key: "cue-12" or "place-40"; it stays the same.
        version: 12 hexadecimal digits of a hash of what edits change. Comments and sound are no part of it.
        still_ms: when a still shows what it is about.
        status: "empty", "draft", "needs-work" or "approved".
        author: "model", "adapter" or "human"; "" of an empty place.
        speech_ms: how long the words take: `measured` by the voice or recording that says them, else estimated.
        room_ms: from its start to what it must not be spoken over: dialogue less the guard, the next cue, the end.
        said: whether the plain sound track says it; `why` not, where it does not.
        findings: of lint, each with `rule`, `level`, `message` and `film`: whether the rule looks at the whole film. An
            outcome of an edit leaves those out.
        comments: each with `id`, `text`, `at` (UTC) and `done`.
        candidates: what the model offered, best first; `choose` counts them from 1.
        recorded: a person's own voice says it; not so once it reads otherwise than they read it out.
    """

    key: str
    cue: str | None
    place: int | None
    version: str
    start_ms: int
    end_ms: int
    visual_start_ms: int
    visual_end_ms: int
    still_ms: int
    text: str
    kind: str
    status: str
    author: str
    extended: bool
    speech_ms: int
    measured: bool
    room_ms: int
    said: bool
    why: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    recorded: bool = False

    @property
    def left_ms(self) -> int:
        """How much time its words leave of the room; negative where they take too long."""
        return self.room_ms - self.speech_ms


def rows(store: ProjectStore, only: Iterable[str] | None = None, light: bool = False) -> list[Row]:
    """The rows of a project in time order.

    Args:
        only: the keys of those wanted; None: all. Keys that there are none for are passed over.
        light: without findings, which take longer than all the rest.

    Raises:
        StoreError: the project has no film yet.
    """
    found = FilmPart(store).rows(None if only is None else {*only})
    if light:
        return found
    by_cue = findings(store)
    return [replace(row, findings=by_cue.get(row.key, [])) for row in found]


def findings(store: ProjectStore) -> dict[str, list[dict[str, Any]]]:
    """What lint finds in the whole script, as rows have it, by key."""
    return _by_key(lint_project(store))


class FilmPart:
    """The rows around a stretch of the film, or all of them, as the project now stands."""

    def __init__(self, store: ProjectStore, around: Span | None = None) -> None:
        self._store = store
        self._found: Excerpt = store.excerpt(around)
        self._duration_ms = store.bound_film().duration_ms
        self._settings: LintSettings = lint_settings(store)
        self._recorded = {key: one.duration_ms for key, one in recorded_cues(store, self._found.cues).items()}
        spoken = {cue.text: self._recorded[cue.id] for cue in self._found.cues if cue.id in self._recorded}
        self._measured = {**store.spoken_ms, **spoken} if spoken else store.spoken_ms
        self._remarks = store.comments
        self._present = store.cue_ids if self._remarks else set()
        estimate = EstimatedLength(self._settings.words_per_minute)
        self.spoken: SpokenLength = MeasuredLength(self._measured, estimate)

    @property
    def cues(self) -> Sequence[Cue]:
        return self._found.cues

    @property
    def places(self) -> Sequence[Place]:
        return self._found.places

    def place_of(self, cue: Cue) -> int | None:
        """The place that a cue was written for."""
        return self._found.place_ids.get(cue.id)

    def beside(self, span: Span) -> set[str]:
        """The keys of the cues spoken in a span and of two on either side, and of the empty places that touch it."""
        within = [at for at, cue in enumerate(self.cues) if _meets(cue.span, span)]
        first = within[0] if within else bisect_left(self._cue_starts, span.start_ms)
        last = within[-1] + 1 if within else first
        places = {f"place-{place.id}" for place in self.empty if _touches(place, span)}
        return places | {f"cue-{cue.id}" for cue in self.cues[max(0, first - 2) : last + 2]}

    def rows(self, keys: Collection[str] | None = None, linted: bool = False) -> list[Row]:
        """The rows in time order.

        Args:
            keys: of those wanted; None: all that there are.
            linted: with the findings of the rules that look at a cue and its neighbours.
        """
        cues = [cue for cue in self.cues if keys is None or f"cue-{cue.id}" in keys]
        places = [place for place in self.empty if keys is None or f"place-{place.id}" in keys]
        by_cue = self._lint({cue.id for cue in cues}) if linted else {}
        made = [self._of_cue(cue, by_cue.get(f"cue-{cue.id}", [])) for cue in cues]
        made += [self._of_place(place) for place in places]
        return sorted(made, key=lambda row: (row.start_ms, row.end_ms, row.cue is None, int(row.cue or row.place or 0)))

    @cached_property
    def empty(self) -> list[Place]:
        """The places that no cue was written for, that none takes, and that leave time to speak in."""
        written = {*self._found.place_ids.values()}
        spoken = self._spoken
        shown = _Near(self.cues, lambda cue: cue.visual)
        found = []
        for place in self.places:
            if place.id in written:
                continue
            there = spoken.touching(place.span)
            about = {cue.id: cue for cue in (*there, *spoken.touching(place.visual), *shown.touching(place.visual))}
            if place.id not in self._found.wanted and place.taken(about.values()):
                continue
            free = free_part(place.span, [cue.span for cue in there])
            if free is not None and free.duration_ms >= min(_LEAST_FREE_MS, place.span.duration_ms):
                found.append(place)
        return found

    def free(self, place: Place) -> Span:
        """The longest part of a place that no cue is spoken in."""
        return free_part(place.span, [cue.span for cue in self._spoken.touching(place.span)]) or place.span

    @cached_property
    def _spoken(self) -> _Near[Cue]:
        return _Near(self.cues, lambda cue: cue.span)

    def room_ms(self, at_ms: int, own: str = "") -> int:
        """From a time to what must not be spoken over there; 0 inside dialogue. `own` is the cue that begins there."""
        if self._in_dialogue(at_ms):
            return 0
        line = _first_from(self._line_starts, at_ms + 1)
        # Of cues that begin together each has the room up to the next: that they overlap is said elsewhere.
        cue = _first_from(self._cue_starts, at_ms + (1 if own else 0))
        ends = [self._duration_ms, *([line - self._settings.guard_ms] if line is not None else [])]
        return max(0, min([*ends, *([cue] if cue is not None else [])]) - at_ms)

    def talked_over(self, span: Span) -> int:
        """The milliseconds of dialogue under a span: of the line that it covers most of."""
        return max((span.overlap_ms(line) for line in self._found.dialogue), default=0)

    @cached_property
    def _line_starts(self) -> list[int]:
        return sorted(line.start_ms for line in self._found.dialogue)

    @cached_property
    def _cue_starts(self) -> list[int]:
        return sorted(cue.span.start_ms for cue in self.cues)

    @cached_property
    def _plain_starts(self) -> list[int]:
        """Where something begins that a plain sound track gives way to: dialogue, and cues for which no film pauses."""
        plain = [cue.span.start_ms for cue in self.cues if not cue.extended and printable(cue.text)]
        return sorted({*plain, *self._line_starts})

    @cached_property
    def _dialogue(self) -> _Near[Span]:
        return _Near(self._found.dialogue, lambda line: line)

    def _in_dialogue(self, at_ms: int) -> bool:
        return any(line.start_ms <= at_ms < line.end_ms for line in self._dialogue.touching(Span(at_ms, at_ms + 1)))

    def _lint(self, wanted: set[str]) -> dict[str, list[dict[str, Any]]]:
        film = self._store.bound_film()
        script = Script(film.title, tuple(self.cues), film.language, self._store.characters, film.duration_ms)
        found = lint(script, self._found.dialogue, self._settings, self.spoken, FILM_RULES)
        return _by_key([finding for finding in found if finding.cue.id in wanted])

    @cached_property
    def _comments(self) -> dict[str, list[Comment]]:
        return standing_comments(self._remarks, self._present, self.cues, self.empty)

    def _of_cue(self, cue: Cue, found: list[dict[str, Any]]) -> Row:
        speech = self._recorded.get(cue.id) or self.spoken.ms(cue.text)
        why = self._unsaid(cue, speech)
        return Row(
            **_words(f"cue-{cue.id}", self._comments),
            **_places(cue),
            cue=cue.id,
            place=self._found.place_ids.get(cue.id),
            version=version_of(cue),
            text=cue.text,
            kind=str(cue.kind),
            status=str(cue.status),
            author=str(cue.author),
            extended=cue.extended,
            speech_ms=speech,
            measured=cue.text in self._measured,
            room_ms=self.room_ms(cue.span.start_ms, cue.id),
            said=not why,
            why=why,
            findings=found,
            candidates=[*self._found.candidates.get(cue.id, ())],
            recorded=cue.id in self._recorded,
        )

    def _unsaid(self, cue: Cue, speech_ms: int) -> str:
        """Why the plain sound track leaves a cue out, as `calvin mix` decides it; "" where it says it."""
        if not printable(cue.text):
            return "It has no words."
        if cue.extended:
            return "The film pauses for it, so only the version with pauses says it."
        at = cue.span.start_ms
        following = _first_from(self._plain_starts, at + 1)
        ends = [self._duration_ms, *([following] if following is not None else [])]
        room = 0 if self._in_dialogue(at) else max(0, min(ends) - at)
        if speech_ms <= room or cue.settled:
            return ""
        about = "" if cue.text in self._measured else "about "
        return f"It takes {about}{in_s(speech_ms)} and has {in_s(room)}; approved, it is said all the same."

    def _of_place(self, place: Place) -> Row:
        free = self.free(place)
        return Row(
            **_words(f"place-{place.id}", self._comments),
            **_places(replace(place, span=free)),
            cue=None,
            place=place.id,
            version=version_of(place),
            text="",
            kind="picture",
            status=EMPTY,
            author="",
            extended=False,
            speech_ms=0,
            measured=False,
            room_ms=self.room_ms(free.start_ms),
            said=False,
            why=self._found.reasons.get(place.id) or "It has no words yet.",
        )


def subject_of(store: ProjectStore, key: str) -> Cue | Place | None:
    """The cue or place of a row; None for a place that is no more.

    Raises:
        StoreError: no such cue.
    """
    kind, _, number = key.partition("-")
    if kind == "cue":
        return store.cue(number)
    return next((place for place in store.plans if str(place.id) == number), None)


def version_of(one: Cue | Place) -> str:
    """12 hexadecimal digits that are others whenever an edit changed something of it."""
    values: list[Any] = [one.span.start_ms, one.span.end_ms, one.visual.start_ms, one.visual.end_ms, one.event_ms]
    if isinstance(one, Cue):
        values += [one.text, one.author, one.status, one.extended, one.kind]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]


def _words(key: str, comments: Mapping[str, Sequence[Comment]]) -> dict[str, Any]:
    said = [{"id": one.id, "text": one.text, "at": one.written_at, "done": one.done} for one in comments.get(key, ())]
    return {"key": key, "comments": said}


def _places(one: Cue | Place) -> dict[str, Any]:
    span, visual = one.span, one.visual
    still = min(max(one.event_ms, visual.start_ms), max(visual.end_ms - 1, visual.start_ms))
    times = {"start_ms": span.start_ms, "end_ms": span.end_ms}
    return {**times, "visual_start_ms": visual.start_ms, "visual_end_ms": visual.end_ms, "still_ms": still}


def _by_key(found: Iterable[Finding]) -> dict[str, list[dict[str, Any]]]:
    by_key: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        message = f"{one.message} {one.suggestion}".strip()
        values = {"rule": one.rule, "level": str(one.level), "message": message, "film": one.rule in FILM_RULES}
        by_key.setdefault(f"cue-{one.cue.id}", []).append(values)
    return by_key


def _touches(one: Cue | Place, span: Span) -> bool:
    return _meets(one.span, span) or _meets(one.visual, span)


def _meets(one: Span, other: Span) -> bool:
    """Whether two spans have a moment or an edge in common."""
    return one.start_ms <= other.end_ms and one.end_ms >= other.start_ms


def _first_from(sorted_ms: Sequence[int], at_ms: int) -> int | None:
    """The first of the times that is not before `at_ms`."""
    index = bisect_left(sorted_ms, at_ms)
    return sorted_ms[index] if index < len(sorted_ms) else None


_T = TypeVar("_T")


class _Near(Generic[_T]):
    """Finds which of many things touch a span, without looking at all of them."""

    def __init__(self, things: Iterable[_T], span_of: Callable[[_T], Span]) -> None:
        self._things = sorted(((span_of(thing), thing) for thing in things), key=lambda pair: pair[0])
        self._starts = [span.start_ms for span, _ in self._things]
        self._longest = max((span.duration_ms for span, _ in self._things), default=0)

    def touching(self, span: Span) -> list[_T]:
        first = bisect_left(self._starts, span.start_ms - self._longest)
        last = bisect_right(self._starts, span.end_ms)
        return [thing for own, thing in self._things[first:last] if own.end_ms >= span.start_ms]
