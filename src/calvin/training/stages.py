"""Stage 1 and stage 2 of the paper (section 3.2, Figure 2): what is trained, on which mixture, and how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from calvin.core.config import FrozenConfig
from calvin.core.errors import CheckpointError, ConfigError
from calvin.core.files import write_json
from calvin.core.progress import Listener, silent
from calvin.data import Example, Instructions, Kind, Mixture, Source
from calvin.training.loop.distributed import Parallel
from calvin.training.loop.schedule import LoopConfig
from calvin.training.loop.train import ALONE, TrainResult, fingerprint_of, train

Part = Literal["qformer", "language_projection", "projector", "lora", "language_model", "prefix"]


class StageConfig(FrozenConfig):
    """One stage: the parts it trains and the mixture it sees.

    `weights` names the sources and their shares of the micro-batches; each micro-batch comes from one source, so it
    is all image or all video.
    """

    stage: Literal[1, 2]
    trains: tuple[Part, ...]
    weights: Mapping[str, float]
    batch_sizes: Mapping[Kind, int] = Field(default={"image": 12, "video": 6, "text": 16})
    max_frames: int = Field(default=32, gt=0, le=32)
    no_context_share: float = Field(default=0.0, description="scenes shown without context; 0 in the paper")
    entity_share: float = Field(default=0.0, description="scenes shown with an entity prompt; 0 in the paper")
    max_length: int = Field(default=512, gt=0)
    loop: LoopConfig


def make_mixture(
    config: StageConfig,
    sources: Sequence[Source],
    processor: Any,
    texts: Callable[[int], Sequence[Example]] | None = None,
) -> Mixture:
    """The mixture of a stage from the sources at hand, weighted by the stage's recipe.

    Raises:
        ConfigError: the recipe names a source that is not at hand.
    """
    at_hand = {source.name: source for source in sources}
    if texts is not None:
        at_hand["text"] = Source("text", "text", samples=[], features=None, texts=texts)
    missing = sorted(set(config.weights) - set(at_hand))
    if missing:
        raise ConfigError(
            f"The recipe mixes in {', '.join(missing)}, but only {', '.join(sorted(at_hand)) or 'nothing'} is at hand: "
            "add the source to the data file or leave it out of the recipe."
        )
    chosen = [replace(at_hand[name], weight=weight) for name, weight in config.weights.items()]
    return Mixture(
        chosen,
        processor.layout(config.max_length),
        instructions=Instructions(
            stage=config.stage,
            training=True,
            seed=config.loop.seed,
            no_context_share=config.no_context_share,
            entity_share=config.entity_share,
        ),
        batch_sizes=dict(config.batch_sizes),
        seed=config.loop.seed,
        max_frames=config.max_frames,
        pad_token_id=processor.tokenizer.pad_token_id,
    )


def train_stage(
    model: Any,
    processor: Any,
    sources: Sequence[Source],
    config: StageConfig,
    folder: Path,
    *,
    name: str | None = None,
    texts: Callable[[int], Sequence[Example]] | None = None,
    parallel: Parallel = ALONE,
    listener: Listener = silent,
) -> TrainResult:
    """Train the parts that the stage names, in place; resumable (see `train`). The name is the stage's unless told."""
    from calvin.model.tuning import set_trainable

    set_trainable(model, set(config.trains))
    mixture = make_mixture(config, sources, processor, texts)
    return train(
        model,
        mixture.batch_at,
        config.loop,
        folder,
        name=name or f"stage {config.stage}",
        identity=[config.model_dump(exclude={"loop"}), mixture.identity],
        listener=listener,
        parallel=parallel,
    )


def claim_folder(folder: Path, facts: Mapping[str, Any]) -> None:
    """Mark a run's folder with everything that makes the run, JSON by name, or refuse one that another run began.

    Raises:
        CheckpointError: the folder is another run's.
    """
    mark, fingerprint = folder / "recipe.json", fingerprint_of(facts)
    if not mark.is_file():
        write_json(mark, {"fingerprint": fingerprint, **facts})
    elif json.loads(mark.read_text()).get("fingerprint") != fingerprint:
        raise CheckpointError(
            f"{folder} holds a run of another recipe, of other data or settings; name another folder with --out."
        )
