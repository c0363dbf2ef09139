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


stage("ddp", shrunk(1, steps=4, accumulation=2, look_every=2, strategy="ddp"))
sharded = shrunk(2, steps=6, accumulation=2, look_every=2, strategy="fsdp2")
stage("fsdp2", sharded)
try:
    stage("killed", sharded, until=2 * 5, folder="resumed")
except Killed:
    kinds["killed early"] = []
stage("resumed", sharded)
if PartialState().is_main_process:
    (out / "kinds.json").write_text(json.dumps(kinds))
torch.distributed.destroy_process_group()
