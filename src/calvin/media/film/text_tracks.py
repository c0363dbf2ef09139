"""Lines of writing followed over the stills of a film, one a second: while they stay in their place or move on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from statistics import median

from calvin.core.time import Span
from calvin.media.film.ocr import Box, TextLine

STILL_MS = 1000
"""Time between two stills that are read."""

_MISSED = 2
"""Stills in which a text may go unread and still be the same."""


@dataclass(slots=True)
class Track:
    """One line followed over stills: the number of each still, and what was read in it."""

    seen: list[tuple[int, TextLine]]

    @property
    def first(self) -> int:
        return self.seen[0][0]

    @property
    def last(self) -> int:
        return self.seen[-1][0]

    @property
    def line(self) -> TextLine:
        return self.seen[-1][1]

    @property
    def text(self) -> str:
        """What most stills say, surer ones counting more."""
        votes: Counter[str] = Counter()
        for _, line in self.seen:
            votes[line.text] += line.score**4  # type: ignore[assignment]
        return max(votes, key=lambda text: (votes[text], len(text)))

    @property
    def score(self) -> float:
        text = self.text
        return max(line.score for _, line in self.seen if line.text == text)

    @property
    def box(self) -> Box:
        left, top, right, bottom = (median(line.box[i] for _, line in self.seen) for i in range(4))
        return left, top, right, bottom

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def centre(self) -> tuple[float, float]:
        return TextLine("", 0, self.box).centre

    @property
    def climb(self) -> float:
        """How far up it has moved, as a share of the picture's height."""
        return self.seen[0][1].centre[1] - self.seen[-1][1].centre[1]

    @property
    def rolls(self) -> bool:
        """Whether it moves up steadily, as credits do."""
        return self.climb > 0.12 and self.climb / max(1, self.last - self.first) > 0.015

    def span(self, duration_ms: int) -> Span:
        start = min(self.first * STILL_MS, duration_ms)
        return Span(start, max(start, min(duration_ms, (self.last + 1) * STILL_MS)))


def alike(one: str, other: str) -> float:
    """How much two texts have in common, up to 1, but for case and space."""
    matcher = SequenceMatcher(None, folded(one), folded(other), autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > 0.4 else 0.0


def folded(text: str) -> str:
    return "".join(text.casefold().split())


def follow(readings: Sequence[Sequence[TextLine]]) -> list[Track]:
    done: list[Track] = []
    going: list[Track] = []
    for number, lines in enumerate(readings):
        pairs = [
            (fit, i, j)
            for i, track in enumerate(going)
            for j, line in enumerate(lines)
            if (fit := _fit(track.line, line)) > 0
        ]
        used: set[int] = set()
        on: set[int] = set()
        for _, i, j in sorted(pairs, reverse=True):
            if i not in on and j not in used:
                going[i].seen.append((number, lines[j]))
                on.add(i)
                used.add(j)
        going += [Track([(number, line)]) for j, line in enumerate(lines) if j not in used]
        done += [track for track in going if number - track.last > _MISSED]
        going = [track for track in going if number - track.last <= _MISSED]
    return sorted([*done, *going], key=lambda track: (track.first, track.seen[0][1].box[1]))


def _fit(before: TextLine, now: TextLine) -> float:
    """How well a line goes on from one of an earlier still; 0 where it is another."""
    # Capitals are not misread: a sign in them is another one.
    if _reworded(before.text, now.text) or before.text.isupper() != now.text.isupper():
        return 0.0
    same, shared = alike(before.text, now.text), shared_area(before.box, now.box)
    across, down = (abs(a - b) for a, b in zip(before.centre, now.centre, strict=True))
    if same >= 0.75 and across < 0.2 and down < 0.4:
        return 1 + same + shared
    short, long = sorted((folded(before.text), folded(now.text)), key=len)
    grows = len(short) >= 2 and long.startswith(short)  # as it is typed
    return same + shared if shared >= 0.3 and (same >= 0.5 or grows) else 0.0


def _reworded(before: str, now: str) -> bool:
    """Whether a word or a number was changed for another, as on the next slide, and not read otherwise."""
    words, others = before.casefold().split(), now.casefold().split()
    if len(words) != len(others):
        return False
    return any(
        (one.isdecimal() and other.isdecimal() and not one.startswith(other) and not other.startswith(one))
        or (min(len(one), len(other)) >= 3 and alike(one, other) < 0.5)
        for one, other in zip(words, others, strict=True)
    )


def shared_area(one: Box, other: Box) -> float:
    """The area that two boxes share, by the area that they cover together."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / max(areas - width * height, 1e-9)
