"""Recipes between micro and mini for the paper's tables on puppet films: a stage 2 of some minutes for each row.

They take their parts and data from a data file, as the full-size recipes do, and differ from these in size alone: one
frozen tower and language model, one stage 1 of the projector on images, and a stage 2 of projector and LoRA on films
with context, clips, images and conversations. `calvin reproduce` makes the data file.
"""

from __future__ import annotations

from collections.abc import Mapping

from calvin.training.peers import PEERS, peer_of
from calvin.training.steps import LoopConfig, ModelShape, Recipe, StageStep
from calvin.training.variants import family_recipes, one_stage

FAMILY = "ablation"
SMALL_SHAPE = ModelShape(
    qformer={
        "hidden_size": 192,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 512,
        "initializer_range": 0.25,  # at BERT's 0.02, so narrow a Q-Former hardly looks at the frames
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    # Ten times a word embedding and more: in few layers that learnt from text alone, quieter visuals drown. With the
    # spread of words, nothing was seen after 900 steps; with this one, the frames mattered after 160.
    visual_std=0.6,
    frame_position_std=0.5,  # at 0.02, shuffled frames served as well as the true order
)
STAGE_1 = StageStep(
    name=f"{FAMILY}-stage1",
    about="aligns a small projector with a frozen small language model on captions of images",
    row="Table 3, (-) All stage-2 data",
    stage=1,
    trains=("projector",),
    weights={"cc12m": 1.0},
    batch_sizes={"image": 32},
    max_frames=12,
    loop=LoopConfig(steps=800, max_lr=1e-3, min_lr=1e-4, warmup_steps=50),
)
STAGE_2 = StageStep(
    name=f"{FAMILY}-stage2",
    about="instruction tuning of a small projector and LoRA on images, clips and films with context",
    row="Table 3, starred",
    starts_from=STAGE_1.name,
    stage=2,
    trains=("projector", "lora"),
    # The paper's four sources, but more of the films: in 1,200 steps a quarter of them would be 4,800 scenes.
    weights={"mad": 0.5, "webvid": 0.3, "llava": 0.1, "cc3m": 0.1},
    batch_sizes={"image": 16, "video": 16},
    max_frames=12,
    loop=LoopConfig(steps=1200, max_lr=8e-4, min_lr=2e-5, warmup_steps=50),
)
_FIRST = [one_stage(step, SMALL_SHAPE) for step in (STAGE_1, STAGE_2)]
ABLATIONS: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *_FIRST,
        *family_recipes(FAMILY, STAGE_1, STAGE_2, SMALL_SHAPE),
        *(peer_of(recipe, peer) for peer in PEERS for recipe in _FIRST),
    )
}
"""By name: the rows of Table 3, and the peers of Table 1 that can be trained on the same data."""
