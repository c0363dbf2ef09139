"""The paper's training as recipes of one stage each, the rows of its Table 3, and `calvin-small` between mini and 7B.

Each variant changes one thing of another recipe and says which row it is. What the paper does not say is ours and is
marked so in `ORIGIN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import ConfigError
from calvin.data import Kind
from calvin.training.loop.distributed import Parallel
from calvin.training.loop.schedule import LoopConfig
from calvin.training.stages import StageConfig

SOURCES: Mapping[str, Kind] = {
    "pairs": "image",  # stands for the paper's internal 100 M pairs: any webdataset of pairs
    "cc12m": "image",
    "llava558k": "image",
    "cc3m": "image",
    "llava": "image",
    "webvid": "video",
    "mad": "video",
}
"""The names that a data file gives its sources (section 3.2), and what they hold."""

_OURS = "ours, the paper does not say"
ORIGIN: Mapping[str, str] = {
    "steps": "section 4, read as micro-batches",
    "batch_sizes": "section 4, per GPU",
    "gradient_accumulation_steps": "section 4 (stage 1: 4; stage 2: none is named)",
    "max_lr": "section 4 (stage 1), Table 3's starred row (stage 2)",
    "min_lr": "section 4",
    "schedule": "section 4",
    "warmup_steps": "section 4 (stage 1); ours in stage 2",
    "weight_decay": "section 4, across all stages",
    "max_frames": "section 4",
    "trains": "section 3.2",
    "num_query_tokens": "section 4",
    "qformer_layers": "section 4",
    "lora_rank": "section 4",
    "lora_alpha": _OURS,
    "lora_dropout": _OURS,
    "prefix_tokens": _OURS,
    "weights": _OURS,
    "betas": _OURS,
    "max_grad_norm": _OURS,
}
"""Where each setting of the 7B recipes comes from."""


class StageRecipe(FrozenConfig):
    """One stage of a model made from pretrained parts, which a data file names."""

    name: str
    about: str
    row: str = Field(default="", description="where in the paper its score stands")
    size: Literal["7b", "small"]
    starts_from: str | None = Field(default=None, description="recipe whose model this one goes on with")
    stage: StageConfig
    num_query_tokens: int = Field(default=32, gt=0)
    qformer_layers: int = Field(default=4, gt=0)
    lora_rank: int = Field(default=32, gt=0)
    lora_alpha: int = Field(default=64, gt=0)
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    prefix_tokens: int = Field(default=16, gt=0, description="learned keys and values, where a prefix is trained")
    parallel: Parallel = Parallel()
    origin: Mapping[str, str] = Field(default=ORIGIN, description="where the settings come from")

    def stage_changed(self, **changes: Any) -> StageConfig:
        """The stage with some fields changed; `loop` may be a mapping of the loop's changes."""
        loop = {**self.stage.loop.model_dump(), **changes.pop("loop", {})}
        return self.stage.changed(**changes, loop=loop)

    def keeping_activations(self) -> StageRecipe:
        """The recipe without activation checkpointing: faster, for more memory."""
        return self.changed(parallel=self.parallel.changed(activation_checkpointing=False))


STAGE_1 = StageRecipe(
    name="calvin-7b-stage1",
    about="aligns the projector with a frozen Llama-2-7B on captions of images",
    row="Table 3, (-) All stage-2 data",
    size="7b",
    stage=StageConfig(
        stage=1,
        trains=("projector",),
        # About as many as there are of each: 100 M, 12 M, 0.56 M; the last, the best of them, six times.
        weights={"pairs": 0.86, "cc12m": 0.11, "llava558k": 0.03},
        batch_sizes={"image": 32},
        loop=LoopConfig(
            steps=400_000,
            max_lr=1e-4,
            min_lr=1e-6,
            warmup_steps=2_500,
            gradient_accumulation_steps=4,
            weight_decay=0.05,
            checkpoint_every=2_000,
            log_every=100,
        ),
    ),
    parallel=Parallel(strategy="ddp", activation_checkpointing=True),
)

STAGE_2 = StageRecipe(
    name="calvin-7b-stage2",
    about="instruction tuning of projector and LoRA on images, clips and films with context",
    row="Table 3, starred",
    size="7b",
    starts_from=STAGE_1.name,
    stage=StageConfig(
        stage=2,
        trains=("projector", "lora"),
        weights={"mad": 0.25, "webvid": 0.25, "llava": 0.25, "cc3m": 0.25},
        batch_sizes={"image": 12, "video": 6},
        loop=LoopConfig(
            steps=120_000,
            max_lr=1e-5,
            min_lr=1e-6,
            warmup_steps=2_500,
            weight_decay=0.05,
            checkpoint_every=1_000,
            log_every=100,
        ),
    ),
    parallel=Parallel(strategy="fsdp2", activation_checkpointing=True),
)


def _variant(base: StageRecipe, ending: str, about: str, row: str, **changes: Any) -> StageRecipe:
    """`base` with one thing changed; changes of the stage as `stage_changed` takes them."""
    own = {key: changes.pop(key) for key in list(changes) if key in StageRecipe.model_fields}
    stage = base.stage_changed(**changes)
    return base.changed(name=f"{base.name}{ending}", about=about, row=row, stage=stage.model_dump(), **own)


def _without(source: str) -> dict[str, float]:
    return {name: weight for name, weight in STAGE_2.stage.weights.items() if name != source}


_NO_MAD = _variant(STAGE_2, "-no-mad", "stage 2 without MAD", "Table 3, (-) MAD", weights=_without("mad"))
_STAGE_1_WIDE = [
    _variant(STAGE_1, f"-{count}-queries", f"stage 1 with {count} queries", "", num_query_tokens=count)
    for count in (64, 128)
]
_STAGE_3 = _variant(
    STAGE_2,
    "",
    "MAD by itself, after a stage 2 that has not seen it",
    "Table 3, MAD in Stage-3",
    weights={"mad": 1.0},
    loop={"steps": 40_000},
    starts_from=_NO_MAD.name,
).changed(name="calvin-7b-stage3")

_VARIANTS = [
    _NO_MAD,
    _variant(STAGE_2, "-no-webvid", "stage 2 without WebVid", "Table 3, (-) WebVideo", weights=_without("webvid")),
    _variant(
        STAGE_2, "-no-vqa", "stage 2 without LLaVA 1.5's mix", "Table 3, (-) Image VQA data", weights=_without("llava")
    ),
    _variant(STAGE_2, "-qformer-only", "stage 2 of the projector alone", "Table 3, Q-Former", trains=("projector",)),
    _variant(STAGE_2, "-llm-only", "stage 2 of the LoRA alone", "Table 3, LLM", trains=("lora",)),
    *_STAGE_1_WIDE,
    *(
        _variant(
            STAGE_2,
            f"-{wide.num_query_tokens}-queries",
            f"stage 2 with {wide.num_query_tokens} queries",
            f"Table 3, {wide.num_query_tokens} tokens, width=4",
            num_query_tokens=wide.num_query_tokens,
            starts_from=wide.name,
        )
        for wide in _STAGE_1_WIDE
    ),
    _variant(
        STAGE_2,
        "-prefix",
        "stage 2 with a learned prefix instead of a LoRA",
        "Table 3, LLM + prefix tuning",
        trains=("projector", "prefix"),
        # Recomputing a layer's activations would leave the prefix out.
        parallel={"strategy": "fsdp2", "activation_checkpointing": False},
    ),
    *(
        _variant(
            STAGE_2, f"-r{rank}", f"stage 2 with a LoRA of rank {rank}", f"Table 3, LLM + Lora (rank={rank})",
            lora_rank=rank,
        )
        for rank in (16, 64)
    ),
    _variant(
        STAGE_2,
        "-lr-1e-4",
        "stage 2 at the learning rate of section 4's text",
        "Table 3, LR = 1e-4 (it repeats three values of the Q-Former row: rest no claim on it)",
        loop={"max_lr": 1e-4},
        origin={**ORIGIN, "max_lr": "section 4's text"},
    ),
]  # fmt: skip

_SMALL_ORIGIN = {
    field: "as calvin-7b" if source != _OURS and field not in ("steps", "batch_sizes", "max_lr", "warmup_steps") else
    "ours, for a model of this size"
    for field, source in ORIGIN.items()
}  # fmt: skip
SMALL_STAGE_1 = StageRecipe(
    name="calvin-small-stage1",
    about="a SmolLM2-135M, a MiniLM as the Q-Former's start and any CLIP: captions of images",
    size="small",
    stage=StageConfig(
        stage=1,
        trains=("projector",),
        weights={"cc3m": 0.85, "llava558k": 0.15},
        batch_sizes={"image": 32},
        loop=LoopConfig(steps=20_000, max_lr=3e-4, min_lr=1e-6, warmup_steps=500, checkpoint_every=500),
    ),
    origin=_SMALL_ORIGIN,
)
SMALL_STAGE_2 = StageRecipe(
    name="calvin-small-stage2",
    about="calvin-small with context: projector and LoRA",
    size="small",
    starts_from=SMALL_STAGE_1.name,
    stage=StageConfig(
        stage=2,
        trains=("projector", "lora"),
        weights=STAGE_2.stage.weights,
        batch_sizes=STAGE_2.stage.batch_sizes,
        loop=LoopConfig(steps=40_000, max_lr=1e-4, min_lr=1e-6, warmup_steps=500, checkpoint_every=500),
    ),
    origin=_SMALL_ORIGIN,
)

STAGE_RECIPES: Mapping[str, StageRecipe] = {
    recipe.name: recipe for recipe in (STAGE_1, STAGE_2, _STAGE_3, *_VARIANTS, SMALL_STAGE_1, SMALL_STAGE_2)
}
_IN_ORDER = {
    "calvin-7b": (STAGE_1.name, STAGE_2.name),
    "calvin-small": (SMALL_STAGE_1.name, SMALL_STAGE_2.name),
}


def stage_recipes(name: str) -> list[StageRecipe]:
    """The stages meant by a name, in order: one, or those of a whole model (`calvin-7b`, `calvin-small`).

    Raises:
        ConfigError: there is no such recipe.
    """
    names = _IN_ORDER.get(name, (name,))
    if names[0] not in STAGE_RECIPES:
        raise ConfigError(f"There is no recipe {name!r}; there are: {', '.join(all_names())}.")
    return [STAGE_RECIPES[each] for each in names]


def all_names() -> list[str]:
    """Every name that `stage_recipes` takes."""
    return sorted({*_IN_ORDER, *STAGE_RECIPES})
