"""Many feature files as one: the `.h5` parts or webdataset tars that `calvin data prepare` writes."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from calvin.core.errors import DataError, FeatureError
from calvin.core.files import atomic_path
from calvin.core.time import Span
from calvin.data.features import Encoder, FeatureStore, check_encoder, take_frames
from calvin.data.readers.shards import VECTORS, TarSample, iter_shard
from calvin.data.samples import DropReport

MANIFEST = "prepared.json"
"""What a prepared folder says of itself: fps, encoder_id, encoder_hash, dim, and what was left out."""


class Part(Protocol):
    """One feature file of several."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray: ...


class TarFeatures:
    """Frame vectors [T, D] kept as `.npy` in a webdataset tar; read from where they lie."""

    def __init__(self, path: Path, fps: float, dim: int, report: DropReport) -> None:
        self.path, self.fps, self.dim = path, fps, dim
        self._items: dict[str, TarSample] = {
            item.id: item for item in iter_shard(path, report) if VECTORS in item.members
        }
        self.ids = tuple(self._items)

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """
        Raises:
            FeatureError: the vectors are broken, of another width, or not numbers.
        """
        try:
            array = np.load(io.BytesIO(self._items[media_id].read(VECTORS)), allow_pickle=False)
        except (ValueError, EOFError, DataError) as error:
            raise FeatureError(f"Features of {media_id!r} in {self.path} cannot be read: {error}.") from error
        if array.ndim != 2 or array.shape[1] != self.dim or not len(array):
            raise FeatureError(
                f"Features of {media_id!r} in {self.path} have the shape {array.shape}, not [frames, {self.dim}]."
            )
        vectors = array[take_frames(len(array), span, self.fps, max_frames)].astype(np.float32)
        if not np.isfinite(vectors).all():
            raise FeatureError(f"Features of {media_id!r} in {self.path} hold values that are not numbers.")
        return vectors


class TarWriter:
    """Writes vectors and what is said of them to a webdataset tar; use as a context manager.

    The file is there only when it is whole. `said` holds caption, kind and question by id, by the time an id is added.
    """

    def __init__(self, path: Path, fps: float, said: Mapping[str, Mapping[str, Any]]) -> None:
        self.path, self.fps, self.said = path, fps, said

    def __enter__(self) -> Self:
        self._atomic = atomic_path(self.path)
        self._tar = tarfile.open(self._atomic.__enter__(), "w", format=tarfile.USTAR_FORMAT)
        return self

    def add(self, media_id: str, array: np.ndarray) -> None:
        """Store the frame vectors [T, D] of an id.

        Raises:
            FeatureError: values that are not numbers, or too long an id.
        """
        halved = array.astype(np.float16)
        if not np.isfinite(halved).all():
            raise FeatureError(f"Vectors of {media_id!r} hold values that are not numbers.")
        stream = io.BytesIO()
        np.save(stream, halved, allow_pickle=False)
        values = {name: value for name, value in self.said[media_id].items() if value is not None}
        # The name of a tar's sample ends at its first dot. A shard's ids begin with its name, which the reader adds.
        key = media_id.removeprefix(f"{self.path.stem}/").replace("%", "%25").replace(".", "%2E")
        self._put(f"{key}.json", json.dumps({"id": media_id, "fps": self.fps, **values}).encode())
        self._put(f"{key}.{VECTORS}", stream.getvalue())

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # no time and no owner, so that equal parts are equal files
        member.size = len(data)
        try:
            self._tar.addfile(member, io.BytesIO(data))
        except ValueError as error:
            raise FeatureError(f"{name!r} is too long a name for a tar.") from error

    def __exit__(self, *error: Any) -> None:
        self._tar.close()
        self._atomic.__exit__(*error)


class FeatureFolder:
    """The features of all files in a folder. A file that cannot be used is left out; `report` counts and names it."""

    def __init__(self, path: Path, parts: dict[Path, Part], report: DropReport, notes: tuple[str, ...] = ()) -> None:
        self.path, self.report, self.notes = path, report, notes
        self._part: dict[str, Part] = {}
        for file, part in parts.items():
            for media_id in part.ids:
                if media_id in self._part:
                    report.note("features in two files, the first are taken", f"{media_id} in {file}")
                self._part.setdefault(media_id, part)
        self.ids = tuple(self._part)

    @classmethod
    def open(
        cls, path: str | Path, *, expect_encoder: Encoder | None = None, expect_dim: int | None = None, **stated: Any
    ) -> Self:
        """Open every `.h5`, `.safetensors` or `.tar` of a folder; arguments as for `FeatureStore.open`.

        Raises:
            FeatureError: not one of the files can be used.
        """
        path, report = Path(path), DropReport()
        parts: dict[Path, Part] = {}
        first: DataError | None = None
        files = sorted(file for suffix in ("h5", "safetensors", "tar") for file in path.glob(f"*.{suffix}"))
        files = [file for file in files if not file.name.startswith(".") and ".partial" not in file.name]
        for file in files:
            report.read += 1
            try:
                if file.suffix == ".tar":
                    parts[file] = _open_tar(file, expect_encoder, expect_dim, report)
                else:
                    parts[file] = FeatureStore.open(
                        file, expect_encoder=expect_encoder, expect_dim=expect_dim, **stated
                    )
            except DataError as error:
                first = first or error
                report.drop("feature file that cannot be used", str(error))
        if not parts:
            raise FeatureError(f"{path} holds no usable feature file. {first or ''}".strip())
        notes = dict.fromkeys(note for part in parts.values() for note in getattr(part, "notes", ()))
        return cls(path, parts, report, tuple(notes))

    def __len__(self) -> int:
        return len(self._part)

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._part

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """float32 [k, D], 1 <= k <= max_frames.

        Raises:
            FeatureError: no such id, or its vectors cannot be used.
        """
        if media_id not in self._part:
            raise FeatureError(f"{self.path} has no features of {media_id!r} among its {len(self)} ids.")
        return self._part[media_id].scene(media_id, span, max_frames)


def open_features(path: str | Path, **expected: Any) -> FeatureStore | FeatureFolder:
    """A feature file or a folder of them; arguments as for `FeatureStore.open`."""
    return FeatureFolder.open(path, **expected) if Path(path).is_dir() else FeatureStore.open(path, **expected)


def _open_tar(file: Path, expect_encoder: Encoder | None, expect_dim: int | None, report: DropReport) -> TarFeatures:
    try:
        facts = json.loads((file.parent / MANIFEST).read_text(encoding="utf-8"))
        fps, dim = float(facts["fps"]), int(facts["dim"])
        encoder = (str(facts["encoder_id"]), str(facts["encoder_hash"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FeatureError(
            f"{file.parent} holds tars but no {MANIFEST} that says what their vectors are: prepare it again."
        ) from error
    check_encoder(file, encoder, expect_encoder)
    if expect_dim is not None and dim != expect_dim:
        raise FeatureError(f"{file} holds vectors of width {dim}, but {expect_dim} are needed.")
    return TarFeatures(file, fps, dim, report)
