"""Faces that are there while somebody speaks: stills to propose, and portraits where a face is surely theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from calvin.core.types import DialogueLine
from calvin.studio.cast.candidate_stills import CandidateStill
from calvin.studio.cast.faces import Face
from calvin.studio.cast.portraits import Box, Portrait
from calvin.studio.cast.proposals import Proposal

_BESIDE_MS = 500
"""Faces are looked for once a second, so one that is there just before or after a line counts."""
_FEWEST, _MOST_OF = 2, 0.6
"""In how many of somebody's lines, and in which share of those with a face, a face has to be there to be theirs."""
_APART_MS = 5000
_PORTRAITS = 3


@dataclass(frozen=True, slots=True, eq=False)
class SpeakingFace:
    """The face that is most often there while somebody speaks, and whether it is surely theirs."""

    faces: tuple[Face, ...]
    lines: int
    of: int
    sure: bool

    @property
    def why(self) -> str:
        return f"the face that is there in {self.lines} of the {self.of} lines that they are heard in with a face"

    def best(self, count: int) -> list[Face]:
        """The largest faces, apart from one another."""
        chosen: list[Face] = []
        for face in sorted(self.faces, key=lambda one: -one.box[3]):
            if len(chosen) < count and all(abs(face.at_ms - other.at_ms) >= _APART_MS for other in chosen):
                chosen.append(face)
        return chosen

    def stills(self, count: int) -> list[CandidateStill]:
        return [CandidateStill(face.at_ms, self.why, "", (face.box,)) for face in self.best(count)]

    def portraits(self, everybody: Sequence[Face]) -> tuple[Portrait, ...]:
        """Those to write unasked."""
        if not self.sure:
            return ()
        return tuple(
            Portrait(face.at_ms, body_of(face.box, [one.box for one in everybody if one.at_ms == face.at_ms]))
            for face in self.best(_PORTRAITS)
        )


def speaking_faces(
    people: Sequence[Proposal], tracks: Sequence[Sequence[Face]], clusters: Sequence[int]
) -> dict[str, SpeakingFace]:
    """For each person whose lines have faces, the face that is there most often; none is surely that of two people."""
    gathered: dict[int, list[Face]] = {}
    for track, number in zip(tracks, clusters, strict=True):
        gathered.setdefault(number, []).extend(track)
    counts = {person.name: Counter(_seen(person.spoken, gathered)) for person in people}
    found = {}
    for person in people:
        mine = counts[person.name]
        with_face = sum(1 for line in person.spoken if any(_there(line, faces) for faces in gathered.values()))
        if not mine:
            continue
        number, lines = mine.most_common(1)[0]
        rival = max((counts[other.name][number] for other in people if other.name != person.name), default=0)
        tied = len(mine) > 1 and mine.most_common(2)[1][1] == lines
        sure = lines >= _FEWEST and lines >= _MOST_OF * with_face and lines > rival and not tied
        found[person.name] = SpeakingFace(tuple(gathered[number]), lines, with_face, sure)
    return found


def body_of(face: Box, faces: Sequence[Box] = ()) -> Box:
    """Where a face's body is likely: half a face beyond each of its sides, and five faces down; the face alone if that
    holds other faces.
    """
    left, top = max(0.0, face[0] - 0.5 * face[2]), max(0.0, face[1] - 0.3 * face[3])
    right, bottom = min(1.0, face[0] + 1.5 * face[2]), min(1.0, face[1] + 5 * face[3])
    middles = [(box[0] + box[2] / 2, box[1] + box[3] / 2) for box in faces if box != face]
    crowded = any(left <= x <= right and top <= y <= bottom for x, y in middles)
    return face if crowded else (left, top, right - left, bottom - top)


def _seen(lines: Sequence[DialogueLine], gathered: dict[int, list[Face]]) -> dict[int, int]:
    counts = {number: sum(_there(line, faces) for line in lines) for number, faces in gathered.items()}
    return {number: count for number, count in counts.items() if count}


def _there(line: DialogueLine, faces: Sequence[Face]) -> bool:
    first, last = line.span.start_ms - _BESIDE_MS, line.span.end_ms + _BESIDE_MS
    return any(first <= face.at_ms <= last for face in faces)
