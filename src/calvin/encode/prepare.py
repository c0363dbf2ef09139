"""Whole data sets through the vision tower once, in parts that workers make side by side, here or on a cluster.

A part is a fixed list of items in fixed batches, encoded on one thread and written whole: so it does not matter who
makes it, how often a worker was killed before, or how many there are. The files are the same, bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

import torch

from calvin.core.errors import CalvinError, DataError, UsageError
from calvin.core.files import remove_leftovers, write_json
from calvin.core.progress import Listener, Stage, silent
from calvin.core.types import FPS
from calvin.data import DropReport, Sample
from calvin.data.feature_folder import MANIFEST
from calvin.data.readers.shards import shard_paths
from calvin.encode.features import find_media
from calvin.encode.parts import Form, Kind, Part, Plan, Worker
from calvin.model import load_vision_tower
from calvin.model.pretrained import identity_of
from calvin.model.vision import vector_width

PART_SIZES: Mapping[str, int] = {"images": 2048, "films": 16, "frames": 64, "shards": 1}
_STRIKES = 3


@dataclass
class PrepareReport:
    """What lies in `out` now: ids, frames, parts; `kept` of the parts were there already. `drops` names what failed."""

    out: Path
    parts: int = 0
    kept: int = 0
    ids: int = 0
    frames: int = 0
    drops: DropReport = field(default_factory=DropReport)


def prepare(
    source: str | Path,
    tower: str | Path,
    out: str | Path,
    kind: Kind = "films",
    *,
    form: Form = "h5",
    fps: float = FPS,
    folder_fps: float | None = None,
    samples: Iterable[Sample] | None = None,
    workers: int = 2,
    batch: int = 64,
    part_size: int | None = None,
    ray: bool = False,
    listener: Listener = silent,
) -> PrepareReport:
    """Encode a data set into a folder of feature files; run again, it goes on where it was.

    Args:
        kind: as for `make_features`, or "shards": webdataset tars of images or clips.
        form: "h5" parts by media id, for any annotations; "tar" puts vectors and caption together, one caption a file.
        samples: what is said of the media; what they do not name is not encoded. Shards bring their own.
        workers: processes, each on one thread; 0 works in this one.
        ray: spread the parts with Ray Data, on the cluster of RAY_ADDRESS or a local one.

    Raises:
        UsageError: options that contradict each other, or a folder that was prepared in another way.
        DataError: nothing there can be used, or workers die again and again.
    """
    if kind not in get_args(Kind) or form not in get_args(Form) or not fps > 0 or batch < 1:
        raise UsageError(f"Nothing is prepared of {kind} to {form} at {fps:g} frames a second in batches of {batch}.")
    report = PrepareReport(Path(out))
    module, _ = load_vision_tower(tower)
    plan = Plan(
        str(tower), report.out, kind, form, fps, folder_fps, batch, identity_of(module, tower),
        vector_width(module.config),
    )  # fmt: skip
    del module
    parts = _parts(Path(source), plan, samples, part_size or PART_SIZES[kind], report.drops)
    _begin(plan)
    todo = {part.name: part for part in parts if not _is_made(plan, part)}
    report.parts, report.kept = len(parts), len(parts) - len(todo)
    stage = Stage("prepare", listener, len(parts), "parts", kept=report.kept)

    def on_made(name: str) -> None:
        todo.pop(name, None)
        stage.update(len(parts) - len(todo), name)

    if todo:
        chosen = list(todo.values())
        if ray:
            from calvin.encode.cluster import make_on_cluster

            make_on_cluster(plan, chosen, max(1, workers), on_made)
        elif workers == 0:
            _make_here(plan, chosen, on_made)
        else:
            _make_in_pool(plan, todo, workers, on_made)
    return _finish(plan, parts, report)


def _parts(source: Path, plan: Plan, samples: Iterable[Sample] | None, size: int, drops: DropReport) -> list[Part]:
    if plan.kind == "shards":
        return [Part(path.stem, ((path.stem, str(path)),)) for path in shard_paths(source)]
    items = [(item.media_id, str(item.path)) for item in find_media(source, plan.kind)]
    said: dict[str, dict[str, Any]] = {}
    if samples is not None:
        for sample in samples:
            if plan.form == "tar" and (sample.media_id in said or sample.span is not None):
                raise UsageError(
                    f"{sample.media_id} is described more than once or in stretches: keep its features in .h5 parts "
                    "(form h5) and the annotations beside them."
                )
            said[sample.media_id] = {"caption": sample.caption, "kind": sample.kind, "question": sample.question}
        present = {media_id for media_id, _ in items}
        for media_id in said.keys() - present:
            drops.drop("described, but not in the folder", media_id)
        items = [item for item in items if item[0] in said]
    elif plan.form == "tar":
        raise UsageError("Tars hold captions beside the vectors: say where the annotations are.")
    if not items:
        raise DataError(f"Not one of the files in {source} is described by the annotations: compare their names.")
    parts = []
    for number, start in enumerate(range(0, len(items), size)):
        chosen = tuple(items[start : start + size])
        told = {media_id: said[media_id] for media_id, _ in chosen} if plan.form == "tar" else {}
        parts.append(Part(f"part-{number:05d}", chosen, told))
    return parts


def _begin(plan: Plan) -> None:
    path = plan.out / MANIFEST
    if path.is_file():
        held = json.loads(path.read_text(encoding="utf-8"))
        if any(held.get(key) != value for key, value in plan.facts.items()):
            raise UsageError(
                f"{plan.out} was prepared from other things or with another tower ({held.get('encoder_id')}): choose "
                "another folder, or delete this one."
            )
    else:
        write_json(path, {**plan.facts, "complete": False})


def _record(plan: Plan, part: Part) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        record = json.loads((plan.out / f"{part.name}.json").read_text(encoding="utf-8"))
        return record if isinstance(record, dict) else None
    return None


def _is_made(plan: Plan, part: Part) -> bool:
    record = _record(plan, part)
    if record is None or record.get("key") != part.key(plan):
        return False
    file = plan.out / f"{part.name}.{plan.form}"
    return not record["ids"] or (file.is_file() and file.stat().st_size == record["bytes"])


def _finish(plan: Plan, parts: list[Part], report: PrepareReport) -> PrepareReport:
    names = {part.name for part in parts}
    remove_leftovers(plan.out)
    for path in plan.out.iterdir():
        # Parts of a longer run before this one, and a killed worker's; nothing else that may lie here is touched.
        longer = path.stem not in names and path.stem.startswith("part-") and path.suffix in (".json", ".h5", ".tar")
        if longer or path.name.endswith(".partial.h5"):
            path.unlink()
    for part in parts:
        record = _record(plan, part)
        if record is None:
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
    global _worker  # noqa: PLW0603  one tower a process
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
