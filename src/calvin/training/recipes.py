"""Recipes by name: `micro` and `mini` from nothing, the paper's training from pretrained parts, `calvin-small` between.

A recipe that differs from another changes one thing and says which row of the paper's Table 3 it is. What the paper
does not say is ours and is marked so in `ORIGIN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calvin.core.errors import ConfigError
from calvin.data import Kind
from calvin.training.ablation import ABLATIONS, SMALL_SHAPE
from calvin.training.left_in import LEFT_IN, leaving_in
from calvin.training.peers import PEERS, peer_of
from calvin.training.steps import (
    CaptionsStep,
    LanguageStep,
    LoopConfig,
    ModelShape,
    Parallel,
    Phase,
    Recipe,
    StageStep,
    TowerStep,
    WorldConfig,
)
from calvin.training.variants import family_recipes, one_stage


def _resnet(*hidden_sizes: int) -> dict[str, Any]:
    return {
        "model_type": "resnet",
        "embedding_size": hidden_sizes[0],
        "hidden_sizes": list(hidden_sizes),
        "depths": [1] * len(hidden_sizes),
        "layer_type": "basic",
    }


# Pairs alone first, with the language model learning too: after 400 steps 33% of the actions were right. Mixed with
# films from the start it was 4%, with the language model frozen (as the paper's can be) 18%.
_MICRO_STAGE_1 = StageStep(
    name="stage 1",
    stage=1,
    trains=("projector", "language_model"),
    weights={"webvid": 0.95, "text": 0.05},
    batch_sizes={"video": 16, "text": 16},
    max_frames=8,
    loop=LoopConfig(steps=600, max_lr=1e-3, min_lr=7e-4, warmup_steps=30),
)
_MICRO_STAGE_2 = StageStep(
    name="stage 2",
    starts_from="stage 1",
    stage=2,
    # The language model is two layers that saw minutes of text: all of it learns, where the paper has LoRA.
    trains=("projector", "language_model"),
    weights={"mad": 0.5, "webvid": 0.3, "cc": 0.05, "llava": 0.05, "text": 0.1},
    batch_sizes={"image": 16, "video": 16, "text": 16},
    max_frames=8,
    no_context_share=0.1,
    entity_share=0.4,
    loop=LoopConfig(steps=500, max_lr=7e-4, min_lr=2e-5, warmup_steps=10),
    half=True,
)

MICRO = Recipe(
    name="micro",
    about="every stage of mini, shrunk to minutes on two cores, for tests, demos and ablations",
    world=WorldConfig(films=40, clips=2200, images=1500, conversations=250, heldout_films=8, tower_images=20_000),
    model=ModelShape(qformer=SMALL_SHAPE.qformer, visual_std=SMALL_SHAPE.visual_std),
    steps=(
        TowerStep(
            backbone=_resnet(32, 64, 160),
            projection_dim=192,
            loop=LoopConfig(
                steps=400, max_lr=1.5e-3, min_lr=2e-5, warmup_steps=50, checkpoint_every=100, precision="fp32"
            ),
        ),
        LanguageStep(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=3,
            vocab_size=1536,
            phases=(
                # Bare pairs first: a model that began with film-like text had not learnt to copy names after 500 steps.
                Phase(
                    kind="pairs_2",
                    batch_size=64,
                    loop=LoopConfig(steps=100, max_lr=2e-3, warmup_steps=50, weight_decay=0.0, schedule="constant"),
                ),
                Phase(
                    kind="mixed",
                    batch_size=16,
                    loop=LoopConfig(steps=220, max_lr=2e-3, min_lr=2e-4, warmup_steps=10, weight_decay=0.0),
                ),
            ),
        ),
        _MICRO_STAGE_1,
        _MICRO_STAGE_2,
    ),
)

# What a film's description will have told before a scene, and what it will not. With names in every context and every
# caption, the model made names up where it knew none, and went on with them from its own captions.
# Where nothing is told, to name nobody is learnt in a few hundred steps; to leave out one of two people takes longer.
_FORMS = {
    **{"none": 0.05, "told": 0.4, "bare": 0.04, "corrected": 0.15, "muddled": 0.08},
    **{"entities": 0.14, "looks": 0.14},
}
_OWN_FORMS = {**_FORMS, "told": 0.32, "bare": 0.03, "corrected": 0.1, "muddled": 0.06, "own": 0.16}

# At the projector's rate, the language model forgot in stage 1 which look is whose; at a tenth of it, it saw less.
_SLOW_LANGUAGE = {"language_model.": 0.3}


def _phase(
    kind: str, gate: float | None, batch_size: int = 64, steps: int = 8000, mark_weight: float = 1.0, **loop: Any
) -> Phase:
    """A phase of mini's curriculum, left at its gate; `steps` only bounds a run that does not get there."""
    fields = {"max_lr": 1e-3, "warmup_steps": 100, "weight_decay": 0.0, "schedule": "constant", **loop}
    return Phase(
        kind=kind,
        batch_size=batch_size,
        gate_accuracy=gate,
        mark_weight=mark_weight,
        loop=LoopConfig(steps=steps, **fields),
    )


_MINI_STAGE_2 = _MICRO_STAGE_2.changed(
    weights={"mad": 0.4, "mad_5": 0.25, "mad_clips": 0.12, "cc": 0.02, "llava": 0.02, "text": 0.19},
    max_frames=12,
    entity_share=0.2,
    half=False,
    loop=LoopConfig(steps=3500, max_lr=8e-4, min_lr=3e-4, warmup_steps=50, rates=_SLOW_LANGUAGE),
)
_MINI_KNOWN = _MINI_STAGE_2.with_changes(
    name="stage 2, known names",
    starts_from="stage 2",
    no_context_share=0.0,
    entity_share=0.0,
    forms=_FORMS,
    loop={"steps": 1000, "max_lr": 5e-4, "min_lr": 4e-4, "warmup_steps": 20},
)

MINI = Recipe(
    name="mini",
    about="the model that ships with the package: both stages at full length for two cores",
    world=WorldConfig(films=1200, clips=12_000, images=4000, conversations=800, heldout_films=25, tower_images=160_000),
    model=ModelShape(
        # A little narrower inside than three times its width: the file stays below 14 MB at half precision.
        qformer={**SMALL_SHAPE.qformer, "hidden_size": 256, "intermediate_size": 640},
        visual_std=SMALL_SHAPE.visual_std,
        frame_position_std=SMALL_SHAPE.frame_position_std,
    ),
    steps=(
        TowerStep(
            backbone=_resnet(48, 96, 160),
            projection_dim=256,
            loop=LoopConfig(steps=8000, max_lr=1.5e-3, min_lr=1e-5, warmup_steps=100, checkpoint_every=250),
        ),
        LanguageStep(
            hidden_size=192,
            intermediate_size=512,
            num_hidden_layers=3,
            num_attention_heads=3,
            vocab_size=1536,
            # Recall is learnt suddenly or not at all. Words that come again among others teach it in 500 steps. Bare
            # pairs of two people did not in 2,000, and after repeats with nothing in between a word recalled only
            # its neighbour.
            phases=(
                _phase("repeats", 0.93),
                _phase("look_ups", None, 48, steps=600),
                _phase("look_ups_far", None, 36, steps=350),
                _phase("many_cues", None, 48, steps=700, mark_weight=3.0),
                # At a constant 1e-3 four people's looks stay where they are (cue_looks 75%) however long it goes on.
                _phase("cues", None, 96, steps=900, mark_weight=3.0, schedule="cosine", min_lr=5e-5),
                _phase("prompts", None, 96, steps=600, mark_weight=3.0, schedule="cosine", max_lr=5e-4, min_lr=3e-5),
            ),
        ),
        _MICRO_STAGE_1.changed(
            weights={"webvid_clips": 0.3, "mad_clips": 0.5, "text": 0.2},
            max_frames=12,
            loop=LoopConfig(steps=6000, max_lr=1e-3, min_lr=7e-4, warmup_steps=50, rates=_SLOW_LANGUAGE),
        ),
        _MINI_STAGE_2,
        # With these forms from the start a run named the right people no oftener than by guessing; after the shipped
        # model's stages, whom not to name was learnt in a few hundred steps.
        _MINI_KNOWN,
        CaptionsStep(starts_from=_MINI_KNOWN.name, films=600),
        _MINI_KNOWN.with_changes(
            name="stage 2, own context",
            starts_from=_MINI_KNOWN.name,
            forms=_OWN_FORMS,
            half=True,
            loop={"steps": 2500, "max_lr": 4e-4, "min_lr": 1e-5},
        ),
    ),
    released=True,
)

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
    **dict.fromkeys(("min_lr", "schedule", "max_frames", "num_query_tokens", "qformer_layers"), "section 4"),
    "lora_rank": "section 4",
    **dict.fromkeys(("lora_alpha", "lora_dropout", "prefix_tokens", "weights", "betas", "max_grad_norm"), _OURS),
    "trains": "section 3.2",
    "steps": "section 4, read as micro-batches",
    "batch_sizes": "section 4, per GPU",
    "gradient_accumulation_steps": "section 4 (stage 1: 4; stage 2: none is named)",
    "max_lr": "section 4 (stage 1), Table 3's starred row (stage 2)",
    "warmup_steps": "section 4 (stage 1); ours in stage 2",
    "weight_decay": "section 4, across all stages",
}
"""Where each setting of the 7B recipes comes from."""
_SMALL_ORIGIN = {
    field: "as calvin-7b" if source != _OURS and field not in ("steps", "batch_sizes", "max_lr", "warmup_steps") else
    "ours, for a model of this size"
    for field, source in ORIGIN.items()
}  # fmt: skip

_7B, _SMALL = ModelShape(size="7b"), ModelShape(size="small")


STAGE_1 = StageStep(
    name="calvin-7b-stage1",
    about="aligns the projector with a frozen Llama-2-7B on captions of images",
    row="Table 3, (-) All stage-2 data",
    stage=1,
    trains=("projector",),
    # In proportion to their sizes (100 M, 12 M, 0.56 M), but the last and best of them six times as often.
    weights={"pairs": 0.86, "cc12m": 0.11, "llava558k": 0.03},
    batch_sizes={"image": 32},
    loop=LoopConfig(
        steps=400_000,
        max_lr=1e-4,
        min_lr=1e-6,
        warmup_steps=2_500,
        gradient_accumulation_steps=4,
        checkpoint_every=2_000,
        log_every=100,
    ),
    parallel=Parallel(strategy="ddp", activation_checkpointing=True),
    origin=ORIGIN,
)
STAGE_2 = StageStep(
    name="calvin-7b-stage2",
    about="instruction tuning of projector and LoRA on images, clips and films with context",
    row="Table 3, starred",
    starts_from=STAGE_1.name,
    stage=2,
    trains=("projector", "lora"),
    weights={"mad": 0.25, "webvid": 0.25, "llava": 0.25, "cc3m": 0.25},
    batch_sizes={"image": 12, "video": 6},
    loop=LoopConfig(steps=120_000, max_lr=1e-5, min_lr=1e-6, warmup_steps=2_500, checkpoint_every=1_000, log_every=100),
    parallel=Parallel(strategy="fsdp2", activation_checkpointing=True),
    origin=ORIGIN,
)


_SMALL_STAGE_1 = StageStep(
    name="calvin-small-stage1",
    about="a SmolLM2-135M, a MiniLM as the Q-Former's start and any CLIP: captions of images",
    stage=1,
    trains=("projector",),
    weights={"cc3m": 0.85, "llava558k": 0.15},
    batch_sizes={"image": 32},
    loop=LoopConfig(steps=20_000, max_lr=3e-4, min_lr=1e-6, warmup_steps=500, checkpoint_every=500),
    origin=_SMALL_ORIGIN,
)
_SMALL_STAGE_2 = StageStep(
    name="calvin-small-stage2",
    about="calvin-small with context: projector and LoRA",
    starts_from=_SMALL_STAGE_1.name,
    stage=2,
    trains=("projector", "lora"),
    weights=STAGE_2.weights,
    batch_sizes=STAGE_2.batch_sizes,
    loop=LoopConfig(steps=40_000, max_lr=1e-4, min_lr=1e-6, warmup_steps=500, checkpoint_every=500),
    origin=_SMALL_ORIGIN,
)
_FROM_PARTS = [
    Recipe(name="calvin-7b", about="both stages of the paper", model=_7B, steps=(STAGE_1, STAGE_2)),
    Recipe(name="calvin-small", about="both stages, small", model=_SMALL, steps=(_SMALL_STAGE_1, _SMALL_STAGE_2)),
    *(one_stage(step, _7B) for step in (STAGE_1, STAGE_2)),
    *(one_stage(step, _SMALL) for step in (_SMALL_STAGE_1, _SMALL_STAGE_2)),
    *family_recipes("calvin-7b", STAGE_1, STAGE_2, _7B),
    *(peer_of(one_stage(step, _7B), peer) for step in (STAGE_1, STAGE_2) for peer in PEERS),
    *(leaving_in(one_stage(STAGE_2, _7B), what) for what in LEFT_IN),
]
_OF_MICRO = [*(peer_of(MICRO, peer) for peer in PEERS), *(leaving_in(MICRO, what) for what in LEFT_IN)]

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe for recipe in (MICRO, MINI, *sorted(_FROM_PARTS, key=lambda recipe: recipe.name), *_OF_MICRO)
}


def get_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    found = known_recipe(name)
    if found is None:
        raise ConfigError(f"There is no recipe {name!r}; there are: {', '.join(RECIPES)}.")
    return found


def known_recipe(name: str) -> Recipe | None:
    """The recipe of that name, those of `calvin reproduce` on puppet films included; None if there is none."""
    return RECIPES.get(name) or ABLATIONS.get(name)
