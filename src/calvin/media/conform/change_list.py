"""What lies where in another release of a film: pieces that run on, and what was left out or put in between them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from calvin.core.text_tables import counted
from calvin.core.time import Span, format_timecode, in_s, joined, round_half_up

_AS_LONG = 2e-4
"""Nobody calls a piece quicker or slower that is so by less: 1.4 s in two hours."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a film that another release has too: from `start_ms` on there, times taken times `rate`.

    `rate` is below 1 where the other release runs quicker: 0.96 from 24 to 25 frames per second.
    """

    old: Span
    start_ms: int
    rate: float = 1.0

    @property
    def new(self) -> Span:
        """Where it lies in the other release."""
        return Span(self.start_ms, self.start_ms + round_half_up(self.old.duration_ms * self.rate))

    def carried(self, ms: int) -> int:
        """A time of the film as one of the other release, also beyond the ends of the piece."""
        return round_half_up(float(self.there(ms)))

    def there(self, ms: npt.ArrayLike) -> np.ndarray:
        """Times of the film in ms, an array of any shape, as those of the other release."""
        return self.start_ms + (np.asarray(ms) - self.old.start_ms) * self.rate

    def back(self, ms: npt.ArrayLike) -> np.ndarray:
        """Times of the other release in ms, an array of any shape, as those of the film."""
        return self.old.start_ms + (np.asarray(ms) - self.start_ms) / self.rate

    def moved(self, ms: float) -> Piece:
        """The same stretch of the film, lying so much later in the other release."""
        return replace(self, start_ms=self.start_ms + round_half_up(ms))


@dataclass(frozen=True, slots=True)
class ChangeList:
    """How a film of `old_ms` became one of `new_ms`, in the order of the first."""

    pieces: tuple[Piece, ...]
    old_ms: int
    new_ms: int

    def piece_at(self, ms: int) -> Piece | None:
        """The piece that a time of the film lies in; None where the other release has nothing of it."""
        return next((piece for piece in self.pieces if piece.old.start_ms <= ms < piece.old.end_ms), None)

    def carried(self, span: Span, at_ms: int) -> Span | None:
        """A span of the film in the other release: the part of it that lies in one piece with `at_ms`.

        None where that moment was left out.
        """
        piece = self.piece_at(at_ms)
        if piece is None:
            return None
        start_ms = max(span.start_ms, piece.old.start_ms)
        end_ms = max(min(span.end_ms, piece.old.end_ms), start_ms)
        return self._within(piece.carried(start_ms), piece.carried(end_ms))

    def _within(self, start_ms: int, end_ms: int) -> Span:
        start_ms = min(max(start_ms, 0), self.new_ms)
        return Span(start_ms, max(start_ms, min(end_ms, self.new_ms)))

    @property
    def left_out(self) -> tuple[Span, ...]:
        """What of the film the other release does not have."""
        return _between([piece.old for piece in self.pieces], self.old_ms)

    @property
    def put_in(self) -> tuple[Span, ...]:
        """What the other release has and the film does not, in its time."""
        return _between([piece.new for piece in self.pieces], self.new_ms)

    @property
    def share(self) -> float:
        """Of the film, how much the other release has."""
        return sum(piece.old.duration_ms for piece in self.pieces) / max(self.old_ms, 1)

    @property
    def rate(self) -> float:
        """What times are taken times, in most of it."""
        longest = max(self.pieces, key=lambda piece: piece.old.duration_ms, default=None)
        return longest.rate if longest else 1.0

    def in_words(self) -> list[str]:
        """What was found, in sentences."""
        lines = [f"{self.share:.0%} of the film was found again, in {counted(len(self.pieces), 'piece')}."]
        if abs(self.rate - 1) > _AS_LONG:
            faster = "faster" if self.rate < 1 else "slower"
            lines.append(f"The other release runs {abs(1 / self.rate - 1):.2%} {faster}.")
        for what, spans in (("Not in the other release", self.left_out), ("Only there, in its own time", self.put_in)):
            lines += [f"{what}: {listed_spans(spans)}."] if spans else []
        return lines


def listed_spans(spans: Sequence[Span], most: int = 8) -> str:
    """'00:01:00.000 for 12.0 s, 00:05:00.000 for 3.5 s and 2 more'."""
    shown = [f"{format_timecode(span.start_ms)} for {in_s(span.duration_ms)}" for span in spans[:most]]
    return ", ".join(shown) + (f" and {len(spans) - most} more" if len(spans) > most else "")


def _between(spans: Sequence[Span], length_ms: int) -> tuple[Span, ...]:
    """What of a film no span covers."""
    edges = [0, *itertools.chain.from_iterable((one.start_ms, one.end_ms) for one in joined(spans)), length_ms]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(Span(start, end) for start, end in pairs if end > start)
