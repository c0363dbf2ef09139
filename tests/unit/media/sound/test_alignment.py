"""Subtitles out of step: whether the shift and the stretch that explain them are found, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from calvin.core.time import Span
from calvin.media.sound.alignment import STRETCHES, align, stretch_of


def talk(seed: int = 0, seconds: int = 600, share: float = 0.5) -> list[Span]:
    """Speech as films have it: lines of one to four seconds, pauses of up to twice that."""
    random, at, spans = np.random.default_rng(seed), 2000, []
    while at < seconds * 1000:
        length = int(random.integers(1000, 4000))
        spans.append(Span(at, at + length))
        at += length + int(random.integers(200, round(4600 * (1 / share - 1))))
    return spans


def shifted(spans: list[Span], by_ms: int) -> list[Span]:
    return [Span(span.start_ms + by_ms, span.end_ms + by_ms) for span in spans if span.start_ms + by_ms >= 0]


@pytest.mark.parametrize("by_ms", [0, 2400, -1700, 60_000, 3_600_000])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_shift_that_explains_subtitles_is_found(by_ms: int, share: float) -> None:
    random = np.random.default_rng(1)
    heard = talk(share=share)
    lines = [Span(s.start_ms + int(random.integers(0, 200)), s.end_ms + int(random.integers(0, 900))) for s in heard]
    lines = [line for line in lines if random.random() < 0.9]
    found = align(shifted(lines, by_ms), heard, 600_000)
    assert found is not None
    assert found.shift_ms == pytest.approx(-by_ms, abs=300)
    assert found.moved_share > 0.75
    assert (found.fit - found.fit_now > 0.2) == (by_ms != 0)
    assert found.fit > 0.4


@pytest.mark.parametrize("stretch", ["", *STRETCHES])
@pytest.mark.parametrize("by_ms", [0, -4000, 3_600_000])
def test_the_stretch_that_explains_subtitles_is_found(stretch: str, by_ms: int) -> None:
    random = np.random.default_rng(1)
    heard = talk(seconds=3600)
    lines = [Span(s.start_ms + int(random.integers(0, 200)), s.end_ms + int(random.integers(0, 900))) for s in heard]
    factor = float(stretch_of(stretch))
    lines = shifted([Span(round(line.start_ms / factor), round(line.end_ms / factor)) for line in lines], by_ms)
    found = align([line for line in lines if random.random() < 0.9], heard, 3_600_000)
    assert found is not None
    assert found.stretch == stretch
    assert found.shift_ms == pytest.approx(-by_ms * factor, abs=400)
    assert found.fit > 0.4


@pytest.mark.parametrize("part", [slice(0, 60), slice(None, None, 2), slice(60, None)])
def test_subtitles_of_half_of_the_talk_are_not_stretched(part: slice) -> None:
    heard = talk()
    found = align([Span(s.start_ms, s.end_ms + 300) for s in heard[part]], heard, 600_000)
    assert found is not None
    assert (found.stretch, found.fit - found.fit_now < 0.2) == ("", True)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_subtitles_of_another_film_fit_nowhere(share: float) -> None:
    found = align(talk(2, share=share), talk(3, share=share), 600_000)
    assert found is not None
    assert found.fit < 0.28


def test_too_little_says_nothing() -> None:
    assert align(talk()[:3], talk(), 600_000) is None
    assert align(talk(), [], 600_000) is None
    assert align(talk(), [Span(0, 600_000)] * 9, 600_000) is None
