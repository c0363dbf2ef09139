"""Reading checkpoints strictly: whole and of the right shape, or one clear sentence.

transformers by default fills a missing tensor with random numbers and says so in a log; here that is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, PreTrainedConfig
from transformers.utils import logging

from calvin.core.errors import CheckpointError, first_line
from calvin.core.files import restore_folder

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[\w.-]+)?$")

CALVIN = frozenset({"calvin"})
BERT = frozenset({"bert"})
# fmt: off
TOWERS = frozenset({
    "beit", "calvin_frame_encoder", "clip", "clip_vision_model", "convnext", "convnextv2", "deit", "dinov2",
    "dinov2_with_registers", "dinov3_convnext", "dinov3_vit", "metaclip_2", "metaclip_2_vision_model", "regnet",
    "resnet", "siglip", "siglip_vision_model", "swin", "swinv2", "vit",
})
LANGUAGE_MODELS = frozenset({
    "arcee", "bloom", "cohere", "cohere2", "exaone4", "falcon", "gemma", "gemma2", "gemma3_text", "glm", "glm4", "gpt2",
    "gpt_neo", "gpt_neox", "gpt_oss", "granite", "helium", "llama", "ministral", "ministral3", "mistral", "mixtral",
    "nemotron", "olmo", "olmo2", "olmo3", "olmoe", "opt", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe",
    "smollm3", "stablelm", "starcoder2",
})
# fmt: on
"""Architectures that a model, or a part of one, may be of: a checkpoint from elsewhere does not choose which of
transformers' hundreds runs."""
A_TOWER = f"a vision tower that can be used ({', '.join(sorted(TOWERS))})"
A_LANGUAGE_MODEL = f"a language model that can be used ({', '.join(sorted(LANGUAGE_MODELS))})"
_PARTS = (
    ("text_config", "language model", LANGUAGE_MODELS, A_LANGUAGE_MODEL),
    ("vision_config", "vision tower", TOWERS, A_TOWER),
    ("backbone_config", "backbone", TOWERS, A_TOWER),
)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' load reports and progress bars: what matters in them is raised as an error."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def check_source(path_or_id: str | Path) -> str:
    """A local model folder or a hub id, as transformers takes it.

    Raises:
        CheckpointError: a file, a folder without config.json, or a name that can be neither.
    """
    text = str(path_or_id)
    path = Path(text)
    if not path.exists():
        restore_folder(path)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise CheckpointError(f"{text} is not a model folder: it has no config.json.")
        return text
    if path.exists():
        raise CheckpointError(f"{text} is a file; give the model's folder.")
    if not isinstance(path_or_id, str) or not _HUB_ID.match(text):
        raise CheckpointError(
            f"There is no model folder {text}, and no captioner of that kind: `calvin models` lists what is here."
        )
    return text


def load_config(path_or_id: str | Path, known: Collection[str], what: str) -> Any:
    """The configuration of a model folder or hub id, without running any code that comes with it.

    Args:
        known: the architectures allowed.
        what: what it should be, for the error.

    Raises:
        CheckpointError: there is none, it cannot be read, or it or a part of it is of an architecture not allowed.
    """
    source = check_source(path_or_id)
    try:
        # Before anything is built from it: building may already import what the architecture wants.
        check_architecture(PreTrainedConfig.get_config_dict(source)[0], known, source, what)
        return AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, StrictDataclassError) as error:
        raise CheckpointError(f"The configuration of {source} cannot be read: {first_line(error)}.") from error


def check_architecture(config: Mapping[str, Any], known: Collection[str], source: str | Path, what: str) -> None:
    """
    Raises:
        CheckpointError: the configuration, or that of a part of a CALVIN or of its tower, is of none of these.
    """
    kind = str(config.get("model_type") or "")
    if kind not in known:
        raise CheckpointError(f"{source} is a {kind or 'nameless'} model, not {what}.")
    parts = {"calvin": _PARTS[:2], "calvin_frame_encoder": _PARTS[2:]}.get(kind, ())
    for key, name, allowed, wanted in parts:
        if config.get(key) is not None:
            check_architecture(config[key], allowed, f"The {name} in {source}", wanted)


def load_strict(model_class: Any, path_or_id: str | Path, allow_missing: str = "", **options: Any) -> Any:
    """`model_class.from_pretrained` from safetensors, in evaluation mode, refusing a checkpoint that is not whole.

    Args:
        model_class: a PreTrainedModel or Auto class.
        path_or_id: a model folder or hub id.
        allow_missing: regular expression of tensors that may be absent.
        options: passed on, such as `config` and `dtype`.

    Raises:
        CheckpointError: unreadable weights, a missing tensor or one of another shape; the sentence names the first.
    """
    source = check_source(path_or_id)
    try:
        with quiet():
            model, info = model_class.from_pretrained(
                source,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, in a sentence
                **options,
            )
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"The model {source} cannot be loaded: {first_line(error)}.") from error
    mismatched = sorted(info["mismatched_keys"], key=str)
    if mismatched:
        name, stored, expected = mismatched[0]
        raise CheckpointError(
            f"The checkpoint {source} does not fit its configuration: tensor {name} has shape {tuple(stored)}, "
            f"{tuple(expected)} was expected{_and_more(mismatched)}."
        )
    missing = sorted(key for key in info["missing_keys"] if not (allow_missing and re.search(allow_missing, key)))
    if missing:
        raise CheckpointError(
            f"The checkpoint {source} is incomplete: tensor {missing[0]} is missing{_and_more(missing)}; "
            "copy or download it again."
        )
    return model.eval()


def _and_more(items: list[Any]) -> str:
    return f" (and {len(items) - 1} more)" if len(items) > 1 else ""
