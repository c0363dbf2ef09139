"""Carrying a recipe out, step by step: each step leaves a folder and is not repeated once that is there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import PartialState

from calvin.core.errors import CheckpointError, ConfigError
from calvin.core.files import atomic_folder, locked, model_fingerprint, read_record, write_json, write_text
from calvin.core.progress import Listener, silent
from calvin.data import Example, Instructions, Mixture, Sample, Source, SourceConfig, load_sources
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
from calvin.training.beside import Beside
from calvin.training.full.data_file import DataFile, ModelParts
from calvin.training.history import leads, timed
from calvin.training.loop.checkpoints import latest_checkpoint, load_weights
from calvin.training.loop.distributed import is_sharded
from calvin.training.loop.log import draw_curve
from calvin.training.loop.train import LossOf, fast_bf16, fingerprint_of, model_loss, train
from calvin.training.small.language import MarkedText, make_language_model, marked_loss
from calvin.training.small.tower import SlotImages, make_tower, slot_loss
from calvin.training.steps import CaptionsStep, LanguageStep, Loss, Recipe, StageStep, TowerStep

PartStep = TowerStep | LanguageStep | CaptionsStep

LOSSES: Mapping[Loss, LossOf] = {"slots": slot_loss, "marked_words": marked_loss, "captions": model_loss}
"""What a step minimises, by the name that its recipe gives."""

Built = tuple[CalvinForConditionalGeneration, CalvinProcessor]


class Material(Protocol):
    """What a recipe with a world learns from, made or found by whoever runs it."""

    def slot_images(self) -> SlotImages: ...

    def texts_at(self, kind: str, index: int, count: int) -> Sequence[MarkedText]: ...

    def tokenizer_texts(self) -> Iterator[str]: ...

    def quietly(self) -> Material:
        """The same for another process, which tells nobody how far it is."""
        ...

    def examples_at(self, index: int, count: int, forms: Mapping[str, float]) -> Sequence[Example]:
        """Text-only examples for the stages, so that what the language model learnt is not forgotten; with `forms`, of
        the prompts that the stage has."""
        ...

    def source_configs(self, tower: Path, listener: Listener) -> Sequence[SourceConfig]:
        """The captioned sources, their features made with `tower`; called before stage 1."""
        ...

    def vary(
        self, source: str, forms: Mapping[str, float], own: Path | None
    ) -> Callable[[Sample, int], Sample | Example] | None:
        """How the samples of a source are described anew in each epoch; None: they stay as they are.

        Args:
            forms: shares of the forms of prompts, if the stage has any.
            own: what `describe_films` left.
        """
        ...

    def describe_films(
        self, step: CaptionsStep, model: Path, sources: Sequence[Source], target: Path, work: Path, listener: Listener
    ) -> None:
        """Leave the model's own captions of training films in the folder `target`; `work` keeps those made so far."""
        ...


@dataclass(frozen=True)
class StepPlace:
    """Where a step of a run lies: the folder that its run claims, what the step leaves there, and its checkpoints."""

    folder: Path
    result: Path
    checkpoints: Path


@dataclass
class Run:
    """A recipe at work, on however many processes this one was launched with.

    Args:
        folder: of the run. Without a world, a recipe of several stages has a folder in it for each.
        given: what a recipe with a world learns from, or the data file of one without.
        start: the model that the first stage goes on from; by default that of the run beside this one.
        beside: make the language model in a process of its own, while this one makes the tower and draws the world.
    """

    recipe: Recipe
    folder: Path
    given: Material | DataFile
    start: Path | None = None
    listener: Listener = silent
    beside: bool = False
    _sources: list[Source] = field(default_factory=list, init=False, repr=False)

    def models(self) -> dict[str, Path]:
        """Carry out what is not there yet; returns by the names of the stages where the model of each lies.

        A run that was stopped goes on from its last checkpoint. A prefix cannot be merged into the weights: the folder
        then holds an adapter for the model that the stage started from.

        Raises:
            ConfigError, DataError, CheckpointError: the recipe, the data and the models do not go together.
            CheckpointError: the folder holds a run of other settings.
            CalvinError: another process is training into the folder.
        """
        if self.recipe.world is None:
            return self._models()
        with _held(self.folder):
            claim_folder(self.folder, self.recipe.record())
            return self._models()

    def _models(self) -> dict[str, Path]:
        places = {step.name: self.place(step) for step in self.recipe.steps}
        made, language = False, self._language_beside()
        try:
            for number, step in enumerate(self.recipe.steps):
                # A stage goes into those after it: if one of them is done, it need not be made again.
                after = (step,) if isinstance(step, TowerStep | LanguageStep) else self.recipe.steps[number:]
                if any(places[later.name].result.is_dir() for later in after):
                    continue
                made = True
                if isinstance(step, LanguageStep) and language is not None:
                    assert not isinstance(self.given, DataFile)
                    self._material_sources(self.given, places[step.name])
                    language.join()
                else:
                    self._make(step, places[step.name])
        finally:
            if language is not None:
                language.stop()
        if made and self.recipe.world is not None:
            self._draw_curves(places)
        return {step.name: places[step.name].result for step in self.recipe.stages}

    def _language_beside(self) -> Beside | None:
        """The language model in the making, where neither it nor anything after it is there."""
        after = [step for step in self.recipe.steps if not isinstance(step, TowerStep)]
        if not self.beside or isinstance(self.given, DataFile):
            return None
        if any(self.place(step).result.is_dir() for step in after):
            return None
        return Beside("language", make_step, self.recipe, self.folder, self.given.quietly(), "language")

    def place(self, step: PartStep | StageStep) -> StepPlace:
        """Where a step lies, made or not."""
        if self.recipe.world is None:
            folder = self.folder / step.name if len(self.recipe.steps) > 1 else self.folder
            return StepPlace(folder, folder / "model", folder / "checkpoints")
        result = "model" if step == self.recipe.steps[-1] else step.folder_name
        return StepPlace(self.folder, self.folder / result, self.folder / "checkpoints" / step.folder_name)

    def _make(self, step: PartStep | StageStep, place: StepPlace) -> None:
        if isinstance(step, StageStep):
            # With a world, the folder is one for all steps and held already.
            with _held(place.folder) if self.recipe.world is None else nullcontext():
                self._stage(step, place)
            return
        given, world = self.given, self.recipe.world
        assert world is not None
        assert not isinstance(given, DataFile)
        if isinstance(step, CaptionsStep):
            sources = self._material_sources(given, place)
            stage = next(stage for stage in self.recipe.stages if stage.name == step.starts_from)
            with timed(place.folder, step.name):
                model = self.place(stage).result
                given.describe_films(step, model, sources, place.result, place.checkpoints, self.listener)
            return
        where = (place.result, place.checkpoints, self.listener, LOSSES[step.loss])
        with timed(place.folder, step.name):
            if isinstance(step, TowerStep):
                make_tower(step, f"{self.recipe.name}-tower", given.slot_images(), *where)
            else:
                make_language_model(step, given.tokenizer_texts(), given.texts_at, world.seed, *where)

    def _stage(self, step: StageStep, place: StepPlace) -> None:
        given = self.given
        # Starts the process group, if there is one; the others wait while one of them writes 14 GB.
        state = PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=2))
        if isinstance(given, DataFile):
            whole, step = step, given.at_hand(step)
            if state.is_main_process:
                facts = {"recipe": whole.record_alone(self.recipe.model), "stage": step.recorded()}
                claim_folder(place.folder, {**facts, "data": given.model_dump(mode="json")})
            parts, texts, sources = given.model, None, given.read_sources(step, self.listener)
            if state.is_main_process:
                reports = [f"{source.name}: {source.report.summary()}\n" for source in sources]
                write_text(place.folder / "data.txt", "".join(reports))
        else:
            parts = ModelParts(language=str(self.folder / "language"), vision=str(self.folder / "tower"))
            texts = partial(given.examples_at, count=step.batch_sizes.get("text", 16), forms=step.forms)
            own = next((self.place(it).result for it in self.recipe.steps if isinstance(it, CaptionsStep)), None)
            own = own if own is not None and own.is_dir() and "own" in step.forms else None
            sources = [
                replace(source, vary=given.vary(source.name, step.forms, own))
                for source in self._material_sources(given, place)
            ]
        with timed(place.folder, step.name):
            start = self._start(step, place)
            model, processor = build(self.recipe, step, parts, start)
            model.vision_tower = None  # features are stored: it would only fill the GPU
            mixture = make_mixture(step, sources, processor, texts)
            train(
                model,
                mixture.batch_at,
                step.loop,
                place.checkpoints,
                name=step.name,
                identity=[step.mixed(), mixture.identity],
                loss_of=LOSSES[step.loss],
                listener=self.listener,
                parallel=step.parallel,
            )
            if state.is_main_process:
                if is_sharded(model):
                    # Merging and saving want whole weights: the model is built anew and filled from the checkpoint.
                    model, processor = build(self.recipe, step, parts, start)
                    model.vision_tower = None
                    last = latest_checkpoint(place.checkpoints)
                    assert last is not None
                    load_weights(last, model)
                # Read again now: kept, it would have filled memory during training.
                model.cpu().vision_tower = load_vision_tower(parts.vision)[0]
                _save(model, processor, self.recipe, step, place.result, start)
            state.wait_for_everyone()

    def _material_sources(self, given: Material, place: StepPlace) -> list[Source]:
        """What is captioned, drawn and read when the first step asks for it."""
        if not self._sources:
            with timed(place.folder, "sources"):
                tower = self.folder / "tower"
                configs = given.source_configs(tower, self.listener)
                self._sources = load_sources(configs, encoder_identity(tower), self.listener)
        return self._sources

    def _start(self, step: StageStep, place: StepPlace) -> Path | None:
        """The model that a stage goes on from, there or not."""
        before = next((stage for stage in self.recipe.stages if stage.name == step.starts_from), None)
        if before is not None:
            return self.place(before).result
        if step.starts_from is None:
            return None
        return self.start or place.folder.parent / step.starts_from / "model"

    def _draw_curves(self, places: Mapping[str, StepPlace]) -> None:
        logs = []
        for name, place in places.items():
            phases = sorted(place.checkpoints.glob("phase*"))
            logs += [(path.name, path) for path in phases] or [(name, place.checkpoints)]
        found = [(title, path / "log.jsonl") for title, path in logs if (path / "log.jsonl").is_file()]
        draw_curve(found, self.folder / "curves.png")


def make_step(recipe: Recipe, folder: Path, given: Material, name: str) -> None:
    """Make one step of a recipe with a world, whatever is there of it."""
    run = Run(recipe, folder, given)
    [step] = [step for step in recipe.steps if step.name == name]
    run._make(step, run.place(step))


def make_mixture(
    step: StageStep,
    sources: Sequence[Source],
    processor: CalvinProcessor,
    texts: Callable[[int], Sequence[Example]] | None = None,
) -> Mixture:
    """The mixture of a stage from the sources at hand, weighted by the stage's recipe.

    Raises:
        ConfigError: the recipe names a source that is not at hand.
    """
    at_hand = {source.name: source for source in sources}
    if texts is not None:
        at_hand["text"] = Source("text", "text", samples=[], features=None, texts=texts)
    missing = sorted(set(step.weights) - set(at_hand))
    if missing:
        raise ConfigError(
            f"The recipe mixes in {', '.join(missing)}, but only {', '.join(sorted(at_hand)) or 'nothing'} is at hand: "
            "add the source to the data file or leave it out of the recipe."
        )
    return Mixture(
        [replace(at_hand[name], weight=weight) for name, weight in step.weights.items()],
        processor.layout(step.max_length),
        instructions=Instructions(
            stage=step.stage,
            training=True,
            seed=step.loop.seed,
            no_context_share=step.no_context_share,
            entity_share=step.entity_share,
        ),
        batch_sizes=dict(step.batch_sizes),
        seed=step.loop.seed,
        max_frames=step.max_frames,
        pad_token_id=processor.pad_token_id,
    )


def build(recipe: Recipe, step: StageStep, parts: ModelParts, start: Path | None) -> Built:
    """The model before a stage, with what the stage trains in float32 and the rest in the dtype of the device.

    Raises:
        ConfigError: the model to start from is not there, or has another number of queries.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = device.type == "cuda" and fast_bf16(device) and "language_model" not in step.trains
    dtype, shape = torch.bfloat16 if half else torch.float32, recipe.model
    if step.starts_from is None:
        model, processor = assemble(
            language=parts.language,
            vision=parts.vision,
            bert=parts.bert,
            qformer=dict(shape.qformer),
            num_query_tokens=shape.num_query_tokens,
            max_frames=step.max_frames,
            seed=step.loop.seed,
            dtype=dtype,
        )
        if recipe.world is not None:
            for part in (model.config.vision_config, model.config.text_config):
                part.name_or_path = ""  # a published model need not say in which folder it was made
        torch.manual_seed(
            step.loop.seed
        )  # or a run that was stopped before this stage would begin it with other weights
        if shape.visual_std is not None:
            model.projector.scale_projection(shape.visual_std)
        if shape.frame_position_std is not None:
            model.projector.scale_positions(shape.frame_position_std)
    else:
        if start is None or not start.is_dir():
            raise ConfigError(
                f"{step.name} goes on from {step.starts_from}, whose model is not in {start}: train that first, or "
                "name its folder with --start."
            )
        model, processor = load_calvin(start, dtype=dtype)
        queries = model.config.num_query_tokens
        if queries != shape.num_query_tokens:
            raise ConfigError(
                f"{step.name} has {shape.num_query_tokens} queries, the model in {start} {queries}: start from "
                f"{step.starts_from}."
            )
        torch.manual_seed(step.loop.seed)
    add_adapter(model, step)
    set_trainable(model, set(step.trains))
    return model, processor


def add_adapter(model: CalvinForConditionalGeneration, step: StageStep) -> None:
    """The LoRA or prefix that a stage trains, in place; nothing where it trains none."""
    if "lora" in step.trains:
        add_lora(model, step)
    if "prefix" in step.trains:
        add_prefix(model, step.prefix_tokens)


def _save(
    model: CalvinForConditionalGeneration, processor: CalvinProcessor, recipe: Recipe, step: StageStep, target: Path,
    start: Path | None,
) -> None:  # fmt: skip
    if "prefix" in step.trains:
        # By where it lies from here, so that both may be moved together.
        base = {"base_folder": os.path.relpath(start, target), "base": model_fingerprint(start)} if start else {}
        save_adapter(model, target, {"recipe": recipe.name, "stage": step.name, **base})
        return
    merge(model)
    if step.half:
        round_matrices(model.projector, model.language_model)
        model.half()
    about, shares = recipe.about_stage(step), step.weights
    mixed = ", ".join(f"{name} {share / sum(shares.values()):.0%}" for name, share in shares.items())
    with atomic_folder(target) as temporary, quiet():
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        write_text(
            temporary / "README.md",
            f"# {recipe.title_of(step)}\n\n{about[0].upper()}{about[1:]}.\n"
            f"{step.loop.steps:,} micro-batches on each GPU, learning rate {step.loop.max_lr:g}; micro-batches from "
            f"{mixed}. Made by `calvin train {recipe.name}`. It carries the terms of its parts and data.\n",
        )


def round_matrices(*parts: Any) -> None:
    """Round matrices, in place, to the bits that bfloat16 keeps: autocast trained them with no more. Compressed, as in
    a wheel or a repository, a file of them takes three quarters of the space."""
    with torch.no_grad():
        for value in (value for part in parts for value in part.parameters() if value.ndim >= 2):
            value.copy_(value.to(torch.bfloat16))


def claim_folder(folder: Path, facts: Mapping[str, Any]) -> None:
    """Mark a run's folder with everything that makes the run, JSON by name, or refuse one that another run began.

    Raises:
        CheckpointError: the folder is another run's.
    """
    mark, fingerprint = folder / "recipe.json", fingerprint_of(facts)
    if not mark.is_file():
        write_json(mark, {"fingerprint": fingerprint, **facts})
    elif read_record(mark).get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"{folder} holds a run of another recipe, of other data or settings; name another folder with --out."
        )


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the processes of one run share it."""
    with locked(folder) if leads() else nullcontext():
        yield


def accuracy_of(folder: Path) -> dict[str, Any]:
    """What tower and language model scored by themselves, from the folder of a run with a world."""
    return {name: json.loads((folder / name / "accuracy.json").read_text()) for name in ("tower", "language")}
