"""How loud a film is, moment by moment: what is kept of a measurement, without what it takes to measure."""

from __future__ import annotations

import numpy as np

from calvin.core.config import FrozenConfig

TENTHS = 10
"""Levels are kept in tenths of LUFS."""


class FilmLevels(FrozenConfig):
    """How loud a film's sound track is: `tenths` is its curve in tenths of LUFS, one each tenth of a second (the
    loudness of the 0.4 s that end there). `sha256`, `track` and `layout` say whose it is."""

    sha256: str
    track: int
    layout: str
    range_lu: float
    peak_db: float
    tenths: tuple[int, ...]

    def are_of(self, sha256: str, track: int, layout: str) -> bool:
        """Whether they were measured of this film's track in this layout."""
        return (self.sha256, self.track, self.layout) == (sha256, track, layout)

    def curve(self) -> np.ndarray:
        """LUFS [T]."""
        return np.array(self.tenths, float) / TENTHS
