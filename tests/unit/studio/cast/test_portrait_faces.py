"""Faces in the portraits of a cast, and what is said of those without one, or with two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from calvin.core.time import Span
from calvin.core.types import Character, Cue, Place
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.faces import Face
from calvin.studio.cast.portrait_faces import cast_faces, face_bank, face_rows
from calvin.studio.cast.portraits import Box, Portrait
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore

LEFT, RIGHT = (0.1, 0.2, 0.1, 0.2), (0.7, 0.2, 0.1, 0.2)
LEFT_HALF, RIGHT_HALF = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 1.0)


def somebody(number: int) -> np.ndarray:
    return np.eye(128, dtype=np.float32)[number]


def find(picture: np.ndarray) -> list[tuple[Box, np.ndarray]]:
    """Two people in light pictures, nobody in dark ones."""
    return [(LEFT, somebody(0)), (RIGHT, somebody(1))] if picture.mean() > 100 else []


@pytest.fixture
def frames(tmp_path: Path) -> FrameStore:
    with FrameWriter(tmp_path / "frames", 5.0) as writer:
        for level in [200] * 10 + [20] * 10:
            writer.add(np.full((20, 40, 3), level, np.uint8))
    return FrameStore.open(tmp_path / "frames")


def test_portraits_without_one_face_are_told(frames: FrameStore, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (10, 10, 10)).save(tmp_path / "dark.png")
    names = ("Ann", "Bob", "Cy", "Di")
    cast = Cast(
        tuple(map(Character, names)),
        {"Di": (tmp_path / "dark.png",)},
        portraits={
            "Ann": (Portrait(0, LEFT_HALF), Portrait(3000)),
            "Bob": (Portrait(0),),
            "Cy": (Portrait(0, RIGHT_HALF),),
        },
    )
    found, notes = cast_faces(cast, frames, find)
    assert {name: rows.argmax(axis=1).tolist() for name, rows in found.items()} == {"Ann": [0], "Cy": [1]}
    assert notes == [
        "No face is found in the portraits of Ann (00:00:03) and Di (dark.png): they are told by colours and looks "
        "alone.",
        "There are several faces in the portraits of Bob (00:00:00): give boxes with one face each.",
    ]


def test_a_film_without_faces_and_one_face_of_two_people_are_told(frames: FrameStore) -> None:
    cast = Cast(
        (Character("Ann"), Character("The Captain")),
        portraits={"Ann": (Portrait(0, LEFT_HALF),), "The Captain": (Portrait(1000, LEFT_HALF),)},
    )
    bank, notes = face_bank(cast, frames, [], [], [Span(0, 1000)], find)
    assert bank is None
    assert notes[0].startswith("No real face was found in the film")
    bank, notes = face_bank(cast, frames, [Face(0, LEFT, somebody(0))], [], [Span(0, 1000)], find)
    assert bank is not None
    assert bank.nearest["Ann"].tolist() == [0]
    assert notes == [
        "Ann and The Captain have the same face in their portraits: make one name an alias of the other, or check them."
    ]


def test_whose_faces_are_where_is_told_in_rows(frames: FrameStore, tmp_path: Path) -> None:
    cast = Cast((Character("Ann"),), portraits={"Ann": (Portrait(0, LEFT_HALF),)})
    faces = [Face(0, LEFT, somebody(0)), Face(0, RIGHT, somebody(1)), Face(1000, RIGHT, somebody(0))]
    visual = Span(0, 2000)
    with ProjectStore(tmp_path / "p", create=True) as store:
        store.bind_film(FilmRow("Film", "film.mp4", "ab" * 32, 4000, {}))
        store.set_plan([Place(Span(0, 1000), visual, 500), Place(Span(2000, 3000), Span(2000, 4000), 2500)])
        store.add_cue(Cue("", Span(0, 1000), "Ann waves.", visual, 500))
        first, second = face_rows(store, cast, frames, faces, find)
    assert (first.movie, first.span, first.text) == ("Film", visual, "Ann waves.")
    assert first.boxes == (((4, 4, 8, 8), (28, 4, 32, 8)), ((28, 4, 32, 8),))
    assert first.people == {"Ann": ((0, 0), (1, 0))}
    assert (second.boxes, second.people, second.text) == ((), {}, "")
