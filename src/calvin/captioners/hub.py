"""Where a model is: a folder, one that came with the package, or one on a hub.

Nothing is fetched from a hub silently: what would be fetched is named first, and someone has to agree.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calvin.core.errors import CheckpointError, UsageError, first_line
from calvin.core.files import file_sha256
from calvin.core.package import ASSETS
from calvin.core.prompts import clean_line

DEFAULT_MODEL = "calvin-mini"
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


def bundled_models() -> dict[str, Path]:
    """The models that came with the package, by name."""
    return {path.parent.name: path.parent for path in sorted(ASSETS.glob("model/*/config.json"))}


def find_model(model: str | Path | None, agree: Agree = nobody_asked) -> Path:
    """The folder of a model: the one named, a bundled one, or one fetched from the hub.

    Raises:
        CheckpointError: there is none.
        UsageError: it is on a hub, and nobody agreed to fetch it.
    """
    known = bundled_models()
    if model is None or (str(model) in known and not Path(model).exists()):
        name = str(model or DEFAULT_MODEL)
        if name not in known:
            raise CheckpointError(f"The bundled model {name} is not installed: name one with --model, or train one.")
        return known[name]
    from calvin.model.loading import check_source  # loads torch

    return local_or_fetched(check_source(str(model)), agree)


def local_or_fetched(name: str, agree: Agree = nobody_asked) -> Path:
    """What lies at a path, else what a hub knows by that id, fetched if `agree` says so.

    Raises:
        CheckpointError: there is no such model.
        UsageError: it is on a hub, and nobody agreed to fetch it.
    """
    if not Path(name).exists():
        from calvin.model.loading import check_source  # loads torch

        check_source(name)  # brings back a folder whose writing was interrupted
    return Path(name) if Path(name).exists() else fetch(name, agree)


def fingerprint_of(folder: Path) -> str:
    """SHA-256 over what decides a model's words: configuration, tokenizer and weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".safetensors", ".json", ".model", ".txt") and path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def card_of(folder: Path) -> str:
    """The first paragraph of the model card's body."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    text = card.read_text(encoding="utf-8", errors="replace")
    if text.startswith("---"):
        text = text.partition("\n---")[2].partition("\n")[2]
    paragraphs = (clean_line(part) for part in text.split("\n\n"))
    return next((part for part in paragraphs if part and not part.startswith("#")), "")
