"""Where frame vectors come from: a feature file, a folder of them, or arrays in memory; whole, or a span of them.

Another encoder's features have the right shape and mean something else, so what is opened for an encoder refuses them.
"""

from __future__ import annotations

import difflib
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from calvin.core.errors import DataError, FeatureError
from calvin.core.time import Span, sample_indices
from calvin.core.types import FPS, EncoderIdentity
from calvin.data.feature_facts import FeatureFacts, check_facts, settle_facts
from calvin.data.feature_reading import UNREADABLE, FeatureFile, open_file
from calvin.data.samples import DropReport, row_numbers

NO_FEATURES = "no features"
PAST_END = "past the end of its features"


class Features(Protocol):
    """Where a sample's frame vectors come from."""

    def __contains__(self, media_id: object) -> bool: ...

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """float32 [k, D], 1 <= k <= max_frames; of a span past the end, the last."""
        ...

    def problem(self, media_id: str, span: Span | None) -> str:
        """Why a scene's vectors cannot be used, in a few words, as far as it shows without reading them; else ""."""
        return "" if media_id in self else NO_FEATURES

    @property
    def state(self) -> str:
        """Equal only as long as the features are; "" where nobody can tell."""
        return ""


class _Arrays(Features):
    """What all do that know how many frames they have; `fps` is their rate."""

    fps: float

    def frames(self, media_id: str) -> int:
        raise NotImplementedError

    def problem(self, media_id: str, span: Span | None) -> str:
        """A scene of which more than half is past the end is not there: the rate or the features are not right."""
        if media_id not in self:
            return NO_FEATURES
        try:
            past = span is not None and span.middle_ms * self.fps > 1000 * self.frames(media_id)
        except FeatureError as error:
            return str(error)
        return PAST_END if past else ""


def take_frames(num_frames: int, span: Span | None, fps: float, max_frames: int) -> list[int]:
    """Indices of the stored frames that stand for a span (None: all of it)."""
    first, last = (0, num_frames) if span is None else span.frame_range(fps, num_frames)
    return sample_indices(first, last, max_frames)


class FeatureStore(_Arrays):
    """Read access to a feature file. Lazy: an array is read when it is asked for.

    The open file belongs to the process that opened it; after a fork or unpickling the file is opened again.
    """

    def __init__(self, path: Path, facts: FeatureFacts, names: tuple[str, ...]) -> None:
        self.path = path
        self._facts = facts
        self.fps = facts.fps
        self.report = DropReport()
        self.ids = names
        self._names = {**row_numbers(names), **dict(zip(names, names, strict=True))}
        self._handle: FeatureFile | None = None
        self._owner = -1

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        expect_encoder: tuple[str, str] | None = None,
        expect_dim: int | None = None,
        fps: float | None = None,
        stated_encoder: tuple[str, str] | None = None,
    ) -> Self:
        """Open a feature file and check that it belongs to this encoder.

        Args:
            expect_encoder: (id, hash) of the encoder whose features are wanted; the hash decides where both have one.
            expect_dim: the width wanted.
            fps: for files that hold no frame rate (MAD's); a file that holds another is refused.
            stated_encoder: what made a file that does not say so itself (MAD's), as the caller states it.

        Raises:
            FeatureError: not a feature file, or made by another encoder, at another frame rate, of another width.
        """
        path = Path(path)
        opened = open_file(path)
        try:
            names = opened.names
            facts = settle_facts(path, opened.facts, fps, stated_encoder)
            store = cls(path, facts, tuple(names))
            store._handle, store._owner, store.report = opened, os.getpid(), opened.report
            if facts.dim is None and names:
                shape = opened.array(names[0])[1]
                store._facts = replace(facts, dim=shape[1] if len(shape) == 2 else -1)
            check_facts(path, store._facts, expect_encoder, expect_dim if names else None)
        except BaseException:
            opened.close()
            raise
        return store

    @property
    def encoder(self) -> EncoderIdentity:
        """Whose features these are; "" where the file does not say."""
        return self._facts.encoder

    @property
    def encoder_id(self) -> str:
        return self.encoder.id

    @property
    def encoder_hash(self) -> str:
        return self.encoder.hash

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed because the file does not say."""
        return self._facts.notes

    @property
    def dim(self) -> int:
        """Width of the vectors, as the file states it, or else as its first array has it."""
        if self._facts.dim is None:
            raise FeatureError(f"{self.path} holds no features.")
        return self._facts.dim

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def state(self) -> str:
        facts = self.path.stat()
        return f"{self.path.name} {facts.st_size} {facts.st_mtime_ns} {self._facts}"

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._names

    def frames(self, media_id: str) -> int:
        """Number of stored frames of an id."""
        return self._stored(media_id)[1]

    def get(self, media_id: str) -> np.ndarray:
        """All frame vectors of an id, float32 [T, D].

        Raises:
            FeatureError: no such id, wrong shape, or values that are not numbers.
        """
        stored, count = self._stored(media_id)
        return read_frames(stored, list(range(count)), media_id, self.path)

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """At most `max_frames` vectors spread evenly over a span (None: the whole array), float32 [k, D].

        Raises:
            FeatureError: as for `get`.
        """
        stored, count = self._stored(media_id)
        return read_frames(stored, take_frames(count, span, self.fps, max_frames), media_id, self.path)

    def close(self) -> None:
        if self._handle is not None and self._owner == os.getpid():
            self._handle.close()
        self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None, "_owner": -1}

    def _file(self) -> FeatureFile:
        if self._handle is None or self._owner != os.getpid():
            self._handle, self._owner = open_file(self.path), os.getpid()
        return self._handle

    def _stored(self, media_id: str) -> tuple[Any, int]:
        """The array of an id, not yet read, and its number of frames."""
        if media_id not in self._names:
            near = difflib.get_close_matches(media_id, self.ids[:20_000], n=3, cutoff=0.5)
            hint = f"; the nearest are {', '.join(map(repr, near))}" if near else ""
            raise FeatureError(f"{self.path} has no features of {media_id!r} among its {len(self.ids)} ids{hint}.")
        stored, shape = self._file().array(self._names[media_id])
        return stored, frames_in(shape, self.dim, media_id, self.path)


def frames_in(shape: tuple[int, ...], dim: int, media_id: str, path: Path) -> int:
    """How many frames a stored array [T, D] has.

    Raises:
        FeatureError: it is of another shape or width.
    """
    if len(shape) != 2 or shape[1] != dim or shape[0] < 1:
        raise FeatureError(
            f"Features of {media_id!r} in {path} have the shape {shape}, not [frames, {dim}]: make them again."
        )
    return shape[0]


def read_frames(stored: Any, indices: list[int], media_id: str, path: Path) -> np.ndarray:
    """Frames of a stored array [T, D], by increasing indices, as float32 [k, D].

    Raises:
        FeatureError: they cannot be read, or are not numbers.
    """
    first, last = indices[0], indices[-1] + 1
    try:
        block = stored[first:last]
    except UNREADABLE as error:
        raise FeatureError(f"Features of {media_id!r} in {path} cannot be read: {error}.") from error
    if len(indices) < last - first:
        block = block[[index - first for index in indices]]
    return _numbers(block, media_id, path)


def _numbers(block: np.ndarray, media_id: str, path: Path) -> np.ndarray:
    """Vectors [k, D] as float32.

    Raises:
        FeatureError: not all of them are numbers.
    """
    try:
        vectors = np.asarray(block, dtype=np.float32)
    except UNREADABLE as error:
        raise FeatureError(f"Features of {media_id!r} in {path} are not numbers: make them again.") from error
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors)).any(axis=1).sum())
        raise FeatureError(
            f"Features of {media_id!r} in {path} have {bad} of {len(vectors)} frames with values that are not numbers: "
            "make them again."
        )
    return vectors


class MemoryFeatures(_Arrays):
    """The same over arrays held in memory, [T, D] by id."""

    def __init__(self, arrays: Mapping[str, np.ndarray], fps: float = FPS) -> None:
        self.arrays = dict(arrays)
        self.fps = fps

    def __contains__(self, media_id: object) -> bool:
        return media_id in self.arrays

    def frames(self, media_id: str) -> int:
        return len(self.arrays[media_id])

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """At most `max_frames` vectors spread evenly over a span, float32 [k, D]."""
        if media_id not in self.arrays:
            raise FeatureError(f"There are no features of {media_id!r}.")
        array = self.arrays[media_id]
        return np.asarray(array[take_frames(len(array), span, self.fps, max_frames)], dtype=np.float32)


class CachedFeatures(Features):
    """Keeps sampled scenes of any feature source in memory, as float16 where nothing is lost, up to `max_bytes`."""

    def __init__(self, features: Features, max_bytes: int = 512 * 2**20) -> None:
        self.features = features
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._kept: OrderedDict[tuple[str, Span | None, int], np.ndarray] = OrderedDict()

    def __contains__(self, media_id: object) -> bool:
        return media_id in self.features

    def problem(self, media_id: str, span: Span | None) -> str:
        return self.features.problem(media_id, span)

    @property
    def state(self) -> str:
        return self.features.state

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """As the features that are cached have it, float32 [k, D]."""
        key = (media_id, span, max_frames)
        kept = self._kept.get(key)
        if kept is None:
            exact = self.features.scene(media_id, span, max_frames)
            with np.errstate(over="ignore"):
                halved = exact.astype(np.float16)
            kept = halved if np.array_equal(halved, exact) else exact
            self._kept[key] = kept
            self.held_bytes += kept.nbytes
            while self.held_bytes > self.max_bytes:
                self.held_bytes -= self._kept.popitem(last=False)[1].nbytes
        else:
            self._kept.move_to_end(key)
        return kept.astype(np.float32)


class FeatureFolder(Features):
    """The features of all files in a folder. A file that cannot be used is left out; `report` counts and names it."""

    def __init__(self, path: Path, parts: dict[Path, FeatureStore], report: DropReport) -> None:
        self.path, self.report = path, report
        self.notes = tuple(dict.fromkeys(note for part in parts.values() for note in part.notes))
        self._parts = parts
        self._part: dict[str, FeatureStore] = {}
        for file, part in parts.items():
            for media_id in part.ids:
                if media_id in self._part:
                    report.note("features in two files, the first are taken", f"{media_id} in {file}")
                self._part.setdefault(media_id, part)
        self.ids = tuple(self._part)
        self._rows = row_numbers(self.ids)

    @classmethod
    def open(cls, path: str | Path, **expected: Any) -> Self:
        """Open every `.h5`, `.safetensors` or `.tar` of a folder; arguments as for `FeatureStore.open`.

        Raises:
            FeatureError: not one of the files can be used.
        """
        path, report = Path(path), DropReport()
        parts: dict[Path, FeatureStore] = {}
        first: DataError | None = None
        files = sorted(file for suffix in ("h5", "safetensors", "tar") for file in path.glob(f"*.{suffix}"))
        files = [file for file in files if not file.name.startswith(".") and ".partial" not in file.name]
        for file in files:
            report.read += 1
            try:
                parts[file] = FeatureStore.open(file, **expected)
                report.merge(parts[file].report)
            except DataError as error:
                first = first or error
                report.drop("feature file that cannot be used", str(error))
        if not parts:
            raise FeatureError(f"{path} holds no usable feature file. {first or ''}".strip())
        return cls(path, parts, report)

    def __len__(self) -> int:
        return len(self._part)

    @property
    def state(self) -> str:
        return " ".join(part.state for part in self._parts.values())

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._part or media_id in self._rows

    def problem(self, media_id: str, span: Span | None) -> str:
        media_id = self._rows.get(media_id, media_id)
        return self._part[media_id].problem(media_id, span) if media_id in self._part else NO_FEATURES

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """float32 [k, D], 1 <= k <= max_frames.

        Raises:
            FeatureError: no such id, or its vectors cannot be used.
        """
        media_id = self._rows.get(media_id, media_id)
        if media_id not in self._part:
            raise FeatureError(f"{self.path} has no features of {media_id!r} among its {len(self)} ids.")
        return self._part[media_id].scene(media_id, span, max_frames)


def open_features(path: str | Path, **expected: Any) -> FeatureStore | FeatureFolder:
    """A feature file or a folder of them; arguments as for `FeatureStore.open`."""
    return FeatureFolder.open(path, **expected) if Path(path).is_dir() else FeatureStore.open(path, **expected)
