"""Carrying a recipe out, step by step: each step leaves a folder and is not repeated once that is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import PartialState

from calvin.core.files import locked, write_text
from calvin.core.progress import Listener, silent
from calvin.data import Example, Sample, Source, SourceConfig, load_sources
from calvin.data.cleaning import LeftIn
from calvin.data.held_out import hold_out
from calvin.model import encoder_identity, load_vision_tower
from calvin.training.beside import Beside
from calvin.training.claim import claim_folder, claim_stage
from calvin.training.full.data_file import DataFile, ModelParts
from calvin.training.history import leads, timed
from calvin.training.loop.checkpoints import latest_checkpoint, load_weights
from calvin.training.loop.distributed import is_sharded
from calvin.training.loop.log import draw_curve
from calvin.training.loop.look import BEST
from calvin.training.loop.train import BatchAt, LossOf, model_loss, train
from calvin.training.settings import lasting
from calvin.training.small.language import MarkedText, make_language_model, marked_loss, rehearsed
from calvin.training.small.tower import SlotImages, make_tower, slot_loss
from calvin.training.stage import Outcome, build, look_at, make_mixture, save_stage, steps_of
from calvin.training.steps import CaptionsStep, LanguageStep, Loss, Recipe, StageStep, TowerStep

PartStep = TowerStep | LanguageStep | CaptionsStep

LOSSES: Mapping[Loss, LossOf] = {"slots": slot_loss, "marked_words": marked_loss, "captions": model_loss}
"""What a step minimises, by the name that its recipe gives."""


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
    _sources: dict[tuple[LeftIn, ...], list[Source]] = field(default_factory=dict, init=False, repr=False)

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
                    if isinstance(step, StageStep):
                        self._recognise(step, places[step.name])
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

    def _recognise(self, step: StageStep, place: StepPlace) -> None:
        """A stage that is done is this run's, or it is refused; with a world, its folder has been claimed already."""
        if isinstance(self.given, DataFile) and place.result.is_dir() and leads():
            claim_stage(place.folder, self.recipe, step, self.given, self._start(step, place))

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
        start = self._start(step, place)
        if isinstance(given, DataFile):
            if state.is_main_process:
                claim_stage(place.folder, self.recipe, step, given, start)
            step = given.at_hand(step)
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
                for source in self._material_sources(given, place, step.leave_in)
            ]
        with timed(place.folder, step.name):
            self._train(step, place, parts, start, sources, texts)

    def _train(
        self,
        step: StageStep,
        place: StepPlace,
        parts: ModelParts,
        start: Path | None,
        sources: Sequence[Source],
        texts: Callable[[int], Sequence[Example]] | None,
    ) -> None:
        """Train a stage from its model and sources, and leave its model."""
        model, processor = build(self.recipe, step, parts, start)
        model.vision_tower = None  # features are stored: it would only fill the GPU
        held: list[Source] = []
        if step.validation.evaluate_every is not None:
            at_hand = [source for source in sources if source.name in step.weights]
            sources, held = hold_out(at_hand, step.validation.held_out, step.loop.seed)
        mixture = make_mixture(step, sources, processor, texts)
        if step.epochs is not None:
            step = lasting(self.recipe, step, steps_of(mixture, step.epochs, PartialState().num_processes))
        batch_at: BatchAt = mixture.batch_at
        loss_of = LOSSES[step.loss]
        if step.rehearsal is not None and not isinstance(self.given, DataFile):
            batch_at, loss_of = rehearsed(step.rehearsal, self.given.texts_at, processor.tokenizer, batch_at, loss_of)
        look = look_at(step, held, processor, place.checkpoints) if held else None
        result = train(
            model,
            batch_at,
            step.loop,
            place.checkpoints,
            name=step.name,
            identity=[step.mixed(), mixture.identity],
            loss_of=loss_of,
            gate=look,
            gate_every=step.validation.evaluate_every or 1,
            listener=self.listener,
            parallel=step.parallel,
            events=True,
        )
        if PartialState().is_main_process:
            best = look.best if look is not None else None
            kept = place.checkpoints / BEST if best is not None and step.validation.keep_best else None
            if is_sharded(model):
                # Merging and saving want whole weights: the model is built anew and filled from the checkpoint.
                model, processor = build(self.recipe, step, parts, start)
                model.vision_tower = None
                kept = kept or latest_checkpoint(place.checkpoints)
            if kept is not None:
                load_weights(kept, model)
            # Read again now: kept, it would have filled memory during training.
            model.cpu().vision_tower = load_vision_tower(parts.vision)[0]
            found = (int(best["step"]), float(best["loss"])) if best is not None else None
            outcome = Outcome(result.steps, found, kept=step.validation.keep_best)
            save_stage(model, processor, self.recipe, step, place.result, outcome, start)
        PartialState().wait_for_everyone()

    def _material_sources(self, given: Material, place: StepPlace, leave_in: tuple[LeftIn, ...] = ()) -> list[Source]:
        """What is captioned, drawn and read when the first step asks for it."""
        if leave_in not in self._sources:
            with timed(place.folder, "sources"):
                tower = self.folder / "tower"
                configs = [it.changed(leave_in=leave_in) for it in given.source_configs(tower, self.listener)]
                self._sources[leave_in] = load_sources(configs, encoder_identity(tower), self.listener)
        return self._sources[leave_in]

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


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the processes of one run share it."""
    with locked(folder) if leads() else nullcontext():
        yield


def accuracy_of(folder: Path) -> dict[str, Any]:
    """What tower and language model scored by themselves, from the folder of a run with a world."""
    return {name: json.loads((folder / name / "accuracy.json").read_text()) for name in ("tower", "language")}
