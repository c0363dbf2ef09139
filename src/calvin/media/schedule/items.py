"""What there is to say of a film, what became of it, and by which rules that is chosen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.time import Span
from calvin.core.types import CueKind


class ScheduleSettings(FrozenConfig):
    """Weights of the soft rules, each in the milliseconds of lateness that it is worth, and limits of the hard ones.

    Soft: `unsaid` is what leaving a cue out costs (times one plus its priority; so much that a cue is left out only
    where the silence as a whole cannot hold it). `late` is a millisecond after its event, `far` one outside its shot,
    `score` a nat of the model's mean log-probability below its best candidate, `shorter` the share of the best
    candidate's length that a shorter one leaves out, `repetition` the share of word groups that were said shortly
    before, `look` a person's look that is told again, or not told where the name comes first, `breath` a breath shorter
    than `breath_ms`, and `silence` a silence of more than `long_silence_ms` in which a cue was left out.

    Hard: a cue begins at most `early_ms` before its shot and at most `late_ms` after the end of it, `least_breath_ms`
    lie between two cues, and no cue says what one of the `not_again` before it said. Times are multiples of `step_ms`
    from the beginning of a silence: the choice is exact on that grid. What is read from the screen and had no silence
    before it was gone finds its place up to `text_waits_ms` later, title and credits up to `card_waits_ms`.
    """

    unsaid: int = Field(default=1_000_000, ge=0)
    late: int = Field(default=1, ge=0)
    far: int = Field(default=1, ge=0)
    score: int = Field(default=20_000, ge=0)
    shorter: int = Field(default=2000, ge=0)
    repetition: int = Field(default=3000, ge=0)
    look: int = Field(default=1000, ge=0)
    breath: int = Field(default=500, ge=0)
    silence: int = Field(default=20_000, ge=0)
    early_ms: int = Field(default=2000, ge=0)
    late_ms: int = Field(default=2000, ge=0)
    breath_ms: int = Field(default=300, ge=0)
    least_breath_ms: int = Field(default=100, ge=0)
    long_silence_ms: int = Field(default=20_000, ge=0)
    not_again: int = Field(default=3, ge=0)
    recent: int = Field(default=10, ge=0)
    step_ms: int = Field(default=5, ge=1)
    text_waits_ms: int = Field(default=10_000, ge=0)
    card_waits_ms: int = Field(default=20_000, ge=0)

    def waits_ms(self, kind: CueKind) -> int:
        """How long after it is gone something may find its place; more than `late_ms` only for what is read out."""
        return {CueKind.PICTURE: 0, CueKind.TEXT: self.text_waits_ms}.get(kind, self.card_waits_ms)

    def latest_ms(self, kind: CueKind, gone_ms: int) -> int:
        """When a cue begins at the latest that is about what is gone at `gone_ms`."""
        return gone_ms + self.waits_ms(kind) + self.late_ms


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words for a cue, how likely the model holds them, and how long they take to say.

    `score` is a mean log-probability per token, 0 where not known. They are not said before `not_before_ms`, such as
    the moment from which a name in them is known. They name `people`, some of them with their `looks`.
    """

    text: str
    spoken_ms: int
    score: float = 0.0
    not_before_ms: int = 0
    people: frozenset[str] = frozenset()
    looks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Item:
    """Something to describe: `candidates`, best first, one of which may begin within `window` (both ends included).

    `shot` is the stretch of film it is about and `event_ms` when that happens. Where silence is short, a greater
    `priority` is said first. A `fixed` one, such as a person's, stands where it is; its window does not matter.
    """

    id: str
    candidates: tuple[Candidate, ...]
    shot: Span
    event_ms: int
    window: Span
    kind: CueKind = CueKind.PICTURE
    priority: int = 0
    fixed: Span | None = None
    pause: int | None = None

    @property
    def pause_ms(self) -> int:
        """Where the film pauses for it if it cannot be said."""
        return self.shot.start_ms if self.pause is None else self.pause


class Left(StrEnum):
    """Why something is not said."""

    NO_WORDS = "no words"
    REPEATED = "repeated"
    NO_SILENCE = "no silence"
    TOO_LONG = "too long"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of an item.

    Said, it has a `candidate` and the `span` in which it is spoken inside `silence`; else `left` says why not, the
    candidate is the one to say if the film pauses (None: there is none), and the span is empty, where it would pause.
    """

    item: Item
    candidate: Candidate | None
    span: Span
    silence: Span | None = None
    left: Left | None = None

    @property
    def late_ms(self) -> int:
        """How long after its event it begins; 0 where it is in time."""
        return max(0, self.span.start_ms - self.item.event_ms)


@dataclass(frozen=True)
class Schedule:
    """What is said and what is not, in the order of the items, and what that costs by the soft rules."""

    placed: tuple[Placed, ...]
    cost: int
    silences: tuple[Span, ...] = ()

    @property
    def said(self) -> tuple[Placed, ...]:
        return tuple(one for one in self.placed if one.left is None)


def window_of(shot: Span, place: Span, settings: ScheduleSettings, not_before_ms: int = 0) -> Span:
    """When a cue about `shot` may begin: from shortly before it until shortly after it.

    Where all of it passes during talk, the cue may still come as soon as its place begins.
    """
    earliest = max(0, shot.start_ms - settings.early_ms, not_before_ms)
    latest = max(shot.end_ms, place.start_ms) + settings.late_ms
    return Span(earliest, max(earliest, latest))
