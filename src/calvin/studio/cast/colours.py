"""Likeness by colours: whether somewhere in a scene the colours stand together that somebody wears in their portraits.

A vector of a whole frame hardly says which of two people stands in it. Clothes, hair and skin do, as long as somebody
wears the same: their colours, as many of each as in the portraits, within an area of the portraits' size (histogram
intersection, Swain and Ballard 1991). A colour counts by how much more of it there is in the portraits than in the
film, and what the portraits of one person do not share (the background of a box) counts little.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from calvin.core.time import Span, sample_indices
from calvin.media.film.frames import FrameStore
from calvin.studio.cast.portraits import WHOLE, Box, Portrait, cut_out, stills_of

STILLS = 4
"""Stills of a scene that are looked at; the two that are most like a person count."""
_HEIGHT = 56
"""Height in pixels to which stills are reduced: areas of colour are looked for, not edges."""
_CHROMA, _LIGHT = 16, 4
_BINS = _CHROMA * _CHROMA * _LIGHT
_COLOURS = 12
"""The most telling colours of a person that are looked for."""
_AREA = 0.8
"""The area looked at, as a share of a portrait's box on each side: a box holds more than the person."""
_LEAST = 1e-3
_WIDE = 0.4
"""Boxes of this width and more are drawn in."""
_PART, _ROOM, _ROUNDS = 0.5, 1.2, 2
"""To the area of half the box on each side that is most like the person, with a fifth more, twice: on training puppet
films, a third finds parts of people and two thirds find others too.
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Palette:
    """Colours [n] of a person by their bins, each with its share of their portraits and its weight, and the area
    (width, height in pixels) in which they stand together."""

    bins: np.ndarray
    shares: np.ndarray
    weights: np.ndarray
    area: tuple[int, int]

    def likeness(self, picture: np.ndarray) -> float:
        """Of the place in a picture of bins [h, w] that has most of the colours."""
        return float(self.map(picture).max())

    def map(self, picture: np.ndarray) -> np.ndarray:
        """The likeness of the area around each pixel of a picture of bins [h, w]."""
        import cv2  # not at the top, because who was seen is also looked up where no picture is read

        found = np.zeros(picture.shape, np.float32)
        for number, share, weight in zip(self.bins, self.shares, self.weights, strict=True):
            there = cv2.blur((picture == number).astype(np.float32), self.area, borderType=cv2.BORDER_REPLICATE)
            found += weight * np.sqrt(np.minimum(there, share) * share)
        return found

    def typical(self, portraits: Sequence[tuple[np.ndarray, Box]]) -> float:
        """The mean likeness of portraits (bins [h, w], box), within their boxes."""
        return max(float(np.mean([self.likeness(cut_out(picture, box)) for picture, box in portraits])), _LEAST)


@dataclass(frozen=True, slots=True, eq=False)
class ColourBank:
    """The likeness of each scene to each person, `likeness[name]` [scenes]: 1 is that of their own portraits, 0 none.
    And `explained[name]` [scenes], how much of that comes of others there who wear some of the same colours.
    """

    likeness: Mapping[str, np.ndarray]
    explained: Mapping[str, np.ndarray]

    @classmethod
    def build(
        cls, scenes: Iterable[Sequence[np.ndarray]], portraits: Mapping[str, Sequence[tuple[np.ndarray, Box]]]
    ) -> Self:
        """
        Args:
            scenes: some stills of each, uint8 [H, W, 3], at least one.
            portraits: by name, each a still of the film and the box that the person fills in it. A single whole still
                says nothing of whose the colours in it are: who has no more is left out.
        """
        known = {name: rows for name, rows in portraits.items() if len(rows) > 1 or rows[0][1] != WHOLE}
        if not known:
            return cls({}, {})
        pictures = [[_bins(still) for still in stills] for stills in scenes]
        film = sum((_shares(picture) for scene in pictures for picture in scene), np.zeros(_BINS))
        film /= max(film.sum(), 1.0)
        stills = {name: [(_bins(still), box) for still, box in rows] for name, rows in known.items()}
        stills = {name: _drawn_in(rows, film) for name, rows in stills.items()}
        palettes = {name: _palette(rows, film) for name, rows in stills.items()}
        own = {name: palettes[name].typical(stills[name]) for name in stills}
        likeness = {}
        for name, palette in palettes.items():
            best = [sorted(map(palette.likeness, scene))[-2:] for scene in pictures]
            likeness[name] = np.array([sum(two) / len(two) for two in best]) / own[name]
        # How like somebody another person's portraits are: as much is to be expected wherever that one is.
        alike = {
            name: {other: palettes[name].typical(stills[other]) / own[name] for other in stills if other != name}
            for name in stills
        }
        nothing = np.zeros(len(pictures))
        explained = {
            name: np.max(
                [np.minimum(likeness[other], 1) * share for other, share in others.items()] or [nothing], axis=0
            )
            for name, others in alike.items()
        }
        return cls(likeness, explained)


def film_colours(frames: FrameStore, spans: Sequence[Span], portraits: Mapping[str, Sequence[Portrait]]) -> ColourBank:
    """The colours of stretches of a film, by its stills."""
    seen: dict[str, list[tuple[np.ndarray, Box]]] = {}
    for name, portrait, still in stills_of(frames, portraits):
        seen.setdefault(name, []).append((still, portrait.box))
    ranges = (span.frame_range(frames.fps, len(frames)) for span in spans)
    return ColourBank.build(([frames.rgb(i) for i in sample_indices(*pair, STILLS)] for pair in ranges), seen)


def _bins(still: np.ndarray) -> np.ndarray:
    """The colour of each pixel [h, w] as the number of a bin: its chromaticity, which light changes little, and
    roughly how light it is."""
    import cv2  # not at the top, as above

    height, width = still.shape[:2]
    small = cv2.resize(still, (max(1, round(width * _HEIGHT / height)), _HEIGHT), interpolation=cv2.INTER_AREA)
    values = small.astype(np.float32) + 4  # so that the chromaticity of what is nearly black is no noise
    total = values.sum(axis=-1)
    red, green = ((values[..., i] / total * _CHROMA).astype(np.uint16) for i in (0, 1))
    light = np.minimum(total / 3 / (256 / _LIGHT), _LIGHT - 1).astype(np.uint16)
    return (red * _CHROMA + green) * _LIGHT + light


def _shares(picture: np.ndarray) -> np.ndarray:
    return np.bincount(picture.ravel(), minlength=_BINS) / picture.size


def _drawn_in(portraits: Sequence[tuple[np.ndarray, Box]], film: np.ndarray) -> list[tuple[np.ndarray, Box]]:
    """Portraits whose boxes are wide, such as half of the picture, drawn in around what they have in common."""
    rows = list(portraits)
    if len(rows) < 2:
        return rows
    for _ in range(_ROUNDS):
        palette = _palette(rows, film)
        rows = [
            (picture, _around(palette, picture, box) if whole[2] >= _WIDE else box)
            for (picture, box), (_, whole) in zip(rows, portraits, strict=True)
        ]
    return rows


def _around(palette: _Palette, picture: np.ndarray, box: Box) -> Box:
    """The part of a box that is most like somebody, with a little around it."""
    part = cut_out(picture, box)
    height, width = part.shape
    area = replace(palette, area=(max(3, int(width * _PART)), max(3, int(height * _PART))))
    found = area.map(part)
    y, x = np.unravel_index(int(np.argmax(found)), found.shape)
    half = _PART * _ROOM / 2
    left, right = max(0.0, x / width - half), min(1.0, x / width + half)
    top, bottom = max(0.0, y / height - half), min(1.0, y / height + half)
    return box[0] + left * box[2], box[1] + top * box[3], (right - left) * box[2], (bottom - top) * box[3]


def _palette(portraits: Sequence[tuple[np.ndarray, Box]], film: np.ndarray) -> _Palette:
    """What portraits (bins [h, w], box) have in common and the film [bins] has less of."""
    cut = [cut_out(picture, box) for picture, box in portraits]
    # The geometric mean: a colour that is not in every portrait is hardly the person's.
    shares = np.exp(np.mean([np.log(_shares(part) + _LEAST) for part in cut], axis=0)) - _LEAST
    telling = np.clip(np.log((shares + 2e-4) / (film + 2e-4)), 0, 3)
    order = np.argsort(-shares * telling)[:_COLOURS]
    order = order[(shares * telling)[order] > 0]
    sides = np.mean([part.shape for part in cut], axis=0)
    area = (max(3, int(sides[1] * _AREA)), max(3, int(sides[0] * _AREA)))
    return _Palette(order, shares[order], telling[order], area)
