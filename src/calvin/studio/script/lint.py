"""The practice of audio description as checks on a script, each with a name.

Times: W3C WAI media guide, WCAG 2.2 (1.2.7, failure F113), Netflix v2.5. Names: American Council of the Blind, Netflix.
Words: the same and KMCC; the lists are ours. A list knows nothing about sentences, so these rules only warn.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, ClassVar

from pydantic import Field

from calvin.captioners.people_names import PeopleFinder, named_twice, names_said
from calvin.core.config import FrozenConfig
from calvin.core.registry import Manifest, Registry
from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode, in_s
from calvin.core.types import Author, Character, Cue, CueKind, Place, Script, Status
from calvin.media.gaps import dialogue_gaps
from calvin.media.schedule.items import ScheduleSettings
from calvin.media.schedule.wording import says_again
from calvin.studio.project.timing import WORDS_PER_MINUTE, EstimatedLength, SpokenLength, rooms
from calvin.studio.script.lint_silence import unused_silence

_RULES = ScheduleSettings()
_LITTLE_MS = 50
_NOTICED_LATE_MS = 400
"""Nobody hears that words come a breath after what they describe."""
"""What an ear does not notice."""


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a cue breaks, and what to do about it."""

    rule: str
    level: Level
    cue: Cue
    message: str
    suggestion: str

    def to_json(self) -> dict[str, Any]:
        """What it is about, for other programs."""
        cue, span = self.cue, self.cue.span
        where = {"cue": cue.id, "start_ms": span.start_ms, "end_ms": span.end_ms, "text": cue.text}
        words = {"message": self.message, "suggestion": self.suggestion}
        return {"rule": self.rule, "level": str(self.level), **where, **words}

    def __str__(self) -> str:
        at = format_timecode(self.cue.span.start_ms)
        return f"{self.level}: {self.rule}: cue-{self.cue.id} at {at}: {self.message} {self.suggestion}"


class LintSettings(FrozenConfig):
    """`guard_ms` is kept free before dialogue, gaps under `min_gap_ms` are not for description."""

    guard_ms: int = Field(default=300, ge=0)
    min_gap_ms: int = Field(default=2000, ge=1)
    words_per_minute: int = Field(default=WORDS_PER_MINUTE, ge=60, le=400)
    max_words_per_minute: int = Field(default=180, ge=60)


@dataclass(frozen=True)
class _Case:
    """A script with what the checks need to know about it."""

    script: Script
    dialogue: Sequence[Span]
    settings: LintSettings
    spoken: SpokenLength
    rooms: Mapping[str, int] = field(default_factory=dict)
    names: Sequence[str] = ()
    shots: Sequence[Span] = ()
    places: Mapping[str, Place] = field(default_factory=dict)

    @cached_property
    def people(self) -> PeopleFinder:
        """Finds people's names: those of the cast, those given, those of cues that a person settled, and others."""
        cast = [name for person in self.script.characters for name in (person.name, *person.aliases)]
        texts = [cue.text for cue in self.script.cues]
        given = PeopleFinder([*cast, *self.names], texts, self.script.language)
        settled = names_said((cue.text for cue in self.script.cues if cue.settled), given)
        return PeopleFinder([*cast, *self.names, *settled], texts, self.script.language)

    @cached_property
    def _latest_ends(self) -> list[int]:
        """For each line of dialogue the latest end of it and those before it: in order, as they may overlap."""
        return list(accumulate((line.end_ms for line in self.dialogue), max))

    @cached_property
    def starts(self) -> list[int]:
        """When lines of dialogue start, in order."""
        return [line.start_ms for line in self.dialogue]

    def lines_under(self, span: Span) -> Sequence[Span]:
        """The lines of dialogue that may share time with a span."""
        return self.dialogue[bisect_right(self._latest_ends, span.start_ms) : bisect_left(self.starts, span.end_ms)]

    def gaps(self, shortest_ms: int, guard_ms: int) -> list[Span]:
        ends = [cue.span.end_ms for cue in self.script.cues] + [line.end_ms for line in self.dialogue]
        return dialogue_gaps(self.dialogue, self.script.duration_ms or max(ends, default=1), shortest_ms, guard_ms)


Found = Iterator[tuple[Cue, str, str]]
"""The cue, what is wrong with it, what to do."""


def lint(
    script: Script,
    dialogue: Iterable[Span] = (),
    settings: LintSettings | None = None,
    spoken: SpokenLength | None = None,
    ignore: Iterable[str] = (),
    names: Iterable[str] = (),
    shots: Iterable[Span] = (),
    places: Mapping[str, Place] | None = None,
) -> list[Finding]:
    """What breaks a rule, in time order.

    Args:
        dialogue: when somebody speaks.
        names: of people, where something besides cast and cues knows them, such as the subtitles.
        shots: of the film, where they are known.
        places: where each cue, by id, was to be said, where that is known.
        spoken: how long a text takes to say; by default estimated at the rate of the settings.
        ignore: names of rules to leave out.

    Raises:
        UsageError: there is no such rule.
    """
    settings = settings or LintSettings()
    ignored = {RULES.find(name).name for name in ignore}
    lines = sorted(dialogue)
    spoken = spoken or EstimatedLength(settings.words_per_minute)
    room = rooms(script.cues, lines, script.duration_ms)
    case = _Case(script, lines, settings, spoken, room, tuple(names), tuple(shots), places or {})
    found = [
        Finding(name, rule.level_of(cue), cue, message, suggestion)
        for name, rule in RULES.items()
        if name not in ignored and (not rule.english or script.language.lower().startswith("en"))
        for cue, message, suggestion in rule.load()(case)
    ]
    return sorted(found, key=lambda finding: (finding.cue.span, finding.cue.id))


def _over_dialogue(case: _Case) -> Found:
    for cue in case.script.cues:
        shared = max((cue.span.overlap_ms(line) for line in case.lines_under(cue.span)), default=0)
        if shared > _LITTLE_MS:
            yield cue, f"It talks over dialogue for {in_s(shared)}.", "Move or shorten it."


def _guard(case: _Case) -> Found:
    for cue in case.script.cues:
        following = case.starts[(first := bisect_left(case.starts, cue.span.end_ms)) : first + 1]
        left = following[0] - cue.span.end_ms if following else None
        if left is not None and left < case.settings.guard_ms - _LITTLE_MS and not _over(cue, case):
            yield cue, f"It ends {in_s(left)} before the next line.", f"Leave {in_s(case.settings.guard_ms)}."


def _short_gap(case: _Case) -> Found:
    usable = case.gaps(case.settings.min_gap_ms, 0)
    starts = [gap.start_ms for gap in usable]
    for cue in case.script.cues:
        before = usable[max(0, (after := bisect_right(starts, cue.span.start_ms)) - 1) : after]
        if not any(cue.span.start_ms < gap.end_ms for gap in before) and not _over(cue, case):
            wanted = in_s(case.settings.min_gap_ms)
            yield cue, f"Its pause in the dialogue is shorter than {wanted}.", "Say it in the next longer pause."


def _too_long(case: _Case) -> Found:
    for cue in case.script.cues:
        room, needs = case.rooms[cue.id], case.spoken.ms(cue.text)
        if needs > room + _LITTLE_MS and not cue.extended and cue.text.strip():
            words = len(cue.text.split()) * room // needs
            problem = f"It takes {in_s(needs)} to say and has {in_s(room)}."
            yield cue, problem, f"Use {counted(words, 'word')}, or let the film pause."


def _overlap(case: _Case) -> Found:
    for cue, following in pairwise(case.script.cues):
        shared = cue.span.overlap_ms(following.span)
        # While an extended cue is spoken, the film stands still.
        if shared > _LITTLE_MS and not cue.extended:
            yield following, f"It begins {in_s(shared)} before cue-{cue.id} ends.", "Move one of them."


def _beyond_film(case: _Case) -> Found:
    duration = case.script.duration_ms
    for cue in case.script.cues:
        if duration is not None and cue.span.end_ms > duration + _LITTLE_MS:
            yield cue, f"It ends after the film, which lasts {in_s(duration)}.", "Check that it is of this cut."


def _blank(case: _Case) -> Found:
    for cue in case.script.cues:
        if not re.search(r"\w", cue.text):
            yield cue, "It says nothing.", "Write it, or remove it."


def _late(case: _Case) -> Found:
    for cue in case.script.cues:
        late = cue.span.start_ms - cue.event_ms
        # What is read from the screen may wait for a silence, as long as the schedule lets it.
        waits = cue.kind is not CueKind.PICTURE and cue.span.start_ms <= _RULES.latest_ms(cue.kind, cue.visual.end_ms)
        if late > _NOTICED_LATE_MS and not waits:
            yield cue, f"It comes {in_s(late)} after what it describes.", "Say that it was before, or move it forward."


def _fast(case: _Case) -> Found:
    most = case.settings.max_words_per_minute
    for cue in case.script.cues:
        rate = len(cue.text.split()) * 60_000 // max(cue.span.duration_ms, 1)
        needs = case.spoken.ms(cue.text)
        crowded = cue.extended or needs > case.rooms[cue.id] + _LITTLE_MS
        said_so = needs <= cue.span.duration_ms + _LITTLE_MS  # a voice may say short words faster than most
        if rate > most and not (crowded or said_so) and len(cue.text.split()) > 1:
            yield cue, f"Its times ask for {rate} words per minute.", f"Stay under {most}: fewer words, or more time."


def _needless_pause(case: _Case) -> Found:
    for cue in case.script.cues:
        if cue.extended and case.spoken.ms(cue.text) <= case.rooms[cue.id] - case.settings.guard_ms:
            yield cue, "The film is to pause for it, yet it fits.", "Take the mark `extended` off."


def _unused_silence(case: _Case) -> Found:
    gaps = case.gaps(case.settings.min_gap_ms, case.settings.guard_ms)
    as_it_stands = {cue.id for cue, _, _ in _needless_pause(case)}
    people = case.script.characters
    for cue, problem, todo in unused_silence(case.script.cues, gaps, case.spoken, case.shots, case.places, people):
        if not (cue.extended and cue.id in as_it_stands):
            yield cue, problem, todo


def _repeated(case: _Case) -> Found:
    for before, cue in pairwise(case.script.cues):
        if cue.text.strip() and says_again(cue.text, before.text):
            yield cue, f"It says what cue-{before.id} said.", "Say what is new, or nothing."


def _unfinished(case: _Case) -> Found:
    for cue in _of_the_picture(case.script):
        if cue.text.strip() and not cue.text.rstrip("\"'”’) \n").endswith((".", "!", "?", "…", ":")):
            yield cue, "It does not end as a sentence.", "Finish it, or close it with a full stop."


_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|‘[^’]*’")
_PAST = re.compile(
    r"\b(was|were|had|did|went|took|gave|came|ran|began|threw|knew|wore|drove|ate|spoke|wrote|said|told|shook|stole|"
    r"rode|chose|froze|flew|grew|drew|woke|(?:he|she|they|it|who) \w+ed|will|shall|would)\b",
    re.IGNORECASE,
)
_PASSIVE = re.compile(r"\b(?:is|are|being|gets?) (?:\w+ly )?(\w+(?:ed|en|wn|ung|ught|ade|old|eft)) by\b", re.IGNORECASE)
_PERSON = re.compile(r"\b(I|I'm|we|we're|us|our|my|me|you|you're|your)\b", re.IGNORECASE)
_CAMERA = re.compile(
    r"\b((?:we|you|one) (?:can )?(?:see|sees|watch|hear)|camera|close-?up|zooms?|zooming|pans?|panning|tracking shot|"
    r"shot of|wide shot|cuts? to|fades? (?:in|out|to)|dissolves? to|frame|on ?screen|scene|footage|montage|"
    r"the (?:image|video|picture|clip) shows?)\b",
    re.IGNORECASE,
)
_INFERRED = re.compile(
    r"\b(furious(?:ly)?|angr(?:y|ily)|sad(?:ly)?|happ(?:y|ily)|jealous(?:ly)?|guilt(?:y|ily)|nervous(?:ly)?|"
    r"anxious(?:ly)?|desperate(?:ly)?|lovingly|threatening(?:ly)?|mysterious(?:ly)?|romantic(?:ally)?|beautiful(?:ly)?|"
    r"ugly|scary|obvious(?:ly)?|clearly|apparently|seem(?:s|ingly)?|appears? to|probably|perhaps|maybe|"
    r"thinks?|feels?|wants?|realizes?|realises?|remembers?|decides?|hopes?|wonders?|knows?)\b",
    re.IGNORECASE,
)


_READ_OUT = re.compile(r"(?:on[- ]screen(?: text)?|text|title|(?:opening |closing |end )?credits?)\s*:", re.IGNORECASE)


def _of_the_picture(script: Script) -> Iterator[Cue]:
    """The cues in the describer's own words; what stands on the screen is read as it stands."""
    return (cue for cue in script.cues if cue.kind is CueKind.PICTURE)


def _kind(case: _Case) -> Found:
    for cue in _of_the_picture(case.script):
        if read := _READ_OUT.match(cue.text):
            yield cue, f'"{read[0]}" reads out what stands on the screen.', "Make its kind text, title or credit."


def _words(pattern: re.Pattern[str], what: str, suggestion: str) -> Callable[[_Case], Found]:
    def check(case: _Case) -> Found:
        for cue in _of_the_picture(case.script):
            found = pattern.search(_QUOTED.sub(" ", cue.text))
            if found:
                yield cue, f'"{found[0]}" {what}.', suggestion

    return check


def _name_early(case: _Case) -> Found:
    for character, cue in _naming(case.script):
        if cue.span.start_ms < character.known_from_ms:
            problem = f"It names {character.name} before viewers know the name, at "
            yield cue, f"{problem}{format_timecode(character.known_from_ms)}.", "Use the look until then."


def _name_without_look(case: _Case) -> Found:
    seen: set[str] = set()
    for character, cue in _naming(case.script):
        look = set(re.findall(r"\w{3,}", character.look.lower()))
        if character.name not in seen and look and not look & set(re.findall(r"\w{3,}", cue.text.lower())):
            yield cue, f"It names {character.name} for the first time without the look.", f"Add: {character.look}."
        seen.add(character.name)


def _name_unknown(case: _Case) -> Found:
    for cue in _of_the_picture(case.script):
        for name in dict.fromkeys(one.name for one in case.people.mentions(cue.text)):
            if not cue.settled and not case.people.knows(name):
                yield cue, f"It names {name}, whom neither cast nor subtitles nor your cues know.", "Say the look."


def _one_name_twice(case: _Case) -> Found:
    for cue in _of_the_picture(case.script):
        for name in named_twice(cue.text, case.people):
            yield cue, f"It names two people {name}.", "Say who the other one is, or the look."


def _naming(script: Script) -> Iterator[tuple[Character, Cue]]:
    for character in script.characters:
        for cue in _of_the_picture(script):
            if character.named_in(cue.text):
                yield character, cue


def _over(cue: Cue, case: _Case) -> bool:
    """Whether another rule speaks of where a cue lies, or the film pauses there."""
    return cue.extended or any(cue.span.overlap_ms(line) for line in case.lines_under(cue.span))


@dataclass(frozen=True, slots=True)
class Rule(Manifest[Callable[[_Case], Found]]):
    """A check, how bad it is to break it, whether a person who approved the cue may, and whether only English can."""

    level: Level = Level.WARNING
    overridable: bool = False
    english: bool = False

    what: ClassVar[str] = "rule"

    def level_of(self, cue: Cue) -> Level:
        meant = self.overridable and cue.author is Author.HUMAN and cue.status is Status.APPROVED
        return Level.WARNING if meant else self.level


def _error(name: str, about: str, check: Callable[[_Case], Found], overridable: bool = False) -> Rule:
    return Rule(name, about, check, level=Level.ERROR, overridable=overridable)


def _english(name: str, about: str, pattern: re.Pattern[str], what: str, suggestion: str) -> Rule:
    return Rule(name, about, _words(pattern, what, suggestion), english=True)


RULES = Registry(
    Rule,
    (
        _error("over-dialogue", "talks over dialogue", _over_dialogue, overridable=True),
        _error("overlap", "begins before the cue before it ends", _overlap),
        _error("too-long", "takes longer to say than there is room", _too_long),
        _error("beyond-film", "ends after the film", _beyond_film),
        _error("blank", "says nothing", _blank),
        Rule("guard", "ends too close to the next line", _guard),
        Rule("short-gap", "stands in a pause that is too short", _short_gap),
        Rule("late", "comes after what it describes", _late),
        Rule("fast", "has times that ask for too many words per minute", _fast),
        Rule("needless-pause", "lets the film pause although it fits", _needless_pause),
        Rule("unused-silence", "pauses the film or borders on a long silence while there is room", _unused_silence),
        Rule("repeated", "says what the cue before it said", _repeated),
        Rule("unfinished", "does not end as a sentence", _unfinished),
        _english(
            "tense", "is not in the present tense", _PAST, "is not the present tense",
            "Describe what happens as it happens.",
        ),
        _english("passive", "is in the passive voice", _PASSIVE, "is passive", "Say who does it."),
        _english("person", "says I, we or you", _PERSON, "is not the third person", "Write he, she, they."),
        _english(
            "camera", "speaks about the picture", _CAMERA, "speaks about the picture",
            "Say what there is, not that it is seen.",
        ),
        _english(
            "inference", "draws a conclusion", _INFERRED, "is a conclusion",
            "Describe what shows it: a face, a gesture.",
        ),
        Rule("kind", "reads out the screen, but is marked as description of the picture", _kind, english=True),
        Rule("name-early", "names somebody before viewers know the name", _name_early),
        Rule("name-unknown", "names somebody whom nobody has introduced", _name_unknown),
        Rule("one-name-twice", "gives two people the same name", _one_name_twice, english=True),
        Rule("name-look", "names somebody for the first time without the look", _name_without_look),
    ),
)  # fmt: skip
"""Every rule by name; `about` goes on from "a cue that"."""
