"""Whose face is there while somebody speaks."""

from __future__ import annotations

import numpy as np
import pytest

from calvin.core.time import Span
from calvin.core.types import DialogueLine
from calvin.studio.cast.face_proposals import body_of, speaking_faces
from calvin.studio.cast.faces import Face
from calvin.studio.cast.portraits import Box
from calvin.studio.cast.proposals import Proposal

LEFT, RIGHT = (0.1, 0.2, 0.1, 0.2), (0.7, 0.2, 0.1, 0.2)


def face(second: int, box: Box = LEFT, height: float = 0.2) -> Face:
    return Face(1000 * second, (box[0], box[1], box[2], height), np.zeros(128, np.float32))


def person(name: str, *seconds: int) -> Proposal:
    return Proposal(name, (), tuple(DialogueLine(Span(1000 * s, 1000 * s + 900), "Yes.", name) for s in seconds))


TRACKS = [[face(0), face(1, height=0.3)], [face(10)], [face(20)], [face(1, RIGHT)], [face(30, RIGHT)]]
CLUSTERS = [0, 0, 0, 1, 1]
EVERYBODY = [one for track in TRACKS for one in track]


def test_the_face_that_is_there_in_most_of_somebodys_lines_is_theirs() -> None:
    found = speaking_faces([person("Ann", 1, 10, 20, 50), person("Bob", 30), person("Cy", 60)], TRACKS, CLUSTERS)
    ann = found["Ann"]
    assert (ann.lines, ann.of, ann.sure) == (3, 3, True)
    assert [portrait.at_ms for portrait in ann.portraits(EVERYBODY)] == [1000, 10_000, 20_000], "the largest first"
    assert ann.stills(1)[0].why.endswith("in 3 of the 3 lines that they are heard in with a face")
    assert (found["Bob"].lines, found["Bob"].sure) == (1, False), "once is chance"
    assert found["Bob"].portraits(EVERYBODY) == ()
    assert "Cy" not in found


def test_a_face_that_is_there_for_two_speakers_alike_is_neithers() -> None:
    found = speaking_faces([person("Ann", 1, 10), person("Bob", 0, 20)], TRACKS, CLUSTERS)
    assert not any(one.sure for one in found.values())


def test_a_body_lies_below_its_face_and_holds_no_other() -> None:
    assert body_of((0.4, 0.1, 0.1, 0.1)) == pytest.approx((0.35, 0.07, 0.2, 0.53))
    close = [(0.4, 0.1, 0.1, 0.1), (0.5, 0.1, 0.08, 0.1)]
    assert body_of(close[0], close) == close[0]
