"""Proposing a cast, and asking a person which stills show whom; in words, so that nobody has to see the stills."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from calvin.core.errors import UsageError
from calvin.core.files import atomic_path
from calvin.core.time import Span, format_timecode, round_half_up
from calvin.media.film.frames import FrameStore
from calvin.studio.cast.candidate_stills import CandidateStill, candidate_stills
from calvin.studio.cast.cast_file import Addition
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.face_proposals import body_of, speaking_faces
from calvin.studio.cast.faces import Face, FindFaces, clusters_of, find_faces, tracks_of
from calvin.studio.cast.portraits import WHOLE, Box, Portrait, still_at
from calvin.studio.cast.proposals import Proposal, propose
from calvin.studio.project.store import ProjectStore

FOLDER = "cast"
"""Where in a project the stills lie to be looked at."""
STILLS = 5
HALVES: dict[str, Box] = {"left": (0.0, 0.0, 0.5, 1.0), "middle": (0.25, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 0.5, 1.0)}
HOW = (
    "Name the stills that show them by number, with the side that they are on if others are there: `1 left, 3`. "
    "`no`: none of them. `skip`: leave this person out. `stop`: ask no more, and keep what is said."
)
_ANSWER = re.compile(r"(\d+)\s*(l|left|m|middle|r|right)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who is proposed, the stills that may show them, whom of the cast they are, and portraits that faces make
    sure of."""

    proposal: Proposal
    stills: tuple[CandidateStill, ...]
    known_as: str = ""
    portraits: tuple[Portrait, ...] = ()

    @property
    def name(self) -> str:
        return self.known_as or self.proposal.name


@dataclass(frozen=True, slots=True)
class Line:
    """A still as it is shown: its number, the moment, why, and where its picture lies."""

    number: int
    still: CandidateStill
    picture: Path

    @property
    def words(self) -> str:
        said = [f"{self.number}  {format_timecode(self.still.at_ms)[:-4]}  {self.still.why}"]
        if self.still.caption:
            said.append(f"the description says: {self.still.caption}")
        if self.still.faces is not None:
            said.append(_faces(self.still.faces))
        return "; ".join(said)


@dataclass
class Interview:
    """What is asked of a person: `ask` puts a question and returns the answer, `say` tells one line."""

    ask: Callable[[str], str]
    say: Callable[[str], None]
    additions: list[Addition] = field(default_factory=list)

    def run(self, candidates: Sequence[Candidate], folder: Path) -> list[Addition]:
        """Ask for each person; returns those to be kept, with the portraits that were confirmed."""
        self.say(f"The stills lie in {folder} as NAME-NUMBER.jpg.")
        self.say(HOW)
        for number, candidate in enumerate(candidates, 1):
            person = candidate.proposal
            self.say("")
            self.say(f"{candidate.name} ({number} of {len(candidates)}): {person.why}{_known(candidate)}")
            lines = shown(candidate, folder)
            for line in lines:
                self.say(f"  {line.words}")
            portraits = self._portraits(candidate.name, lines)
            if portraits is None:
                break
            if isinstance(portraits, list):
                self.additions.append(Addition(candidate.name, person.aliases, tuple(portraits)))
        return self.additions

    def _portraits(self, name: str, lines: Sequence[Line]) -> list[Portrait] | bool | None:
        """The portraits confirmed; False: the person is left out, None: no more questions."""
        question = f"Which show {name}? " if lines else f"No still to look at. Is {name} in the film (yes, skip)? "
        while True:
            answer = self.ask(question).strip().casefold()
            if answer in ("stop", "q", "quit"):
                return None
            if answer in ("skip", "s"):
                return False
            if answer in ("", "no", "n", "none", "yes", "y"):
                return []
            found = read_answer(answer, [line.still for line in lines])
            if isinstance(found, list):
                return found
            self.say(found)


def read_answer(answer: str, stills: Sequence[CandidateStill]) -> list[Portrait] | str:
    """Portraits from '1 left, 3'; a sentence if the answer cannot be meant."""
    portraits = []
    for part in filter(None, re.split(r"[,;]\s*|\s+and\s+", answer.strip())):
        match = _ANSWER.fullmatch(part.strip())
        if match is None:
            return f"{part.strip()!r} is not understood. {HOW}"
        if not 1 <= int(match[1]) <= len(stills):
            return f"There is no still {match[1]}: the numbers go to {len(stills)}."
        still = stills[int(match[1]) - 1]
        side = {"l": "left", "m": "middle", "r": "right"}.get((match[2] or " ")[0].casefold(), "")
        box = _box(still, side)
        if box is None:
            return f"Still {match[1]} has several faces: say left, middle or right too."
        portraits.append(Portrait(still.at_ms, box))
    return portraits


def _box(still: CandidateStill, side: str) -> Box | None:
    """The body below the face that is meant, else the half of the picture, else all of it; None: which face?"""
    faces = still.faces or ()
    if not faces:
        return HALVES[side] if side else WHOLE
    if not side:
        return body_of(faces[0]) if len(faces) == 1 else None
    target = {"left": 0.0, "middle": 0.5, "right": 1.0}[side]
    return body_of(min(faces, key=lambda face: abs(face[0] + face[2] / 2 - target)), faces)


def propose_cast(
    store: ProjectStore, cast: Cast | None, count: int, frames: FrameStore, faces: Sequence[Face] | None = None
) -> tuple[list[Candidate], list[str]]:
    """Who may be in a project's film, each with at most `count` stills, and sentences for the describer.

    Args:
        cast: who is known already.
        faces: of the film; None: nobody looked for them.

    Raises:
        UsageError: nobody is named.
    """
    found, nobody = candidates_of(store, cast, count)
    notes = [f"Labels that name nobody in particular: {', '.join(nobody)}."] if nobody else []
    if not found:
        raise UsageError(
            "The subtitles neither label who speaks nor call anybody by name: write the cast yourself (docs/cast.md)."
        )
    if faces:
        found = with_faces(found, frames, faces, store.shots)
    elif faces is not None:
        notes.append("No real face was found in the film: drawn figures are told by colours and looks alone.")
    else:
        notes.append("Faces were not looked for: pip install 'calvin-ad[faces]' if the film shows real people.")
    return found, notes


def candidates_of(
    store: ProjectStore, cast: Cast | None = None, count: int = STILLS
) -> tuple[list[Candidate], list[str]]:
    """Who may be in a project's film, each with at most `count` stills; and the labels that name nobody.

    Raises:
        StoreError: the project holds no film.
    """
    film, lines, shots, cues = store.bound_film(), store.dialogue, store.shots, store.cues
    proposals, nobody = propose(lines)
    found = []
    for person in proposals:
        known = cast.resolve(person.name) if cast else None
        stills = candidate_stills(person, lines, shots, cues, film.duration_ms, count)
        found.append(Candidate(person, tuple(stills), known or ""))
    return found, nobody


def with_faces(
    candidates: Sequence[Candidate], frames: FrameStore, faces: Sequence[Face], shots: Sequence[Span],
    find: FindFaces = find_faces, clusters: Callable[[Sequence[Sequence[Face]]], list[int]] = clusters_of,
) -> list[Candidate]:  # fmt: skip
    """Candidates whose stills say which faces are in them; those of the face that is most often there while somebody
    speaks come first. Where it surely is theirs, the portraits are ready.

    Args:
        faces: of the film.
    """
    tracks = tracks_of(faces, shots)
    speaking = speaking_faces([one.proposal for one in candidates], tracks, clusters(tracks))
    found = []
    for candidate in candidates:
        mine = speaking.get(candidate.proposal.name)
        offered = [*(mine.stills(2) if mine else ()), *candidate.stills][: len(candidate.stills)]
        seen = [tuple(box for box, _ in find(still_at(frames, still.at_ms))) for still in offered]
        stills = tuple(replace(still, faces=boxes) for still, boxes in zip(offered, seen, strict=True))
        found.append(replace(candidate, stills=stills, portraits=mine.portraits(faces) if mine else ()))
    return found


def write_stills(frames: FrameStore, candidates: Sequence[Candidate], folder: Path) -> None:
    """The stills of the candidates as JPEG files, to be looked at."""
    for candidate in candidates:
        for line in shown(candidate, folder):
            index = min(round_half_up(line.still.at_ms * frames.fps / 1000), len(frames) - 1)
            with atomic_path(line.picture) as target:
                target.write_bytes(frames.jpeg(index))


def shown(candidate: Candidate, folder: Path) -> list[Line]:
    stem = re.sub(r"\W+", "-", candidate.name).strip("-").lower() or "somebody"
    return [Line(i, still, folder / f"{stem}-{i}.jpg") for i, still in enumerate(candidate.stills, 1)]


def listed(candidates: Sequence[Candidate], folder: Path) -> Iterator[str]:
    """What would be asked, line by line."""
    for candidate in candidates:
        yield f"{candidate.name}: {candidate.proposal.why}{_known(candidate)}"
        for line in shown(candidate, folder):
            yield f"  {line.words}"


def unconfirmed(candidates: Sequence[Candidate], folder: Path) -> list[Addition]:
    """Everybody who is proposed, with the portraits that faces make sure of; other stills are comments."""
    additions = []
    for candidate in candidates:
        remarks = [f"doubtful: {candidate.proposal.doubt}"] if candidate.proposal.doubt else []
        offered = tuple((Portrait(line.still.at_ms), f"{line.still.why}?") for line in shown(candidate, folder))
        aliases = candidate.proposal.aliases
        additions.append(Addition(candidate.name, aliases, candidate.portraits, tuple(remarks), offered))
    return additions


def _known(candidate: Candidate) -> str:
    known = " (in the cast already)" if candidate.known_as else ""
    return f"{known}; {candidate.proposal.doubt}: is it a name?" if candidate.proposal.doubt else known


def _faces(faces: Sequence[Box]) -> str:
    if not faces:
        return "no face is seen"
    sides = ["left" if x < 0.4 else "right" if x > 0.6 else "middle" for x in (face[0] + face[2] / 2 for face in faces)]
    return f"{len(faces)} {'face' if len(faces) == 1 else 'faces'}: {', '.join(sides)}"
