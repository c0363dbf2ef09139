"""The faces in portraits and pictures of a cast, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from calvin.core.prompts import join_names
from calvin.core.time import Span, format_timecode
from calvin.data.face_csv import FaceRow
from calvin.media.film.frames import FrameStore
from calvin.media.film.sampling import read_image
from calvin.studio.cast.characters import Cast, PresenceSettings
from calvin.studio.cast.faces import Face, FaceBank, FindFaces, distance, faces_within, find_faces
from calvin.studio.cast.portraits import Box, stills_of
from calvin.studio.cast.presence import face_confidence
from calvin.studio.project.store import ProjectStore

_PICTURE_SIZE = 448
"""Shorter side in pixels to which pictures are scaled: a face may be a small part of one."""


def cast_faces(cast: Cast, frames: FrameStore, find: FindFaces = find_faces) -> tuple[dict[str, np.ndarray], list[str]]:
    """Vectors [n, 128] of the faces of each person who has one, and sentences on portraits without one face.

    Raises:
        MediaError: a picture cannot be read.
    """
    found: dict[str, list[np.ndarray]] = {}
    none: dict[str, list[str]] = {}
    many: dict[str, list[str]] = {}

    def take(name: str, where: str, vectors: list[np.ndarray]) -> None:
        if len(vectors) == 1:
            found.setdefault(name, []).append(vectors[0])
        else:
            (many if vectors else none).setdefault(name, []).append(where)

    for name, portrait, still in stills_of(frames, cast.portraits):
        take(name, format_timecode(portrait.at_ms)[:-4], faces_within(find(still), portrait.box))
    for name, paths in cast.pictures.items():
        for path in paths:
            take(name, Path(path).name, [vector for _, vector in find(read_image(path, _PICTURE_SIZE))])
    notes = []
    if none:
        notes.append(f"No face is found in the portraits of {_told(none)}: they are told by colours and looks alone.")
    if many:
        notes.append(f"There are several faces in the portraits of {_told(many)}: give boxes with one face each.")
    return {name: np.stack(rows) for name, rows in found.items()}, notes


def face_bank(
    cast: Cast, frames: FrameStore, faces: Sequence[Face], shots: Sequence[Span], spans: Sequence[Span],
    find: FindFaces = find_faces,
) -> tuple[FaceBank | None, list[str]]:  # fmt: skip
    """How near the faces of each scene are to those of the cast, and sentences on what does not fit; None where the
    film or the portraits have no faces.

    Raises:
        MediaError: a picture cannot be read.
    """
    if not faces:
        return None, ["No real face was found in the film: drawn figures are told by colours and looks alone."]
    known, notes = cast_faces(cast, frames, find)
    if not known:
        return None, notes
    bank = FaceBank.build(faces, shots, spans, known)
    notes += [
        f"{join_names(pair)} have the same face in their portraits: make one name an alias of the other, or check them."
        for pair in bank.twice
    ]
    return bank, notes


def face_rows(
    store: ProjectStore, cast: Cast, frames: FrameStore, faces: Sequence[Face], find: FindFaces = find_faces
) -> list[FaceRow]:
    """The faces of each place to describe, and whose they are, in AutoAD-Zero's form; boxes in pixels of the stills."""
    known, _ = cast_faces(cast, frames, find)
    texts = [(cue.visual, cue.text) for cue in store.cues]
    rows = []
    for place in store.plans:
        stills: dict[int, list[Face]] = {}
        for face in faces:
            if place.visual.start_ms <= face.at_ms < place.visual.end_ms:
                stills.setdefault(face.at_ms, []).append(face)
        people: dict[str, list[tuple[int, int]]] = {}
        for still, seen in enumerate(stills.values()):
            for number, face in enumerate(seen):
                name = _nearest(face.vector, known, cast.settings)
                if name is not None:
                    people.setdefault(name, []).append((still, number))
        boxes = tuple(tuple(_pixels(face.box, frames) for face in seen) for seen in stills.values())
        text = next((text for visual, text in texts if visual == place.visual), "")
        found = {name: tuple(pairs) for name, pairs in people.items()}
        rows.append(FaceRow(store.bound_film().title, place.visual, text, boxes, found))
    return rows


def _nearest(vector: np.ndarray, known: Mapping[str, np.ndarray], settings: PresenceSettings) -> str | None:
    """Whose face it is, surely enough."""
    away = {name: min(distance(row, vector) for row in rows) for name, rows in known.items()}
    name = min(away, key=lambda one: away[one], default=None)
    return name if name is not None and face_confidence(away[name], settings) >= settings.threshold else None


def _pixels(box: Box, frames: FrameStore) -> tuple[int, int, int, int]:
    left, right = round(box[0] * frames.width), round((box[0] + box[2]) * frames.width)
    return left, round(box[1] * frames.height), right, round((box[1] + box[3]) * frames.height)


def _told(where: dict[str, list[str]]) -> str:
    return join_names([f"{name} ({', '.join(places)})" for name, places in where.items()])
