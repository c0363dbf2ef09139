"""How subtitles lie over the speech of a film: whether they have to be moved or stretched to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from calvin.core.errors import UsageError
from calvin.core.time import Span

_STEP_MS = 100
_LEAST_SPANS = 5
STRETCHES = ("25/23.976", "25/24", "24/23.976", "23.976/24", "24/25", "23.976/25")
"""By what subtitles for films of one frame rate are stretched to fit one of another. 30/29.97 is 24/23.976, and between
23.976 and 29.97 a film lasts as long."""
_STRETCH_GAIN = 0.05
"""The correlation that a stretch must gain over the best shift alone."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How subtitles lie over the speech of a film: the `share` of it that they cover, as they are and with their times
    taken times `stretch` (such as "25/23.976"; "" for none) and moved by `shift_ms`, which suits best.

    `fit_now` and `fit` are the correlations of the two, which full subtitles do not win by mere number.
    """

    share: float
    moved_share: float
    shift_ms: int
    fit_now: float
    fit: float
    stretch: str = ""


def align(
    lines: Sequence[Span], heard: Sequence[Span], duration_ms: int, stretches: Sequence[str] = STRETCHES
) -> Alignment | None:
    """How subtitles lie over what was heard, and how they would lie best; None where there is too little to say.

    All shifts that leave half of the subtitles in the film are tried at once, for each stretch: the overlap for each is
    one value of a cross-correlation.
    """
    count = duration_ms // _STEP_MS
    speech = _steps(heard, count)
    spoken = float(speech.sum())
    if len(heard) < _LEAST_SPANS or len(lines) < _LEAST_SPANS or not 0 < spoken < count:
        return None
    longest = max(line.end_ms for line in lines) * max(float(stretch_of(one)) for one in ("", *stretches))
    size = 1 << (count + int(longest) // _STEP_MS + 1).bit_length()
    spectrum = np.fft.rfft(speech, size)

    def fits(stretch: str) -> tuple[np.ndarray, np.ndarray, int, float]:
        """Fit and overlap at each shift, which of them is none at all, and the fit there."""
        factor = stretch_of(stretch)
        text = _steps([Span(int(line.start_ms * factor), int(line.end_ms * factor)) for line in lines])
        overlap = np.fft.irfft(spectrum * np.fft.rfft(text, size).conj(), size)
        shifts = np.arange(-len(text), count)
        overlap = overlap[shifts % size]
        before = np.concatenate([[0.0], text.cumsum()])
        inside = before[np.clip(count - shifts, 0, len(text))] - before[np.clip(-shifts, 0, len(text))]
        spread = np.sqrt(np.maximum(spoken * (count - spoken) * inside * (count - inside), 1))
        fit = (count * overlap - spoken * inside) / spread
        # As they are, they may well lie outside.
        now = float(fit[len(text)])
        fit = np.where(inside * 2 >= before[-1], fit, -1)
        return fit, overlap, len(text), now

    fit, overlap, zero, now = fits("")
    share = float(overlap[zero] / spoken)
    found = Alignment(
        share, float(overlap[fit.argmax()] / spoken), int(fit.argmax() - zero) * _STEP_MS, now, float(fit.max())
    )
    least = found.fit + _STRETCH_GAIN
    for stretch in stretches:
        fit, overlap, zero, _ = fits(stretch)
        best = int(fit.argmax())
        if fit[best] > max(least, found.fit):
            found = Alignment(
                share, float(overlap[best] / spoken), (best - zero) * _STEP_MS, now, float(fit[best]), stretch
            )
    return found


def stretch_of(text: str) -> Fraction:
    """The factor that a stretch stands for: 1 for none, "25/23.976" or "1.0427".

    Raises:
        UsageError: it is neither, or no sensible factor.
    """
    above, slash, below = text.partition("/")
    try:
        factor = Fraction(above.strip()) / Fraction(below.strip()) if slash else Fraction(above.strip() or 1)
        if 0.5 <= factor <= 2:
            return factor
    except (ValueError, ZeroDivisionError):
        pass
    raise UsageError(f"{text!r} is no stretch of subtitles: give two frame rates such as 25/23.976, or a factor.")


def _steps(spans: Sequence[Span], count: int | None = None) -> np.ndarray:
    """float64 [count]: 1 in each step of time that a span covers; by default as far as the last one reaches."""
    steps = np.zeros(max((span.end_ms for span in spans), default=0) // _STEP_MS + 1 if count is None else count)
    for span in spans:
        steps[span.start_ms // _STEP_MS : -(-span.end_ms // _STEP_MS)] = 1
    return steps
