"""Where a model is: a folder, one that came with the package, or one on a hub.

Nothing is fetched from a hub silently: what would be fetched is named first, and someone has to agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from calvin.core.errors import CheckpointError, UsageError, first_line
from calvin.core.files import model_fingerprint
from calvin.core.package import ASSETS
from calvin.core.prompts import clean_line

DEFAULT_MODEL = "calvin-mini"
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "smolvlm2": "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
        "smolvlm2-500m": "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
        "smolvlm2-256m": "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
        "qwen3-vl": "Qwen/Qwen3-VL-8B-Instruct",
        "qwen3-vl-2b": "Qwen/Qwen3-VL-2B-Instruct",
        "qwen3-vl-4b": "Qwen/Qwen3-VL-4B-Instruct",
        "qwen3.5": "Qwen/Qwen3.5-9B",
        "qwen3.5-4b": "Qwen/Qwen3.5-4B",
        "qwen3.5-0.8b": "Qwen/Qwen3.5-0.8B",
        "gemma4": "google/gemma-4-E4B-it",
        "gemma4-e2b": "google/gemma-4-E2B-it",
        "minicpm-v-4.6": "openbmb/MiniCPM-V-4.6",
        "minicpm-v-4.7": "openbmb/MiniCPM-V-4.7-1B",
        "lfm3-vl": "LiquidAI/LFM3-VL-2B",
        "lfm2-vl": "LiquidAI/LFM2-VL-1.6B",
        "videollama3": "lkhl/VideoLLaMA3-2B-Image-HF",
        "internvl3": "OpenGVLab/InternVL3-1B-hf",
        "molmo2": "allenai/Molmo2-8B",
        "molmo2-4b": "allenai/Molmo2-4B",
        "qwen2.5-vl": "Qwen/Qwen2.5-VL-7B-Instruct",
        "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
        "llava-next-video": "llava-hf/LLaVA-NeXT-Video-7B-hf",
        "video-llava": "LanguageBind/Video-LLaVA-7B-hf",
        "instructblip-video": "Salesforce/instructblip-vicuna-7b",
    }
)
"""Short names of video LLMs on the hub."""
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "drawing.npz", "README.md")
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
    patterns, partly = list(WANTED), False
    try:
        folder = Path(snapshot_download(model_id, allow_patterns=patterns, local_files_only=True))
        if is_whole(folder):
            return folder
        partly = True
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
        raise CheckpointError(_not_fetched(model_id, partly, error)) from error
    if folder.name != model.revision:
        raise CheckpointError(f"{model_id} was changed on the hub while it was fetched: give the same command again.")
    return folder


def _not_fetched(model_id: str, partly: bool, error: Exception) -> str:
    """Why a model cannot be had, and what to do."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    if partly:
        return (
            f"{model_id} was fetched only in part, and the rest cannot be fetched now ({first_line(error)}): run "
            f"`hf download {model_id}` where there is a network, or name another that `calvin models` lists."
        )
    if isinstance(error, GatedRepoError):
        return (
            f"{model_id} is for those who accept its terms: accept them on its page of the hub, run `hf auth login`, "
            "and try again."
        )
    if model_id in ALIASES.values() and not isinstance(error, HfHubHTTPError):
        return (
            f"{model_id} is not on this machine, and the hub cannot be reached now ({first_line(error)}): go online, "
            "or name one that `calvin models` lists."
        )
    meant = get_close_matches(model_id, [*ALIASES, *bundled_models()], 1)
    hint = f" (did you mean {meant[0]}?)" if meant else ""
    missing = f"There is no model {model_id}{hint}: no such folder here, no bundled model of that name, and"
    if isinstance(error, HfHubHTTPError):
        return f"{missing} none on the hub ({first_line(error)}): `calvin models` lists those that are here."
    return (
        f"{missing} none that can be fetched from the hub now ({first_line(error)}): go online, or name one that "
        "`calvin models` lists."
    )


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


fingerprint_of = model_fingerprint


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
