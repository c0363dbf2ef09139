"""A recipe with some of its settings changed: by `[train]` of a data file, or by `--set NAME=VALUE`.

Names are those of the recipe's own fields, with a few shorter ones; what a recipe came to differ in is told by
`differences`, so that a model's card can say it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from calvin.core.config import FrozenConfig, nearest
from calvin.core.errors import ConfigError
from calvin.data import BATCH_SIZES
from calvin.training.recipes import known_recipe
from calvin.training.steps import LoopConfig, ModelShape, Recipe, StageStep, Validation

_STAGE = (
    *("epochs", "weights", "trains", "max_frames", "max_length", "no_context_share", "entity_share", "leave_in"),
    *("lora_rank", "lora_alpha", "lora_dropout", "lora_targets", "prefix_tokens"),
)
_MODEL = ("queries", "qformer_layers")
SETTINGS: tuple[str, ...] = (
    *LoopConfig.model_fields, *_STAGE, "micro_batch", *Validation.model_fields, *_MODEL,
)  # fmt: skip
"""What can be changed. `micro_batch` is a number, or a table by kind (image, video, text)."""
_TABLES = ("stage1", "stage2")
_ALSO_CALLED = {
    "lr": "max_lr",
    "learning_rate": "max_lr",
    "batch": "micro_batch",
    "batch_size": "micro_batch",
    "batch_sizes": "micro_batch",
    "accumulation": "gradient_accumulation_steps",
    "shares": "weights",
    "rank": "lora_rank",
    "alpha": "lora_alpha",
    "num_query_tokens": "queries",
    "warmup": "warmup_steps",
    "tuning": "trains",
    "patience": "early_stop",
    "best": "keep_best",
}


def parse_settings(given: Iterable[str]) -> dict[str, Any]:
    """`NAME=VALUE` of a command line, values in TOML's notation, as a table; quotes around words may be left out.

    `stage1.steps=300` and `weights.mad=1` make tables within it; the last of two values counts.

    Raises:
        ConfigError: no equals sign.
    """
    table: dict[str, Any] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--set {item!r} is not NAME=VALUE, such as --set steps=300.")
        try:
            value: Any = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        *tables, last = (part.strip().strip('"') for part in name.split("."))
        place = table
        for part in tables:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        place[last] = value
    return table


def change_recipe(recipe: Recipe, table: Mapping[str, Any], where: str, every_table: bool = False) -> Recipe:
    """The recipe with the settings of a table, for all its stages or, in a table `stage1` or `stage2`, for those alone.

    Args:
        where: what the table is, for errors.
        every_table: refuse a table of a stage that the recipe does not have.

    Raises:
        ConfigError: an unknown name, a value of the wrong kind, or settings that contradict each other.
    """
    check_settings(table, where)
    if not table:
        return recipe
    common = {name: value for name, value in table.items() if name not in _TABLES}
    absent = [name for name in _TABLES if name in table and int(name[-1]) not in {s.stage for s in recipe.stages}]
    if every_table and absent:
        raise ConfigError(f"{where}: {recipe.name} has no {absent[0]}.")
    steps = list(recipe.steps)
    for number, step in enumerate(steps):
        if isinstance(step, StageStep):
            steps[number] = _changed(step, {**common, **table.get(f"stage{step.stage}", {})}, where)
    shape = recipe.model
    if "queries" in common:
        shape = shape.changed(num_query_tokens=common["queries"])
    if "qformer_layers" in common:
        shape = shape.changed(qformer={**shape.qformer, "num_hidden_layers": common["qformer_layers"]})
    return recipe.changed(steps=[step.model_dump() for step in steps], model=shape.model_dump())


def check_settings(table: Mapping[str, Any], where: str) -> None:
    """
    Raises:
        ConfigError: a name that there is not, with the nearest one, or a value of the wrong kind.
    """
    for name, value in table.items():
        if name in _TABLES:
            if not isinstance(value, Mapping):
                raise ConfigError(f"{where}: {name} is a table of settings, such as {name}.steps = 300.")
            check_settings(value, f"{where}, {name}")
            if odd := [inner for inner in value if inner in (*_MODEL, *_TABLES)]:
                raise ConfigError(f"{where}: {odd[0]} holds for the whole model: set it outside of {name}.")
        elif name in SETTINGS:
            _check_kind(name, value, where)
        else:
            meant = _ALSO_CALLED.get(name) or nearest(name, SETTINGS)
            hint = f"did you mean {meant}?" if meant else f"there are {', '.join(sorted(SETTINGS))}."
            raise ConfigError(f"{where}: there is no setting {name!r}; {hint}")
    if "steps" in table and "epochs" in table:
        raise ConfigError(f"{where}: steps and epochs both say how long a stage is: give one of them.")


def _check_kind(name: str, value: Any, where: str) -> None:
    if name == "micro_batch":
        annotation: Any = int if not isinstance(value, Mapping) else StageStep.model_fields["batch_sizes"].annotation
    elif name in _MODEL:
        annotation = int
    else:
        owner: type[FrozenConfig] = next(
            kind for kind in (LoopConfig, Validation, StageStep) if name in kind.model_fields
        )
        annotation = owner.model_fields[name].annotation
    try:
        # By JSON's rules: a list may be a tuple, and nothing else passes for another kind.
        TypeAdapter(annotation).validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        inner = "".join(f".{part}" for part in problem["loc"] if part != "[key]")
        raise ConfigError(f"{where}: {name}{inner} is {problem['input']!r}; {_wanted(problem)}.") from error


def _wanted(problem: Mapping[str, Any]) -> str:
    kinds = {
        "int_type": "it has to be a whole number",
        "int_from_float": "it has to be a whole number",
        "float_type": "it has to be a number",
        "bool_type": "it has to be true or false",
        "string_type": "it has to be text in quotes",
        "tuple_type": "it has to be a list",
        "dict_type": "it has to be a table",
        "missing": "it has too few values",
    }
    message = str(problem["msg"]).removeprefix("Input should be ")
    return kinds.get(str(problem["type"]), f"it has to be {message}")


def _changed(step: StageStep, values: Mapping[str, Any], where: str) -> StageStep:
    """A stage with such settings; what hangs on its length and is not among them goes with it."""
    try:
        changes = {name: values[name] for name in _STAGE if name in values}
        if "micro_batch" in values:
            size = values["micro_batch"]
            sizes = size if isinstance(size, Mapping) else dict.fromkeys(BATCH_SIZES, size)
            changes["batch_sizes"] = {**step.batch_sizes, **sizes}
        watched = {name: values[name] for name in Validation.model_fields if name in values}
        if watched:
            changes["validation"] = {**step.validation.model_dump(), **watched}
        loop = {name: values[name] for name in LoopConfig.model_fields if name in values}
        if "steps" in loop:
            changes["epochs"] = None
            loop = {**_with_length(step.loop, int(loop["steps"])), **loop}
        return step.with_changes(**changes, loop=loop)
    except ConfigError as error:
        raise ConfigError(f"{where}, {step.name}: {str(error).split(': ', 1)[-1]}") from error


def _with_length(loop: LoopConfig, steps: int) -> dict[str, Any]:
    """Fields of a loop at another length: warm-up keeps its share; a short run is saved and logged more often."""
    return {
        "steps": steps,
        "warmup_steps": round(loop.warmup_steps * steps / loop.steps),
        "checkpoint_every": min(loop.checkpoint_every, max(1, steps // 4)),
        "log_every": min(loop.log_every, max(1, steps // 50)),
    }


def lasting(recipe: Recipe, step: StageStep, steps: int) -> StageStep:
    """A stage whose length was given in epochs, at the steps that these take. What the recipe says of warm-up and of
    saving goes with the length; what was set stays.

    Raises:
        ConfigError: a warm-up that was set does not fit.
    """
    usual = _usual(recipe, step)
    own = step.loop.model_dump()
    if usual is None:
        return step.with_changes(loop={"steps": steps})
    fitted = _with_length(usual[0].loop, steps)
    kept = {name: own[name] for name in fitted if name != "steps" and own[name] != getattr(usual[0].loop, name)}
    return step.with_changes(loop={**fitted, **kept})


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not the recipe's."""

    name: str
    here: Any
    recipe: Any

    def __str__(self) -> str:
        return f"{self.name} {_said(self.here)} (the recipe: {_said(self.recipe)})"


def differences(recipe: Recipe, step: StageStep) -> list[Difference]:
    """Where a stage differs from what the recipe of that name says, and so, for a recipe of the paper, from the paper.

    Speed and memory are no settings: they change nothing that is learnt.
    """
    usual = _usual(recipe, step)
    if usual is None:
        return []
    here, there = dict(_flat(step, recipe.model)), dict(_flat(*usual))
    return [Difference(name, here[name], there[name]) for name in here if here[name] != there[name]]


def _usual(recipe: Recipe, step: StageStep) -> tuple[StageStep, ModelShape] | None:
    """The stage as the recipe of that name has it."""
    known = known_recipe(recipe.name)
    stages = known.stages if known is not None else ()
    found = next((stage for stage in stages if stage.name == step.name), None)
    return (found, known.model) if known is not None and found is not None else None


def _flat(step: StageStep, shape: ModelShape) -> Iterator[tuple[str, Any]]:
    yield from step.loop.model_dump().items()
    yield "micro_batch", dict(step.batch_sizes)
    fields = step.model_dump(include=set(_STAGE) | {"forms", "loss"})
    fields["trains"] = sorted(fields["trains"])
    yield from fields.items()
    yield from step.validation.model_dump().items()
    yield "queries", shape.num_query_tokens
    yield "qformer_layers", shape.qformer.get("num_hidden_layers")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value)) or "none"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)
