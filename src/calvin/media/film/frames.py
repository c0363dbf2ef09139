"""The small stills of a film: JPEGs packed into one file, with an index beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from PIL import Image

from calvin.core.errors import MediaError
from calvin.core.files import atomic_path, write_json
from calvin.core.time import Span, round_half_up, sample_indices
from calvin.core.types import Frame

BLOB = "frames.jpegs"
INDEX = "frames.json"
JPEG_QUALITY = 85


class FrameWriter:
    """Packs pictures into a folder; nothing is there unless the `with` block ends well."""

    def __init__(self, folder: str | Path, fps: float) -> None:
        self._folder = Path(folder)
        self._fps = fps
        self._offsets = [0]
        self._last: tuple[np.ndarray, bytes] | None = None
        self._height = self._width = 0

    def __enter__(self) -> Self:
        self._atomic: AbstractContextManager[Path] = atomic_path(self._folder / BLOB)
        self._stream: IO[bytes] = open(self._atomic.__enter__(), "wb")
        return self

    def add(self, rgb: np.ndarray) -> None:
        """Append a picture, uint8 [H, W, 3]; one given twice in a row is compressed once."""
        if self._last is None or self._last[0] is not rgb:
            self._last = (rgb, encode_jpeg(rgb))
        self._height, self._width = rgb.shape[:2]
        self._stream.write(self._last[1])
        self._offsets.append(self._offsets[-1] + len(self._last[1]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if kind is None:
            # Without its index the old blob is nothing, so that an old index never meets a new blob.
            (self._folder / INDEX).unlink(missing_ok=True)
        self._atomic.__exit__(kind, error, trace)
        if kind is None:
            index = {"fps": self._fps, "height": self._height, "width": self._width, "offsets": self._offsets}
            write_json(self._folder / INDEX, index)


class FrameStore:
    """Reads the stills that `FrameWriter` packed. Picture i was on screen at i / fps seconds."""

    def __init__(self, blob: Path, fps: float, height: int, width: int, offsets: Sequence[int]) -> None:
        self._blob = blob
        self._offsets = offsets
        self.fps = fps
        self.height = height
        self.width = width

    @classmethod
    def open(cls, folder: str | Path) -> FrameStore:
        """
        Raises:
            MediaError: the folder holds no stills, or not all of them.
        """
        blob, index = Path(folder) / BLOB, Path(folder) / INDEX
        try:
            values = json.loads(index.read_text(encoding="utf-8"))
            store = cls(blob, float(values["fps"]), values["height"], values["width"], values["offsets"])
            size = blob.stat().st_size
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MediaError(f"{folder} holds no readable film frames: decode the film again.") from error
        if store._offsets[-1] != size:
            raise MediaError(f"The frames in {folder} are incomplete: decode the film again.")
        return store

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @property
    def times_ms(self) -> list[int]:
        return [self.time_ms(index) for index in range(len(self))]

    def time_ms(self, index: int) -> int:
        return round_half_up(index * 1000 / self.fps)

    def jpeg(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(index)
        with open(self._blob, "rb") as stream:
            stream.seek(self._offsets[index])
            return stream.read(self._offsets[index + 1] - self._offsets[index])

    def rgb(self, index: int) -> np.ndarray:
        """uint8 [H, W, 3]."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg(index))).convert("RGB"))

    def frames_between(self, span: Span, count: int | None = None) -> list[Frame]:
        """The stills of a span, at least one, in order; at most `count` spread evenly where given."""
        first, last = span.frame_range(self.fps, len(self))
        chosen = range(first, last) if count is None else sample_indices(first, last, count)
        return [Frame(self.time_ms(index), self.jpeg(index)) for index in chosen]


def encode_jpeg(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """uint8 RGB [H, W, 3] to JPEG."""
    import cv2  # not at the top, because only making stills needs it, not showing them

    # The same bytes as Pillow writes, in a third of the time.
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MediaError(f"A picture of {rgb.shape[1]} x {rgb.shape[0]} cannot be compressed.")
    return data.tobytes()
