"""Stills and frame vectors of the films that are evaluated, each film decoded once and kept for the next run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from calvin.core.errors import DataError, MediaError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.time import Span
from calvin.core.types import FPS, FRAME_SIZE, EncoderIdentity
from calvin.data import FeatureStore, FeatureWriter
from calvin.media import FrameStore, FrameWriter, iter_clip_frames

_BATCH = 64


class Encoder(Protocol):
    """What makes frame vectors, and says whose they are (a captioner that reads them, for one)."""

    @property
    def encoder(self) -> EncoderIdentity: ...

    def encode_frames(self, rgb: np.ndarray) -> np.ndarray:
        """Frames uint8 RGB [N, H, W, 3] to vectors float32 [N, D]."""
        ...


@dataclass
class FilmCache:
    """The films `files` (by media id) as stills and, for an `encoder`, frame vectors, kept in `folder`.

    A film whose file has changed since is decoded again.

    Args:
        fps: stills a second that are kept.
        folder_fps: rate of stills where films are folders of them (TVC: 3); by default `fps`.
    """

    folder: Path
    files: Mapping[str, Path]
    encoder: Encoder | None = None
    fps: float = FPS
    folder_fps: float | None = None
    _open: dict[str, FrameStore] = field(default_factory=dict, init=False)
    _vectors: dict[str, FeatureStore] = field(default_factory=dict, init=False)

    def prepare(self, wanted: Collection[str], listener: Listener = silent) -> None:
        """Decode what has not been decoded yet.

        Raises:
            DataError: a film is not there, or cannot be read; all of them are counted.
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
            path = self._features(media_id)
            self._vectors[media_id] = FeatureStore.open(path, expect_encoder=self.encoder.encoder)
        return self._vectors[media_id].scene(media_id, span, max_frames)

    def _ready(self, media_id: str) -> bool:
        stills = (self._stills(media_id) / "frames.json").is_file()
        return stills and (self.encoder is None or self._features(media_id).is_file())

    def _stills(self, media_id: str) -> Path:
        return self.folder / "frames" / f"{media_id}~{self._stamp(media_id)}"

    def _features(self, media_id: str) -> Path:
        assert self.encoder is not None
        return (
            self.folder
            / f"features-{self.encoder.encoder.hash[:12]}"
            / f"{media_id}~{self._stamp(media_id)}.safetensors"
        )

    def _stamp(self, media_id: str) -> str:
        """Changes with the file, cheaply."""
        about = self.files[media_id].stat()
        return hashlib.sha256(f"{about.st_size} {about.st_mtime_ns}".encode()).hexdigest()[:8]

    def _decode(self, media_id: str) -> None:
        vectors: list[np.ndarray] = []
        folder = self._stills(media_id)
        folder.mkdir(parents=True, exist_ok=True)
        pictures = iter_clip_frames(self.files[media_id], self.fps, FRAME_SIZE, self.folder_fps)
        with FrameWriter(folder, self.fps) as writer:
            for batch in _batches(rgb for _, rgb in pictures):
                for rgb in batch:
                    writer.add(rgb)
                if self.encoder is not None:
                    vectors.append(self.encoder.encode_frames(np.stack(batch)))
        if self.encoder is not None:
            array = np.concatenate(vectors)
            identity = self.encoder.encoder
            path = self._features(media_id)
            with FeatureWriter(path, identity.id, identity.hash, self.fps, array.shape[1]) as features:
                features.add(media_id, array)


def _batches(pictures: Iterator[np.ndarray]) -> Iterator[list[np.ndarray]]:
    while batch := list(islice(pictures, _BATCH)):
        yield batch
