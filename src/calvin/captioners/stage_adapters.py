"""The adapters that stages of recipes leave (`calvin-7b-stage2-prefix`): a folder that stands for a model with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from calvin.captioners.hub import fingerprint_of
from calvin.core.errors import CheckpointError, UsageError
from calvin.core.files import read_record
from calvin.model.tuning import adapter_facts

STAGE = "stage"
"""The fact that tells a stage's adapter from one made for a film."""


def stage_adapter(model: str | Path | None) -> Path | None:
    """The folder, where it holds an adapter and no model of its own.

    Raises:
        UsageError: it is an adapter made for a film, which is no model.
    """
    folder = Path(model) if model is not None else None
    if folder is None or not (folder / "calvin_adapter.json").is_file() or (folder / "config.json").is_file():
        return None
    facts = adapter_facts(folder)
    if "film" in facts:
        name = facts.get("base_name") or "MODEL"
        raise UsageError(f"{folder} is an adapter, not a model: give --model {name} and --adapter {folder}.")
    return folder


def base_of(adapter: Path) -> Path:
    """The model that a stage's adapter was trained on.

    Raises:
        CheckpointError: the adapter does not say which it is, or it is not there.
    """
    stated = adapter_facts(adapter).get("base_folder")
    if not isinstance(stated, str):
        raise CheckpointError(f"{adapter} does not say which model it was trained on: train its recipe again.")
    base = (adapter / stated).resolve()
    if not (base / "config.json").is_file():
        raise CheckpointError(f"{adapter} was trained on the model {base}, which is not there: put it back.")
    return base


def prefix_tokens(adapter: Path) -> int | None:
    """How many tokens the prefix of a stage's adapter has; None where it is no prefix."""
    tokens = read_record(adapter / "adapter_config.json").get("num_virtual_tokens")
    return tokens if isinstance(tokens, int) else None


def check_base(adapter: Path, fingerprint: str) -> None:
    """
    Raises:
        CheckpointError: where the adapter's base was, another model is now.
    """
    made_for = str(adapter_facts(adapter).get("base", ""))
    if made_for != fingerprint:
        raise CheckpointError(
            f"{adapter} was trained on {base_of(adapter)} as it was before ({made_for[:12] or 'no hash'}, now "
            f"{fingerprint[:12]}): train its recipe again."
        )


def with_its_adapter(fingerprint: str, adapter: Path) -> str:
    """The fingerprint of a model with an adapter, from the model's own."""
    return hashlib.sha256(f"{fingerprint} {fingerprint_of(adapter)}".encode()).hexdigest()
