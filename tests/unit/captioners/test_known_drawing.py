"""The bundled model knows its own films, however they come, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.photographs import photograph

from calvin.captioners.known_drawing import FILE_NAME, Drawing
from calvin.core.errors import CheckpointError, DataError
from calvin.core.package import ASSETS
from calvin.lab.known_puppets import puppet_pictures

Picture = np.ndarray


@pytest.fixture(scope="module")
def drawing() -> Drawing:
    found = Drawing.load(ASSETS / "model" / "calvin-mini")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def puppets() -> list[Picture]:
    return puppet_pictures(501, count=10, writing=True)


def worse(picture: Picture) -> Picture:
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 12])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def boxed(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return cv2.copyMakeBorder(cv2.resize(picture, (width, height * 3 // 4)), 28, 28, 0, 0, cv2.BORDER_CONSTANT)


def cropped(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, 50:-50])


def small(picture: Picture) -> Picture:
    return cv2.resize(cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA), picture.shape[1::-1])


@pytest.mark.parametrize("change", [np.copy, worse, boxed, cropped, small])
def test_puppet_films_are_known_however_they_come(
    drawing: Drawing, puppets: list[Picture], change: Callable[[Picture], Picture]
) -> None:
    assert drawing.knows(drawing.likeness([change(picture) for picture in puppets]))


def noise() -> Picture:
    return np.random.default_rng(0).integers(0, 256, (224, 398, 3)).astype(np.uint8)


def black() -> Picture:
    return np.zeros((224, 398, 3), np.uint8)


def cartoon() -> Picture:
    picture = np.full((224, 398, 3), (107, 140, 255), np.uint8)
    cv2.rectangle(picture, (0, 150), (398, 224), (90, 170, 70), -1)
    for x in (120, 260):
        cv2.rectangle(picture, (x - 25, 90), (x + 25, 180), (60, 90, 190), -1)
        cv2.circle(picture, (x, 70), 26, (226, 172, 126), -1)
        cv2.circle(picture, (x, 70), 26, (0, 0, 0), 3)
    return picture


def slide() -> Picture:
    picture = np.full((224, 398, 3), 255, np.uint8)
    cv2.rectangle(picture, (0, 0), (398, 40), (30, 70, 140), -1)
    for row in range(4):
        cv2.putText(picture, "Growth in the third quarter", (20, 80 + 35 * row), 0, 0.6, (20, 20, 20), 1)
    return picture


def title() -> Picture:
    picture = np.full((224, 398, 3), (24, 26, 40), np.uint8)  # as the puppet films' own cards
    cv2.putText(picture, "A film about bees", (60, 110), 0, 1, (246, 236, 214), 2)
    return picture


def face() -> Picture:
    return np.asarray(photograph("scikit-image", "astronaut.png"))


def cells() -> Picture:
    return np.asarray(photograph("scikit-image", "cell.png"))


@pytest.mark.parametrize("make", [noise, black, cartoon, slide, title, face, cells])
def test_other_films_are_not(drawing: Drawing, make: Callable[[], Picture]) -> None:
    assert not drawing.knows(drawing.likeness([make()] * 3))
    assert not drawing.knows(drawing.likeness([]))


def test_some_cards_among_its_pictures_make_a_film_no_other(drawing: Drawing, puppets: list[Picture]) -> None:
    assert drawing.knows(drawing.likeness([*puppets, *[slide()] * 3, *[black()] * 3]))


def test_saved_and_loaded_it_is_the_same(tmp_path: Path, puppets: list[Picture]) -> None:
    made = Drawing.fit([puppets[:5], puppets[5:]])
    made.save(tmp_path)
    loaded = Drawing.load(tmp_path)
    assert loaded is not None
    assert np.array_equal(loaded.known, made.known)
    assert (loaded.farthest, loaded.flat, loaded.ink) == (made.farthest, made.flat, made.ink)


def test_without_a_file_there_is_none_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert Drawing.load(tmp_path) is None
    for damage in (b"", b"PK\x03\x04 no archive"):
        (tmp_path / FILE_NAME).write_bytes(damage)
        with pytest.raises(CheckpointError, match=r"drawing\.npz is damaged"):
            Drawing.load(tmp_path)


def test_one_film_says_nothing_of_how_far_others_may_be() -> None:
    with pytest.raises(DataError, match="at least two films"):
        Drawing.fit([[cartoon()], [black()]])
