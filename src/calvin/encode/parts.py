"""One part of a prepared data set: which items, how they are encoded, and the file they become."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from calvin.core.errors import DataError, FeatureError, MediaError
from calvin.core.files import atomic_path, file_sha256, write_json
from calvin.core.types import FRAME_SIZE
from calvin.data import DropReport, FeatureWriter
from calvin.data.readers.shards import IMAGES, VECTORS, TarSample, iter_shard, read_webdataset
from calvin.media import iter_clip_frames, read_image
from calvin.model import load_vision_tower
from calvin.model.vision import frame_vectors, prepare_pixels

Kind = Literal["films", "images", "frames", "shards"]
Form = Literal["h5", "tar"]


@dataclass(frozen=True)
class Plan:
    """How every part is made. `tower` and `out` are seen by all workers under these paths."""

    tower: str
    out: Path
    kind: Kind
    form: Form
    fps: float
    folder_fps: float | None
    batch: int
    encoder: tuple[str, str]
    dim: int

    @property
    def facts(self) -> dict[str, Any]:
        named = {"fps": self.fps, "encoder_id": self.encoder[0], "encoder_hash": self.encoder[1], "dim": self.dim}
        return {**named, "kind": self.kind, "form": self.form, "batch": self.batch, "folder_fps": self.folder_fps}


@dataclass(frozen=True)
class Part:
    """`items` are (media id, path); of shards, the one tar. `said` holds what is said of each id, for tars."""

    name: str
    items: tuple[tuple[str, str], ...]
    said: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def key(self, plan: Plan) -> str:
        """Changes with anything that changes the part."""
        states = [(media_id, _state(Path(path))) for media_id, path in self.items]
        told = json.dumps([plan.facts, states, sorted(self.said.items())], default=str)
        return hashlib.sha256(told.encode()).hexdigest()


def _state(path: Path) -> list[tuple[int, int]]:
    """Sizes and times of change of a file, or of a folder's files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)]


class Worker:
    """Makes parts, one at a time, on one thread."""

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(1)
        self.plan = plan
        module, self.image_processor = load_vision_tower(plan.tower)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.to(self.device).eval()

    def __call__(self, part: Part) -> str:
        plan, dropped, counts = self.plan, dict[str, list[str]](), [0, 0]

        def lose(reason: str, example: str) -> None:
            dropped.setdefault(reason, []).append(example)

        target = plan.out / f"{part.name}.{plan.form}"
        with _Sink(plan, target) as sink:
            for media_id, vectors in self._encoded(self._sources(part, sink.said, lose), lose):
                try:
                    sink.add(media_id, vectors)
                except FeatureError as error:
                    lose("vectors that cannot be kept", str(error))
                    continue
                counts[0] += 1
                counts[1] += len(vectors)
        if not counts[0]:
            target.unlink(missing_ok=True)
        written = {"bytes": target.stat().st_size, "sha256": file_sha256(target)} if counts[0] else {}
        facts = {"key": part.key(plan), "ids": counts[0], "frames": counts[1], "dropped": dropped}
        write_json(plan.out / f"{part.name}.json", {**facts, **written})
        return part.name

    def _sources(
        self, part: Part, said: dict[str, dict[str, Any]], lose: Callable[[str, str], None]
    ) -> Iterator[tuple[str, Iterator[np.ndarray]]]:
        """Each id with its pictures, uint8 [H, W, 3]; `said` is filled with what is said of it."""
        said.update(part.said)
        if self.plan.kind != "shards":
            for media_id, path in part.items:
                yield media_id, self._pictures(Path(path))
            return
        tar = Path(part.items[0][1])
        captions = {sample.id: sample for sample in read_webdataset(tar).samples}
        report = DropReport()
        for item in iter_shard(tar, report):
            if item.id not in captions or item.media in (None, VECTORS):
                lose("no picture or no caption", item.id)
                continue
            sample = captions[item.id]
            said[item.id] = {"caption": sample.caption, "kind": sample.kind, "question": sample.question}
            yield item.id, self._unpacked(item)
        for reason in report.dropped:
            lose(reason, str(tar))

    def _pictures(self, path: Path) -> Iterator[np.ndarray]:
        if self.plan.kind == "images" or (self.plan.kind == "shards" and path.suffix[1:] in IMAGES):
            yield read_image(path, FRAME_SIZE)
        else:
            for _, rgb in iter_clip_frames(path, self.plan.fps, FRAME_SIZE, self.plan.folder_fps):
                yield rgb

    def _unpacked(self, item: TarSample) -> Iterator[np.ndarray]:
        assert item.media is not None
        with tempfile.NamedTemporaryFile(suffix=f".{item.media}") as file:
            try:
                file.write(item.read(item.media))
                file.flush()
                yield from self._pictures(Path(file.name))
            except (MediaError, DataError) as error:
                raise MediaError(str(error).replace(file.name, f"{item.id}.{item.media}")) from error

    def _encoded(
        self, sources: Iterable[tuple[str, Iterator[np.ndarray]]], lose: Callable[[str, str], None]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Each id with its vectors [T, D]. Pictures fill batches across ids, so that every batch but the last is full;
        nothing but the vectors of a film is held."""
        waiting: deque[tuple[str, int, str]] = deque()
        rows: deque[np.ndarray] = deque()
        pixels: list[torch.Tensor] = []

        def ready() -> Iterator[tuple[str, np.ndarray]]:
            while waiting and waiting[0][1] <= len(rows):
                media_id, count, problem = waiting.popleft()
                vectors = [rows.popleft() for _ in range(count)]
                if problem or not count:
                    lose("unreadable" if problem else "no frames", problem or media_id)
                else:
                    yield media_id, np.stack(vectors)

        for media_id, pictures in sources:
            count, problem = 0, ""
            try:
                for rgb in pictures:
                    pixels.append(prepare_pixels(self.image_processor, np.array(rgb[None])))
                    count += 1
                    if len(pixels) == self.plan.batch:
                        rows.extend(self._forward(pixels))
                        pixels.clear()
            except MediaError as error:
                problem = str(error)
            waiting.append((media_id, count, problem))
            yield from ready()
        if pixels:
            rows.extend(self._forward(pixels))
        yield from ready()

    @torch.inference_mode()
    def _forward(self, pixels: list[torch.Tensor]) -> np.ndarray:
        parameter = next(self.module.parameters())
        batch = torch.cat(pixels).to(self.device, parameter.dtype)
        return frame_vectors(self.module, batch).float().cpu().numpy()


class _Sink:
    """The file of one part: there only when it is whole."""

    def __init__(self, plan: Plan, target: Path) -> None:
        self.plan, self.target = plan, target
        self.said: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> _Sink:
        if self.plan.form == "h5":
            self._writer = FeatureWriter(self.target, *self.plan.encoder, fps=self.plan.fps, dim=self.plan.dim)
        else:
            self._atomic = atomic_path(self.target)
            self._tar = tarfile.open(self._atomic.__enter__(), "w", format=tarfile.USTAR_FORMAT)
        return self

    def add(self, media_id: str, vectors: np.ndarray) -> None:
        if self.plan.form == "h5":
            self._writer.add(media_id, vectors)
            return
        halved = vectors.astype(np.float16)
        if not np.isfinite(halved).all():
            raise FeatureError(f"Vectors of {media_id!r} hold values that are not numbers.")
        array = io.BytesIO()
        np.save(array, halved, allow_pickle=False)
        values = {name: value for name, value in self.said[media_id].items() if value is not None}
        # The name of a tar's sample ends at its first dot. A shard's ids begin with its name, which the reader adds.
        key = media_id.removeprefix(f"{self.target.stem}/").replace("%", "%25").replace(".", "%2E")
        self._put(f"{key}.json", json.dumps({"id": media_id, "fps": self.plan.fps, **values}).encode())
        self._put(f"{key}.{VECTORS}", array.getvalue())

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)  # no time and no owner, so that equal parts are equal files
        member.size = len(data)
        try:
            self._tar.addfile(member, io.BytesIO(data))
        except ValueError as error:
            raise FeatureError(f"{name!r} is too long a name for a tar.") from error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self.plan.form == "h5":
            self._writer.__exit__(kind, error, trace)
        else:
            self._tar.close()
            self._atomic.__exit__(kind, error, trace)
