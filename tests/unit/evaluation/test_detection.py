"""When to describe, counted by hand."""

from __future__ import annotations

from calvin.core.time import Span
from calvin.evaluation.detection import by_cue, by_gap, detection, gaps_between


def spans(*pairs: tuple[int, int]) -> list[Span]:
    return [Span(start * 100, end * 100) for start, end in pairs]


def test_cues_that_share_half_of_the_shorter_fall_together_once() -> None:
    ours = spans((0, 20), (30, 50), (60, 80))
    theirs = spans((10, 40), (45, 60), (79, 99), (120, 130))
    # 0-20 shares 10 of 20 with 10-40: together. 30-50 shares 10 of 20 with 10-40, which is taken, and 5 of 15 with
    # 45-60: alone. 60-80 shares 1 with 79-99: alone.
    counts = by_cue(ours, theirs)
    assert (counts.hits, counts.predicted, counts.given) == (1, 3, 4)
    assert (counts.precision, counts.recall, counts.f1) == (1 / 3, 1 / 4, 2 / 7)
    nothing = by_cue([], [])
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)


def test_a_cue_that_two_could_have_goes_to_whoever_has_no_other() -> None:
    assert by_cue(spans((0, 10), (8, 18)), spans((0, 18), (9, 20))).hits == 2


def test_gaps_of_the_dialogue_with_and_without_description() -> None:
    dialogue = spans((20, 40), (30, 50), (55, 60), (120, 130))
    gaps = gaps_between(dialogue, 13_500)
    # 0-20; 50-55 is too short; 60-120; 130-135 is too short.
    assert gaps == spans((0, 20), (60, 120))
    ours, theirs = spans((2, 6), (90, 100)), spans((60, 70), (118, 140))
    # 2-6 is short, and all of it in the first gap; 118-140 has 200 ms in the second: not in it, but 60-70 is.
    counts = by_gap(ours, theirs, gaps)
    assert (counts.hits, counts.predicted, counts.given) == (1, 2, 1)
    named = {one.name: (one.hits, one.predicted, one.given) for one in detection(ours, theirs, dialogue, 13_500)}
    assert named == {
        "cues": (0, 2, 2),
        "gaps": (1, 2, 1),
        "gaps from 1 s to 3 s": (0, 1, 0),
        "gaps from 3 s to 6 s": (0, 0, 0),
        "gaps from 6 s": (1, 1, 1),
    }
    assert [one.name for one in detection(ours, theirs)] == ["cues"]
