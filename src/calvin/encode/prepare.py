"""Whole data sets through the vision tower once, in parts that workers make side by side, here or on a cluster.

A part is a fixed list of items in fixed batches, encoded on one thread and written whole. So it does not matter which
worker makes it, how often one was killed before, or how many there are: the files are the same, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from calvin.core.errors import CalvinError, DataError, MediaError, UsageError
from calvin.core.files import file_sha256, locked, read_record, remove_leftovers, write_json
from calvin.core.processes import end_with_parent
from calvin.core.progress import Listener, Stage, silent
from calvin.core.ray_cluster import joined_cluster
from calvin.core.types import FPS
from calvin.data import DropReport, FeatureWriter, Sample
from calvin.data.feature_files import MANIFEST, TarWriter
from calvin.data.readers.shards import IMAGES, VECTORS, TarSample, iter_shard, read_webdataset, shard_paths
from calvin.data.samples import row_numbers
from calvin.encode import Form, SourceKind
from calvin.encode.vectors import (
    BATCH,
    EncodingReport,
    Item,
    Pictures,
    Tower,
    check_rate,
    find_media,
    pictures_of,
    read_media,
    write_vectors,
)

PART_SIZES: Mapping[str, int] = {"images": 2048, "films": 16, "frames": 64, "shards": 1}
_STRIKES = 3


@dataclass(frozen=True)
class Plan:
    """How every part is made. `tower` and `out` are seen by all workers under these paths."""

    tower: str
    out: Path
    kind: SourceKind
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
    """Some of the media; of shards, one tar. `said` holds what is said of each id, for tars."""

    name: str
    items: tuple[Item, ...]
    said: Mapping[str, dict[str, Any]] = field(default_factory=dict)

    def key(self, plan: Plan) -> str:
        """Changes with anything that changes the part."""
        states = [(media_id, _state(path)) for media_id, path in self.items]
        about = json.dumps([plan.facts, states, sorted(self.said.items())], default=str)
        return hashlib.sha256(about.encode()).hexdigest()

    def record(self, plan: Plan) -> dict[str, Any]:
        """What its worker wrote about it; empty where there is nothing of the kind."""
        return read_record(plan.out / f"{self.name}.json")

    def is_made(self, plan: Plan) -> bool:
        record, file = self.record(plan), plan.out / f"{self.name}.{plan.form}"
        if record.get("key") != self.key(plan):
            return False
        return not record["ids"] or (file.is_file() and file.stat().st_size == record["bytes"])


def _state(path: Path) -> list[tuple[int, int]]:
    """Sizes and times of change of a file, or of a folder's files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [(stat.st_size, stat.st_mtime_ns) for stat in (file.stat() for file in files)]


def prepare(
    source: str | Path,
    tower: str | Path,
    out: str | Path,
    kind: SourceKind = "films",
    *,
    form: Form = "h5",
    fps: float = FPS,
    folder_fps: float | None = None,
    samples: Iterable[Sample] | None = None,
    workers: int = 2,
    batch: int = BATCH,
    part_size: int | None = None,
    ray: bool = False,
    listener: Listener = silent,
) -> EncodingReport:
    """Encode a data set into a folder of feature files; run again, it continues where it stopped.

    Args:
        kind: as for `make_features`, or "shards": webdataset tars of images or clips.
        form: "h5" parts by media id, for any annotations; "tar" puts vectors and caption together, one caption each.
        samples: what is said of the media; what they do not name is not encoded. Shards bring their own.
        workers: processes, each on one thread; 0 works in this one.
        ray: spread the parts with Ray Data, on the cluster of RAY_ADDRESS or a local one.

    Raises:
        UsageError: options that contradict each other, or a folder that was prepared in another way.
        DataError: nothing there can be used, or workers die again and again.
    """
    if kind not in get_args(SourceKind) or form not in get_args(Form):
        raise UsageError(f"Films, images, frames and shards can be prepared as h5 or tar, not {kind} as {form}.")
    check_rate(fps)
    if batch < 1:
        raise UsageError(f"A batch must hold at least 1 picture, not {batch}.")
    report = EncodingReport(Path(out))
    loaded = Tower(tower)
    plan = Plan(str(tower), report.path, kind, form, fps, folder_fps, batch, loaded.encoder, loaded.dim)
    del loaded
    parts = _parts(Path(source), plan, samples, part_size or PART_SIZES[kind], report.drops)
    with locked(plan.out):
        return _make_all(plan, parts, report, workers, ray, listener)


def _make_all(
    plan: Plan, parts: list[Part], report: EncodingReport, workers: int, ray: bool, listener: Listener
) -> EncodingReport:
    _begin(plan)
    todo = {part.name: part for part in parts if not part.is_made(plan)}
    report.parts, report.kept = len(parts), len(parts) - len(todo)
    stage = Stage("prepare", listener, len(parts), "parts", kept=report.kept)

    def on_made(name: str) -> None:
        todo.pop(name, None)
        stage.update(len(parts) - len(todo), name)

    if todo and ray:
        _make_on_cluster(plan, dict(todo), max(1, workers), on_made)
    elif todo and workers == 0:
        _make_here(plan, list(todo.values()), on_made)
    elif todo:
        _make_in_pool(plan, todo, workers, on_made)
    return _finish(plan, parts, report)


def _parts(source: Path, plan: Plan, samples: Iterable[Sample] | None, size: int, drops: DropReport) -> list[Part]:
    if plan.kind == "shards":
        return [Part(path.stem, (Item(path.stem, path),)) for path in shard_paths(source)]
    items = find_media(source, plan.kind, drops)
    said: dict[str, dict[str, Any]] = {}
    if samples is not None:
        found = {item.media_id for item in items}
        rows = row_numbers(found)
        for sample in samples:
            media_id = sample.media_id if sample.media_id in found else rows.get(sample.media_id, sample.media_id)
            if plan.form == "tar" and (media_id in said or sample.span is not None):
                raise UsageError(
                    f"{sample.media_id} is described more than once or in stretches: keep its features in .h5 parts "
                    "(form h5) and the annotations beside them."
                )
            said[media_id] = _said_of(sample)
        for media_id in sorted(said.keys() - found):
            drops.drop("described, but not in the folder", media_id)
        items = [item for item in items if item.media_id in said]
    elif plan.form == "tar":
        raise UsageError("Tars hold captions beside the vectors: say where the annotations are.")
    if not items:
        raise DataError(f"Not one of the files in {source} is described by the annotations: compare their names.")
    parts = []
    for number, start in enumerate(range(0, len(items), size)):
        chosen = tuple(items[start : start + size])
        kept = {media_id: said[media_id] for media_id, _ in chosen} if plan.form == "tar" else {}
        parts.append(Part(f"part-{number:05d}", chosen, kept))
    return parts


def _said_of(sample: Sample) -> dict[str, Any]:
    return {"caption": sample.caption, "kind": sample.kind, "question": sample.question}


def _begin(plan: Plan) -> None:
    path = plan.out / MANIFEST
    if path.is_file():
        held = read_record(path)
        if any(held.get(key) != value for key, value in plan.facts.items()):
            raise UsageError(
                f"{plan.out} was prepared from other things or with another tower ({held.get('encoder_id')}): choose "
                "another folder, or delete this one."
            )
    else:
        write_json(path, {**plan.facts, "complete": False})


def _finish(plan: Plan, parts: list[Part], report: EncodingReport) -> EncodingReport:
    names = {part.name for part in parts}
    remove_leftovers(plan.out)
    for path in plan.out.iterdir():
        # Parts of a longer run before this one, and a killed worker's; nothing else that may lie here is touched.
        longer = path.stem not in names and path.stem.startswith("part-") and path.suffix in (".json", ".h5", ".tar")
        if longer or path.name.endswith(".partial.h5"):
            path.unlink()
    for part in parts:
        record = part.record(plan)
        if not record:
            raise DataError(f"{plan.out / part.name} was not made: run the same command again.")
        report.ids += record["ids"]
        report.frames += record["frames"]
        drops = DropReport(record["ids"])
        for reason, examples in record["dropped"].items():
            drops.read += len(examples)
            for example in examples:
                drops.drop(reason, example)
        report.drops.merge(drops)
    if not report.ids:
        raise DataError(f"Not one item could be encoded.\n{report.drops.summary()}")
    totals = {"complete": True, "parts": len(parts), "ids": report.ids, "frames": report.frames}
    write_json(plan.out / MANIFEST, {**plan.facts, **totals, "dropped": dict(report.drops.dropped)})
    return report


class Worker:
    """Makes parts, one at a time, on one thread."""

    def __init__(self, plan: Plan) -> None:
        torch.set_num_threads(1)
        self.plan, self.encode = plan, Tower(plan.tower)

    def __call__(self, part: Part) -> str:
        plan, dropped = self.plan, dict[str, list[str]]()
        said = dict(part.said)

        def lose(reason: str, example: str) -> None:
            dropped.setdefault(reason, []).append(example)

        target = plan.out / f"{part.name}.{plan.form}"
        h5 = plan.form == "h5"
        with (
            FeatureWriter(target, *plan.encoder, plan.fps, plan.dim)
            if h5
            else TarWriter(target, plan.fps, said) as sink
        ):
            stream = self._shard(part, said, lose) if plan.kind == "shards" else self._media(part)
            counts = [frames for _, frames in write_vectors(stream, self.encode, sink, lose, plan.batch) if frames]
        if not counts:
            target.unlink(missing_ok=True)
        written = {"bytes": target.stat().st_size, "sha256": file_sha256(target)} if counts else {}
        facts = {"key": part.key(plan), "ids": len(counts), "frames": sum(counts), "dropped": dropped}
        write_json(plan.out / f"{part.name}.json", {**facts, **written})
        return part.name

    def _media(self, part: Part) -> Pictures:
        """The pictures, uint8 RGB [H, W, 3], of all items."""
        return chain.from_iterable(
            pictures_of(item.media_id, self._read(item.path, self.plan.kind)) for item in part.items
        )

    def _read(self, path: Path, kind: str) -> Iterator[np.ndarray]:
        return read_media(path, kind, self.plan.fps, self.plan.folder_fps)

    def _shard(self, part: Part, said: dict[str, dict[str, Any]], lose: Callable[[str, str], None]) -> Pictures:
        """The pictures, uint8 RGB [H, W, 3], of a tar; `said` is filled with what is said of each."""
        tar, report = part.items[0].path, DropReport()
        captions = {sample.id: sample for sample in read_webdataset(tar).samples}
        for item in iter_shard(tar, report):
            if item.id not in captions or item.media in (None, VECTORS):
                lose("no picture or no caption", item.id)
                continue
            said[item.id] = _said_of(captions[item.id])
            yield from pictures_of(item.id, self._unpacked(item))
        for reason in report.dropped:
            lose(reason, str(tar))

    def _unpacked(self, item: TarSample) -> Iterator[np.ndarray]:
        assert item.media is not None
        with tempfile.NamedTemporaryFile(suffix=f".{item.media}") as file:
            try:
                file.write(item.read(item.media))
                file.flush()
                yield from self._read(Path(file.name), "images" if item.media in IMAGES else "films")
            except (MediaError, DataError) as error:
                what = "an image" if item.media in IMAGES else "a clip"
                raise MediaError(f"{item.id}.{item.media} is not {what} that can be read.") from error


def _make_here(plan: Plan, parts: list[Part], on_made: Callable[[str], None]) -> None:
    threads = torch.get_num_threads()
    try:
        worker = Worker(plan)
        for part in parts:
            on_made(worker(part))
    finally:
        torch.set_num_threads(threads)


_worker: Worker | None = None


def _start(plan: Plan) -> None:
    end_with_parent()
    global _worker  # noqa: PLW0603  one tower per process
    _worker = Worker(plan)


def _make(part: Part) -> str:
    assert _worker is not None
    return _worker(part)


def _make_in_pool(plan: Plan, todo: dict[str, Part], workers: int, on_made: Callable[[str], None]) -> None:
    """All parts by a pool of processes; a pool that loses a process is replaced, and what it had not made is made."""
    strikes = 0
    while todo:
        before = len(todo)
        pool = ProcessPoolExecutor(min(workers, before), get_context("spawn"), _start, (plan,))
        try:
            for future in as_completed([pool.submit(_make, part) for part in todo.values()]):
                on_made(future.result())
        except BrokenProcessPool as error:
            strikes = strikes + 1 if len(todo) == before else 0
            if strikes == _STRIKES:
                raise CalvinError(
                    f"{_STRIKES} pools of workers died over {', '.join(sorted(todo)[:3])}: there may be too little "
                    "memory for so many; try fewer workers."
                ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _make_on_cluster(plan: Plan, parts: dict[str, Part], workers: int, on_made: Callable[[str], None]) -> None:
    """All parts by `workers` actors of Ray with one processor (and one GPU, where the cluster has any) each.

    Joins the cluster of RAY_ADDRESS, else starts one on this machine. Ray Data makes anew what a lost worker had in
    hand. All machines must see the media, the tower and the output folder under the same paths.

    Raises:
        MissingExtraError: Ray is not installed.
        CalvinError: no cluster can be started or reached.
    """
    with joined_cluster("Preparing with Ray", workers + 1) as ray:
        import_module("ray.data")
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = ray.data.from_items([{"name": name} for name in parts], override_num_blocks=len(parts))
        made = rows.map(
            _RayWorker,
            fn_constructor_args=(plan, parts),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
            num_cpus=1,
            num_gpus=1 if ray.cluster_resources().get("GPU") else 0,
        )
        for row in made.iter_rows():
            on_made(str(row["name"]))


class _RayWorker:
    """A `Worker` as Ray Data calls it."""

    def __init__(self, plan: Plan, parts: dict[str, Part]) -> None:
        self._parts, self._worker = parts, Worker(plan)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"name": self._worker(self._parts[row["name"]])}
