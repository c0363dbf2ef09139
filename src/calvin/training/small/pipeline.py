"""A recipe from nothing to a model, step by step: each step leaves a folder and is not repeated once that is there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from calvin.core.files import atomic_folder, write_json
from calvin.core.progress import Listener, silent
from calvin.data import Example, Sample, Source, SourceConfig, load_sources
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, load_calvin
from calvin.model.assemble import assemble
from calvin.model.frame_encoder import CalvinFrameEncoder, CalvinFrameEncoderConfig
from calvin.model.loading import quiet
from calvin.model.pretrained import encoder_identity
from calvin.model.tuning import add_lora, merge
from calvin.training.loop.curves import draw_curve
from calvin.training.recipes import Recipe
from calvin.training.small.language import MarkedText, train_language_model, train_tokenizer
from calvin.training.small.tower import SlotImages, train_tower
from calvin.training.stages import StageConfig, claim_folder, train_stage

T = TypeVar("T")


class Material(Protocol):
    """What a recipe learns from, made or found by whoever runs it."""

    def slot_images(self) -> SlotImages: ...

    def texts_at(self, kind: str, index: int, count: int) -> Sequence[MarkedText]: ...

    def tokenizer_texts(self) -> Iterator[str]: ...

    def examples_at(self, index: int, count: int) -> Sequence[Example]:
        """Text-only examples for stage 2, so that what the language model learnt is not forgotten."""
        ...

    def source_configs(self, tower: Path, listener: Listener) -> Sequence[SourceConfig]:
        """The captioned sources, their features made with `tower`; called before stage 1."""
        ...

    def vary(self, source: str) -> Callable[[Sample, int], Sample] | None:
        """How the samples of a source are told anew in each epoch; None: always as they are."""
        ...


@dataclass
class Pipeline:
    """The steps of a recipe in one folder: tower, language, stage1, stage2, model."""

    recipe: Recipe
    folder: Path
    material: Material
    listener: Listener = silent

    def run(self) -> Path:
        """Run what is not there yet; returns the model's folder.

        Raises:
            CheckpointError: the folder holds a run of other settings.
        """
        claim_folder(self.folder, self.recipe.model_dump(mode="json"))
        tower = self._timed("tower", self.tower)
        language = self._timed("language", self.language)
        if not (self.folder / "model").is_dir():
            sources = self._timed("sources", lambda: self.sources(tower))
            stage1 = self._timed("stage1", lambda: self.stage1(tower, language, sources))
            self._timed("stage2", lambda: self.stage2(stage1, sources))
            self._draw_curves()
        return self.folder / "model"

    def _timed(self, step: str, run: Callable[[], T]) -> T:
        """Run a step and add the time it worked, over all resumed runs, to `seconds.json`."""
        started = time.monotonic()
        try:
            return run()
        finally:
            seconds = _read_seconds(self.folder)
            seconds[step] = seconds.get(step, 0.0) + time.monotonic() - started
            write_json(self.folder / "seconds.json", seconds)

    def tower(self) -> Path:
        target, config = self.folder / "tower", self.recipe.tower
        if target.is_dir():
            return target
        import torch

        torch.manual_seed(config.loop.seed)
        tower = CalvinFrameEncoder(
            CalvinFrameEncoderConfig(
                backbone_config=config.backbone,
                projection_dim=config.projection_dim,
                image_size=config.image_size,
                encoder_name=f"{self.recipe.name}-tower",
            )
        )
        processor = tower.image_processor()
        _, accuracy = train_tower(
            tower, processor, self.material.slot_images(), config, self._work("tower"), self.listener
        )
        # Rounded to what the shipped float16 file holds, so that its features and its hash are the same ones.
        tower.half().float()
        with atomic_folder(target) as temporary, quiet():
            tower.save_pretrained(temporary)
            processor.save_pretrained(temporary)
            write_json(temporary / "accuracy.json", accuracy)
        return target

    def language(self) -> Path:
        target, config = self.folder / "language", self.recipe.language
        if target.is_dir():
            return target
        tokenizer = train_tokenizer(self.material.tokenizer_texts(), config.vocab_size)
        model, phases = train_language_model(
            config, tokenizer, self.material.texts_at, self._work("language"), self.recipe.world.seed, self.listener
        )
        facts = [
            {"phase": phase.kind, "steps": result.steps, "loss": result.loss, "marked_accuracy": accuracy}
            for phase, result, accuracy in phases
        ]
        with atomic_folder(target) as temporary, quiet():
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            write_json(temporary / "accuracy.json", facts)
        return target

    def sources(self, tower: Path) -> list[Source]:
        configs = self.material.source_configs(tower, self.listener)
        loaded = load_sources(configs, encoder_identity(tower), self.listener)
        return [replace(source, vary=self.material.vary(source.name)) for source in loaded]

    def stage1(self, tower: Path, language: Path, sources: Sequence[Source]) -> Path:
        def build() -> tuple[CalvinForConditionalGeneration, CalvinProcessor]:
            model, processor = assemble(
                vision=tower,
                language=language,
                qformer=dict(self.recipe.qformer),
                num_query_tokens=self.recipe.num_query_tokens,
                max_frames=self.recipe.stage2.max_frames,
                seed=self.recipe.stage1.loop.seed,
            )
            for part in (model.config.vision_config, model.config.text_config):
                part.name_or_path = ""  # where this run lies is nobody's concern
            if self.recipe.visual_std is not None:
                model.projector.scale_projection(self.recipe.visual_std)
            if self.recipe.frame_position_std is not None:
                model.projector.scale_positions(self.recipe.frame_position_std)
            return model, processor

        return self._stage("stage1", self.recipe.stage1, build, sources)

    def stage2(self, stage1: Path, sources: Sequence[Source]) -> Path:
        recipe = self.recipe

        def build() -> tuple[CalvinForConditionalGeneration, CalvinProcessor]:
            import torch

            model, processor = load_calvin(stage1)
            torch.manual_seed(recipe.stage2.loop.seed)
            if "lora" in recipe.stage2.trains:
                add_lora(model, recipe.lora_rank, recipe.lora_alpha, recipe.lora_dropout)
            return model, processor

        return self._stage("stage2", recipe.stage2, build, sources, name="model")

    def _stage(
        self,
        stage: str,
        config: StageConfig,
        build: Callable[[], tuple[CalvinForConditionalGeneration, CalvinProcessor]],
        sources: Sequence[Source],
        name: str | None = None,
    ) -> Path:
        target = self.folder / (name or stage)
        if target.is_dir():
            return target
        model, processor = build()
        texts = _TextBatches(self.material, config.batch_sizes.get("text", 16)) if "text" in config.weights else None
        train_stage(model, processor, sources, config, self._work(stage), texts=texts, listener=self.listener)
        if "lora" in config.trains:
            merge(model)
        if stage == "stage2":
            round_matrices(model.projector, model.language_model)
            model.half()
        with atomic_folder(target) as temporary, quiet():
            model.save_pretrained(temporary)
            processor.save_pretrained(temporary)
        return target

    def _work(self, step: str) -> Path:
        return self.folder / "checkpoints" / step

    def _draw_curves(self) -> None:
        logs: Mapping[str, Path] = {
            "tower": self._work("tower"),
            **{path.name: path for path in sorted(self._work("language").glob("phase*"))},
            "stage 1": self._work("stage1"),
            "stage 2": self._work("stage2"),
        }
        found = [(title, path / "log.jsonl") for title, path in logs.items() if (path / "log.jsonl").is_file()]
        draw_curve(found, self.folder / "curves.png")


def round_matrices(*parts: Any) -> None:
    """Round matrices, in place, to the bits that bfloat16 keeps: autocast trained them with no more. A file of them
    packs to three quarters, for wheels and repositories."""
    import torch

    with torch.no_grad():
        for part in parts:
            for value in part.parameters():
                if value.ndim >= 2:
                    value.copy_(value.to(torch.bfloat16))


@dataclass(frozen=True)
class _TextBatches:
    material: Material
    count: int

    def __call__(self, index: int) -> Sequence[Example]:
        return self.material.examples_at(index, self.count)


def _read_seconds(folder: Path) -> dict[str, float]:
    path = folder / "seconds.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def seconds_of(folder: Path) -> float:
    """How long a run worked in all, in seconds."""
    return sum(_read_seconds(folder).values())


def accuracy_of(folder: Path) -> dict[str, Any]:
    """What tower and language model scored by themselves, from a pipeline's folder."""
    return {name: json.loads((folder / name / "accuracy.json").read_text()) for name in ("tower", "language")}
