"""Stored frame vectors, with the frame rate and the encoder they were made with.

One file holds one array [T, D] for each film, clip or image id. Two containers:

- `.h5`, one data set an id, as MAD publishes them (Soldan et al. 2022); ours also carry `calvin_format`, `fps`,
  `encoder_id`, `encoder_hash` and `dim` on the root, so what reads MAD's files reads ours.
- `.safetensors`, for one film or a few, with the same facts in its metadata.

Another encoder's features have the right shape and mean something else, so a store opened for an encoder refuses them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from calvin.core.errors import FeatureError
from calvin.core.time import Span, sample_indices
from calvin.core.types import FPS

FORMAT = "features-1"
_FACTS = ("calvin_format", "fps", "encoder_id", "encoder_hash", "dim")

Encoder = tuple[str, str]
"""(encoder_id, encoder_hash)"""


class Features(Protocol):
    """Where a sample's frame vectors come from."""

    def __contains__(self, media_id: object) -> bool: ...

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """float32 [k, D], 1 <= k <= max_frames."""
        ...


@dataclass(frozen=True)
class _Facts:
    fps: float
    encoder: Encoder
    dim: int | None
    notes: tuple[str, ...] = ()


def take_frames(num_frames: int, span: Span | None, fps: float, max_frames: int) -> list[int]:
    """Indices of the stored frames that stand for a span (None: all of it)."""
    first, last = (0, num_frames) if span is None else span.frame_range(fps, num_frames)
    return sample_indices(first, last, max_frames)


class FeatureStore:
    """Read access to a feature file. Lazy: an array is read when it is asked for.

    The open file belongs to the process that opened it; after a fork or unpickling the file is opened anew.
    """

    def __init__(self, path: Path, facts: _Facts, names: tuple[str, ...]) -> None:
        self.path = path
        self._facts = facts
        self.ids = names
        self._known = frozenset(names)
        self._handle: Any = None
        self._owner = -1

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        expect_encoder: Encoder | None = None,
        expect_dim: int | None = None,
        fps: float | None = None,
        stated_encoder: Encoder | None = None,
    ) -> Self:
        """Open a feature file and check that it belongs to this encoder.

        Args:
            expect_encoder: (id, hash) of the encoder whose features are wanted; the hash decides where both have one.
            expect_dim: the width wanted.
            fps: for files that hold no frame rate (MAD's); a file that holds another is refused.
            stated_encoder: what made a file that does not say so itself (MAD's), by the caller's word.

        Raises:
            FeatureError: not a feature file, or made by another encoder, at another frame rate, of another width.
        """
        path = Path(path)
        opened = _open(path)
        try:
            raw, names = _read_facts(opened), _names(opened)
            facts = _settle(path, raw, fps, stated_encoder)
            store = cls(path, facts, names)
            store._handle, store._owner = opened, os.getpid()
            if facts.dim is None and names:
                shape = _array(opened, names[0])[1]
                store._facts = replace(facts, dim=shape[1] if len(shape) == 2 else -1)
            check_encoder(path, facts.encoder, expect_encoder)
            if names and expect_dim is not None and store.dim != expect_dim:
                raise FeatureError(
                    f"{path} holds vectors of width {store.dim}, but {expect_dim} are needed: make the features again "
                    "with this model's vision tower."
                )
        except BaseException:
            _close(opened)
            raise
        return store

    @property
    def fps(self) -> float:
        return self._facts.fps

    @property
    def encoder_id(self) -> str:
        return self._facts.encoder[0]

    @property
    def encoder_hash(self) -> str:
        return self._facts.encoder[1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed because the file does not say."""
        return self._facts.notes

    @property
    def dim(self) -> int:
        """Width of the vectors, by the file's word or else by its first array."""
        if self._facts.dim is None:
            raise FeatureError(f"{self.path} holds no features.")
        return self._facts.dim

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._known

    def frames(self, media_id: str) -> int:
        """Number of stored frames of an id."""
        return self._stored(media_id)[1]

    def get(self, media_id: str) -> np.ndarray:
        """All frame vectors of an id, float32 [T, D].

        Raises:
            FeatureError: no such id, wrong shape, or values that are not numbers.
        """
        stored, count = self._stored(media_id)
        return self._read(media_id, stored, list(range(count)))

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """At most `max_frames` vectors spread evenly over a span (None: the whole array), float32 [k, D].

        Raises:
            FeatureError: as for `get`.
        """
        stored, count = self._stored(media_id)
        return self._read(media_id, stored, take_frames(count, span, self.fps, max_frames))

    def close(self) -> None:
        if self._handle is not None and self._owner == os.getpid():
            _close(self._handle)
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None, "_owner": -1}

    def _file(self) -> Any:
        if self._handle is None or self._owner != os.getpid():
            self._handle, self._owner = _open(self.path), os.getpid()
        return self._handle

    def _check_known(self, media_id: str) -> None:
        if media_id in self._known:
            return
        near = difflib.get_close_matches(media_id, self.ids[:20_000], n=3, cutoff=0.5)
        hint = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
        raise FeatureError(f"{self.path} has no features of {media_id!r} among its {len(self.ids)} ids{hint}.")

    def _stored(self, media_id: str) -> tuple[Any, int]:
        """The array of an id, not yet read, and its number of frames."""
        self._check_known(media_id)
        handle = self._file()
        stored, shape = _array(handle, media_id)
        if len(shape) != 2 or shape[1] != self.dim or shape[0] < 1:
            raise FeatureError(
                f"Features of {media_id!r} in {self.path} have the shape {shape}, not [frames, {self.dim}]: "
                "make them again."
            )
        return stored, shape[0]

    def _read(self, media_id: str, stored: Any, indices: list[int]) -> np.ndarray:
        first, last = indices[0], indices[-1] + 1
        try:
            block = stored[first:last]
        except (OSError, SafetensorError) as error:
            raise FeatureError(f"Features of {media_id!r} in {self.path} cannot be read: {error}.") from error
        if len(indices) < last - first:
            block = block[[index - first for index in indices]]
        vectors = np.asarray(block, dtype=np.float32)
        if not np.isfinite(vectors).all():
            bad = int((~np.isfinite(vectors)).any(axis=1).sum())
            raise FeatureError(
                f"Features of {media_id!r} in {self.path} have {bad} of {len(vectors)} frames with values that are "
                "not numbers: make them again."
            )
        return vectors


class MemoryFeatures:
    """The same over arrays held in memory, [T, D] by id."""

    def __init__(self, arrays: Mapping[str, np.ndarray], fps: float = FPS) -> None:
        self.arrays = dict(arrays)
        self.fps = fps

    def __contains__(self, media_id: object) -> bool:
        return media_id in self.arrays

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        if media_id not in self.arrays:
            raise FeatureError(f"There are no features of {media_id!r}.")
        array = self.arrays[media_id]
        return np.asarray(array[take_frames(len(array), span, self.fps, max_frames)], dtype=np.float32)


def _open(path: Path) -> Any:
    if not path.is_file():
        raise FeatureError(f"{path} is not there; make features with `calvin data features`.")
    try:
        if path.suffix == ".safetensors":
            return safe_open(path, framework="numpy")
        return h5py.File(path, "r")
    except (OSError, SafetensorError) as error:
        raise FeatureError(f"{path} is not a feature file (.h5 or .safetensors), or it is cut short.") from error


def _array(handle: Any, media_id: str) -> tuple[Any, tuple[int, ...]]:
    """An array of an open file, not yet read, and its shape."""
    if isinstance(handle, h5py.File):
        stored = handle[media_id]
        return stored, tuple(stored.shape)
    stored = handle.get_slice(media_id)
    return stored, tuple(stored.get_shape())


def _close(handle: Any) -> None:
    if isinstance(handle, h5py.File):
        handle.close()


def _names(handle: Any) -> tuple[str, ...]:
    if not isinstance(handle, h5py.File):
        return tuple(sorted(handle.keys()))
    names: list[str] = []
    # An id with slashes, such as WebVid's, lies in nested groups.
    handle.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return tuple(names)


def _read_facts(handle: Any) -> dict[str, Any]:
    values = dict(handle.attrs) if isinstance(handle, h5py.File) else (handle.metadata() or {})
    return {key: values[key] for key in _FACTS if key in values}


def _settle(path: Path, raw: dict[str, Any], fps: float | None, stated: Encoder | None) -> _Facts:
    if "calvin_format" not in raw:
        note = f"{path.name} holds no frame rate: {FPS:g} frames a second, as in MAD, are assumed."
        return _Facts(fps or FPS, stated or ("", ""), None, () if fps else (note,))
    if raw["calvin_format"] != FORMAT or len(raw) < len(_FACTS):
        raise FeatureError(f"{path} is of the form {raw['calvin_format']!r}, not {FORMAT!r}: make the features again.")
    held = float(raw["fps"])
    if fps is not None and abs(held - fps) > 1e-6:
        raise FeatureError(
            f"{path} was made at {held:g} frames a second, not {fps:g}: leave the rate out to use its own."
        )
    return _Facts(held, (str(raw["encoder_id"]), str(raw["encoder_hash"])), int(raw["dim"]))


def check_encoder(path: Path, held: Encoder, wanted: Encoder | None) -> None:
    """
    Raises:
        FeatureError: the features held are not those of the encoder wanted.
    """
    if wanted is None:
        return
    if held == ("", ""):
        raise FeatureError(
            f"{path} does not say which encoder made it: state the encoder (stated_encoder) if you know that it is "
            f"{wanted[0]}, or make the features again."
        )
    both_hashed = bool(held[1] and wanted[1])
    if (held[1] != wanted[1]) if both_hashed else (held[0] != wanted[0]):
        raise FeatureError(
            f"{path} holds features of the encoder {held[0]} ({held[1][:12] or 'no hash'}), but this model needs "
            f"{wanted[0]} ({wanted[1][:12] or 'no hash'}): make them again with `calvin data features`."
        )
