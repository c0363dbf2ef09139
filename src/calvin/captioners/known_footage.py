"""Which footage a model knows: feature statistics stored with it, and the notice for footage unlike it.

A frame's distance is the Mahalanobis distance in the leading principal directions of the known frames plus the scaled
distance from that subspace, each divided by its degrees of freedom (probabilistic PCA, Tipping and Bishop 1999). A
known frame lies near 1.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from calvin.core.errors import CheckpointError, DataError
from calvin.core.files import write_json

FILE_NAME = "world.json"
_QUANTILE = 0.95
"""Of the frames it knows, one in twenty lies beyond the limit."""
_SHARE = 1 / 3
"""Of a film it knows, far fewer than this; of another film, most."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Footage unlike what the model knows; `share` of its frames lie outside."""

    share: float
    message: str


@dataclass(frozen=True, slots=True)
class World:
    """Statistics of the frame vectors a model knows.

    `mean` [D], `axes` [K, D] orthonormal, `variances` [K], `rest` the mean variance outside the axes, `limit` the
    distance beyond which a frame counts as unlike, `description` what the footage is, in words.
    """

    mean: list[float]
    axes: list[list[float]]
    variances: list[float]
    rest: float
    limit: float
    description: str

    @classmethod
    def fit(cls, features: np.ndarray, description: str = "animated puppet films", axes: int = 128) -> World:
        """Statistics from frame vectors [N, D] of held-out films.

        The limit comes from every other block of frames, which the axes have not seen.

        Raises:
            DataError: fewer than 32 frames, or not a table of finite numbers.
        """
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != 2 or len(rows) < 32 or not np.isfinite(rows).all():
            raise DataError("Describing a model's world takes at least 32 frame vectors [N, D] of finite numbers.")
        known, unseen = _halves(rows)
        mean = known.mean(axis=0)
        _, scales, directions = np.linalg.svd(known - mean, full_matrices=False)
        count = min(axes, len(scales) - 1)
        variances = scales**2 / max(len(known) - 1, 1)
        floor = 1e-6 * float(variances.sum()) + 1e-12
        rest = float(variances[count:].sum()) / max(rows.shape[1] - count, 1)
        world = cls(
            mean=_short(mean),
            axes=[_short(axis) for axis in directions[:count]],
            variances=_short(np.maximum(variances[:count], floor)),
            rest=max(rest, floor),
            limit=0.0,
            description=description,
        )
        limit = float(np.quantile(world.distances(unseen), _QUANTILE))
        return cls(world.mean, world.axes, world.variances, world.rest, limit, description)

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Distance of each frame vector [N, D] -> [N].

        Raises:
            DataError: vectors of another width.
        """
        rows = np.asarray(features, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != len(self.mean):
            raise DataError(f"The model's world is {len(self.mean)} wide, these vectors are {rows.shape[-1]}.")
        centred = rows - np.array(self.mean)
        axes = np.array(self.axes).reshape(-1, rows.shape[1])
        along = centred @ axes.T  # [N, K]
        inside = (along**2 / np.array(self.variances)).sum(axis=1) / max(len(axes), 1)
        outside = np.maximum((centred**2).sum(axis=1) - (along**2).sum(axis=1), 0)
        outside /= self.rest * max(rows.shape[1] - len(axes), 1)
        return np.sqrt((inside + outside) / 2)

    def check(self, features: np.ndarray) -> Notice | None:
        """A notice where more than a third of a film's frames [N, D] lie outside what the model knows."""
        if not len(features):
            return None
        share = float((self.distances(features) > self.limit).mean())
        if share <= _SHARE:
            return None
        return Notice(
            share,
            f"{share:.0%} of this footage is unlike what this model was trained on ({self.description}), so its "
            "descriptions will not fit. Name a model trained on films like this one with --model, or train one.",
        )

    def save(self, folder: str | Path) -> Path:
        path = Path(folder) / FILE_NAME
        write_json(path, asdict(self))
        return path

    @classmethod
    def load(cls, folder: str | Path) -> World | None:
        """The world stored in a model folder, or None.

        Raises:
            CheckpointError: the file is damaged.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged: take a whole copy of the model folder.") from error


def _halves(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves in alternating blocks: neighbouring frames, which resemble each other, stay on one side."""
    block = max(len(rows) // 16, 1)
    first = (np.arange(len(rows)) // block) % 2 == 0
    return rows[first], rows[~first]


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]
