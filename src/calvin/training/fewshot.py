"""Few-shot tuning to one film (section 5.2, Figure 6): its own scenes, and as many of other films without names.

What that would take (parameters, size of the adapter, memory and time) is counted from shapes, without weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from calvin.core.errors import DataError
from calvin.core.progress import Listener, silent
from calvin.core.prompts import EVALUATION_QUESTION, Prompt, fewshot_caption, regularisation_caption
from calvin.core.tokens import Encoded, TokenLayout
from calvin.data import collate
from calvin.data.regularisation import RegularScene
from calvin.model import CalvinConfig, CalvinForConditionalGeneration, CalvinProcessor
from calvin.model.modeling import adapter_of
from calvin.model.tuning import ATTENTION, FEED_FORWARD, LoraSettings, add_lora, add_prefix, set_trainable
from calvin.training.full.cost import A100_FLOPS, BatchShape, Memory, memory, step_flops
from calvin.training.loop.train import TrainResult, train
from calvin.training.steps import LoopConfig

LEAST_SCENES = 2
_SMALL = 1024
"""Width of the language model."""


class AdaptConfig(LoraSettings):
    """How a model is tuned to a film. The defaults are the paper's (section 5.2)."""

    loop: LoopConfig = LoopConfig(
        steps=100, max_lr=1e-5, schedule="constant", gradient_accumulation_steps=2, checkpoint_every=50
    )
    batch_size: int = Field(default=10, gt=0)
    regularisation: float = Field(default=1.0, ge=0, description="scenes of other films for each of this film's")
    context: int = Field(default=0, ge=0, le=50, description="previous captions each scene is shown with")
    question: str = EVALUATION_QUESTION


PAPER = AdaptConfig()
SMALL = AdaptConfig(
    loop=PAPER.loop.changed(max_lr=1e-3, rates={"projector.": 0.2}),
    lora_rank=128,
    lora_alpha=256,
    lora_targets=(*ATTENTION, *FEED_FORWARD),
)
"""A model of a few million parameters takes a higher rate, as in its stages, and a LoRA about as wide as its layers: of
rank 32, mini's learnt half as many names in 100 iterations. A projector that learns as fast forgets what it sees
(LOG.md, six films). The LoRA sits on the feed-forward layers too: with attention alone, a model that had never seen the
words of Figure 6 did not learn to say them."""


def adapt_config(config: CalvinConfig) -> AdaptConfig:
    """The settings for a model of this size."""
    return SMALL if config.text_config.hidden_size < _SMALL else PAPER


@dataclass(frozen=True, slots=True, eq=False)
class FewshotScene:
    """A scene of the film as a person describes it: frame vectors [k, D], who is in it, the captions before it.

    Messages call it `where`, or by its `id` if that is empty.
    """

    id: str
    caption: str
    entities: tuple[str, ...]
    image_embeds: np.ndarray
    context: tuple[str, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    prompt: Prompt
    answer: str
    embeds: np.ndarray


def _encode(layout: TokenLayout, row: _Row, name: str) -> Encoded:
    try:
        return layout.encode(row.prompt, row.answer)
    except DataError as error:
        why = str(error).rstrip(".")
        raise DataError(f"{name} cannot be learnt: {why[:1].lower()}{why[1:]}. Say it in fewer words.") from error


class FewshotBatches:
    """Micro-batches of the mix by index: each pass through the whole mix is in a new order."""

    def __init__(
        self,
        scenes: Sequence[FewshotScene],
        regular: Sequence[RegularScene],
        processor: CalvinProcessor,
        config: AdaptConfig,
    ) -> None:
        """
        Raises:
            DataError: too few scenes, no regularisation scenes though the settings ask for some (too few are all
                taken), or a scene that cannot be learnt, which is named.
        """
        wanted = round(len(scenes) * config.regularisation)
        if len(scenes) < LEAST_SCENES:
            raise DataError(f"Adapting takes at least {LEAST_SCENES} described scenes of the film, not {len(scenes)}.")
        if wanted and not regular:
            raise DataError(
                f"{len(scenes)} scenes need {wanted} regularisation scenes, but there are none: build some with "
                "`calvin data regularisation`."
            )
        rng = np.random.default_rng([config.loop.seed, 1])
        # A stream of its own: how many scenes are drawn here does not change the order of the batches.
        chosen = [regular[i] for i in rng.permutation(len(regular))[:wanted]]
        count = config.context
        self.rows = []
        for scene in scenes:
            prompt = Prompt(config.question, scene.context[-count:] if count else ())
            self.rows.append(_Row(prompt, fewshot_caption(scene.caption, scene.entities), scene.image_embeds))
        for other in chosen:
            self.rows.append(_Row(Prompt(config.question), regularisation_caption(other.caption), other.image_embeds))
        self.config, self.pad = config, processor.pad_token_id
        names = [scene.where or f"Scene {scene.id}" for scene in scenes]
        names += ["A regularisation scene"] * len(chosen)
        layout = processor.layout()
        self.encoded = [_encode(layout, row, name) for row, name in zip(self.rows, names, strict=True)]
        self._order = lru_cache(4)(self._permutation)

    @property
    def identity(self) -> str:
        """Changes with anything that is learnt."""
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(f"{row.prompt.text}\0{row.answer}\0".encode())
            digest.update(np.ascontiguousarray(row.embeds, dtype=np.float32).tobytes())
        return digest.hexdigest()

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.config.loop.seed, 2, epoch]).permutation(len(self.rows))

    def batch_at(self, index: int) -> dict[str, Tensor]:
        """The micro-batch of an index, as `collate` makes it: token ids and labels [B, L], vectors [B, F, D]."""
        # A pure function of the index, so a run that was stopped goes on with the batches it would have had.
        size, total = self.config.batch_size, len(self.rows)
        places = [divmod(position, total) for position in range(index * size, (index + 1) * size)]
        picked = [int(self._order(epoch)[place]) for epoch, place in places]
        return collate([self.encoded[i] for i in picked], [self.rows[i].embeds for i in picked], self.pad)


def tune(
    model: CalvinForConditionalGeneration,
    processor: CalvinProcessor,
    scenes: Sequence[FewshotScene],
    regular: Sequence[RegularScene],
    config: AdaptConfig,
    folder: Path,
    listener: Listener = silent,
) -> TrainResult:
    """Train Q-Former, linear layer and a fresh LoRA on the film, in place; resumable from `folder`.

    Of a model that came with a learned prefix, that prefix is trained on instead of a LoRA.

    Raises:
        DataError: too few scenes, or one that cannot be learnt.
        UsageError: the model carries a LoRA already.
        CheckpointError: `folder` holds a run on other scenes or settings.
    """
    batches = FewshotBatches(scenes, regular, processor, config)
    torch.manual_seed(config.loop.seed)
    learning = "prefix" if adapter_of(model) == "prefix" else "lora"
    if learning == "lora":
        add_lora(model, config)
    set_trainable(model, {"projector", learning})
    identity = [config.model_dump(exclude={"loop"}), batches.identity]
    return train(model, batches.batch_at, config.loop, folder, name="adapt", identity=identity, listener=listener)


UTILISATION = 0.3
"""Assumed share of an A100's peak: batches of 10 are small."""
_PROMPT, _ANSWER = 8, 55


@dataclass(frozen=True, slots=True)
class AdaptCost:
    """Parameters trained and all, bytes of memory, operations of a micro-batch; lengths of text are assumed."""

    trained: int
    parameters: int
    needs: Memory
    flops: float

    @classmethod
    def of(
        cls, config: CalvinConfig, adapt: AdaptConfig, checkpointing: bool = False, prefix: int | None = None
    ) -> AdaptCost:
        """`prefix`: how many tokens the model's own has, which is then trained on instead of a LoRA."""
        with torch.device("meta"):
            model = CalvinForConditionalGeneration(config)
            if prefix is None:
                add_lora(model, adapt)
            else:
                add_prefix(model, prefix)
        learning = {"projector", "lora" if prefix is None else "prefix"}
        trained = set_trainable(model, learning)
        frames = min(config.max_frames, 32)
        length = 1 + config.num_query_tokens + _PROMPT + _ANSWER
        shape = BatchShape(adapt.batch_size, length, _PROMPT + _ANSWER, frames)
        whole = sum(value.numel() for name, value in model.named_parameters() if not name.startswith("vision_tower."))
        needs = memory(model, shape, 1, False, checkpointing)
        return cls(trained, whole, needs, step_flops(model, learning, shape))


def adapt_cost(config: CalvinConfig, adapt: AdaptConfig, prefix: int | None = None) -> list[str]:
    """The cost of tuning a model of this configuration, in sentences; `prefix` as for `AdaptCost.of`."""
    cost = AdaptCost.of(config, adapt, prefix=prefix)
    needs, flops, loop = cost.needs, adapt.loop.steps * cost.flops, adapt.loop
    return [
        f"{_number(cost.trained)} of {_number(cost.parameters)} parameters are trained; the adapter takes "
        f"{_size(2 * cost.trained)}.",
        f"A GPU needs {_size(needs.total)}: weights {_size(needs.weights)}, training {_size(needs.training)}, "
        f"activations {_size(needs.activations)}.",
        f"{loop.steps} micro-batches of {adapt.batch_size} at a rate of {loop.max_lr:g} take {_operations(flops)}, "
        f"{_time(flops / (A100_FLOPS * UTILISATION))} on an A100 (assumed: {UTILISATION:.0%} of its peak).",
    ]


def _in(value: float, units: Sequence[tuple[str, float]]) -> str:
    """A value in the largest unit of which it has at least one, else in the last."""
    name, size = next(((name, size) for name, size in units if value >= size), units[-1])
    return f"{value / size:,.1f} {name}"


def _number(count: float) -> str:
    return f"{count:,.0f}" if count < 1e5 else _in(count, (("billion", 1e9), ("million", 1e6)))


def _size(count: float) -> str:
    return _in(count, (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)))


def _operations(count: float) -> str:
    return _in(count, (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9), ("MFLOP", 1e6)))


def _time(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    return "some " + _in(seconds, (("hours", 3600), ("minutes", 60), ("seconds", 1)))
