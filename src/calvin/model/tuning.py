"""Parameter-efficient tuning through peft: LoRA (CALVIN section 3.2) and prefix tuning; what is trained and saved.

An adapter folder holds peft's own files for the language model, so that peft can read them beside any copy of the
base, and the projector, which every stage trains: a few per cent of the whole. The base model is not touched.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import (
    LoraConfig,
    PeftConfig,
    PrefixTuningConfig,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from calvin.core.config import FrozenConfig
from calvin.core.errors import CheckpointError, ConfigError, UsageError, first_line
from calvin.core.files import atomic_folder, restore_folder, write_json
from calvin.model.modeling import CalvinForConditionalGeneration, adapter_of

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
"""The projections of Llama's attention that LoRA sits on."""
FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")

_PARTS: dict[str, tuple[str, ...]] = {
    "vision_tower": ("vision tower",),
    "projector": ("frame positions", "Q-Former", "mapping network", "language projection"),
    "qformer": ("frame positions", "Q-Former"),
    "language_projection": ("language projection",),
    "language_model": ("language model",),
    "lora": ("LoRA",),
    "prefix": ("prefix",),
}
"""What recipes call a part, and the rows of `calvin model info` that it consists of."""
_STAGES = {
    "vision tower": "frozen, pre-trained by itself",
    "frame positions": "stage 1, stage 2, adaptation",
    "Q-Former": "stage 1, stage 2, adaptation",
    "mapping network": "stage 1, stage 2, adaptation",
    "language projection": "stage 1, stage 2, adaptation",
    "language model": "pre-trained by itself; stage 2 trains its LoRA (or all of it, where the card says so)",
    "LoRA": "stage 2, adaptation",
    "prefix": "stage 2, adaptation",
}
_FACTS = "calvin_adapter.json"
_PROJECTOR = "projector.safetensors"
_PREFIX = "prompt_embeddings"


class LoraSettings(FrozenConfig):
    """A LoRA, wherever one is trained: in a stage, in adaptation, or by itself. The defaults are the paper's where it
    names any (section 4)."""

    lora_rank: int = Field(default=32, gt=0)
    lora_alpha: int = Field(default=64, gt=0)
    lora_dropout: float = Field(default=0.05, ge=0, lt=1)
    lora_targets: tuple[str, ...] = Field(default=ATTENTION, description="names of the linear layers it sits on")


def add_lora(model: CalvinForConditionalGeneration, settings: LoraSettings = LoraSettings()) -> None:  # noqa: B008
    """Put a fresh LoRA on the language model, in place; the model answers as before until it is trained.

    Raises:
        UsageError: the model has an adapter already.
        ConfigError: the language model has no such layers.
    """
    _refuse_second(model)
    names = {name.rsplit(".", 1)[-1] for name, _ in model.language_model.named_modules()}
    missing = [target for target in settings.lora_targets if target not in names]
    if missing:
        raise ConfigError(
            f"The language model has no layers named {', '.join(missing)}: name its own in `lora_targets`."
        )
    model.add_adapter(_lora_config(settings))


def _lora_config(settings: LoraSettings) -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=list(settings.lora_targets),
    )


def add_prefix(model: CalvinForConditionalGeneration, tokens: int = 16) -> None:
    """Put a learned prefix of `tokens` keys and values before everything the language model reads, in place.

    Raises:
        UsageError: the model has an adapter already.
    """
    _refuse_second(model)
    config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens)
    model.add_adapter(config)


def _refuse_second(model: CalvinForConditionalGeneration) -> None:
    if adapter_of(model) is not None:
        raise UsageError(f"The model has a {adapter_of(model)} adapter already: merge or remove it first.")


def set_trainable(model: CalvinForConditionalGeneration, parts: Collection[str]) -> int:
    """Let only these parts learn and freeze everything else. Returns the number of parameters that learn.

    Args:
        model: any.
        parts: of "projector" (all of it), "qformer" (with its queries and frame positions), "language_projection",
            "language_model" (without adapters), "lora", "prefix", "vision_tower".

    Raises:
        UsageError: an unknown part, or one that this model does not have.
    """
    unknown = sorted(set(parts) - set(_PARTS))
    if unknown:
        raise UsageError(f"There is no part {', '.join(unknown)}: choose from {', '.join(_PARTS)}.")
    learning = dict.fromkeys(parts, 0)
    for name, parameter in model.named_parameters():
        owners = [part for part in parts if _part_of(name) in _PARTS[part]]
        parameter.requires_grad_(bool(owners))
        for part in owners:
            learning[part] += parameter.numel()
    absent = [part for part, count in learning.items() if count == 0]
    if absent:
        raise UsageError(f"The model has no {absent[0]} to train: add it first or leave it out.")
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@dataclass(frozen=True, slots=True)
class PartRow:
    """One line of `calvin model info`."""

    part: str
    parameters: int
    trained_in: str


def describe_model(model: CalvinForConditionalGeneration) -> list[PartRow]:
    """The parts of a model, how many parameters each has, and when it is trained. Tied weights count once."""
    counts = dict.fromkeys(_STAGES, 0)
    for name, parameter in model.named_parameters():
        counts[_part_of(name)] += parameter.numel()
    return [PartRow(part, count, _STAGES[part]) for part, count in counts.items() if count]


def _part_of(name: str) -> str:
    if name.startswith("vision_tower."):
        return "vision tower"
    if name.startswith("projector."):
        names = {"frame_position_embedding": "frame positions", "language_projection": "language projection"}
        names |= dict.fromkeys(("qformer", "query_tokens"), "Q-Former")
        return names.get(name.split(".")[1], "mapping network")
    return "LoRA" if "lora_" in name else "prefix" if "prompt_encoder." in name else "language model"


def merge(model: CalvinForConditionalGeneration) -> None:
    """Merge a LoRA into the language model's weights, in place; without one, do nothing.

    Raises:
        UsageError: a prefix is not a change of weights and cannot be merged.
    """
    kind = adapter_of(model)
    if kind == "prefix":
        raise UsageError("A prefix cannot be merged into the weights: save it as an adapter instead.")
    if kind == "lora":
        model.language_model = model.language_model.merge_and_unload()


def remove_adapter(model: CalvinForConditionalGeneration) -> None:
    """Take the adapter off again, in place; the base model is as it was."""
    kind = adapter_of(model)
    if kind == "lora":
        model.language_model = model.language_model.unload()
    elif kind == "prefix":
        model.language_model = model.language_model.get_base_model()


def save_adapter(
    model: CalvinForConditionalGeneration,
    folder: str | Path,
    facts: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Write the adapter and the projector to a folder of their own, whole or not at all.

    Args:
        facts: what else `calvin_adapter.json` is to hold, such as what the adapter was made from.
        half: in half precision.

    Raises:
        UsageError: the model has no adapter, or the folder holds something else.
    """
    kind = adapter_of(model)
    if kind is None:
        raise UsageError("The model has no adapter to save: add a LoRA or a prefix, or save the model itself.")
    if Path(folder).exists() and not (Path(folder) / _FACTS).is_file():
        raise UsageError(f"{folder} exists and is not an adapter folder: name another for the adapter.")
    with atomic_folder(folder) as temporary:
        # Left to find out whether embeddings are trained, peft would look for the base's files.
        model.language_model.save_pretrained(str(temporary), safe_serialization=True, save_embedding_layers=False)
        (temporary / "README.md").unlink(missing_ok=True)  # peft's template says nothing about this model
        _sort_targets(temporary / "adapter_config.json")
        weights = temporary / "adapter_model.safetensors"
        if half:
            save_file(_plain(load_file(weights), half), weights, metadata={"format": "pt"})
        save_file(_plain(model.projector.state_dict(), half), temporary / _PROJECTOR, metadata={"format": "pt"})
        own = {"kind": kind, "encoder_id": model.config.encoder_id, "encoder_hash": model.config.encoder_hash}
        write_json(temporary / _FACTS, {**(facts or {}), **own})


def _sort_targets(path: Path) -> None:
    """peft writes a set, in another order each time; the same seed is to give the same file."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(config.get("target_modules"), list):
        write_json(path, {**config, "target_modules": sorted(config["target_modules"])})


def _plain(tensors: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return {name: tensor.half() for name, tensor in plain.items()} if half else plain


def adapter_facts(folder: str | Path) -> dict[str, Any]:
    """What an adapter says of itself.

    Raises:
        CheckpointError: not an adapter folder.
    """
    restore_folder(folder)
    if not (Path(folder) / _FACTS).is_file():
        raise CheckpointError(f"{folder} is not an adapter folder: make one with `calvin adapt PROJECT -o FOLDER`.")
    try:
        facts = json.loads((Path(folder) / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{Path(folder) / _FACTS} cannot be read: {first_line(error)}.") from error
    if not isinstance(facts, dict):
        raise CheckpointError(f"{Path(folder) / _FACTS} does not hold a JSON object.")
    return facts


def load_adapter(model: CalvinForConditionalGeneration, folder: str | Path, trainable: bool = False) -> None:
    """Put a saved adapter and its projector on the model it was trained from, in place.

    Raises:
        CheckpointError: not an adapter folder, made for another encoder, incomplete or of another shape; the model is
            then as it was.
        UsageError: the model has an adapter already.
    """
    _refuse_second(model)
    folder = Path(folder)
    facts = adapter_facts(folder)
    if facts.get("encoder_hash") != model.config.encoder_hash:
        raise CheckpointError(
            f"The adapter {folder} was trained on vectors of {facts.get('encoder_id') or 'another encoder'}, the model "
            f"takes those of {model.config.encoder_id or 'another encoder'}: load it on the model it was trained from."
        )
    projector = _read_tensors(folder / _PROJECTOR)
    _check_shapes(projector, _shapes(model.projector.state_dict()), folder / _PROJECTOR)
    tensors = _read_tensors(folder / "adapter_model.safetensors")
    config = _checked_config(model, tensors, folder)
    config.inference_mode = not trainable
    model.add_adapter(config)
    try:
        _check_shapes(
            tensors, _shapes(get_peft_model_state_dict(model.language_model, save_embedding_layers=False)), folder
        )
    except CheckpointError:
        remove_adapter(model)
        raise
    set_peft_model_state_dict(model.language_model, tensors)
    model.projector.load_state_dict(projector)
    model.eval()


def _checked_config(model: CalvinForConditionalGeneration, tensors: dict[str, Tensor], folder: Path) -> PeftConfig:
    """The configuration of an adapter, made anew from the fields that calvin writes.

    peft takes memory for whatever a file asks, before anything is compared. So the shapes that it would have are
    compared with the tensors first.

    Raises:
        CheckpointError: it is not ours, or the tensors do not fit.
    """
    base: Any = model.language_model.config
    config: PeftConfig
    try:
        stated = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        kind = {"LORA": "lora", "PREFIX_TUNING": "prefix"}[stated["peft_type"]]
        if kind == "prefix":
            tokens, heads = int(stated["num_virtual_tokens"]), base.num_attention_heads
            of_keys = (base.hidden_size // heads) * (getattr(base, "num_key_value_heads", None) or heads)
            config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=tokens)
            shapes = {_PREFIX: (tokens, 2 * base.num_hidden_layers * of_keys)}
        else:
            fields = {"lora_rank": "r", "lora_alpha": "lora_alpha", "lora_dropout": "lora_dropout"}
            fields["lora_targets"] = "target_modules"
            settings = LoraSettings.load({ours: stated[theirs] for ours, theirs in fields.items()})
            layers: Any = model.language_model.named_modules()
            config = _lora_config(settings)
            shapes = {
                f"base_model.model.{name}.lora_A.weight": (settings.lora_rank, layer.in_features)
                for name, layer in layers
                if name.rsplit(".", 1)[-1] in settings.lora_targets and hasattr(layer, "in_features")
            }
    except (ConfigError, OSError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{folder} has no usable adapter_config.json.") from error
    _check_shapes(tensors, shapes, folder)
    return config


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: copy the adapter folder again.") from error


def _check_shapes(found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]], where: Path) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise CheckpointError(f"{where} is incomplete: tensor {name} is missing.")
        if found[name].shape != shape:
            raise CheckpointError(
                f"{where} does not fit this model: tensor {name} has shape {tuple(found[name].shape)}, {shape} was "
                "expected."
            )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@contextmanager
def base_kept(model: CalvinForConditionalGeneration) -> Iterator[None]:
    """Whatever is tuned inside the block, the model is the base again after it, with the prefix that it came with."""
    projector = {name: tensor.detach().clone() for name, tensor in model.projector.state_dict().items()}
    device, came = model.device, model.language_model
    learnt = adapter_of(model) == "prefix"
    prefix = [value.detach().clone() for value in came.prompt_encoder.parameters()] if learnt else []
    try:
        yield
    finally:
        remove_adapter(model)
        if learnt:
            model.language_model = came
            for value, kept in zip(came.prompt_encoder.parameters(), prefix, strict=True):
                value.data.copy_(kept)
        model.projector.load_state_dict(projector)
        model.requires_grad_(False).eval().to(device)
