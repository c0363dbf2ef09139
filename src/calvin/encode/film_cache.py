"""Stills and frame vectors of the films that are evaluated, each film decoded once and kept for the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from calvin.core.errors import DataError, MediaError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span
from calvin.core.types import FPS, FRAME_SIZE, FrameEncoder
from calvin.data import Features, FeatureStore
from calvin.encode.vectors import VectorMaker, write_film
from calvin.media.film.frames import FrameStore, FrameWriter
from calvin.media.film.sampling import LongerSide, iter_clip_frames


@dataclass
class FilmCache(Features):
    """The films `files` (by media id) as stills and, for an `encoder`, frame vectors, kept in `folder`.

    A film whose file has changed since is decoded again.

    Args:
        fps: stills per second that are kept.
        size: of the stills, where no vectors are made of them.
        folder_fps: rate of stills where films are folders of them (TVC: 3); by default `fps`.
    """

    folder: Path
    files: Mapping[str, Path]
    encoder: FrameEncoder | None = None
    fps: float = FPS
    folder_fps: float | None = None
    size: int | LongerSide = FRAME_SIZE
    _open: dict[str, FrameStore] = field(default_factory=dict, init=False)
    _vectors: dict[str, FeatureStore] = field(default_factory=dict, init=False)

    def prepare(self, wanted: Collection[str], listener: Listener = silent) -> None:
        """Decode what has not been decoded yet.

        Raises:
            DataError: a film is missing or cannot be read; all of them are counted.
        """
        trouble = {media_id: "there is no such file" for media_id in wanted if media_id not in self.files}
        stage = Stage("decode", listener, len(wanted), "films")
        for number, media_id in enumerate(wanted, 1):
            if media_id not in trouble and not self._ready(media_id):
                try:
                    self._decode(media_id)
                except MediaError as error:
                    trouble[media_id] = str(error)
            stage.update(number, media_id)
        if trouble:
            first, why = next(iter(trouble.items()))
            raise DataError(f"{len(trouble)} of {len(wanted)} films cannot be used, such as {first!r}: {why}")

    def frames(self, media_id: str) -> FrameStore | None:
        if media_id not in self._open and media_id in self.files:
            self._open[media_id] = FrameStore.open(self._stills(media_id))
        return self._open.get(media_id)

    def __contains__(self, media_id: object) -> bool:
        return media_id in self.files

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """Frame vectors of a span, float32 [k, D]."""
        if media_id not in self._vectors:
            assert self.encoder is not None
            path = self._features(media_id, self.encoder)
            self._vectors[media_id] = FeatureStore.open(path, expect_encoder=self.encoder.encoder)
        return self._vectors[media_id].scene(media_id, span, max_frames)

    def _ready(self, media_id: str) -> bool:
        stills = (self._stills(media_id) / "frames.json").is_file()
        return stills and (self.encoder is None or self._features(media_id, self.encoder).is_file())

    def _stills(self, media_id: str) -> Path:
        large = f"-{self.size.pixels}" if isinstance(self.size, LongerSide) else ""
        return self.folder / f"frames{large}" / self._stamped(media_id)

    def _features(self, media_id: str, encoder: FrameEncoder) -> Path:
        return self.folder / f"features-{encoder.encoder.hash[:12]}" / f"{self._stamped(media_id)}.safetensors"

    def _stamped(self, media_id: str) -> str:
        """A name that changes with the file, found without reading it."""
        about = self.files[media_id].stat()
        return f"{media_id}~{hashlib.sha256(f'{about.st_size} {about.st_mtime_ns}'.encode()).hexdigest()[:8]}"

    def _decode(self, media_id: str) -> None:
        maker = VectorMaker.of(self.encoder) if self.encoder else None
        folder = self._stills(media_id)
        folder.mkdir(parents=True, exist_ok=True)
        with FrameWriter(folder, self.fps) as writer:
            for _, rgb in iter_clip_frames(self.files[media_id], self.fps, self.size, self.folder_fps):
                writer.add(rgb)
                if maker:
                    maker.add(rgb)
        if maker and self.encoder:
            write_film(maker, self._features(media_id, self.encoder), media_id, self.encoder.encoder, self.fps)
