"""Stills in which somebody may be seen."""

from __future__ import annotations

from calvin.core.time import Span
from calvin.core.types import Cue, DialogueLine
from calvin.studio.cast.candidate_stills import candidate_stills
from calvin.studio.cast.proposals import Proposal

SHOTS = [Span(1000 * i, 1000 * (i + 1)) for i in range(10)]
LINES = [
    DialogueLine(Span(1200, 1600), "Yes.", "ANN"),
    DialogueLine(Span(1900, 4900), "Long ago there was a house.", "ANN"),
    DialogueLine(Span(5100, 5500), "Really?", "BOB"),
    DialogueLine(Span(6200, 6700), "Come here, Ann!", "BOB"),
]
ANN = Proposal("Ann", (), tuple(LINES[:2]), (LINES[3],))
CUES = [Cue("1", Span(0, 500), "Ann sits in a chair.", Span(3000, 4000), 3500)]


def test_stills_of_long_lines_come_first_then_calls_answers_and_the_rest_of_the_film() -> None:
    found = candidate_stills(ANN, LINES, SHOTS, CUES, 10_000, 6)
    assert [still.at_ms // 1000 for still in found] == [2, 1, 7, 5, 6, 4]
    assert [still.why for still in found[:5]] == [
        'while Ann says "Long ago there was a house."',
        'while Ann says "Yes."',
        'just after Bob calls: "Come here, Ann!"',
        'while they are answered: "Really?"',
        "right beside where they are heard or called",
    ]
    assert len(candidate_stills(ANN, LINES, SHOTS, CUES, 10_000, 20)) == len(SHOTS), "each shot once"


def test_a_still_is_told_in_the_words_of_the_description() -> None:
    spoken = DialogueLine(Span(3100, 3900), "Well.", "ANN")
    [still] = candidate_stills(Proposal("Ann", (), (spoken,)), [spoken], SHOTS, CUES, 10_000, 1)
    assert (still.at_ms, still.caption) == (3500, "Ann sits in a chair.")


def test_nothing_is_offered_from_beyond_the_end_nor_is_it_missing_where_no_shots_are_known() -> None:
    late = DialogueLine(Span(9000, 9900), "Come, Ann!")
    assert candidate_stills(Proposal("Ann", (), (), (late,)), [late], [], [], 10_000, 5) == []
    [still] = candidate_stills(Proposal("Ann", (), (LINES[0],)), LINES[:1], [], [], 10_000, 5)
    assert still.at_ms == 1400
