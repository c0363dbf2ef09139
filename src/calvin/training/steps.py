"""What a recipe consists of: its steps in order, and how each of them is trained. All of it is checked and frozen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from calvin.core.config import FrozenConfig
from calvin.core.errors import ConfigError
from calvin.data import Kind
from calvin.data.cleaning import LeftIn
from calvin.model.tuning import LoraSettings

Part = Literal["qformer", "language_projection", "projector", "lora", "language_model", "prefix"]
Loss = Literal["slots", "marked_words", "captions"]
"""The names of `calvin.training.run.LOSSES`."""


class LoopConfig(FrozenConfig):
    """One optimisation: how long, how fast, how it is saved.

    "Step" is a micro-batch, the LAVIS convention that the paper's iteration counts follow; the optimiser moves every
    `gradient_accumulation_steps` of them.
    """

    steps: int = Field(gt=0, description="micro-batches in all")
    max_lr: float = Field(gt=0)
    min_lr: float = Field(default=0.0, ge=0)
    warmup_steps: int = Field(default=0, ge=0, description="micro-batches of linear warm-up")
    schedule: Literal["cosine", "constant"] = "cosine"
    gradient_accumulation_steps: int = Field(default=1, gt=0)
    rates: Mapping[str, float] = Field(
        default={}, description="share of the learning rate by the beginning of a parameter's name; else all of it"
    )
    weight_decay: float = Field(default=0.05, ge=0, description="on matrices only; paper section 4")
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    precision: Literal["fp32", "bf16", "auto"] = Field(default="auto", description="auto: bf16 if it is fast here")
    seed: int = 0
    checkpoint_every: int = Field(default=200, gt=0, description="micro-batches between checkpoints")
    log_every: int = Field(default=10, gt=0, description="micro-batches between lines of the log")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_lr > self.max_lr:
            raise ValueError(f"min_lr {self.min_lr} is above max_lr {self.max_lr}")
        if self.warmup_steps > self.steps:
            raise ValueError(f"{self.warmup_steps} steps of warm-up do not fit into {self.steps} steps")
        return self

    def lr_at(self, step: int) -> float:
        """Learning rate of micro-batch `step` (from 0): linear warm-up to max_lr, then cosine down to min_lr."""
        if step < self.warmup_steps:
            return self.max_lr * (step + 1) / self.warmup_steps
        if self.schedule == "constant":
            return self.max_lr
        share = (step - self.warmup_steps) / max(1, self.steps - 1 - self.warmup_steps)
        return self.min_lr + (self.max_lr - self.min_lr) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class Parallel(FrozenConfig):
    """What changes speed and memory and nothing else, so that a run may be resumed under another one."""

    strategy: Literal["ddp", "fsdp2"] = "ddp"
    activation_checkpointing: bool = False
    packed: int = Field(
        default=1, gt=0, description="micro-batches in one pass, at most; only those between two moves of the optimiser"
    )


class Validation(FrozenConfig):
    """How a stage is looked at while it is trained, on samples that it does not see."""

    evaluate_every: int | None = Field(default=None, gt=0, description="micro-batches between looks; None: no look")
    held_out: float = Field(default=0.05, gt=0, description="share of each source's samples, from 1 on their number")
    captions: int = Field(default=4, ge=0, description="held-out samples that are captioned at each look")
    early_stop: int | None = Field(default=None, gt=0, description="looks without a lower loss until training ends")
    keep_best: bool = Field(default=False, description="the model with the lowest held-out loss is kept, not the last")

    @model_validator(mode="after")
    def _looks(self) -> Self:
        if self.evaluate_every is None and (self.early_stop is not None or self.keep_best):
            raise ValueError("early_stop and keep_best need evaluate_every, the steps between two looks")
        return self


class _PartStep(FrozenConfig):
    """A step that makes a part of the model from nothing."""

    kind: str
    loss: Loss | None

    @property
    def name(self) -> str:
        return self.kind

    @property
    def folder_name(self) -> str:
        return self.kind

    def record(self) -> dict[str, Any]:
        """What the run's folder keeps of this step (see `Recipe.record`)."""
        return {self.kind: {**self.model_dump(mode="json", exclude={"kind", "loss"}), **_other_loss(self)}}


class TowerStep(_PartStep):
    """A small vision tower: any transformers backbone, flattened (an average loses where the arms are), projected."""

    kind: Literal["tower"] = "tower"
    loss: Loss = "slots"
    backbone: dict[str, Any]
    projection_dim: int = 256
    image_size: tuple[int, int] = Field(default=(64, 112), description="height and width, pixels")
    hidden_size: int = Field(default=512, description="of the form-filling head, thrown away afterwards")
    noise: float = Field(default=0.02, ge=0, description="of training images, as a share of full scale")
    batch_size: int = Field(default=64, gt=0)
    loop: LoopConfig

    def encoder_fields(self) -> dict[str, Any]:
        """The fields of `CalvinFrameEncoderConfig`."""
        fields = self.model_dump(include={"projection_dim", "image_size"})
        return {**fields, "backbone_config": self.backbone}


class Phase(FrozenConfig):
    """One part of the language model's curriculum."""

    kind: str = Field(description="which texts; the text source knows its kinds by name")
    batch_size: int = Field(default=64, gt=0)
    gate_accuracy: float | None = Field(
        default=None, description="go on to the next phase at this share of marked words right"
    )
    mark_weight: float = Field(
        default=1.0, ge=0, description="weight with which the mean loss on marked words counts again"
    )
    loop: LoopConfig


class LanguageStep(_PartStep):
    """Size and curriculum of a small Llama."""

    kind: Literal["language"] = "language"
    loss: Loss = "marked_words"
    hidden_size: int = 256
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    vocab_size: int = 2048
    max_position_embeddings: int = 512
    initializer_range: float = 0.02
    phases: tuple[Phase, ...]

    def llama_fields(self) -> dict[str, Any]:
        """The fields of transformers' LlamaConfig."""
        fields = self.model_dump(exclude={"kind", "loss", "phases"})
        return {**fields, "num_key_value_heads": self.num_attention_heads, "tie_word_embeddings": True}


class Rehearsal(FrozenConfig):
    """Texts of the language model's curriculum in every micro-batch of a stage, beside its own: without them, a small
    language model forgets in the stages how to recall a name from a look."""

    kind: str = Field(description="which texts; the text source knows its kinds by name")
    batch_size: int = Field(default=32, gt=0)
    weight: float = Field(default=1.0, gt=0, description="of their loss, beside that of the stage's own samples")
    mark_weight: float = Field(default=3.0, ge=0, description="as in `Phase`")


class StageStep(LoraSettings):
    """Stage 1 or stage 2 of the paper (section 3.2, Figure 2): what is trained, on which mixture, and how.

    `weights` names the sources and their shares of the micro-batches; each micro-batch comes from one source, so it
    is all image or all video.
    """

    kind: Literal["stage"] = "stage"
    loss: Loss = "captions"
    name: str
    about: str = Field(default="", description="in words; else what the recipe says of itself")
    row: str = Field(default="", description="where in the paper its score stands")
    starts_from: str | None = Field(default=None, description="name of the stage whose model this one goes on with")
    stage: Literal[1, 2]
    trains: tuple[Part, ...]
    weights: Mapping[str, float]
    batch_sizes: Mapping[Kind, int] = Field(default={"image": 12, "video": 6, "text": 16})
    max_frames: int = Field(default=32, gt=0, le=32)
    no_context_share: float = Field(default=0.0, description="scenes shown without context; 0 in the paper")
    entity_share: float = Field(default=0.0, description="scenes shown with an entity prompt; 0 in the paper")
    forms: Mapping[str, float] = Field(
        default={}, description="shares of the forms of prompts after which films are told anew, if not those above"
    )
    rehearsal: Rehearsal | None = None
    leave_in: tuple[LeftIn, ...] = Field(default=(), description="what the cleaning of Appendix A is to leave in")
    max_length: int = Field(default=512, gt=0)
    prefix_tokens: int = Field(default=16, gt=0, description="learned keys and values, where a prefix is trained")
    loop: LoopConfig
    epochs: float | None = Field(default=None, gt=0, description="how long, by the data, instead of the loop's steps")
    validation: Validation = Validation()
    parallel: Parallel = Parallel()
    half: bool = Field(default=False, description="saved at half precision, with matrices that pack small")
    origin: Mapping[str, str] = Field(default={}, description="where the settings come from")

    def with_changes(self, **changes: Any) -> StageStep:
        """A checked copy with some fields changed; of `loop`, the fields that change."""
        loop = {**self.loop.model_dump(), **changes.pop("loop", {})}
        return self.changed(**changes, loop=loop)

    @property
    def folder_name(self) -> str:
        return self.name.replace(" ", "").replace(",", "-")

    def mixed(self, mode: Literal["json", "python"] = "python") -> dict[str, Any]:
        """What fixes the batches and what is learnt from them, without the loop: part of a checkpoint's identity."""
        forms = {"forms": dict(self.forms)} if self.forms else {}
        left_in = {"leave_in": sorted(self.leave_in)} if self.leave_in else {}
        rehearsed = self.model_dump(mode=mode, include={"rehearsal"}, exclude_none=True)
        return {**self.model_dump(mode=mode, include=_MIXED), **forms, **left_in, **rehearsed, **_other_loss(self)}

    def record(self) -> dict[str, Any]:
        """What the run's folder keeps of this step (see `Recipe.record`)."""
        return {self.folder_name: self.recorded(), **self.model_dump(mode="json", include=_LORA)}

    def record_alone(self, model: ModelShape) -> dict[str, Any]:
        """What the folder keeps of a stage that has it to itself."""
        fields = {"name", "about", "row", "starts_from", "prefix_tokens", "origin", *_LORA}
        return {
            **self.model_dump(mode="json", include=fields),
            "stage": self.recorded(),
            "size": model.size,
            "num_query_tokens": model.num_query_tokens,
            "qformer_layers": model.qformer["num_hidden_layers"],
            **model.recorded(),
        }

    def recorded(self) -> dict[str, Any]:
        """The fields of the paper's stage, with the loop's, for JSON; those that came later, where they are used."""
        later = self.model_dump(mode="json", include=_LATER, exclude_defaults=True)
        return {**self.mixed("json"), "loop": self.loop.model_dump(mode="json"), **later}


class CaptionsStep(_PartStep):
    """The model so far describes training films from its own captions, which are then context for the stages after.

    What a model writes is the context that it will have; what a person writes is not.
    """

    kind: Literal["own captions"] = "own captions"
    loss: None = None
    starts_from: str = Field(description="name of the stage whose model describes")
    films: int = Field(gt=0, description="films described")
    context: int = Field(default=3, gt=0, description="captions before each scene")
    corrected: tuple[int, ...] = Field(
        default=(0, 10, 4), description="which captions a person corrects, film by film in turn: none, every tenth, ..."
    )

    @property
    def folder_name(self) -> str:
        return "own"

    def record(self) -> dict[str, Any]:
        return {self.folder_name: self.model_dump(mode="json", exclude={"kind", "loss"})}


_MIXED = {"stage", "trains", "weights", "batch_sizes", "max_frames", "no_context_share", "entity_share", "max_length"}
_LATER = {"epochs", "validation", "lora_targets"}
_LORA = {"lora_rank", "lora_alpha", "lora_dropout"}

Step = Annotated[TowerStep | LanguageStep | CaptionsStep | StageStep, Field(discriminator="kind")]


def _other_loss(step: FrozenConfig) -> dict[str, Any]:
    """The loss, if it is not the usual one of such a step: identities are older than the names of losses."""
    return step.model_dump(include={"loss"}, exclude_defaults=True)


class WorldConfig(FrozenConfig):
    """How much of the puppet world a recipe draws."""

    seed: int = 0
    films: int = Field(gt=0, description="MAD-like films")
    scenes: int = Field(default=20, gt=0, description="described scenes per film")
    clips: int = Field(ge=0, description="WebVid-like clips")
    images: int = Field(ge=0, description="CC-like captioned images")
    conversations: int = Field(ge=0, description="LLaVA-like images with turns")
    heldout_films: int = Field(gt=0, description="films for evaluation: other seeds, casts and pairings")
    tower_images: int = Field(gt=0, description="stills for the vision tower")


class ModelShape(FrozenConfig):
    """What joins the parts, whichever they are."""

    size: Literal["7b", "small"] | None = Field(default=None, description="of the parts, where no data file names them")
    num_query_tokens: int = Field(default=32, gt=0)
    qformer: Mapping[str, Any] = Field(
        default={"num_hidden_layers": 4}, description="transformers' Blip2QFormerConfig fields"
    )
    projector: Literal["qformer", "clipcap", "autoad"] = Field(
        default="qformer", description="the paper's Q-Former, or the mapping network of a model of its Table 1"
    )
    mapping: Mapping[str, int] = Field(
        default={}, description="fields of the model's configuration that go with a mapping network"
    )
    visual_std: float | None = Field(
        default=None, gt=0, description="spread of the visual embeddings at the start; None: that of word embeddings"
    )
    frame_position_std: float | None = Field(
        default=None, gt=0, description="spread of the frame positions at the start; None: the initialiser's 0.02"
    )

    def projector_fields(self) -> dict[str, Any]:
        """The projector's fields of the model's configuration; none for the paper's own."""
        return {"projector_type": self.projector, **self.mapping} if self.projector != "qformer" else {}

    def recorded(self) -> dict[str, Any]:
        """The projector for the record of a run, where it is not the paper's: records are older than the choice."""
        return self.model_dump(mode="json", include={"projector", "mapping"}, exclude_defaults=True)


class Recipe(FrozenConfig):
    """Everything that makes a model: steps, in the order in which they happen.

    A recipe with a `world` makes its own parts and data, all in one folder. One without takes them from a data file,
    and each of its stages has a folder of its own.
    """

    name: str
    about: str
    model: ModelShape = ModelShape()
    world: WorldConfig | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    released: bool = Field(
        default=False, description="the finished model is scored on films of its own seed too, and put into a folder"
    )

    @property
    def stages(self) -> tuple[StageStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, StageStep))

    def about_stage(self, step: StageStep) -> str:
        """What a stage is, in words, with its row of the paper."""
        return (step.about or self.about) + (f" ({step.row})" if step.row else "")

    def title_of(self, step: StageStep) -> str:
        return step.name if self.world is None else f"{self.name}, {step.name}"

    def keeping_activations(self) -> Recipe:
        """The recipe without activation checkpointing: faster, for more memory."""
        values = self.model_dump()
        for step in values["steps"]:
            if "parallel" in step:
                step["parallel"]["activation_checkpointing"] = False
        return self.load(values)

    def packing(self, micro_batches: int) -> Recipe:
        """The recipe with at most so many micro-batches read in one pass: faster on a GPU, for more memory.

        Raises:
            ConfigError: the optimiser of every stage moves after each micro-batch, so that there is nothing to pack.
        """
        if micro_batches > 1 and all(step.loop.gradient_accumulation_steps == 1 for step in self.stages):
            raise ConfigError(
                f"{self.name} moves its optimiser after every micro-batch, so there is nothing to pack: set "
                "gradient_accumulation_steps, or leave out --pack."
            )
        values = self.model_dump()
        for step in values["steps"]:
            if "parallel" in step:
                step["parallel"]["packed"] = micro_batches
        return self.load(values)

    def record(self) -> dict[str, Any]:
        """What the folder of a run from nothing is recognised by. The form is that of the first runs, so that they are
        recognised too; what changes only speed is not in it."""
        fields = self.model_dump(mode="json", include={"name", "about", "world"})
        fields |= self.model.model_dump(mode="json", exclude={"size", "projector", "mapping"})
        fields |= self.model.recorded()
        for step in self.steps:
            fields |= step.record()
        return fields
