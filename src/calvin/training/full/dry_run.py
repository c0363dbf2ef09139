"""What a recipe would do, on any machine: the model is built on the meta device, shapes without weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from calvin.core.tokens import IGNORE_INDEX
from calvin.data import Kind, Mixture
from calvin.model import CalvinConfig, CalvinForConditionalGeneration, CalvinProcessor
from calvin.model.assemble import full_size_config
from calvin.model.frame_encoder import CalvinFrameEncoderConfig
from calvin.model.tuning import count_parameters, describe_model, set_trainable
from calvin.training.full.cost import A100_FLOPS, BatchShape, memory, step_flops
from calvin.training.full.data_file import DataFile
from calvin.training.full.shapes import config_of_parts, text_processor
from calvin.training.full.stage_recipes import SOURCES, StageRecipe
from calvin.training.full.staged import add_adapter, read_sources, stage_config
from calvin.training.loop.distributed import Parallel
from calvin.training.recipes import Recipe
from calvin.training.stages import StageConfig, make_mixture

GPUS = 8
UTILISATION = 0.4
"""Assumed share of an A100's peak; `benchmarks/train_step.py` measures it."""
_MEASURED = 24  # micro-batches looked at, where there is data

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
"""Tokens of prompt and caption, where no data is given."""


@dataclass(frozen=True)
class Plan:
    """One stage to look at: what is trained, of which model, laid out how."""

    name: str
    about: str
    config: CalvinConfig
    stage: StageConfig
    parallel: Parallel
    adapter: StageRecipe | None = None
    origin: Mapping[str, str] | None = None


def plan_stage(recipe: StageRecipe, data: DataFile | None) -> Plan:
    """A stage recipe with the parts of the data file, or those of its size where there is none."""
    if data is not None:
        config, stage = config_of_parts(data.model, recipe), stage_config(recipe, data)
    else:
        config = full_size_config() if recipe.size == "7b" else small_config()
        config.num_query_tokens, stage = recipe.num_query_tokens, recipe.stage
        config.qformer_config.num_hidden_layers = recipe.qformer_layers
    row = f" ({recipe.row})" if recipe.row else ""
    return Plan(recipe.name, recipe.about + row, config, stage, recipe.parallel, recipe, recipe.origin)


def plan_recipe(recipe: Recipe) -> list[Plan]:
    """Both stages of a recipe that makes its own parts."""
    language = recipe.language
    text = {
        "model_type": "llama",
        "tie_word_embeddings": True,
        "num_key_value_heads": language.num_attention_heads,
        **language.model_dump(include={"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
                                       "num_attention_heads", "max_position_embeddings"}),
    }  # fmt: skip
    vision = CalvinFrameEncoderConfig(
        backbone_config=recipe.tower.backbone,
        projection_dim=recipe.tower.projection_dim,
        image_size=recipe.tower.image_size,
    )
    plans = []
    for stage in (recipe.stage1, recipe.stage2):
        config = CalvinConfig(
            vision_config=vision,
            qformer_config=dict(recipe.qformer),
            text_config=text,
            num_query_tokens=recipe.num_query_tokens,
            max_frames=recipe.stage2.max_frames,
            image_embed_dim=recipe.tower.projection_dim,
        )
        plans.append(Plan(f"{recipe.name}, stage {stage.stage}", recipe.about, config, stage, Parallel()))
    return plans


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


def build_on_meta(plan: Plan) -> CalvinForConditionalGeneration:
    """The whole model without weights, with its adapter, set to train what the stage trains."""
    with torch.device("meta"):
        model = CalvinForConditionalGeneration(plan.config)
        if plan.adapter is not None:
            add_adapter(model, plan.adapter)
    set_trainable(model, set(plan.stage.trains))
    return model


def dry_run(plan: Plan, data: DataFile | None = None) -> str:
    """Parameters, memory, tokens, operations and days of a stage, and its first batch, as text."""
    model = build_on_meta(plan)
    lines = [f"{plan.name}: {plan.about}.", "", *_parameters(model, plan), "", *_settings(plan), ""]
    shapes: list[tuple[float, BatchShape]]
    if data is not None and data.sources:
        processor = text_processor(data.model, plan.config)
        mixture = make_mixture(plan.stage, read_sources(plan.stage, data), processor)
        batches = [mixture.batch_at(step) for step in range(_MEASURED)]
        shapes = [(1 / len(batches), shape_of(batch)) for batch in batches]
        lines.append(f"Batches as measured on the first {len(batches)} micro-batches.")
        decoded = ["The first batch:", *show_batch(batches[0], processor), *_left_out(mixture)]
    else:
        shapes = assumed_shapes(plan)
        lines.append("Batches of assumed lengths; with --data they are measured.")
        decoded = ["The first batch can be shown where --data names sources."]
    return "\n".join([*lines, *_costs(model, plan, shapes), "", *decoded])


def assumed_shapes(plan: Plan) -> list[tuple[float, BatchShape]]:
    """Shapes of micro-batches with their shares, from typical lengths of text."""
    shares: Counter[Kind] = Counter()
    for name, weight in plan.stage.weights.items():
        shares[_KINDS[name]] += weight  # type: ignore[assignment]
    found = []
    for kind, share in shares.items():
        prompt, caption = _STAGE_1 if plan.stage.stage == 1 else _STAGE_2[kind]
        visual = 0 if kind == "text" else plan.config.num_query_tokens
        frames = {"image": 1, "video": plan.stage.max_frames, "text": 0}[kind]
        # Captions start and end at other places in each row: logits are needed wherever any row has its own.
        predicted = caption + min(prompt, caption)
        shape = BatchShape(plan.stage.batch_sizes[kind], 1 + visual + prompt + caption, predicted, frames)
        found.append((share / sum(shares.values()), shape))
    return found


def shape_of(batch: Mapping[str, Any]) -> BatchShape:
    """The shape of a batch as `Mixture.batch_at` makes it."""
    labels = batch["labels"]
    predicted = int((labels[:, 1:] != IGNORE_INDEX).any(dim=0).sum())
    frames = batch["image_embeds"].shape[1] if "image_embeds" in batch else 0
    return BatchShape(len(labels), labels.shape[1], predicted, frames)


def show_batch(batch: Mapping[str, Any], processor: CalvinProcessor, rows: int = 4) -> list[str]:
    """The first rows of a batch as the model sees them; what is learnt stands in [[ ]]."""
    visual, shown = processor.visual_token_id, []
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        real = [(int(i), int(label)) for i, label, used in zip(ids, labels, mask, strict=True) if used]
        count = sum(token == visual for token, _ in real)
        prompt = processor.tokenizer.decode([i for i, label in real if label == IGNORE_INDEX and i != visual][1:])
        caption = processor.tokenizer.decode([i for i, label in real if label != IGNORE_INDEX])
        shown.append(f"  <BOS>{f'<{count} visual>' if count else ''}{prompt} [[{caption.strip()}]]")
    more = len(shown) - rows
    return shown[:rows] + ([f"  and {more} more rows"] if more > 0 else [])


def _left_out(mixture: Mixture) -> list[str]:
    reports = [f"  {source.name}: " + "; ".join(source.report.summary().splitlines()) for source in mixture.sources]
    return ["", "Read:", *reports]


def _parameters(model: Any, plan: Plan) -> list[str]:
    total = count_parameters(model)
    trained = sum(value.numel() for value in model.parameters() if value.requires_grad)
    rows = [f"  {row.part:<20} {row.parameters:>15,}" for row in describe_model(model)]
    return [
        "Parameters",
        *rows,
        f"  {'in all':<20} {total:>15,}",
        f"  {'trained':<20} {trained:>15,}  ({trained / total:.2%}: {', '.join(plan.stage.trains)})",
    ]


def _settings(plan: Plan) -> list[str]:
    stage, loop = plan.stage, plan.stage.loop
    origin = plan.origin or {}
    values = {**loop.model_dump(), **stage.model_dump(exclude={"loop"})}
    if plan.adapter is not None:
        values |= plan.adapter.model_dump(include=set(origin))
    absent = [part for part in ("lora", "prefix") if part not in stage.trains]
    named = [name for name in values if name in origin and name.split("_")[0] not in absent]
    named = named or ["steps", "max_lr", "min_lr", "batch_sizes", "weights"]
    rows = []
    for name in named:
        value = values[name]
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {part}" for key, part in value.items())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            value = ", ".join(map(str, value))
        rows.append(f"  {name:<28} {value!s:<44} {origin.get(name, '')}".rstrip())
    return ["Settings", *rows]


def _costs(model: Any, plan: Plan, shapes: Sequence[tuple[float, BatchShape]]) -> list[str]:
    loop = plan.stage.loop
    tokens = sum(share * shape.tokens for share, shape in shapes)
    flops = sum(share * step_flops(model, plan.stage.trains, shape) for share, shape in shapes)
    accumulation, saves = loop.gradient_accumulation_steps, plan.parallel.activation_checkpointing
    lines = [
        f"A micro-batch on one GPU: {tokens:,.0f} tokens, {flops / 1e12:,.2f} TFLOP"
        + (" (activation checkpointing computes about half as much again)." if saves else "."),
        f"A step of the optimiser on {GPUS} GPUs: {accumulation} micro-batch{'es' if accumulation > 1 else ''} each, "
        f"{GPUS * accumulation * tokens:,.0f} tokens, {GPUS * accumulation * flops / 1e12:,.1f} TFLOP.",
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
        worst = max((memory(model, shape, gpus, sharded, saves) for _, shape in shapes), key=lambda found: found.total)
        chosen = "  <- this recipe" if gpus > 1 and sharded == (plan.parallel.strategy == "fsdp2") else ""
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
