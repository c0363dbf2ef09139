"""Films, clips, stills or folders of frames through a vision tower into one feature file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from calvin.core.errors import DataError, MediaError, UsageError
from calvin.core.prefetch import ahead
from calvin.core.progress import Listener, Stage, silent
from calvin.core.types import FPS, FRAME_SIZE
from calvin.data import DropReport, FeatureWriter, media_id_of
from calvin.media import iter_clip_frames, read_image
from calvin.media.film.clips import IMAGE_SUFFIXES
from calvin.model import encode_images, load_vision_tower
from calvin.model.pretrained import identity_of
from calvin.model.vision import vector_width

Kind = Literal["films", "images", "frames"]
FILMS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"})
_BATCH = 64
_AHEAD = 8


@dataclass
class FeaturesReport:
    """What was written: ids in the file, frames encoded now, ids kept from an earlier run, and what was dropped."""

    path: Path
    written: int = 0
    frames: int = 0
    kept: int = 0
    drops: DropReport = field(default_factory=DropReport)


@dataclass(frozen=True, slots=True)
class _Item:
    media_id: str
    path: Path


def make_features(
    source: str | Path,
    tower: str | Path,
    output: str | Path,
    kind: Kind = "films",
    fps: float = FPS,
    folder_fps: float | None = None,
    listener: Listener = silent,
) -> FeaturesReport:
    """Encode everything below `source` and write it to `output` (.h5 or .safetensors).

    An id is a file's path below `source` without its suffix; for frame folders, the folder's. A file that cannot be
    read is dropped and counted. An .h5 that was interrupted is gone on with.

    Args:
        tower: folder or id of a vision model, or of a CALVIN that holds one.
        kind: "films" are sampled at `fps`; each of "images" is one frame; "frames" are folders of numbered stills.
        folder_fps: rate at which the stills in frame folders were taken; by default `fps` itself.

    Raises:
        UsageError: an unknown kind, or a rate that is not one.
        DataError: nothing there can be used.
        CheckpointError: the tower cannot be used.
    """
    if kind not in get_args(Kind) or not fps > 0:
        raise UsageError(f"Features are made of films, images or frames at a rate above 0, not of {kind} at {fps:g}.")
    items = find_media(Path(source), kind)
    module, image_processor = load_vision_tower(tower)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    module = module.to(device)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster
    identity = identity_of(module, tower)
    report = FeaturesReport(Path(output))
    report.drops.read = len(items)

    def encode(rgb: np.ndarray) -> np.ndarray:
        return encode_images(module, image_processor, rgb, _BATCH)

    with FeatureWriter(output, *identity, fps=fps, dim=vector_width(module.config), resume=True) as writer:
        todo = [item for item in items if item.media_id not in writer]
        report.kept = len(items) - len(todo)
        stage = Stage("encode", listener, len(items), kind, kept=report.kept)
        for number, (item, found) in enumerate(_encoded(todo, kind, fps, folder_fps, encode), report.kept + 1):
            if isinstance(found, MediaError):
                report.drops.drop("unreadable", str(found))
            else:
                writer.add(item.media_id, found)
                report.frames += len(found)
            stage.update(number, item.media_id)
        report.written = len(writer)
        if not report.written:
            reason = next(iter(report.drops.examples.get("unreadable", [])), "")
            raise DataError(f"Not one of the {len(items)} {kind} in {source} could be encoded. {reason}".strip())
    return report


def find_media(source: Path, kind: Kind) -> list[_Item]:
    """The media below a folder (or the one file), in order of their ids.

    Raises:
        DataError: there are none, or two would have one id.
    """
    if not source.exists():
        raise DataError(f"{source} is not there: name a file or folder of {kind}.")
    suffixes = FILMS if kind == "films" else IMAGE_SUFFIXES
    paths = [source] if source.is_file() else [p for p in source.rglob("*") if p.suffix.lower() in suffixes]
    if kind == "frames":
        paths = list({path.parent for path in paths}) if source.is_dir() else []
    base = source.parent if source.is_file() or paths == [source] else source
    shown = [path for path in paths if not path.name.startswith(".")]
    named = [(path.relative_to(base).as_posix(), path) for path in shown]
    items = [_Item(name if kind == "frames" else media_id_of(name), path) for name, path in named]
    items.sort(key=lambda item: item.media_id)
    if not items:
        raise DataError(f"There are no {kind} in {source}: name their folder, and with --kind what they are.")
    for one, other in pairwise(items):
        if one.media_id == other.media_id:
            raise DataError(f"{one.path} and {other.path} would share the id {one.media_id!r}: rename one of them.")
    return items


def _encoded(
    items: list[_Item], kind: Kind, fps: float, folder_fps: float | None, encode: Callable[[np.ndarray], np.ndarray]
) -> Iterator[tuple[_Item, np.ndarray | MediaError]]:
    """Each item with its vectors [T, D], or with what was wrong with it."""
    if kind == "films":
        # A film may be long: its frames are encoded as they come and never held together.
        vectors: list[np.ndarray] = []
        for item, piece in ahead(_film_pieces(items, fps), _AHEAD):
            if isinstance(piece, np.ndarray):
                vectors.append(encode(piece))
                continue
            yield item, piece or np.concatenate(vectors)
            vectors = []
        return

    def read(item: _Item) -> np.ndarray | MediaError:
        try:
            if kind == "images":
                return read_image(item.path, FRAME_SIZE)[None]
            return np.stack([rgb for _, rgb in iter_clip_frames(item.path, fps, FRAME_SIZE, folder_fps)])
        except MediaError as error:
            return error

    for group in _grouped(items, read, _BATCH if kind == "images" else 1):
        yield from _encode_group(group, encode)


def _film_pieces(items: list[_Item], fps: float) -> Iterator[tuple[_Item, np.ndarray | MediaError | None]]:
    """The frames of each film in batches [N, H, W, 3], then None, or what was wrong with it."""
    for item in items:
        try:
            frames = (rgb for _, rgb in iter_clip_frames(item.path, fps, FRAME_SIZE))
            while batch := list(islice(frames, _BATCH)):
                yield item, np.stack(batch)
            yield item, None
        except MediaError as error:
            yield item, error


_Read = tuple[_Item, "np.ndarray | MediaError"]


def _grouped(items: list[_Item], read: Callable[[_Item], np.ndarray | MediaError], size: int) -> Iterator[list[_Read]]:
    """Items read ahead by threads, in order, in lists of `size`."""
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[tuple[_Item, Future[np.ndarray | MediaError]]] = deque()
        rest, group = iter(items), list[_Read]()
        ahead = max(_AHEAD, 2 * size)
        waiting.extend((item, pool.submit(read, item)) for item in islice(rest, ahead))
        while waiting:
            item, future = waiting.popleft()
            group.append((item, future.result()))
            waiting.extend((item, pool.submit(read, item)) for item in islice(rest, 1))
            if len(group) == size or not waiting:
                yield group
                group = []


def _encode_group(group: list[_Read], encode: Callable[[np.ndarray], np.ndarray]) -> Iterator[_Read]:
    """One forward pass for neighbours of one picture size."""
    for _, run in groupby(group, key=lambda pair: getattr(pair[1], "shape", (0, 0))[1:3]):
        pairs = list(run)
        arrays = [found for _, found in pairs if isinstance(found, np.ndarray)]
        vectors = encode(np.concatenate(arrays)) if arrays else None
        at = 0
        for item, found in pairs:
            if isinstance(found, MediaError):
                yield item, found
            else:
                assert vectors is not None
                yield item, vectors[at : at + len(found)]
                at += len(found)
