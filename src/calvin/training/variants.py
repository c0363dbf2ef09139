"""The rows of the paper's Table 3 as changes of one stage 2, for models of any size.

The full-size recipes and those of puppet films are made from this one table, so that what a row means cannot drift
apart between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from calvin.core.errors import ConfigError
from calvin.training.steps import ModelShape, Part, Recipe, StageStep


@dataclass(frozen=True, slots=True)
class Variant:
    """What a row changes of stage 2; what is not given stays.

    Args:
        key: what the row is called; its recipe is FAMILY-stage2-KEY, unless `ending` says otherwise.
        leaves_out: a source of the mixture, whose share goes to the others.
        queries: in stage 1 too, from which it goes on.
        lora_rank: alpha goes with it, since a LoRA counts by alpha / rank.
        rate: times the highest learning rate.
        alone: the only source, and in `share` of the steps.
        after: the variant whose model it goes on from; none: stage 1.
        untrained: it is the model before stage 2.
    """

    key: str
    about: str
    row: str
    ending: str = ""
    leaves_out: str = ""
    trains: tuple[Part, ...] = ()
    queries: int | None = None
    lora_rank: int | None = None
    rate: float = 1.0
    alone: str = ""
    share: float = 1.0
    after: str = ""
    untrained: bool = False

    def recipe(self, family: str) -> str:
        """The recipe's name in a family of models, such as calvin-7b."""
        return f"{family}-{self.ending or f'stage2-{self.key}'}"

    def stage_1(self, family: str) -> str:
        """The recipe of the stage 1 that it goes on from."""
        return f"{family}-stage1" + (f"-{self.queries}-queries" if self.queries is not None else "")


_MISPRINT = "it repeats three values of the Q-Former row: rest no claim on it"
VARIANTS: tuple[Variant, ...] = (
    Variant("all", "", "Table 3, starred", ending="stage2"),
    Variant("no-mad", "stage 2 without MAD", "Table 3, (-) MAD", leaves_out="mad"),
    Variant("no-webvid", "stage 2 without WebVid", "Table 3, (-) WebVideo", leaves_out="webvid"),
    Variant("no-vqa", "stage 2 without LLaVA 1.5's mix", "Table 3, (-) Image VQA data", leaves_out="llava"),
    Variant("none", "", "Table 3, (-) All stage-2 data", ending="stage1", untrained=True),
    Variant("qformer-only", "stage 2 of the projector alone", "Table 3, Q-Former", trains=("projector",)),
    Variant("llm-only", "stage 2 of the LoRA alone", "Table 3, LLM", trains=("lora",)),
    *(
        Variant(f"{count}-queries", f"stage 2 with {count} queries", f"Table 3, {count} tokens, width=4", queries=count)
        for count in (64, 128)
    ),
    Variant(
        "prefix", "stage 2 with a learned prefix instead of a LoRA", "Table 3, LLM + prefix tuning",
        trains=("projector", "prefix"),
    ),
    *(
        Variant(f"r{rank}", f"stage 2 with a LoRA of rank {rank}", f"Table 3, LLM + Lora (rank={rank})", lora_rank=rank)
        for rank in (16, 64)
    ),
    Variant(
        "stage3", "MAD by itself, after a stage 2 that has not seen it", "Table 3, MAD in Stage-3",
        ending="stage3", alone="mad", share=1 / 3, after="no-mad",
    ),
    Variant(
        "lr-1e-4", "stage 2 at the learning rate of section 4's text", f"Table 3, LR = 1e-4 ({_MISPRINT})", rate=10.0
    ),
)  # fmt: skip
"""Every run of Table 3. The starred one, and the one before stage 2, are what the others change."""


def find_variant(key: str) -> Variant:
    """
    Raises:
        ConfigError: there is none.
    """
    found = next((variant for variant in VARIANTS if variant.key == key), None)
    if found is None:
        raise ConfigError(f"There is no variant {key!r}; there are: {', '.join(one.key for one in VARIANTS)}.")
    return found


def family_recipes(family: str, stage_1: StageStep, stage_2: StageStep, shape: ModelShape) -> list[Recipe]:
    """A recipe for each variant of a stage 2, and for each stage 1 with another number of queries."""
    found = []
    for variant in VARIANTS:
        if variant.untrained or variant.key == "all":
            continue
        wider = shape if variant.queries is None else shape.changed(num_query_tokens=variant.queries)
        if variant.queries is not None:
            about = f"stage 1 with {variant.queries} queries"
            first = stage_1.with_changes(name=variant.stage_1(family), about=about, row="")
            found.append(one_stage(first, wider))
        found.append(one_stage(varied(stage_2, variant, family), wider))
    return found


def varied(base: StageStep, variant: Variant, family: str) -> StageStep:
    """Stage 2 with what a variant changes."""
    changes: dict[str, Any] = {"name": variant.recipe(family), "about": variant.about, "row": variant.row}
    loop: dict[str, Any] = {}
    if variant.leaves_out:
        changes["weights"] = {name: share for name, share in base.weights.items() if name != variant.leaves_out}
    if variant.alone:
        changes["weights"] = {variant.alone: 1.0}
        loop["steps"] = round(base.loop.steps * variant.share)
    if variant.after:
        changes["starts_from"] = find_variant(variant.after).recipe(family)
    elif variant.queries is not None:
        changes["starts_from"] = variant.stage_1(family)
    if variant.trains:
        changes["trains"] = variant.trains
    if "prefix" in variant.trains:
        # Recomputing a layer's activations would leave the prefix out.
        changes["parallel"] = {**base.parallel.model_dump(), "activation_checkpointing": False}
    if variant.lora_rank is not None:
        changes |= {"lora_rank": variant.lora_rank, "lora_alpha": 2 * variant.lora_rank}
    if variant.rate != 1.0:
        loop["max_lr"] = base.loop.max_lr * variant.rate
        if base.origin:
            changes["origin"] = {**base.origin, "max_lr": "section 4's text"}
    return base.with_changes(**changes, loop=loop)


def one_stage(step: StageStep, shape: ModelShape) -> Recipe:
    return Recipe(name=step.name, about=step.about, model=shape, steps=(step,))
