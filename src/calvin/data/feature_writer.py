"""Writing feature files: whole or absent, and resumable where there are many ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self

import h5py
import numpy as np
from safetensors.numpy import save_file

from calvin.core.errors import FeatureError
from calvin.core.files import atomic_path
from calvin.data.features import FORMAT


class FeatureWriter:
    """Writes arrays [T, D] by id to `.h5` or `.safetensors`; use as a context manager.

    The file appears under its name only when the block ends well. With `resume` (.h5), what was written before a crash
    waits in a partial file beside it: ids already there (`id in writer`) are kept, and adding them again does nothing.

    Args:
        fps: frames a second of the arrays.
        dim: their width D.
        dtype: float16 halves the file; the vectors of CLIP-like towers lose nothing that matters.

    Raises:
        FeatureError: a suffix that is neither, or a partial file of another encoder.
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
        self.facts: dict[str, Any] = {
            "calvin_format": FORMAT,
            "fps": float(fps),
            "encoder_id": encoder_id,
            "encoder_hash": encoder_hash,
            "dim": int(dim),
        }
        self._resume = resume and self.path.suffix == ".h5"
        self._partial = self.path.with_name(f"{self.path.stem}.partial.h5")
        self._arrays: dict[str, np.ndarray] = {}
        self._file: h5py.File | None = None
        self._done: set[str] = set()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix == ".h5":
            self._open_partial()

    def _open_partial(self) -> None:
        if self._resume and self._partial.is_file():
            kept = _whole_ids(self._partial, self.facts)
            if kept is not None:
                self._file, self._done = h5py.File(self._partial, "a"), kept
                return
        self._file = h5py.File(self._partial, "w")
        self._file.attrs.update(self.facts)
        self._file.flush()

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._done

    def __len__(self) -> int:
        return len(self._done)

    def add(self, media_id: str, array: np.ndarray) -> None:
        """Store the frame vectors [T, D] of an id.

        Raises:
            FeatureError: an unusable or repeated id, a wrong shape, or values that are not numbers.
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
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.ascontiguousarray(array, dtype=self.dtype)
        if not np.isfinite(values).all():
            raise FeatureError(f"Features of {media_id!r} hold values that are not numbers or exceed {self.dtype}.")
        if self._file is None:
            self._arrays[media_id] = values
        else:
            try:
                self._file.create_dataset(media_id, data=values)
            except (ValueError, TypeError) as error:
                raise FeatureError(f"{media_id!r} clashes with another id in {self.path.name}.") from error
            self._file.flush()
        self._done.add(media_id)

    def close(self) -> None:
        """Put the finished file in its place."""
        if self._file is None:
            with atomic_path(self.path) as temporary:
                save_file(self._arrays, temporary, metadata={key: str(value) for key, value in self.facts.items()})
            return
        self._file.close()
        with open(self._partial, "rb") as written:
            os.fsync(written.fileno())
        self._partial.replace(self.path)

    def abort(self) -> None:
        """Leave no file under its name; a resumable writer keeps its partial file."""
        if self._file is not None:
            self._file.close()
            if not self._resume:
                self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def _whole_ids(partial: Path, facts: dict[str, Any]) -> set[str] | None:
    """Ids of a partial file of the same encoder; None where the crash left it unreadable.

    Raises:
        FeatureError: it belongs to another encoder or frame rate.
    """
    names: set[str] = set()
    try:
        with h5py.File(partial, "r") as file:
            held = dict(file.attrs)
            file.visititems(lambda name, item: names.add(name) if isinstance(item, h5py.Dataset) else None)
            for name in names:
                if not np.isfinite(file[name][-1]).all():
                    return None
    except (OSError, RuntimeError, KeyError, ValueError):
        return None
    if not held:
        return None
    if any(held.get(key) != value for key, value in facts.items()):
        raise FeatureError(
            f"{partial} was begun with the encoder {held.get('encoder_id')}, not {facts['encoder_id']}, or at another "
            "frame rate: delete it to start anew."
        )
    return names
