"""A cast proposed, and a person asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.studio.cast.candidate_stills import CandidateStill
from calvin.studio.cast.cast_file import Addition
from calvin.studio.cast.face_proposals import body_of
from calvin.studio.cast.interview import HALVES, Candidate, Interview, listed, read_answer, unconfirmed
from calvin.studio.cast.portraits import WHOLE, Portrait
from calvin.studio.cast.proposals import Proposal

LINE = DialogueLine(Span(0, 900), "Yes.", "ANN")
FACES = ((0.1, 0.1, 0.1, 0.2), (0.7, 0.1, 0.1, 0.2))
STILLS = (CandidateStill(500, 'while Ann says "Yes."', "A woman waves."), CandidateStill(7000, "beside"))


def ask(*answers: str) -> tuple[list[Addition], list[str]]:
    given: Iterator[str] = iter(answers)
    said: list[str] = []
    candidates = [
        Candidate(Proposal("Ann", ("Annie",), (LINE,)), STILLS),
        Candidate(Proposal("Hope", (), (), (LINE,), "'hope' is also a word of the dialogue"), STILLS[:1], "Hope Lee"),
        Candidate(Proposal("Cy", (), (), (LINE,)), ()),
    ]

    def answer(question: str) -> str:
        said.append(question)
        return next(given)

    return Interview(answer, said.append).run(candidates, Path("cast")), said


def test_answers_become_portraits() -> None:
    found, said = ask("1 left, 2", "no", "yes")
    assert found == [
        Addition("Ann", ("Annie",), (Portrait(500, HALVES["left"]), Portrait(7000, WHOLE))),
        Addition("Hope Lee"),
        Addition("Cy"),
    ]
    told = "\n".join(said)
    assert "Ann (1 of 3): speaks once" in told
    assert '1  00:00:00  while Ann says "Yes."; the description says: A woman waves.' in told
    assert (
        "Hope Lee (2 of 3): is called once (in the cast already); 'hope' is also a word of the dialogue: is it" in told
    )


def test_who_is_skipped_is_left_out_and_stop_keeps_what_was_said() -> None:
    assert [one.name for one in ask("skip", "1", "skip")[0]] == ["Hope Lee"]
    found, said = ask("1", "stop")
    assert [one.name for one in found] == ["Ann"]
    assert not any("Cy" in line for line in said)


def test_an_answer_that_is_not_understood_is_asked_for_again() -> None:
    found, said = ask("3 left", "left", "2 r", "skip", "skip")
    assert found[0].portraits == (Portrait(7000, HALVES["right"]),)
    assert "There is no still 3: the numbers go to 2." in said
    assert any(line.startswith("'left' is not understood.") for line in said)


@pytest.mark.parametrize(
    ("answer", "boxes"),
    [("1 left", [body_of(FACES[0])]), ("1 r", [body_of(FACES[1])]), ("1", "Still 1 has several faces")],
)
def test_a_face_that_was_found_says_where_the_person_is(answer: str, boxes: object) -> None:
    found = read_answer(answer, [CandidateStill(500, "", faces=FACES)])
    if isinstance(found, str):
        assert found.startswith(str(boxes))
    else:
        assert [portrait.box for portrait in found] == boxes
    [alone] = read_answer("1", [CandidateStill(500, "", faces=FACES[1:])])
    assert alone == Portrait(500, body_of(FACES[1]))
    assert body_of((0.9, 0.5, 0.2, 0.4)) == pytest.approx((0.8, 0.38, 0.2, 0.62))


def test_faces_are_told_in_words() -> None:
    stills = (CandidateStill(500, "x", faces=FACES), CandidateStill(9, "y", faces=()))
    candidate = Candidate(Proposal("Ann", (), (LINE,)), stills)
    told = list(listed([candidate], Path("cast")))
    assert told[1].endswith("x; 2 faces: left, right")
    assert told[2].endswith("y; no face is seen")


def test_without_answers_stills_are_only_remarks() -> None:
    [one] = unconfirmed([Candidate(Proposal("Ann", (), (LINE,), (), "doubt"), STILLS[:1])], Path("cast"))
    assert one.portraits == ()
    assert one.remarks == ("doubtful: doubt",)
    assert one.offered == ((Portrait(500), 'while Ann says "Yes."?'),)
