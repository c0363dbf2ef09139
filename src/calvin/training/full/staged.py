"""Running a stage recipe: from pretrained parts, or from the stage before, to a model folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from calvin.core.errors import ConfigError
from calvin.core.files import atomic_folder, write_text
from calvin.core.progress import Listener, silent
from calvin.data import Source, load_sources
from calvin.model import (
    CalvinForConditionalGeneration,
    CalvinProcessor,
    encoder_identity,
    load_calvin,
    load_vision_tower,
)
from calvin.model.assemble import assemble
from calvin.model.loading import quiet
from calvin.model.tuning import add_lora, add_prefix, merge, save_adapter, set_trainable
from calvin.training.full.data_file import DataFile
from calvin.training.full.stage_recipes import StageRecipe
from calvin.training.loop.checkpoints import latest_checkpoint, load_weights
from calvin.training.loop.distributed import is_sharded
from calvin.training.loop.train import fast_bf16
from calvin.training.stages import StageConfig, claim_folder, train_stage

Built = tuple[CalvinForConditionalGeneration, CalvinProcessor]


def run_stage(
    recipe: StageRecipe, data: DataFile, folder: Path, start: Path | None = None, listener: Listener = silent
) -> Path:
    """Train one stage in `folder`, on however many processes this one was launched with; returns the model's folder.

    A run that was stopped goes on from its last checkpoint. A prefix cannot be worked into the weights: then the
    folder holds the adapter of the model that the stage started from.

    Args:
        start: the model that the stage before made.

    Raises:
        ConfigError, DataError, CheckpointError: the recipe, the data and the models do not go together.
    """
    target = folder / "model"
    if target.is_dir():
        return target
    config = stage_config(recipe, data)
    # Starts the process group, where there is one; the others wait while one of them writes 14 GB.
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=2))
    if state.is_main_process:
        facts = {
            "recipe": recipe.model_dump(mode="json", exclude={"parallel"}),
            "stage": config.model_dump(mode="json"),
            "data": data.model_dump(mode="json"),
        }
        claim_folder(folder, facts)
    sources = read_sources(config, data, listener)
    if state.is_main_process:
        write_text(folder / "data.txt", "".join(f"{source.name}: {source.report.summary()}\n" for source in sources))
    model, processor = build(recipe, data, start)
    model.vision_tower = None  # features are stored: it would only fill the GPU
    checkpoints = folder / "checkpoints"
    train_stage(
        model, processor, sources, config, checkpoints, name=recipe.name, parallel=recipe.parallel, listener=listener
    )
    if state.is_main_process:
        if is_sharded(model):
            model, processor = build(recipe, data, start)
            model.vision_tower = None
            set_trainable(model, set(config.trains))
            last = latest_checkpoint(checkpoints)
            assert last is not None
            load_weights(last, model)
        # Read again and not kept: it would only have filled memory all the while.
        model.cpu().vision_tower = load_vision_tower(data.model.vision)[0]
        _save(model, processor, recipe, config, target)
    state.wait_for_everyone()
    return target


def stage_config(recipe: StageRecipe, data: DataFile) -> StageConfig:
    """The stage without the sources that the data file leaves out.

    Raises:
        ConfigError: none is left.
    """
    weights = {name: weight for name, weight in recipe.stage.weights.items() if name not in data.leave_out}
    if not weights:
        raise ConfigError(f"The data file leaves out every source of {recipe.name}: {', '.join(recipe.stage.weights)}.")
    return recipe.stage_changed(weights=weights)


def read_sources(config: StageConfig, data: DataFile, listener: Listener = silent) -> list[Source]:
    """The sources that the stage mixes, with features of the data file's vision tower and no other."""
    chosen = data.chosen(config.weights)
    return load_sources(chosen, encoder_identity(data.model.vision) if chosen else None, listener)


def build(recipe: StageRecipe, data: DataFile, start: Path | None) -> Built:
    """The model before the stage, with what the stage trains in float32 and the rest in the dtype of the device.

    Raises:
        ConfigError: the model to start from is not there, or has another number of queries.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" and fast_bf16(device) else torch.float32
    if recipe.starts_from is None:
        return assemble(
            language=data.model.language,
            vision=data.model.vision,
            bert=data.model.bert,
            qformer={"num_hidden_layers": recipe.qformer_layers},
            num_query_tokens=recipe.num_query_tokens,
            max_frames=recipe.stage.max_frames,
            seed=recipe.stage.loop.seed,
            dtype=dtype,
        )
    if start is None or not start.is_dir():
        raise ConfigError(
            f"{recipe.name} goes on from {recipe.starts_from}, whose model is not in {start}: train that first, or "
            "name its folder with --start."
        )
    model, processor = load_calvin(start, dtype=dtype)
    queries = model.config.num_query_tokens
    if queries != recipe.num_query_tokens:
        raise ConfigError(
            f"{recipe.name} has {recipe.num_query_tokens} queries, the model in {start} {queries}: start from "
            f"{recipe.starts_from}."
        )
    torch.manual_seed(recipe.stage.loop.seed)
    add_adapter(model, recipe)
    return model, processor


def add_adapter(model: CalvinForConditionalGeneration, recipe: StageRecipe) -> None:
    """The LoRA or prefix that the recipe's stage trains, in place; nothing where it trains none."""
    if "lora" in recipe.stage.trains:
        add_lora(model, recipe.lora_rank, recipe.lora_alpha, recipe.lora_dropout)
    if "prefix" in recipe.stage.trains:
        add_prefix(model, recipe.prefix_tokens)


def _save(model: Any, processor: CalvinProcessor, recipe: StageRecipe, config: StageConfig, target: Path) -> None:
    if "prefix" in config.trains:
        save_adapter(model, target)
        return
    merge(model)
    with atomic_folder(target) as temporary, quiet():
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        shares: Mapping[str, float] = config.weights
        mixed = ", ".join(f"{name} {share / sum(shares.values()):.0%}" for name, share in shares.items())
        write_text(
            temporary / "README.md",
            f"# {recipe.name}\n\n{recipe.about[0].upper()}{recipe.about[1:]} ({recipe.row or 'no row of the paper'}).\n"
            f"{config.loop.steps:,} micro-batches a GPU, learning rate {config.loop.max_lr:g}; micro-batches from "
            f"{mixed}. Made by `calvin train {recipe.name}`. It carries the terms of its parts and data.\n",
        )
