"""One of two processes of tests/integration/test_distributed.py: `distributed_worker.py DATA_TOML STAGE_1 OUT`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from calvin.training import run
from calvin.training.full.data_file import DataFile
from calvin.training.loop.train import _Run
from stage_data import shrunk

torch.set_num_threads(1)
data, stage1, out = DataFile.read(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
kinds: dict[str, list[str]] = {}
train = run.train


class Killed(Exception):
    pass


def watched(until: int | None, name: str) -> Any:
    """`train`, with the types of the parameters written down, and an end without warning before a batch."""

    def watching(model: Any, batch_at: Any, *args: Any, **options: Any) -> Any:
        def batch_or_end(index: int) -> Any:
            if until is not None and index >= until:
                raise Killed
            return batch_at(index)

        try:
            return train(model, batch_or_end, *args, **options)
        finally:
            kinds[name] = sorted({type(parameter).__name__ for parameter in model.parameters()})

    return watching


def stage(name: str, recipe: Any, until: int | None = None, folder: str | None = None) -> None:
    run.train = watched(until, name)
    run.Run(recipe, out / (folder or name), data, stage1).models()


def count_tokens() -> None:
    """`tokens-RANK.json`: how many this process saw, and how many the run says that all did."""
    seen = {"mine": 0, "told": 0}
    steps, detail = _Run.steps, _Run._detail

    def counted(self: _Run, *given: Any) -> int:
        batch_at = self.batch_at

        def counting(index: int) -> Any:
            batch = batch_at(index)
            seen["mine"] += int(batch["attention_mask"].sum())
            return batch

        self.batch_at = counting
        return steps(self, *given)

    def told(self: _Run, loss: float, tokens: int, started: float) -> str:
        seen["told"] = tokens
        return detail(self, loss, tokens, started)

    _Run.steps, _Run._detail = counted, told  # type: ignore[method-assign]
    stage("ddp", shrunk(1, steps=4, accumulation=2, look_every=2, strategy="ddp"))
    _Run.steps, _Run._detail = steps, detail  # type: ignore[method-assign]
    (out / f"tokens-{PartialState().process_index}.json").write_text(json.dumps(seen))


count_tokens()
sharded = shrunk(2, steps=6, accumulation=2, look_every=2, strategy="fsdp2")
stage("fsdp2", sharded)
try:
    stage("killed", sharded, until=2 * 5, folder="resumed")
except Killed:
    kinds["killed early"] = []
stage("resumed", sharded)
build = run.build


def without_dropout(*given: Any) -> Any:
    """The masks of a pass are drawn for all of its rows, so that only without any do losses compare."""
    model, processor = build(*given)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.0  # the Q-Former's, which is a number
    return model, processor


run.build = without_dropout  # type: ignore[assignment]
for name, strategy, packed in (("one by one", "ddp", 1), ("packed ddp", "ddp", 2), ("packed fsdp2", "fsdp2", 2)):
    stage(name, shrunk(2, steps=6, accumulation=2, look_every=3, strategy=strategy, packed=packed))
run.build = build
prefix = shrunk(2, steps=2, accumulation=1, look_every=2, strategy="fsdp2", activation_checkpointing=False)
[step] = prefix.stages
step = step.changed(trains=("projector", "prefix"), prefix_tokens=4)
stage("prefix", prefix.changed(steps=[step.model_dump()]))
if PartialState().is_main_process:
    (out / "kinds.json").write_text(json.dumps(kinds))
torch.distributed.destroy_process_group()
