"""Fetching models from a hub: never silently. What it would fetch is named first, and someone has to agree."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calvin.core.errors import CheckpointError, UsageError, first_line

WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md")
"""Configuration, tokenizer, weights and card; no pickles, no code."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model on a hub: what it is called, which state of it, how many bytes would be fetched, under which licence."""

    id: str
    revision: str
    size: int
    licence: str

    def __str__(self) -> str:
        size = f"{self.size / 1e9:.1f} GB" if self.size >= 1e8 else f"{self.size / 1e6:.1f} MB"
        return f"{self.id}: {size}, licence: {self.licence}"


Agree = Callable[[HubModel], bool]
"""Asks whether a model may be fetched."""


def nobody_asked(model: HubModel) -> bool:
    return False


def fetch(model_id: str, agree: Agree = nobody_asked, endpoint: str | None = None) -> Path:
    """The folder of a model by its hub id: the one fetched before, or fetched now if `agree` says so.

    Raises:
        UsageError: nobody agreed.
        CheckpointError: there is no such model, or the hub cannot be reached.
    """
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    trouble = (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, httpx2.HTTPError, OSError, ValueError)
    patterns = list(WANTED)
    try:
        folder = Path(snapshot_download(model_id, allow_patterns=patterns, local_files_only=True))
        if is_whole(folder):
            return folder
    except trouble:
        pass  # not fetched before, or no hub id: the hub says which
    try:
        info = HfApi(endpoint=endpoint).model_info(model_id, files_metadata=True)
        files = [file for file in info.siblings or [] if any(Path(file.rfilename).match(p) for p in patterns)]
        licence = str(getattr(info.card_data, "license", None) or "not stated")
        model = HubModel(model_id, str(info.sha), sum(file.size or 0 for file in files), licence)
        if not agree(model):
            raise UsageError(
                f"{model} is not on this machine: agree with --yes to fetch it, or fetch it yourself with "
                f"`hf download {model_id}`."
            )
        # By name and not by revision, so that it is found by name the next time.
        folder = Path(snapshot_download(model_id, allow_patterns=patterns, endpoint=endpoint))
    except trouble as error:
        raise CheckpointError(
            f"There is no model {model_id}: no such folder here, no bundled model of that name, and none that can be "
            f"fetched from the hub ({first_line(error)})."
        ) from error
    if folder.name != model.revision:
        raise CheckpointError(f"{model_id} was changed on the hub while it was fetched: give the same command again.")
    return folder


def is_whole(folder: Path) -> bool:
    """Whether a fetched folder holds a configuration and all its weights: an earlier fetch may have been stopped."""
    if not (folder / "config.json").is_file():
        return False
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return all((folder / shard).is_file() for shard in shards)
