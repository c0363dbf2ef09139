"""Reading of feature files: their ids, what they say of themselves, and their arrays from where they lie."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from calvin.core.errors import DataError, FeatureError, MissingExtraError
from calvin.data.readers.shards import VECTORS, TarSample, iter_shard
from calvin.data.samples import DropReport

FORMAT = "features-1"
FACTS = ("calvin_format", "fps", "encoder_id", "encoder_hash", "dim")
UNREADABLE = (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError, MemoryError)
"""What the libraries raise at files that are damaged or cut short."""
_MOST_PACKED = 1000  # times its size that an array may unpack to; zeros gain about as much by HDF5's compression
MANIFEST = "prepared.json"
"""What a prepared folder says of itself: fps, encoder_id, encoder_hash, dim, and what was left out."""


class FeatureFile(Protocol):
    """An open feature file: its ids, its facts, and its arrays."""

    names: Sequence[str]
    facts: dict[str, Any]
    report: DropReport
    """What of the file is lost."""

    def each(self, take: Callable[[str], None]) -> None:
        """Hand over every id, also of a file that was opened without listing them."""
        ...

    def array(self, media_id: str) -> tuple[Any, tuple[int, ...]]:
        """The array of an id, not yet read ([T, D] in a sound file; slicing it reads), and its shape."""
        ...

    def close(self) -> None: ...


def open_file(path: Path, listed: bool = True) -> FeatureFile:
    """
    Args:
        listed: whether `names` is needed; listing millions takes minutes.

    Raises:
        FeatureError: there is no such file, or it is not a feature file.
        MissingExtraError: it is an .h5, and h5py is not installed.
    """
    if not path.is_file():
        raise FeatureError(f"{path} does not exist: make features with `calvin data features`.")
    kinds: dict[str, Callable[[Path], FeatureFile]] = {".safetensors": _Safetensors, ".tar": TarOfVectors}
    with _plain_errors(path):
        file, names = kinds.get(path.suffix, _H5)(path), list[str]()
        if listed:
            try:
                file.each(names.append)
            except BaseException:
                file.close()
                raise
            file.names = tuple(names)
        return file


def each_name(file: FeatureFile, path: Path, take: Callable[[str], None]) -> None:
    """`file.each`, with the errors of `open_file`."""
    with _plain_errors(path):
        file.each(take)


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise FeatureError(f"{path} may not be read: ask its owner for the permission.") from error
    except UNREADABLE as error:
        if _is_in_use(error):
            raise FeatureError(f"{path} is being written by another process: wait until that has ended.") from error
        raise FeatureError(f"{path} is not a feature file (.h5 or .safetensors), or it is cut short.") from error


def _is_in_use(error: BaseException) -> bool:
    """Whether HDF5 could not lock a file, because another process has."""
    return isinstance(error, BlockingIOError) or "unable to lock file" in str(error)


class _Safetensors:
    names: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._file = safe_open(path, framework="numpy")
        self.facts = dict(self._file.metadata() or {})
        self.report = DropReport()

    def each(self, take: Callable[[str], None]) -> None:
        for name in sorted(self._file.keys()):
            take(name)

    def array(self, media_id: str) -> tuple[Any, tuple[int, ...]]:
        stored = self._file.get_slice(media_id)
        return stored, tuple(stored.get_shape())

    def close(self) -> None:
        pass


class _H5:
    names: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, import_h5py(path).File(path, "r")
        self.facts = dict(self._file.attrs)
        self.report = DropReport()

    def each(self, take: Callable[[str], None]) -> None:
        """
        Raises:
            FeatureError: an id is not text.
        """
        strange: list[bytes] = []
        # h5py gives what is not UTF-8 as bytes.
        each_h5_name(self._file, lambda name: take(name) if isinstance(name, str) else strange.append(name))
        if strange:
            raise FeatureError(f"{self._path} is damaged: an id in it is not text. Make the features again.")

    def array(self, media_id: str) -> tuple[Any, tuple[int, ...]]:
        """
        Raises:
            FeatureError: not an array of numbers that lies in this file, or larger than anything the file can hold.
        """
        try:
            stored = self._file[media_id]
            numbers = stored.dtype.kind in "fiu" and not stored.is_virtual and not stored.external
            packed = stored.id.get_storage_size()
            if numbers and stored.size * stored.dtype.itemsize <= _MOST_PACKED * packed:
                return stored, tuple(stored.shape)
        except UNREADABLE as error:
            raise FeatureError(f"Features of {media_id!r} cannot be read: {error}.") from error
        raise FeatureError(f"Features of {media_id!r} are not numbers that lie in their file: make them again.")

    def close(self) -> None:
        self._file.close()


class TarOfVectors:
    """Vectors as `.npy` in a webdataset tar, read from where they lie; the facts are those of its folder."""

    names: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path, self._items = path, dict[str, TarSample]()
        try:
            facts = json.loads((path.parent / MANIFEST).read_text(encoding="utf-8"))
            self.facts = {"calvin_format": FORMAT, **facts}
        except (OSError, ValueError, TypeError) as error:
            raise FeatureError(
                f"{path.parent} holds tars but no {MANIFEST} that says what their vectors are: prepare it again."
            ) from error
        self.report = DropReport()

    def each(self, take: Callable[[str], None]) -> None:
        for item in self.items():
            self._items[item.id] = item
        for name in self._items:
            take(name)

    def items(self) -> Iterator[TarSample]:
        """What lies where in the tar."""
        return (item for item in iter_shard(self._path, self.report) if VECTORS in item.members)

    def array(self, media_id: str) -> tuple[Any, tuple[int, ...]]:
        return self.array_of(self._items[media_id], media_id)

    @staticmethod
    def array_of(item: TarSample, media_id: str) -> tuple[Any, tuple[int, ...]]:
        """The vectors of a tar's item, and their shape.

        Raises:
            FeatureError: not an array, or cut short.
        """
        try:
            array = np.load(io.BytesIO(item.read(VECTORS)), allow_pickle=False)
        except (*UNREADABLE, EOFError, DataError) as error:
            raise FeatureError(f"Features of {media_id!r} cannot be read: {error}.") from error
        return array, array.shape

    def close(self) -> None:
        pass


def import_h5py(path: Path) -> Any:
    """
    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"Reading or writing {path.name}", "train", "h5py is not installed") from error
    return h5py


def each_h5_name(file: Any, take: Callable[[str], None]) -> None:
    """An id with slashes, such as WebVid's, lies in nested groups; only what has a shape is an array."""
    file.visititems(lambda name, item: take(name) if hasattr(item, "shape") else None)
