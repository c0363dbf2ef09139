"""How the pictures look that a model knows, so that it is recognised before any word whether a film is one of those.

A small vision tower gives photographs vectors that lie among those of the drawings it was trained on, so what it sees
cannot say that it has never seen the like. The pictures can: drawn films have few colours, laid on flat, within dark
outlines. A film is known only where all three are as they are in films that the model was trained on.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calvin.core.errors import CheckpointError, DataError
from calvin.core.files import atomic_path

FILE_NAME = "drawing.npz"
LEVELS = 8
"""Of each primary colour; a colour between two levels counts for both."""
PICTURES = 48
"""Pictures of a film that are looked at."""
_PLAIN = 0.75
"""A picture of which one colour fills more says nothing: a card of credits, a fade to black."""
_TELLING = 0.25
"""Of a film's pictures so many have to say something."""
_ROOM = 1.75
"""How much farther than the farthest film it was fitted to a film may be."""
_FLAT = 8
_DARK, _DARKER = 60, 50
_BLACK = 28


@dataclass(frozen=True, slots=True)
class Likeness:
    """How a film's pictures are drawn, by the middle one of those that say something.

    `colours` is how far their colours are from the nearest picture known (0 to 1), `flat` the share of them without
    any change of colour, `ink` the share of thin dark lines, `telling` how many of the pictures say something.
    """

    colours: float
    flat: float
    ink: float
    telling: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Colours of known pictures, uint8 [N, LEVELS ** 3] (roots of shares, 255 is all of a picture), and within which
    limits films lie: `farthest` colours, from the least to the most `flat`, and the least `ink`."""

    known: np.ndarray
    farthest: float
    flat: tuple[float, float]
    ink: float

    @classmethod
    def fit(cls, films: Sequence[Sequence[np.ndarray]]) -> Drawing:
        """From films that a model was trained on, each some pictures, uint8 RGB [H, W, 3].

        How far films may be is measured on each of them with the pictures of the others.

        Raises:
            DataError: fewer than two films whose pictures say something.
        """
        looks = [_look_at(pictures) for pictures in films]
        told = [(colours[plain < _PLAIN], facts[plain < _PLAIN]) for colours, facts, plain in looks]
        told = [(colours, facts) for colours, facts in told if len(colours)]
        if len(told) < 2:
            raise DataError("Knowing how films are drawn takes at least two films with pictures.")
        known = [np.rint(colours * 255).astype(np.uint8) for colours, _ in told]
        found = []
        for at, (colours, facts) in enumerate(told):
            others = np.concatenate([rows for other, rows in enumerate(known) if other != at])
            found.append((float(np.median(_distances(colours, others))), *np.median(facts, axis=0)))
        farthest, flat, ink = (np.array(values) for values in zip(*found, strict=True))
        limits = (0.4 * float(flat.min()), 1 - 0.5 * (1 - float(flat.max())))
        return cls(np.concatenate(known), _ROOM * float(farthest.max()), limits, 0.15 * float(ink.min()))

    def likeness(self, pictures: Sequence[np.ndarray]) -> Likeness:
        """How a film is drawn, by pictures of it, uint8 RGB [H, W, 3] each."""
        colours, facts, plain = _look_at(pictures)
        says = plain < _PLAIN
        if not says.any():
            return Likeness(1.0, 1.0, 0.0, 0.0)
        flat, ink = np.median(facts[says], axis=0)
        return Likeness(
            float(np.median(_distances(colours[says], self.known))), float(flat), float(ink), float(says.mean())
        )

    @staticmethod
    def tells(found: Likeness) -> bool:
        """Whether enough of a film's pictures say something."""
        return found.telling >= _TELLING

    def knows(self, found: Likeness) -> bool:
        """Whether a film is drawn as those it was fitted to."""
        near = self.tells(found) and found.colours <= self.farthest
        return near and self.flat[0] <= found.flat <= self.flat[1] and found.ink >= self.ink

    def save(self, folder: str | Path) -> Path:
        path = Path(folder) / FILE_NAME
        limits = np.array([self.farthest, *self.flat, self.ink])
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, known=self.known, limits=limits)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Drawing | None:
        """What is stored in a model's folder, or None.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return None
        try:
            # From memory: numpy leaves a file open that turns out to be damaged.
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
                known, limits = stored["known"], stored["limits"]
            farthest, least, most, ink = map(float, limits)
            if known.dtype != np.uint8 or known.ndim != 2 or known.shape[1] != LEVELS**3 or not len(known):
                raise ValueError("the colours")
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise CheckpointError(f"{path} is damaged: take a whole copy of the model folder.") from error
        return cls(known, farthest, (least, most), ink)


def _distances(colours: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How far pictures [N, C] are from the nearest of those known [M, C]: 0 the same colours, 1 none in common."""
    rows = known.astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(1 - (colours.astype(np.float32) @ rows.T).max(axis=1))


def _look_at(pictures: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of N pictures: colours [N, LEVELS ** 3], how flat and how inked [N, 2], and how much has one colour [N]."""
    seen = [_without_bars(picture) for picture in pictures]
    colours = np.stack([_colours(picture) for picture in seen]) if seen else np.zeros((0, LEVELS**3))
    facts = np.array([_flat_and_ink(picture) for picture in seen]).reshape(-1, 2)
    return colours, facts, np.array([_largest_colour(picture) for picture in seen])


def _without_bars(picture: np.ndarray) -> np.ndarray:
    """The picture between black bars."""
    light = picture.max(axis=2) > _BLACK
    rows, columns = (np.flatnonzero(light.mean(axis=axis) > 0.02) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return picture
    inner = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inner if min(inner.shape[:2]) >= 32 else picture


def _colours(picture: np.ndarray) -> np.ndarray:
    """Roots of the shares of the colours [LEVELS ** 3], so that their product is the likeness of two pictures."""
    cv2 = _cv2()
    small = cv2.resize(picture, (96, 54), interpolation=cv2.INTER_NEAREST).reshape(-1, 3)
    at = small.astype(np.float64) / 255 * (LEVELS - 1)
    low = np.minimum(at.astype(int), LEVELS - 2)
    part = at - low
    shares = np.zeros(LEVELS**3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(np.array(corner) == 1, part, 1 - part).prod(axis=1)
        red, green, blue = (low + corner).T
        shares += np.bincount((red * LEVELS + green) * LEVELS + blue, weight, minlength=LEVELS**3)
    return np.sqrt(shares / len(small))


def _flat_and_ink(picture: np.ndarray) -> tuple[float, float]:
    """The share of the picture around which no colour changes, and that of thin lines much darker than around them."""
    cv2 = _cv2()
    near = np.ones((5, 5), np.uint8)
    change = (cv2.dilate(picture, near).astype(np.int16) - cv2.erode(picture, near)).max(axis=2)
    light = picture.max(axis=2)
    lines = cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, np.ones((9, 9), np.uint8)) > _DARKER
    return float((change <= _FLAT).mean()), float((lines & (light < _DARK)).mean())


def _largest_colour(picture: np.ndarray) -> float:
    red, green, blue = (picture.reshape(-1, 3).astype(int) // 16).T
    return float(np.bincount((red * 16 + green) * 16 + blue).max() / red.size)


def _cv2() -> Any:
    import cv2  # not at the top: opening a captioner takes no pictures yet

    return cv2
