"""Faces of a film: found in real photographs, followed, gathered, matched with portraits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import MissingExtraError
from calvin.core.time import Span
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast import faces as module
from calvin.studio.cast.faces import (
    Face,
    FaceBank,
    clusters_of,
    distance,
    faces_installed,
    faces_within,
    film_faces,
    find_faces,
    tracks_of,
)
from calvin.studio.cast.portraits import WHOLE, Box
from photographs import photograph

LEFT, RIGHT = (0.1, 0.2, 0.1, 0.2), (0.7, 0.2, 0.1, 0.2)
SHOTS = [Span(0, 3000), Span(3000, 6000)]


def somebody(number: int, off: float = 0.0) -> np.ndarray:
    """A face's vector: people are apart by 1.4, and `off` moves one within 0.1 of its own."""
    vector = np.zeros(128, np.float32)
    vector[number] = 1.0
    vector[100] = off
    return vector


def test_the_extra_is_there_with_its_own_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert faces_installed()
    monkeypatch.setitem(module._WEIGHTS, "shape_predictor_5_face_landmarks.dat", "0" * 64)
    assert not faces_installed()
    with pytest.raises(MissingExtraError, match=r"shape_predictor_5.*calvin-ad\[faces\]"):
        module._weights()


def test_a_person_is_the_same_small_dark_and_cut_off() -> None:
    image = photograph("scikit-image", "astronaut.png")
    [(box, vector)] = find_faces(np.asarray(image))
    assert 0.3 < box[0] < 0.45
    assert box[1] < 0.2
    dark = image.point(lambda value: int(value * 0.7)).resize((170, 170))
    [(_, small)] = find_faces(np.asarray(dark))
    [(_, cut)] = find_faces(np.asarray(image.crop((50, 0, 200, 150))))
    assert max(distance(vector, small), distance(vector, cut)) < 0.4


def test_people_of_a_group_are_told_apart() -> None:
    found = find_faces(np.asarray(photograph("insightface", "t1.jpg", 448)))
    assert len(found) == 6
    assert [box[0] for box, _ in found] == sorted(box[0] for box, _ in found)
    vectors = [vector for _, vector in found]
    apart = [distance(one, other) for i, one in enumerate(vectors) for other in vectors[i + 1 :]]
    assert min(apart) > 0.6


@pytest.mark.parametrize("name", ["coffee.png", "chelsea.png", "rocket.jpg"])
def test_a_cup_a_cat_and_a_rocket_have_no_human_face(name: str) -> None:
    assert find_faces(np.asarray(photograph("scikit-image", name))) == []


def test_a_film_is_looked_at_once_a_second_and_only_once(tmp_path: Path) -> None:
    with FrameWriter(tmp_path / "frames", 5.0) as writer:
        for level in range(11):
            writer.add(np.full((8, 8, 3), 20 * level, np.uint8))
    frames, seen = FrameStore.open(tmp_path / "frames"), []

    def find(picture: np.ndarray) -> list[tuple[Box, np.ndarray]]:
        seen.append(round(float(picture.mean()), -1))
        return [(LEFT, somebody(len(seen)))]

    first = film_faces(frames, tmp_path, find)
    assert seen == [0, 100, 200]
    again = film_faces(frames, tmp_path, find)
    assert len(seen) == 3
    assert [face.at_ms for face in again] == [0, 1000, 2000]
    assert np.allclose([face.box for face in again], LEFT)
    assert [face.vector.tolist() for face in again] == [face.vector.tolist() for face in first]
    (tmp_path / "faces.safetensors").write_bytes(b"broken")
    film_faces(frames, tmp_path, find)
    assert len(seen) == 6


def test_faces_are_followed_within_a_shot_where_they_stay() -> None:
    faces = [
        Face(0, LEFT, somebody(0)), Face(0, RIGHT, somebody(1)),
        Face(1000, LEFT, somebody(0, 0.1)), Face(1000, RIGHT, somebody(2)),
        Face(2000, LEFT, somebody(0)), Face(3000, LEFT, somebody(0)),
    ]  # fmt: skip
    tracks = [[(face.at_ms, face.box == LEFT) for face in track] for track in tracks_of(faces, SHOTS)]
    assert tracks == [[(0, True), (1000, True), (2000, True)], [(0, False)], [(1000, False)], [(3000, True)]]
    assert clusters_of(tracks_of(faces, SHOTS)) == [0, 1, 2, 0]
    assert clusters_of([]) == []


def test_a_face_belongs_to_a_portrait_whose_box_holds_its_middle() -> None:
    found = [(LEFT, somebody(0)), (RIGHT, somebody(1))]
    assert len(faces_within(found, WHOLE)) == 2
    assert faces_within(found, (0.0, 0.0, 0.5, 1.0))[0][0] == 1
    assert faces_within(found, (0.4, 0.0, 0.2, 1.0)) == []


def test_scenes_know_how_near_their_faces_are_and_clusters_stand_in_for_a_poor_portrait() -> None:
    poor = somebody(0, 0.5)  # 0.5 from the clearest face, and further from the turned one
    turned = somebody(0)
    turned[101] = 0.4
    faces = [Face(0, LEFT, somebody(0)), Face(4000, LEFT, turned), Face(4000, RIGHT, somebody(1))]

    def one_person(tracks: Sequence[Sequence[Face]]) -> list[int]:
        return [int(track[0].vector[1]) for track in tracks]

    spans = [Span(0, 2000), Span(2000, 3000), Span(3000, 6000)]
    bank = FaceBank.build(faces, SHOTS, spans, {"Ann": poor[None], "Bob": somebody(5)[None]}, one_person)
    assert bank.nearest["Ann"][0] < 0.5
    assert bank.nearest["Ann"][2] < 0.5 < distance(poor, turned)
    assert np.isinf(bank.nearest["Ann"][1])
    assert bank.nearest["Bob"][2] > 1
    assert bank.twice == ()
    same = FaceBank.build(faces, SHOTS, spans, {"Ann": poor[None], "The Captain": somebody(0)[None]}, one_person)
    assert same.twice == (("Ann", "The Captain"),)


def test_puppets_have_no_face_that_is_found() -> None:
    from calvin.puppets.draw.render import SceneRenderer
    from calvin.puppets.tell.screenplay import make_film

    pictures = [SceneRenderer(scene, 398, 224).frame(1.0) for scene in make_film(3, 6, split="train").scenes]
    assert [find_faces(picture) for picture in pictures] == [[]] * 6
