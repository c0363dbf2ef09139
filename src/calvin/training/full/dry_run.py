"""What a recipe would do, on any machine: the model is built on the meta device, shapes without weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from calvin.core.errors import ConfigError
from calvin.core.tokens import IGNORE_INDEX
from calvin.data import BATCH_SIZES, Kind
from calvin.model import VISUAL_TOKEN, CalvinConfig, CalvinForConditionalGeneration, CalvinProcessor
from calvin.model.assemble import bert_fields, full_size_config, load_language_config, load_tokenizer
from calvin.model.loading import A_TOWER, BERT, TOWERS, load_config
from calvin.model.special_tokens import settle_special_tokens
from calvin.model.tuning import describe_model, set_trainable
from calvin.model.vision import CalvinFrameEncoderConfig, vector_width, vision_config_of
from calvin.training.full.cost import A100_FLOPS, BatchShape, memory, step_flops
from calvin.training.full.data_file import DataFile, ModelParts
from calvin.training.recipes import SOURCES
from calvin.training.settings import differences, lasting
from calvin.training.stage import add_adapter, make_mixture, steps_of
from calvin.training.steps import LanguageStep, Recipe, StageStep, TowerStep

GPUS = 8
UTILISATION = 0.4
"""Assumed share of an A100's peak; `benchmarks/train_step.py` measures it."""
_MEASURED = 24  # micro-batches looked at, if there is data

_LISTED = {"micro_batch": "batch_sizes", "queries": "num_query_tokens"}
"""What the list of settings calls those that have another name where they are changed."""
_KINDS: Mapping[str, Kind] = {
    **SOURCES,
    **dict.fromkeys(("mad_5", "mad_clips", "webvid_clips"), "video"),
    "cc": "image",
    "text": "text",
}
_STAGE_1 = (1, 20)
_STAGE_2: Mapping[Kind, tuple[int, int]] = {
    "image": (40, 30),
    "video": (80, 25),  # three captions of context and a question
    "text": (80, 25),
}
"""Tokens of prompt and caption, if no data is given."""


@dataclass(frozen=True)
class StagePlan:
    """One stage to look at, of which model."""

    recipe: Recipe
    step: StageStep
    config: CalvinConfig


def plan(recipe: Recipe, data: DataFile | None = None) -> list[StagePlan]:
    """The stages of a recipe, with the parts that it makes, those of the data file, or those of its size."""
    if recipe.world is not None:
        config = _config_of_steps(recipe)
        return [StagePlan(recipe, step, config) for step in recipe.stages]
    if data is not None:
        steps = [data.at_hand(step) for step in recipe.stages]
        return [StagePlan(recipe, step, config_of_parts(data.model, recipe, step)) for step in steps]
    if recipe.model.size is None:
        raise ConfigError(f"The parts of {recipe.name} are known from its data file alone: give it with --data.")
    config = full_size_config() if recipe.model.size == "7b" else small_config()
    config.num_query_tokens = recipe.model.num_query_tokens
    config.qformer_config.num_hidden_layers = recipe.model.qformer["num_hidden_layers"]
    for name, value in recipe.model.projector_fields().items():
        setattr(config, name, value)
    return [StagePlan(recipe, step, config) for step in recipe.stages]


def _config_of_steps(recipe: Recipe) -> CalvinConfig:
    """The model that a recipe with a world makes."""
    (tower,) = (step for step in recipe.steps if isinstance(step, TowerStep))
    (language,) = (step for step in recipe.steps if isinstance(step, LanguageStep))
    text = {"model_type": "llama", **language.llama_fields()}
    vision = CalvinFrameEncoderConfig(**tower.encoder_fields())
    return CalvinConfig(
        vision_config=vision,
        qformer_config=dict(recipe.model.qformer),
        text_config=text,
        num_query_tokens=recipe.model.num_query_tokens,
        max_frames=recipe.stages[-1].max_frames,
        image_embed_dim=tower.projection_dim,
        **recipe.model.projector_fields(),
    )


def config_of_parts(parts: ModelParts, recipe: Recipe, step: StageStep) -> CalvinConfig:
    """What `assemble` would build from these parts.

    Raises:
        CheckpointError: a part is not there.
    """
    vision = vision_config_of(load_config(parts.vision, TOWERS, A_TOWER))
    qformer = dict(recipe.model.qformer)
    if parts.bert is not None:
        qformer |= bert_fields(load_config(parts.bert, BERT, "a BERT"))
    text = load_language_config(parts.language)
    return CalvinConfig(
        vision_config=vision,
        qformer_config=qformer,
        text_config=text,
        num_query_tokens=recipe.model.num_query_tokens,
        max_frames=step.max_frames,
        image_embed_dim=vector_width(vision),
        visual_token_id=text.vocab_size,
        **recipe.model.projector_fields(),
    )


def small_config() -> CalvinConfig:
    """calvin-small: CLIP ViT-B/32, MiniLM's width in the Q-Former, SmolLM2-135M."""
    vision = {"model_type": "clip_vision_model", "projection_dim": 512}
    text = {
        "model_type": "llama",
        "vocab_size": 49152,
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "tie_word_embeddings": True,
    }
    qformer = {"hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
    return CalvinConfig(vision_config=vision, text_config=text, qformer_config=qformer, image_embed_dim=512)


def build_on_meta(plan: StagePlan) -> CalvinForConditionalGeneration:
    """The whole model without weights, with its adapter, set to train what the stage trains."""
    with torch.device("meta"):
        model = CalvinForConditionalGeneration(plan.config)
        add_adapter(model, plan.step)
    set_trainable(model, set(plan.step.trains))
    return model


def dry_run(plan: StagePlan, data: DataFile | None = None) -> str:
    """Parameters, memory, tokens, operations and days of a stage, and its first batch, as text."""
    model, step = build_on_meta(plan), plan.step
    shapes: list[tuple[float, BatchShape]]
    if data is not None and data.sources:
        tokenizer, config = load_tokenizer(data.model.language), plan.config
        settle_special_tokens(tokenizer, config.text_config)
        processor = CalvinProcessor(None, tokenizer, VISUAL_TOKEN, config.num_query_tokens, config.max_frames)
        mixture = make_mixture(step, data.read_sources(step), processor)
        if step.epochs is not None:
            plan = replace(plan, step=lasting(plan.recipe, step, steps_of(mixture, step.epochs, GPUS)))
        batches = [mixture.batch_at(number) for number in range(_MEASURED)]
        shapes = [(1 / len(batches), shape_of(batch)) for batch in batches]
        measured = f"Batches as measured on the first {len(batches)} micro-batches."
        decoded = ["The first batch:", *show_batch(batches[0], processor), "", "Read:"]
        decoded += [f"  {it.name}: " + "; ".join(it.report.summary().splitlines()) for it in mixture.sources]
    else:
        shapes = assumed_shapes(step, plan.config)
        measured = "Batches of assumed lengths; with --data they are measured."
        decoded = ["The first batch can be shown if --data names sources."]
    title = f"{plan.recipe.title_of(step)}: {plan.recipe.about_stage(step)}."
    lines = [title, "", *_parameters(model, plan), "", *_settings(plan), ""]
    if changed := differences(plan.recipe, plan.step):
        lines += ["Changed against the recipe", *(f"  {difference}" for difference in changed), ""]
    return "\n".join([*lines, measured, *_costs(model, plan, shapes), "", *decoded])


def assumed_shapes(step: StageStep, config: CalvinConfig) -> list[tuple[float, BatchShape]]:
    """Shapes of micro-batches with their shares, from typical lengths of text."""
    shares: Counter[Kind] = Counter()
    for name, weight in step.weights.items():
        shares[_KINDS.get(name, "video")] += weight  # type: ignore[assignment]
    found = []
    for kind, share in shares.items():
        prompt, caption = _STAGE_1 if step.stage == 1 else _STAGE_2[kind]
        visual = 0 if kind == "text" else config.num_query_tokens
        frames = {"image": 1, "video": step.max_frames, "text": 0}[kind]
        # Captions start and end at other places in each row: logits are needed wherever any row has its own.
        predicted = caption + min(prompt, caption)
        shape = BatchShape({**BATCH_SIZES, **step.batch_sizes}[kind], 1 + visual + prompt + caption, predicted, frames)
        found.append((share / sum(shares.values()), shape))
    return found


def shape_of(batch: Mapping[str, Any]) -> BatchShape:
    """The shape of a batch as `Mixture.batch_at` makes it."""
    labels = batch["labels"]
    predicted = int((labels[:, 1:] != IGNORE_INDEX).any(dim=0).sum())
    frames = batch["image_embeds"].shape[1] if "image_embeds" in batch else 0
    return BatchShape(len(labels), labels.shape[1], predicted, frames)


def show_batch(batch: Mapping[str, Any], processor: CalvinProcessor, rows: int = 4) -> list[str]:
    """The first rows of a batch [B, L] as the model sees them; what is learnt stands in [[ ]]."""
    visual, shown = processor.visual_token_id, []
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        real = [(int(i), int(label)) for i, label, used in zip(ids, labels, mask, strict=True) if used]
        count = sum(token == visual for token, _ in real)
        prompt = processor.tokenizer.decode([i for i, label in real if label == IGNORE_INDEX and i != visual][1:])
        caption = processor.tokenizer.decode([i for i, label in real if label != IGNORE_INDEX])
        shown.append(f"  <BOS>{f'<{count} visual>' if count else ''}{prompt} [[{caption.strip()}]]")
    more = len(shown) - rows
    return shown[:rows] + ([f"  and {more} more rows"] if more > 0 else [])


def _parameters(model: Any, plan: StagePlan) -> list[str]:
    total = model.num_parameters()
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    rows = [f"  {row.part:<20} {row.parameters:>15,}" for row in describe_model(model)]
    return [
        "Parameters",
        *rows,
        f"  {'in all':<20} {total:>15,}",
        f"  {'trained':<20} {trained:>15,}  ({trained / total:.2%}: {', '.join(plan.step.trains)})",
    ]


def _settings(plan: StagePlan) -> list[str]:
    step, model, origin = plan.step, plan.recipe.model, plan.step.origin
    values = {**step.loop.model_dump(), **step.mixed()}
    values |= {"num_query_tokens": model.num_query_tokens, "qformer_layers": model.qformer["num_hidden_layers"]}
    values |= step.model_dump(include=set(origin))
    if model.projector != "qformer":
        del values["qformer_layers"]
    absent = [part for part in ("lora", "prefix") if part not in step.trains]
    named = [name for name in values if name in origin and name.split("_")[0] not in absent]
    named = named or ["steps", "max_lr", "min_lr", "batch_sizes", "weights"]
    changed = {_LISTED.get(found.name, found.name) for found in differences(plan.recipe, step)}
    rows = []
    for name in named:
        value = values[name]
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {part}" for key, part in value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = ", ".join(map(str, value))
        where = "changed, as listed below" if name in changed else origin.get(name, "")
        rows.append(f"  {name:<28} {value!s:<44} {where}".rstrip())
    return ["Settings", *rows]


def _costs(model: Any, plan: StagePlan, shapes: Sequence[tuple[float, BatchShape]]) -> list[str]:
    loop, parallel = plan.step.loop, plan.step.parallel
    tokens = sum(share * shape.tokens for share, shape in shapes)
    flops = sum(share * step_flops(model, plan.step.trains, shape) for share, shape in shapes)
    accumulation, saves = loop.gradient_accumulation_steps, parallel.activation_checkpointing
    packed = min(parallel.packed, accumulation)
    # Of several micro-batches in one pass, all might be of the largest kind.
    passes = [replace(shape, samples=packed * shape.samples) for _, shape in shapes]
    lines = [
        f"A micro-batch on one GPU: {tokens:,.0f} tokens, {flops / 1e12:,.2f} TFLOP"
        + (" (activation checkpointing computes about half as much again)." if saves else "."),
        f"A step of the optimiser on {GPUS} GPUs: {accumulation} micro-batch{'es' if accumulation > 1 else ''} each, "
        + (f"{packed} of them in one pass, " if packed > 1 else "")
        + f"{GPUS * accumulation * tokens:,.0f} tokens, {GPUS * accumulation * flops / 1e12:,.1f} TFLOP.",
        "",
        f"{'Memory of a GPU, GiB':<32}"
        + "".join(f"{name:>12}" for name in ("weights", "training", "activations", "in all")),
    ]
    for label, gpus, sharded in (
        ("1 GPU", 1, False),
        (f"DDP on {GPUS}", GPUS, False),
        (f"FSDP2 on {GPUS}", GPUS, True),
    ):
        # The largest micro-batch decides.
        worst = max((memory(model, shape, gpus, sharded, saves) for shape in passes), key=lambda found: found.total)
        chosen = "  <- this recipe" if gpus > 1 and sharded == (parallel.strategy == "fsdp2") else ""
        parts = (worst.weights, worst.training, worst.activations, worst.total)
        figures = "".join(f"{part / 2**30:>12.1f}" for part in parts)
        lines.append(f"  {label:<30}{figures}{chosen}")
    readings = {
        "iterations are micro-batches": loop.steps,
        "iterations are steps of the optimiser": loop.steps * accumulation,
    }
    lines += ["", f"Days on {GPUS} A100 at {UTILISATION:.0%} of their peak (assumed)"]
    lines += [
        f"  {label:<40} {count:>10,} micro-batches  {count * flops / (A100_FLOPS * UTILISATION) / 86400:>8.2f}"
        for label, count in readings.items()
    ]
    return lines
