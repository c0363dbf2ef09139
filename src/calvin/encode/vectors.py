"""The one maker of frame vectors: pictures of whatever media through a vision tower, in batches that are full."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import chain, groupby, pairwise
from mimetypes import guess_type
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch

from calvin.core.errors import DataError, FeatureError, MediaError, UsageError
from calvin.core.prefetch import ahead, ahead_each
from calvin.core.progress import Listener, Stage, silent
from calvin.core.types import FPS, FRAME_SIZE, IMAGE_SUFFIXES, EncoderIdentity, FrameEncoder
from calvin.data import DropReport, FeatureWriter, media_id_of
from calvin.data.feature_files import TarWriter
from calvin.encode import Kind
from calvin.media.film.sampling import iter_clip_frames, read_image
from calvin.model import load_vision_tower
from calvin.model.pretrained import identity_of
from calvin.model.vision import frame_vectors, prepare_pixels, vector_width

FILMS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"})
BATCH = 64
_FOLDERS_AHEAD = 8


class Item(NamedTuple):
    """A film, an image or a folder of frames, by its id."""

    media_id: str
    path: Path


def find_media(source: Path, kind: str, drops: DropReport | None = None) -> list[Item]:
    """The media below a folder (or the one file), in order of their ids.

    Args:
        drops: counts pictures and films of forms that are not read.

    Raises:
        DataError: there are none, or two would have one id.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist: name a file or folder of {kind}.")
    suffixes = FILMS if kind == "films" else IMAGE_SUFFIXES
    found = [source] if source.is_file() else [path for path in source.rglob("*") if not path.name.startswith(".")]
    paths = found if source.is_file() else [path for path in found if path.suffix.lower() in suffixes]
    if kind == "frames":
        paths = list({path.parent for path in paths}) if source.is_dir() else []
    elif drops is not None and source.is_dir():
        media = "video/" if kind == "films" else "image/"
        for path in sorted(set(found) - set(paths)):
            if (guess_type(path.name)[0] or "").startswith(media) and path.is_file():
                drops.read += 1
                drops.drop(f"{kind} of a form that is not read", str(path))
    base = source.parent if source.is_file() or paths == [source] else source
    named = [(path.relative_to(base).as_posix(), path) for path in paths if not path.name.startswith(".")]
    items = sorted(Item(name if kind == "frames" else media_id_of(name), path) for name, path in named)
    if not items:
        raise DataError(f"There are no {kind} in {source}: name their folder, and with --kind what they are.")
    for one, other in pairwise(items):
        if one.media_id == other.media_id:
            raise DataError(f"{one.path} and {other.path} would share the id {one.media_id!r}: rename one of them.")
    return items


Pictures = Iterable[tuple[str, "np.ndarray | str"]]
"""Media ids with a picture, uint8 RGB [H, W, 3], each; then once with the problem that ended the id, or ''."""


def pictures_of(media_id: str, pictures: Iterable[np.ndarray]) -> Pictures:
    """The pictures, uint8 RGB [H, W, 3], of an id as a stream that no unreadable file breaks."""
    try:
        for picture in pictures:
            yield media_id, picture
        yield media_id, ""
    except MediaError as error:
        yield media_id, str(error)


def read_media(path: Path, kind: str, fps: float, folder_fps: float | None) -> Iterator[np.ndarray]:
    """The pictures, uint8 RGB [H, W, 3], of a film, an image or a folder of frames.

    Raises:
        MediaError: it cannot be read.
    """
    if kind == "images":
        yield read_image(path, FRAME_SIZE)
    else:
        for _, rgb in iter_clip_frames(path, fps, FRAME_SIZE, folder_fps):
            yield rgb


def _read_ahead(items: Sequence[Item], kind: Kind, read: Callable[[Path], Iterator[np.ndarray]]) -> Pictures:
    """The pictures of all items, uint8 RGB [H, W, 3], read while the tower is busy."""

    def stream(item: Item) -> Pictures:
        return pictures_of(item.media_id, read(item.path))

    if kind == "films":  # may be long: read picture by picture
        return ahead(iter(chain.from_iterable(map(stream, items))), 2 * BATCH)
    depth = 2 * BATCH if kind == "images" else _FOLDERS_AHEAD
    return chain.from_iterable(ahead_each(lambda item: list(stream(item)), items, depth))


Encode = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Pictures, each uint8 RGB [H, W, 3] of its own size, to vectors float32 [N, D]."""


class Tower:
    """A vision tower, on the GPU where there is one, as an `Encode` of pictures [H, W, 3] of any sizes to [N, D].

    Raises:
        CheckpointError: the tower cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = path
        module, self._image_processor = load_vision_tower(path)
        self._module = module.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        self._module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a quarter faster
        self.dim = vector_width(module.config)

    @cached_property
    def encoder(self) -> EncoderIdentity:
        """Whose vectors [D] these are."""
        return identity_of(self._module, self._path)

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Vectors float32 [N, D] of N pictures, each uint8 RGB [H, W, 3]."""
        stacks = [np.stack(list(run)) for _, run in groupby(pictures, key=np.shape)]
        prepared = [prepare_pixels(self._image_processor, stack) for stack in stacks]
        weight = next(self._module.parameters())
        made = []
        # One forward pass, but for a tower that does not bring all pictures to one size.
        for _, run in groupby(prepared, key=lambda pixels: pixels.shape[1:]):
            pixels = torch.cat(list(run)).to(weight.device, weight.dtype)
            made.append(frame_vectors(self._module, pixels).float().cpu())
        return torch.cat(made).numpy()


class Vectors(NamedTuple):
    """What became of an id: vectors float16 [T, D], or the problem that keeps them from being used."""

    media_id: str
    array: np.ndarray
    problem: str = ""


class VectorMaker:
    """Pictures go in one by one, the vectors of whole ids come out.

    A batch takes in the pictures of one id after another, so that images fill it as a film does and only the last is
    short. Of a film nothing is held but its vectors.
    """

    def __init__(self, encode: Encode, batch: int = BATCH) -> None:
        self._encode, self._batch = encode, batch
        self._pictures: list[np.ndarray] = []
        self._shown: list[int] = []
        self._rows: deque[np.ndarray] = deque()
        self._ended: deque[tuple[str, int, str]] = deque()
        self._count = 0

    @classmethod
    def of(cls, encoder: FrameEncoder) -> VectorMaker:
        """A maker of vectors [T, D] by an encoder that takes frames of one size at a time."""
        return cls(
            lambda pictures: np.concatenate(
                [encoder.encode_frames(np.stack(list(run))) for _, run in groupby(pictures, key=np.shape)]
            )
        )

    def add(self, picture: np.ndarray) -> None:
        """The next picture, uint8 RGB [H, W, 3], of the id that `end` will name; the same one again costs nothing."""
        self._count += 1
        if self._pictures and picture is self._pictures[-1]:
            self._shown[-1] += 1
            return
        self._pictures.append(picture)
        self._shown.append(1)
        if len(self._pictures) == self._batch:
            self._flush()

    def extend(self, pictures: Iterable[np.ndarray]) -> None:
        """The next pictures, each uint8 RGB [H, W, 3]."""
        for picture in pictures:
            self.add(picture)

    def end(self, media_id: str, problem: str = "") -> Iterator[Vectors]:
        """The pictures since the last end are this id's; gives the ids whose vectors, [T, D] each, are whole by now."""
        self._ended.append((media_id, self._count, problem))
        self._count = 0
        return self._whole()

    def finish(self) -> Iterator[Vectors]:
        """The ids whose vectors, [T, D] each, waited for a batch to fill."""
        if self._pictures:
            self._flush()
        return self._whole()

    def run(self, stream: Pictures) -> Iterator[Vectors]:
        """The vectors [T, D] of all ids of a stream, in its order."""
        for media_id, found in stream:
            if isinstance(found, str):
                yield from self.end(media_id, found)
            else:
                self.add(found)
        yield from self.finish()

    def _flush(self) -> None:
        vectors = self._encode(self._pictures).astype(np.float16)  # as files hold them
        self._rows.extend(np.repeat(vectors, self._shown, axis=0))
        self._pictures, self._shown = [], []

    def _whole(self) -> Iterator[Vectors]:
        while self._ended and self._ended[0][1] <= len(self._rows):
            media_id, count, problem = self._ended.popleft()
            rows = [self._rows.popleft() for _ in range(count)]
            yield Vectors(media_id, np.stack(rows) if rows else np.empty((0, 0), np.float16), problem)


def write_film(maker: VectorMaker, path: Path, media_id: str, encoder: EncoderIdentity, fps: float) -> None:
    """The feature file of one film, [T, D], whose pictures `maker` was given."""
    (vectors,) = chain(maker.end(media_id), maker.finish())
    with FeatureWriter(path, *encoder, fps, vectors.array.shape[1]) as writer:
        writer.add(media_id, vectors.array)


def write_vectors(
    stream: Pictures,
    encode: Encode,
    writer: FeatureWriter | TarWriter,
    lose: Callable[[str, str], None],
    batch: int = BATCH,
) -> Iterator[tuple[str, int]]:
    """Encode a stream of pictures into a file of vectors [T, D]; gives each finished id and how many frames were kept.

    `lose` is called with a reason and an example for what cannot be kept.
    """
    for media_id, array, problem in VectorMaker(encode, batch).run(stream):
        count = 0
        if problem or not len(array):
            lose("unreadable" if problem else "no frames", problem or media_id)
        else:
            try:
                writer.add(media_id, array)
                count = len(array)
            except FeatureError as error:
                lose("vectors that cannot be kept", str(error))
        yield media_id, count


@dataclass
class EncodingReport:
    """What lies at `path` now: `ids`, `parts`; `frames` encoded; `kept` ids or parts of an earlier run; what failed."""

    path: Path
    ids: int = 0
    frames: int = 0
    parts: int = 1
    kept: int = 0
    drops: DropReport = field(default_factory=DropReport)


def make_features(
    source: str | Path,
    tower: str | Path,
    output: str | Path,
    kind: Kind = "films",
    fps: float = FPS,
    folder_fps: float | None = None,
    listener: Listener = silent,
) -> EncodingReport:
    """Encode everything below `source` and write it to `output` (.h5 or .safetensors).

    An id is a file's path below `source` without its suffix; for frame folders, the folder's. A file that cannot be
    read is dropped and counted. An interrupted .h5 is continued.

    Args:
        tower: folder or id of a vision model, or of a CALVIN that holds one.
        kind: "films" are sampled at `fps`; each of "images" is one frame; "frames" are folders of numbered stills.
        folder_fps: rate at which the stills in frame folders were taken; by default `fps` itself.

    Raises:
        UsageError: an unknown kind, or a rate that is not one.
        DataError: nothing there can be used.
        CheckpointError: the tower cannot be used.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"Features can be made from films, images or frames, not from {kind}.")
    check_rate(fps)
    report = EncodingReport(Path(output))
    items = find_media(Path(source), kind, report.drops)
    encode = Tower(tower)
    report.drops.read += len(items)
    with FeatureWriter(output, *encode.encoder, fps=fps, dim=encode.dim, resume=True) as writer:
        todo = [item for item in items if item.media_id not in writer]
        report.kept = len(items) - len(todo)
        stage = Stage("encode", listener, len(items), kind, kept=report.kept)
        read = partial(read_media, kind=kind, fps=fps, folder_fps=folder_fps)
        made = write_vectors(_read_ahead(todo, kind, read), encode, writer, report.drops.drop)
        for number, (media_id, frames) in enumerate(made, report.kept + 1):
            report.frames += frames
            stage.update(number, media_id)
        report.ids = len(writer)
        if not report.ids:
            reason = next(iter(report.drops.examples.get("unreadable", [])), "")
            raise DataError(f"Not one of the {len(items)} {kind} in {source} could be encoded. {reason}".strip())
    return report


def check_rate(fps: float) -> None:
    """
    Raises:
        UsageError: not a frame rate.
    """
    if not fps > 0:
        raise UsageError(f"The frame rate must be above 0 frames per second, not {fps:g}.")
