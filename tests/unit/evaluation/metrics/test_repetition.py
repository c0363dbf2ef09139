"""Repetition and redundancy, counted by hand."""

from __future__ import annotations

import pytest

from calvin.evaluation.metrics.base import Pairs
from calvin.evaluation.metrics.repetition import Repetition
from calvin.media.schedule.wording import redundancy, repetition

SAID = ("Ann sits on the bench.", "Ann sits on the floor.", "Bob nods.", "Ann sits on the bench.")
FILMS = {"a": "f", "b": "f", "c": "g", "d": "g"}


def test_groups_of_words_and_words_said_again_within_the_film() -> None:
    pairs = Pairs(("a", "b", "c", "d"), SAID, (("He waits here now.",),) * 4)
    [found] = Repetition().score_films(pairs, FILMS)
    # b has "ann sits on the" and "sits on the floor", of which the first was said: a half. d opens with what was said
    # in film f, but stands in g, where only "Bob nods." was said before.
    assert found.values == {"a": 0.0, "b": 0.5, "c": 0.0, "d": 0.0}
    # The references of each film say the same twice: 0 and 1, and 0 and 1.
    assert found.setting.endswith("the first references have 50.0")
    [words] = Repetition.redundancy().score_films(pairs, FILMS)
    # b: 4 of its 5 words stand in a.
    assert words.values == {"a": 0.0, "b": pytest.approx(0.8), "c": 0.0, "d": 0.0}


def test_a_film_is_the_mean_of_its_captions() -> None:
    assert repetition(SAID) == pytest.approx((0 + 0.5 + 0 + 1) / 4)
    assert redundancy(SAID) == pytest.approx((0 + 0.8 + 0 + 1) / 4)
    assert repetition([]) == redundancy([]) == 0.0
