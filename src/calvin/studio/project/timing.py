"""How long a line of description takes to say, how much room it has, and how soon it may be repeated."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from calvin.core.time import Span
from calvin.core.types import Cue

WORDS_PER_MINUTE = 160
SHORTEST_MS = 750
"""What even one word takes."""
NOT_AGAIN = 3
"""How many cues back a description is not repeated."""
FEWEST_WORDS = 3
"""No sentence worth hearing is asked for in fewer words."""
_WORD = 6
"""Characters of a word of usual length with the space after it: longer words take longer to say."""


class SpokenLength(Protocol):
    """Says how long a text takes to speak: an estimate, or what a voice has measured."""

    def ms(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class EstimatedLength:
    """By words and characters, whichever is more, at a rate of speech."""

    words_per_minute: int = WORDS_PER_MINUTE

    def ms(self, text: str) -> int:
        words = max(len(text.split()), len(text.strip()) / _WORD)
        return max(SHORTEST_MS, round(words * 60_000 / self.words_per_minute))


class MeasuredLength:
    """What a voice has measured, by text; estimated where it has not said a text yet."""

    def __init__(self, measured: Mapping[str, int], estimate: SpokenLength) -> None:
        self._measured = measured
        self._estimate = estimate

    def ms(self, text: str) -> int:
        return self._measured.get(text) or self._estimate.ms(text)


_LETTERS = {
    "de": 7.0,
    "cs": 6.5,
    "fi": 8.5,
    "et": 7.5,
    "hu": 7.0,
    "nl": 6.5,
    "pl": 7.0,
    "ru": 7.0,
    "tr": 7.5,
    "uk": 7.0,
}
"""Characters of a word with the space after it in running text, to half of one, where they are more than `_WORD`."""
_NO_SPACES = ("ja", "km", "lo", "my", "th", "zh")
"""Languages in which no spaces tell what a word is."""


def words_in(room_ms: int, language: str, spoken: SpokenLength) -> int | None:
    """About how many words of a language can be said in some time; None where it is written without spaces."""
    if language.split("-")[0].lower() in _NO_SPACES:
        return None
    letters = _LETTERS.get(language.split("-")[0].lower(), _WORD)
    # Twenty words of that length, so that what is rounded does not matter.
    words = [("x" * (int(letters * (at + 1)) - int(letters * at) - 1)) for at in range(20)]
    return words_within(" ".join(words), room_ms, spoken)


def words_within(text: str, room_ms: int, spoken: SpokenLength) -> int:
    """How many words like those of `text` can be said in the room."""
    return len(text.split()) * room_ms // max(spoken.ms(text), 1)


def rooms(cues: Sequence[Cue], dialogue: Iterable[Span], duration_ms: int | None) -> dict[str, int]:
    """For each cue, by id, the milliseconds from its start to the next line of dialogue or cue, or the film's end.

    Nothing where it starts in a line of dialogue or beyond the end.
    """
    lines = sorted(dialogue)
    starts = sorted({line.start_ms for line in lines} | {cue.span.start_ms for cue in cues})
    line_starts = [line.start_ms for line in lines]
    until = [0, *accumulate((line.end_ms for line in lines), max)]
    found = {}
    for cue in cues:
        at = cue.span.start_ms
        following = starts[bisect_left(starts, at + 1) :][:1]
        ends = [*following, *([duration_ms] if duration_ms is not None else [])]
        # Where nothing follows and the film's length is not known, the cue's own end is all there is to go by.
        end = min(ends, default=cue.span.end_ms)
        inside = at < until[bisect_right(line_starts, at)]
        found[cue.id] = 0 if inside else max(0, end - at)
    return found


def free_part(place: Span, spoken: Iterable[Span]) -> Span | None:
    """The longest stretch of a place that no cue is spoken in (one may run on into the next place), or None."""
    pieces, at = [], place.start_ms
    for span in sorted(span for span in spoken if span.overlap_ms(place)):
        pieces.append(Span(at, max(at, span.start_ms)))
        at = max(at, span.end_ms)
    pieces.append(Span(at, max(at, place.end_ms)))
    longest = max(pieces, key=lambda piece: piece.duration_ms)
    return longest if longest.duration_ms else None
