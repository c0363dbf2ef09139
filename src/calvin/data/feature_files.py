"""The files that frame vectors are kept in: one array [T, D] for each film, clip or image id.

- `.h5`, one data set per id, as MAD publishes them (Soldan et al. 2022). Ours also carry `calvin_format`, `fps`,
  `encoder_id`, `encoder_hash` and `dim` on the root, so what reads MAD's files reads ours. They need the extra `train`.
- `.safetensors`, for one film or a few, with the same facts in its metadata.
- webdataset tars of vectors and captions, in a folder whose `prepared.json` holds the facts.

A file is whole or absent; an `.h5` that was interrupted can be continued.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from calvin.core.errors import CalvinError, FeatureError
from calvin.core.files import atomic_path, check_room, lock
from calvin.data.feature_reading import FACTS, FORMAT, each_h5_name, import_h5py
from calvin.data.feature_reading import MANIFEST as MANIFEST
from calvin.data.readers.shards import VECTORS


class FeatureWriter:
    """Writes arrays [T, D] by id to `.h5` or `.safetensors`; use as a context manager.

    The file appears under its name only when the block ends well. With `resume` (.h5), what was written before a crash
    waits in a partial file beside it: ids already there (`id in writer`) are kept, and adding them again does nothing.

    Args:
        fps: frames per second of the arrays.
        dim: their width D.
        dtype: float16 halves the file; the vectors of CLIP-like towers lose nothing that matters.

    Raises:
        FeatureError: a suffix that is neither, or a partial file of another encoder.
        MissingExtraError: an .h5, and h5py is not installed.
    """

    def __init__(
        self,
        path: str | Path,
        encoder_id: str,
        encoder_hash: str,
        fps: float,
        dim: int,
        *,
        dtype: Literal["float16", "float32"] = "float16",
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix not in (".h5", ".safetensors"):
            raise FeatureError(f"Features are written to .h5 or .safetensors, not to {self.path.name}.")
        self.dim = dim
        self.dtype = np.dtype(dtype)
        values = (FORMAT, float(fps), encoder_id, encoder_hash, int(dim))
        self.facts: dict[str, Any] = dict(zip(FACTS, values, strict=True))
        self._resume = resume and self.path.suffix == ".h5"
        self._partial = self.path.with_name(f"{self.path.stem}.partial.h5")
        self._arrays: dict[str, np.ndarray] = {}
        self._file: Any = None
        self._done: set[str] = set()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix == ".h5":
            self._open_partial(import_h5py(self.path))

    def _open_partial(self, h5py: Any) -> None:
        self._disk = _Disk(self._partial)
        try:
            kept = _whole_ids(h5py, self._disk, self.facts) if self._resume else None
        except FeatureError:
            self._disk.close()
            raise
        if kept is not None:
            self._file, self._done = h5py.File(self._disk, "r+"), kept
            return
        self._disk.truncate(0)
        self._file = h5py.File(self._disk, "w")
        self._file.attrs.update(self.facts)
        self._flush()

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, media_id: str, array: np.ndarray) -> None:
        """Store the frame vectors [T, D] of an id.

        Raises:
            FeatureError: an unusable or repeated id, a wrong shape, or values that are not numbers.
            CalvinError: the disk is full.
        """
        if media_id in self._done:
            if self._resume:
                return
            raise FeatureError(f"{media_id!r} was already written to {self.path.name}: ids must differ.")
        parts = media_id.split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise FeatureError(f"{media_id!r} cannot name features: use a relative path without . or .. parts.")
        if array.ndim != 2 or array.shape[1] != self.dim or len(array) < 1:
            raise FeatureError(
                f"Features of {media_id!r} have the shape {tuple(array.shape)}, not [frames, {self.dim}]."
            )
        values = _stored_as(self.dtype, media_id, array)
        if self._file is None:
            self._arrays[media_id] = values
        else:
            check_room(self.path, values.nbytes)
            try:
                self._file.create_dataset(media_id, data=values)
            except (ValueError, TypeError) as error:
                raise FeatureError(f"{media_id!r} clashes with another id in {self.path.name}.") from error
            self._flush()
        self._done.add(media_id)

    def close(self) -> None:
        """Put the finished file in its place.

        Raises:
            CalvinError: the disk is full, or refused in another way.
        """
        if self._file is None:
            check_room(self.path, sum(array.nbytes for array in self._arrays.values()))
            try:
                with atomic_path(self.path) as temporary:
                    save_file(self._arrays, temporary, metadata={key: str(value) for key, value in self.facts.items()})
            except SafetensorError as error:
                raise CalvinError(_refused(self.path, error)) from error
            return
        self._file.close()
        with self._disk:
            self._disk.check(self.path)
            os.fsync(self._disk.fileno())
        self._partial.replace(self.path)

    def abort(self) -> None:
        """Leave no file under its name; a resumable writer keeps its partial file."""
        if self._file is not None:
            self._file.close()
            self._disk.close()
            if not self._resume:
                self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        self._file.flush()
        self._disk.check(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


class _Disk(io.FileIO):
    """The file that HDF5 writes to. HDF5 cannot close a file whose disk refused a write, and crashes the interpreter
    when it ends. So HDF5 does not learn of it: the first error is kept for `check`, and nothing is written after it.

    Raises:
        CalvinError: another process is writing the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        self.refused: OSError | None = None
        try:
            lock(self.fileno(), path)
        except BaseException:
            self.close()
            raise

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        try:
            while left and self.refused is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.refused = error
        return memoryview(data).nbytes

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size) if self.refused is None else size or 0
        except OSError as error:
            self.refused = error
        return size or 0

    def check(self, path: Path) -> None:
        """
        Raises:
            CalvinError: the disk refused a write.
        """
        if self.refused is not None:
            raise CalvinError(_refused(path, self.refused)) from self.refused


def _refused(path: Path, error: Exception) -> str:
    return f"{path} could not be written ({error}): free some space, or name a place on another disk, and try again."


def _stored_as(dtype: np.dtype[Any], media_id: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(array, dtype=dtype)
    if not np.isfinite(values).all():
        raise FeatureError(f"Features of {media_id!r} hold values that are not numbers or exceed {dtype}.")
    return values


def _whole_ids(h5py: Any, partial: _Disk, facts: dict[str, Any]) -> set[str] | None:
    """Ids of a partial file of the same encoder; None where the crash left it unreadable.

    Raises:
        FeatureError: it belongs to another encoder or frame rate.
    """
    try:
        with h5py.File(partial, "r") as file:
            held, names = dict(file.attrs), set[str]()
            each_h5_name(file, names.add)
            if not all(np.isfinite(file[name][-1]).all() for name in names):
                return None
    except (OSError, RuntimeError, KeyError, ValueError):
        return None
    if not held:
        return None
    if any(held.get(key) != value for key, value in facts.items()):
        raise FeatureError(
            f"{partial.path} was begun with the encoder {held.get('encoder_id')}, not {facts['encoder_id']}, or at "
            "another frame rate: delete it to start again."
        )
    return names


class TarWriter:
    """Writes vectors and what is said of them to a webdataset tar; use as a context manager.

    `said` must hold caption, kind and question of an id by the time it is added.
    """

    def __init__(self, path: Path, fps: float, said: Mapping[str, Mapping[str, Any]]) -> None:
        self.path, self.fps, self.said = path, fps, said

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_path(self.path))
            self._tar = stack.enter_context(tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT))
            self._stack = stack.pop_all()
        return self

    def add(self, media_id: str, array: np.ndarray) -> None:
        """Store the frame vectors [T, D] of an id.

        Raises:
            FeatureError: values that are not numbers, or too long an id.
        """
        stream = io.BytesIO()
        np.save(stream, _stored_as(np.dtype(np.float16), media_id, array), allow_pickle=False)
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
        self._stack.__exit__(*error)
