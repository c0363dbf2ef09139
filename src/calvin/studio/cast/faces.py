"""Faces of a film (extra `faces`): found once a second, followed from still to still, gathered into people, and
matched with portraits. Faces of real people, that is: dlib's detector does not see those of drawn figures or puppets.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from calvin.core.errors import MissingExtraError
from calvin.core.files import atomic_path, file_sha256
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span, round_half_up
from calvin.media.film.frames import FrameStore
from calvin.studio.cast.portraits import Box, shared

RATE = 1.0
"""Stills a second in which faces are looked for."""
_FILE = "faces.safetensors"
_WEIGHTS = {
    "dlib_face_recognition_resnet_model_v1.dat": "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    "shape_predictor_5_face_landmarks.dat": "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
}
"""Files of face-recognition-models 0.3.0 and their SHA-256. The landmarks are five: the file of 68 was trained on
pictures that are not free for commercial use."""
_UPSAMPLE = 2
"""Times that a still is doubled before faces are looked for: the detector sees none below 80 pixels."""
_SURE = 0.2
"""The least score of a face; dlib takes all above 0, and in photographs without people some lie there."""
_LEAST = 22
"""The least height of a face in pixels: below lie stacks of coins and the like."""
_SAME_TRACK = 0.3
"""Faces of neighbouring stills that share so much are one person's, if they are not unlike."""
_SAME = 0.55
"""Faces nearer than this are one person's: dlib takes 0.6 for faces in good pictures; stills are small."""


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face in a still: when, where (shares of the picture), and its vector [128]."""

    at_ms: int
    box: Box
    vector: np.ndarray


FindFaces = Callable[[np.ndarray], list[tuple[Box, np.ndarray]]]
"""The faces of a picture uint8 RGB [H, W, 3], from left to right: their boxes and vectors [128]."""


def find_faces(picture: np.ndarray) -> list[tuple[Box, np.ndarray]]:
    """By dlib: its detector of frontal faces, and its network of 128 numbers, near for one person's faces.

    Raises:
        MissingExtraError: the extra `faces` is not installed.
    """
    detector, landmarks, network = _dlib()
    height, width = picture.shape[:2]
    picture = np.ascontiguousarray(picture)
    found = []
    for rectangle, score in zip(*detector.run(picture, _UPSAMPLE, 0.0)[:2], strict=True):
        if score < _SURE or rectangle.height() < _LEAST:
            continue
        vector = np.array(network.compute_face_descriptor(picture, landmarks(picture, rectangle)), np.float32)
        left, top = max(rectangle.left(), 0), max(rectangle.top(), 0)
        right, bottom = min(rectangle.right() + 1, width), min(rectangle.bottom() + 1, height)
        found.append(((left / width, top / height, (right - left) / width, (bottom - top) / height), vector))
    return sorted(found, key=lambda one: one[0][0])


def faces_installed() -> bool:
    """Whether the extra `faces` is there."""
    try:
        _weights()
        import dlib  # noqa: F401
    except (ImportError, MissingExtraError):
        return False
    return True


@cache
def _dlib() -> tuple[Any, Any, Any]:
    weights = _weights()
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError("Finding faces", "faces") from error
    network, landmarks = (str(path) for path in weights)
    return (
        dlib.get_frontal_face_detector(),
        dlib.shape_predictor(landmarks),
        dlib.face_recognition_model_v1(network),
    )


def _weights() -> list[Path]:
    """The files of the weights, by what is installed: importing the package that has them needs pkg_resources.

    Raises:
        MissingExtraError: they are not there, or are other ones.
    """
    try:
        files = importlib.metadata.distribution("face-recognition-models").files or ()
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingExtraError("Finding faces", "faces") from error
    there = {file.name: Path(str(file.locate())) for file in files}
    paths = []
    for name, digest in _WEIGHTS.items():
        path = there.get(name)
        if path is None or not path.is_file() or file_sha256(path) != digest:
            raise MissingExtraError("Finding faces", "faces", f"{name} is not that of face-recognition-models 0.3.0")
        paths.append(path)
    return paths


def film_faces(
    frames: FrameStore, folder: Path, find: FindFaces = find_faces, listener: Listener = silent
) -> list[Face]:
    """The faces of a film's stills, one still a second; kept in `folder`, and read from there the next time.

    Raises:
        MissingExtraError: the extra `faces` is not installed.
    """
    path, mark = folder / _FILE, f"{len(frames)} stills, dlib {_UPSAMPLE} {_SURE}"
    kept = _kept(path, mark)
    if kept is not None:
        return kept
    indices = sorted({round_half_up(second * frames.fps) for second in range(int(len(frames) / frames.fps) + 1)})
    indices = [index for index in indices if index < len(frames)]
    stage = Stage("faces", listener, len(indices), "stills")
    found: list[Face] = []
    for number, index in enumerate(indices, 1):
        found += [Face(frames.time_ms(index), box, vector) for box, vector in find(frames.rgb(index))]
        stage.update(number)
    arrays: dict[str, np.ndarray] = {
        "at_ms": np.array([face.at_ms for face in found], np.int64),
        "boxes": np.array([face.box for face in found], np.float32).reshape(-1, 4),
        "vectors": np.array([face.vector for face in found], np.float32).reshape(-1, 128),
    }
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as target:
        save_file(arrays, target, {"made_from": mark})
    return found


def _kept(path: Path, mark: str) -> list[Face] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as stored:
            if (stored.metadata() or {}).get("made_from") != mark:
                return None
        arrays = load_file(path)
        return [
            Face(int(at_ms), (float(box[0]), float(box[1]), float(box[2]), float(box[3])), vector)
            for at_ms, box, vector in zip(arrays["at_ms"], arrays["boxes"], arrays["vectors"], strict=True)
        ]
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def tracks_of(faces: Sequence[Face], shots: Sequence[Span]) -> list[list[Face]]:
    """Faces of neighbouring stills of a shot that lie in one place and are alike, as one person's."""
    open_tracks: list[list[Face]] = []
    done: list[list[Face]] = []
    for _, still in _by_still(faces):
        still = list(still)
        going, open_tracks = open_tracks, []
        for track in going:
            last = track[-1]
            near = [
                face for face in still
                if face.at_ms - last.at_ms <= 1.5 * 1000 / RATE and shared(face.box, last.box) >= _SAME_TRACK
                and _one_shot(last.at_ms, face.at_ms, shots) and distance(face.vector, last.vector) < _SAME
            ]  # fmt: skip
            if near:
                best = max(near, key=lambda face: shared(face.box, last.box))
                still = [face for face in still if face is not best]
                track.append(best)
                open_tracks.append(track)
            else:
                done.append(track)
        open_tracks += [[face] for face in still]
    return sorted([*done, *open_tracks], key=lambda track: (track[0].at_ms, track[0].box))


def clusters_of(tracks: Sequence[Sequence[Face]]) -> list[int]:
    """The number of the person of each track: tracks whose mean faces are near are one person's (dlib's clustering by
    Chinese whispers, Biemann 2006).

    Raises:
        MissingExtraError: the extra `faces` is not installed.
    """
    _dlib()
    import dlib

    means = [dlib.vector(np.mean([face.vector for face in track], axis=0).tolist()) for track in tracks]
    return list(dlib.chinese_whispers_clustering(means, _SAME)) if means else []


def faces_within(faces: Iterable[tuple[Box, np.ndarray]], box: Box) -> list[np.ndarray]:
    """The vectors of those faces whose middles lie in a box."""
    return [
        vector for face, vector in faces
        if box[0] <= face[0] + face[2] / 2 <= box[0] + box[2] and box[1] <= face[1] + face[3] / 2 <= box[1] + box[3]
    ]  # fmt: skip


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.linalg.norm(one - other))


@dataclass(frozen=True, slots=True, eq=False)
class FaceBank:
    """How near the nearest face of each scene is to each person: `nearest[name]` [scenes], infinite where there is no
    face; and names that have one and the same face."""

    nearest: Mapping[str, np.ndarray]
    twice: tuple[tuple[str, str], ...] = ()

    @classmethod
    def build(
        cls, faces: Sequence[Face], shots: Sequence[Span], spans: Sequence[Span], known: Mapping[str, np.ndarray],
        clusters: Callable[[Sequence[Sequence[Face]]], list[int]] = clusters_of,
    ) -> FaceBank:  # fmt: skip
        """
        Args:
            faces: of the film.
            spans: of the scenes.
            known: vectors [n, 128] of the faces in the portraits of each person, n at least 1.
        """
        tracks = tracks_of(faces, shots)
        numbers = clusters(tracks)
        people: dict[int, list[np.ndarray]] = {}
        for track, number in zip(tracks, numbers, strict=True):
            people.setdefault(number, []).extend(face.vector for face in track)
        own = dict(known)
        for vectors in people.values():
            # A cluster is that of the only person whose portraits are nearly in its middle.
            middle = np.mean(vectors, axis=0)
            near = [name for name, rows in known.items() if min(distance(row, middle) for row in rows) < _SAME]
            if len(near) == 1:
                own[near[0]] = np.concatenate([own[near[0]], middle[None]])
        nearest = {name: np.full(len(spans), np.inf) for name in known}
        for face in faces:
            for number, span in enumerate(spans):
                if span.start_ms <= face.at_ms < span.end_ms:
                    for name, rows in own.items():
                        away = min(distance(row, face.vector) for row in rows)
                        nearest[name][number] = min(nearest[name][number], away)
        return cls(nearest, _same_faces(known))


def _same_faces(known: Mapping[str, np.ndarray]) -> tuple[tuple[str, str], ...]:
    names = list(known)
    return tuple(
        (one, other) for i, one in enumerate(names) for other in names[i + 1 :]
        if np.median([distance(a, b) for a in known[one] for b in known[other]]) < _SAME
    )  # fmt: skip


def _by_still(faces: Sequence[Face]) -> Iterator[tuple[int, list[Face]]]:
    stills: dict[int, list[Face]] = {}
    for face in faces:
        stills.setdefault(face.at_ms, []).append(face)
    yield from sorted(stills.items())


def _one_shot(first_ms: int, second_ms: int, shots: Sequence[Span]) -> bool:
    return not shots or any(shot.start_ms <= first_ms and second_ms < shot.end_ms for shot in shots)
