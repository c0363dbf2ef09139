"""What a run's folder is recognised by: `recipe.json` holds recipe, settings and data, and answers for no other run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from calvin.core.errors import CheckpointError
from calvin.core.files import read_record, write_json
from calvin.data.identity import content_hash, source_identity
from calvin.training.full.data_file import DataFile
from calvin.training.loop.checkpoints import latest_checkpoint
from calvin.training.loop.train import fingerprint_of
from calvin.training.settings import differences
from calvin.training.steps import Recipe, StageStep

_MODEL_FILES = frozenset({".safetensors", ".json", ".model", ".txt", ".gguf"})
_TOLD = 3


def claim_folder(
    folder: Path,
    facts: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any]] = (),
    told: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Mark a run's folder with everything that makes the run, JSON by name, or refuse one that another run began.

    Args:
        earlier: the same run as earlier versions wrote it down.
        told: what is written beside the facts for people, and not compared.

    Raises:
        CheckpointError: the folder is another run's; the sentence names the first things that differ.
    """
    mark, fingerprint = folder / "recipe.json", fingerprint_of(facts)
    if not mark.is_file():
        write_json(mark, {"fingerprint": fingerprint, **facts, **told})
        return
    found = read_record(mark)
    if found.get("fingerprint") in {fingerprint, *map(fingerprint_of, earlier)}:
        return
    there = {name: value for name, value in found.items() if name != "fingerprint"}
    odd = [f"{name} is {_short(ours)}, there {_short(theirs)}" for name, ours, theirs in _unlike(facts, there)]
    more = f" and {len(odd) - _TOLD} more" if len(odd) > _TOLD else ""
    raise CheckpointError(
        f"{folder} holds a run of another recipe, of other data or settings"
        f"{' (' + '; '.join(odd[:_TOLD]) + more + ')' if odd else ''}; name another folder with --out."
    )


def claim_stage(folder: Path, recipe: Recipe, step: StageStep, data: DataFile, start: Path | None) -> None:
    """`claim_folder` of a stage that learns from a data file, by what its files hold and not by where they lie. A claim
    under which nothing was learnt gives way.

    Args:
        start: the model that the stage goes on from; where it is no longer there, it is not compared.

    Raises:
        CheckpointError: the folder is another run's, or holds a model of which nobody knows the run.
    """
    mark = folder / "recipe.json"
    if (folder / "model").is_dir() and not mark.is_file():
        raise CheckpointError(
            f"{folder} holds a model, but no recipe.json that says what it was made from; name another folder "
            "with --out."
        )
    mixed = data.at_hand(step)
    parts = {name: _part(part) for name, part in data.model if part is not None}
    sources = {source.name: source_identity(source) for source in data.chosen(mixed.weights)}
    settings = {"recipe": step.record_alone(recipe.model), "stage": mixed.recorded()}
    before = read_record(mark).get("start")
    begun = content_hash(start, _MODEL_FILES) if start is not None and start.is_dir() else before
    facts = {**settings, "model": parts, "data": sources, **({"start": begun} if begun else {})}
    changed = {it.name: {"here": it.here, "recipe": it.recipe} for it in differences(recipe, mixed)}
    by_path = {**settings, "data": data.model_dump(mode="json", exclude={"train", "evaluation"})}
    told = {"changed": changed} if changed else {}
    checkpoints = folder / "checkpoints"
    try:
        claim_folder(folder, facts, [by_path], told)
    except CheckpointError:
        if (folder / "model").is_dir() or latest_checkpoint(checkpoints) is not None:
            raise
        # Nothing was learnt yet: data or settings were put right after a first attempt.
        shutil.rmtree(checkpoints, ignore_errors=True)
        mark.unlink(missing_ok=True)
        claim_folder(folder, facts, told=told)


def _part(part: str) -> str:
    return content_hash(part, _MODEL_FILES) if Path(part).exists() else part


def _unlike(ours: Any, theirs: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places at which two values differ."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys((*ours, *theirs)):
            if key != "changed":  # it is for people, and repeats what stands elsewhere
                yield from _unlike(ours.get(key), theirs.get(key), f"{name}.{key}" if name else str(key))
    elif (list(ours) if isinstance(ours, tuple) else ours) != theirs:
        yield name, ours, theirs


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return f"the content {text[:8]}"
    return text if len(text) <= 60 else f"{text[:57]}..."
