"""A recipe with the mapping network of an earlier describer in place of the Q-Former, and nothing else changed.

Those of the paper's Table 1 that can be trained here: ClipCap (Mokady et al. 2021) and AutoAD-I (Han et al. 2023). The
numbers that Table 1 prints for them are their authors', of other language models and data; these recipes say what their
form does on the same data, with the same language model and for as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from calvin.core.errors import ConfigError
from calvin.training.steps import ModelShape, Recipe, StageStep

PeerName = Literal["clipcap", "autoad"]


@dataclass(frozen=True, slots=True)
class Peer:
    """An earlier describer's projector.

    Args:
        words: what it is, for descriptions of recipes.
        row: its row of the paper.
        prefix: embeddings that stand for a visual, as its authors have it.
        context: what it is asked with in that row, as `calvin evaluate --context` takes it.
        own: whether its context is its own captions, as `--own` makes it ("recurrent" in the paper of AutoAD-I).
        full_size: fields of the model's configuration beside a language model of 7 billion weights.
    """

    words: str
    row: str
    prefix: int
    context: str
    own: bool
    full_size: Mapping[str, int] = field(default_factory=dict)


PEERS: Mapping[PeerName, Peer] = {
    "clipcap": Peer(
        "with ClipCap's projector: the mean of the frames through a perceptron to a prefix of 10",
        "the form of Table 1, ClipCap",
        prefix=10,
        context="none",
        own=False,
        # As wide as beside ClipCap's GPT-2, half of 10 x 768; half of 10 x 4,096 would be 860 million weights.
        full_size={"mapping_width": 3840},
    ),
    "autoad": Peer(
        "with AutoAD-I's projector: frames and 10 prompt vectors through a transformer of two layers",
        "the form of Table 1, AutoAD-I",
        prefix=10,
        context="6",
        own=True,
    ),
}


def peer_of(recipe: Recipe, peer: str) -> Recipe:
    """The recipe with another describer's projector: what is trained, on what and for how long stays as it is.

    The projector of a peer is trained from stage 1 on, so a recipe of one stage goes on from the peer's stage before.

    Raises:
        ConfigError: there is no such peer.
    """
    if peer not in PEERS:
        raise ConfigError(f"There is no peer {peer!r}; there are: {', '.join(PEERS)}.")
    name: PeerName = peer  # type: ignore[assignment]
    found, ending = PEERS[name], f"-{peer}"
    shape = recipe.model.changed(
        projector=name,
        num_query_tokens=found.prefix,
        mapping=dict(found.full_size) if recipe.model.size == "7b" else {},
    )
    about = f"{recipe.about}, {found.words}"
    if recipe.world is not None:
        # Its steps lie in a folder of the recipe, whatever they are called.
        return recipe.changed(name=recipe.name + ending, about=about, model=shape.model_dump())
    steps = [_stage(step, ending, found) for step in recipe.stages]
    return Recipe(name=recipe.name + ending, about=about, model=ModelShape.load(shape.model_dump()), steps=tuple(steps))


def _stage(step: StageStep, ending: str, peer: Peer) -> StageStep:
    return step.with_changes(
        name=step.name + ending,
        about=f"{step.about}, {peer.words}",
        row=peer.row,
        starts_from=None if step.starts_from is None else step.starts_from + ending,
    )
