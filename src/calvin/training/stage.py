"""One stage of a recipe: the model before it, the mixture that it learns from, and what it leaves."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from calvin.core.errors import ConfigError
from calvin.core.files import atomic_folder, model_fingerprint, write_text
from calvin.data import Example, Features, Instructions, Mixture, Sample, Source
from calvin.model import CalvinForConditionalGeneration, CalvinProcessor, load_calvin
from calvin.model.assemble import assemble
from calvin.model.loading import quiet
from calvin.model.tuning import add_lora, add_prefix, merge, save_adapter, set_trainable
from calvin.training.full.data_file import ModelParts
from calvin.training.loop.look import Look
from calvin.training.loop.train import computes_in_bf16, fast_bf16
from calvin.training.settings import differences
from calvin.training.steps import Recipe, StageStep

Built = tuple[CalvinForConditionalGeneration, CalvinProcessor]
_SAID = 48  # tokens of a caption that is only looked at


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
            "give the data file such a source, or name it in `leave_out` at the file's head."
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


def steps_of(mixture: Mixture, epochs: float, processes: int = 1) -> int:
    """Micro-batches of each process in which as many samples are drawn as so many times all that the sources hold."""
    sampled = [source for source in mixture.sources if source.samples]
    total = sum(source.weight for source in mixture.sources)
    a_step = processes * sum(source.weight / total * mixture.batch_sizes[source.kind] for source in sampled)
    samples = sum(len(source.samples) for source in sampled)
    return max(1, math.ceil(epochs * samples / a_step))


def look_at(step: StageStep, held: Sequence[Source], processor: CalvinProcessor, folder: Path) -> Look:
    """How a stage is looked at on held-out samples, as its settings say."""
    shares = {source.name: step.weights[source.name] for source in held}
    mixture = make_mixture(step.changed(weights=shares), held, processor)
    shown = _spread(mixture.sources, step.validation.captions)

    def captions(model: Any) -> list[dict[str, str]]:
        told = []
        for sample, features in shown:
            example = Instructions(stage=step.stage, training=False)(sample)
            vectors = features if example.visual else None
            embeds = None if vectors is None else [vectors.scene(sample.media_id, sample.span, step.max_frames)]
            inputs = processor(prompts=example.prompt, image_embeds=embeds, max_length=step.max_length)
            inputs = inputs.to(model.device)
            [caption] = processor.captions(model.generate(**inputs, num_beams=1, max_new_tokens=_SAID))
            told.append({"id": sample.id, "reference": sample.caption, "caption": caption})
        return told

    return Look(mixture.once, captions, step.validation, folder, computes_in_bf16(step.loop))


def _spread(sources: Sequence[Source], count: int) -> list[tuple[Sample, Features | None]]:
    """So many samples with their source's features, from each source in turn and evenly spread over it."""
    each = math.ceil(count / len(sources))
    rows = [
        [(found.samples[len(found.samples) * i // each], found.features) for i in range(min(each, len(found.samples)))]
        for found in sources
    ]
    turns = (row[i] for i in range(each) for row in rows if i < len(row))
    return list(islice(turns, count))


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
            projector=shape.projector_fields(),
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
        if model.config.projector_type != shape.projector:
            raise ConfigError(
                f"{step.name} trains a {shape.projector} projector, the model in {start} has a "
                f"{model.config.projector_type}: start from {step.starts_from}."
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How long a stage was trained, and what was seen of it on held-out samples, if it was looked at.

    `best` is the step with the lowest held-out loss and that loss; `kept` says that its weights are the ones saved.
    """

    steps: int
    best: tuple[int, float] | None = None
    kept: bool = False


def save_stage(
    model: CalvinForConditionalGeneration,
    processor: CalvinProcessor,
    recipe: Recipe,
    step: StageStep,
    target: Path,
    outcome: Outcome,
    start: Path | None,
) -> None:
    """Leave the model of a stage, its LoRA merged, with a card; of a prefix, the adapter for the model at `start`."""
    if "prefix" in step.trains:
        # By where it lies from here, so that both may be moved together.
        base = {"base_folder": os.path.relpath(start, target), "base": model_fingerprint(start)} if start else {}
        card = stage_card(recipe, step, outcome)
        save_adapter(model, target, {"recipe": recipe.name, "stage": step.name, "card": card, **base})
        return
    merge(model)
    model.config.reads_looks |= "looks" in step.forms
    if step.half:
        round_matrices(model.projector, model.language_model)
        model.half()
    with atomic_folder(target) as temporary, quiet():
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        write_text(temporary / "README.md", stage_card(recipe, step, outcome))


def stage_card(recipe: Recipe, step: StageStep, outcome: Outcome) -> str:
    """What a stage's model is and how it was made, as Markdown, with each setting that is not the recipe's."""
    about, shares, loop = recipe.about_stage(step), step.weights, step.loop
    mixed = ", ".join(f"{name} {share / sum(shares.values()):.0%}" for name, share in shares.items())
    lines = [
        f"# {recipe.title_of(step)}",
        "",
        f"{about[0].upper()}{about[1:]}.",
        f"{outcome.steps:,} micro-batches on each GPU, learning rate {loop.max_lr:g}; micro-batches from "
        f"{mixed}. Made by `calvin train {recipe.name}`. It carries the terms of its parts and data.",
    ]
    if outcome.steps < loop.steps:
        lines += ["", f"Training was to take {loop.steps:,} steps; the loss on held-out samples had stopped falling."]
    if outcome.best is not None:
        where = "whose weights these are" if outcome.kept else "these weights are the last"
        number, loss = outcome.best
        lines += ["", f"Lowest loss on held-out samples: {loss:.4f} after {number:,} steps, {where}."]
    if changed := differences(recipe, step):
        lines += ["", "Changed against the recipe, whose settings are the paper's where it names any:", ""]
        lines += [f"- {difference}" for difference in changed]
    return "\n".join(lines) + "\n"


def round_matrices(*parts: Any) -> None:
    """Round matrices, in place, to the bits that bfloat16 keeps: autocast trained them with no more. Compressed, as in
    a wheel or a repository, a file of them takes three quarters of the space."""
    with torch.no_grad():
        for value in (value for part in parts for value in part.parameters() if value.ndim >= 2):
            value.copy_(value.to(torch.bfloat16))
