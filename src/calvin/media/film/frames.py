"""The small stills of a film: JPEGs packed into one file, with an index beside it."""

from __future__ import annotations

import bisect
import io
import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from calvin.core.config import FrozenConfig
from calvin.core.errors import MediaError
from calvin.core.files import atomic_path, write_json
from calvin.core.time import Span, round_half_up, sample_indices
from calvin.core.types import Frame

BLOB = "frames.jpegs"
INDEX = "frames.json"
JPEG_QUALITY = 85


class _Index(FrozenConfig):
    """What `frames.json` holds."""

    fps: float = Field(gt=0, allow_inf_nan=False)
    height: int = Field(ge=0)
    width: int = Field(ge=0)
    offsets: tuple[int, ...] = Field(min_length=1)
    shown: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _fit(self) -> Self:
        ascending = self.offsets[0] == 0 and all(a <= b for a, b in itertools.pairwise(self.offsets))
        counted = self.shown is None or (len(self.shown) == len(self.offsets) - 1 and all(n > 0 for n in self.shown))
        if not (ascending and counted):
            raise ValueError("offsets or counts that cannot be")
        return self


class FrameWriter:
    """Packs pictures into a folder; nothing is there unless the `with` block ends well."""

    def __init__(self, folder: str | Path, fps: float) -> None:
        self._folder = Path(folder)
        self._fps = fps
        self._offsets = [0]
        self._shown: list[int] = []
        self._last: np.ndarray | None = None
        self._height = self._width = 0

    def __enter__(self) -> Self:
        self._atomic: AbstractContextManager[Path] = atomic_path(self._folder / BLOB)
        self._stream: IO[bytes] = open(self._atomic.__enter__(), "wb")
        return self

    def add(self, rgb: np.ndarray) -> None:
        """Append a picture, uint8 [H, W, 3]; one given several times in a row is kept once."""
        if self._last is rgb:
            self._shown[-1] += 1
            return
        self._last = rgb
        jpeg = encode_jpeg(rgb)
        self._height, self._width = rgb.shape[:2]
        self._stream.write(jpeg)
        self._offsets.append(self._offsets[-1] + len(jpeg))
        self._shown.append(1)

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
            if len(self._shown) < sum(self._shown):
                index["shown"] = self._shown
            write_json(self._folder / INDEX, index)


class FrameStore:
    """Reads the stills that `FrameWriter` packed. Picture i was on screen at i / fps seconds.

    Still k lies in the blob from `offsets[k]` to `offsets[k + 1]`, and is the next `shown[k]` pictures (by default 1).
    """

    def __init__(
        self,
        blob: Path,
        fps: float,
        height: int,
        width: int,
        offsets: Sequence[int],
        shown: Sequence[int] | None = None,
    ) -> None:
        self._blob = blob
        self._offsets = offsets
        self._ends = list(itertools.accumulate(shown)) if shown else range(1, len(offsets))
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
            values = _Index.model_validate_json(index.read_bytes())
            size = blob.stat().st_size
        except (OSError, ValueError) as error:
            raise MediaError(f"{folder} holds no readable film frames: decode the film again.") from error
        if values.offsets[-1] != size:
            raise MediaError(f"The frames in {folder} are incomplete: decode the film again.")
        return cls(blob, values.fps, values.height, values.width, values.offsets, values.shown)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def times_ms(self) -> list[int]:
        return [self.time_ms(index) for index in range(len(self))]

    def time_ms(self, index: int) -> int:
        return round_half_up(index * 1000 / self.fps)

    def jpeg(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(index)
        still = bisect.bisect_right(self._ends, index)
        with open(self._blob, "rb") as stream:
            stream.seek(self._offsets[still])
            return stream.read(self._offsets[still + 1] - self._offsets[still])

    def rgb(self, index: int) -> np.ndarray:
        """uint8 [H, W, 3]."""
        return np.asarray(Image.open(io.BytesIO(self.jpeg(index))).convert("RGB"))

    def frames_between(self, span: Span, count: int | None = None) -> list[Frame]:
        """The stills of a span, at least one, in order; at most `count` spread evenly where given."""
        first, last = span.frame_range(self.fps, len(self))
        chosen = range(first, last) if count is None else sample_indices(first, last, count)
        return [Frame(self.time_ms(index), self.jpeg(index)) for index in chosen]


def longer_side(jpeg: bytes) -> int:
    """Of a still, in pixels, found without unpacking it.

    Raises:
        MediaError: it is no picture.
    """
    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            return max(image.size)
    except OSError as error:
        raise MediaError(f"A still cannot be read ({error}): decode the film again.") from error


def shrunk(frame: Frame, longest: int) -> Frame:
    """A still whose longer side is `longest` pixels at most; one that is no larger stays as it is.

    Raises:
        MediaError: it is no picture.
    """
    largest = longer_side(frame.jpeg)
    if largest <= longest:
        return frame
    with Image.open(io.BytesIO(frame.jpeg)) as image:
        size = [max(1, round_half_up(side * longest / largest)) for side in image.size]
        small = image.convert("RGB").resize((size[0], size[1]), Image.Resampling.BOX)
    return Frame(frame.time_ms, encode_jpeg(np.asarray(small)))


def encode_jpeg(rgb: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """uint8 RGB [H, W, 3] to JPEG."""
    import cv2  # not at the top, because only making stills needs it, not showing them

    # The same bytes as Pillow writes, in a third of the time.
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise MediaError(f"A picture of {rgb.shape[1]} x {rgb.shape[0]} cannot be compressed.")
    return data.tobytes()
