"""Which models that can caption are on this machine: bundled, fetched from a hub before, or served; and the best one.

Nothing is fetched, loaded or run for it: configurations, the heads of weight files and lists of models are read.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from calvin.captioners.hub import ALIASES, bundled_models, is_whole
from calvin.captioners.known_footage import World
from calvin.captioners.local_servers import PORTS, Served, served
from calvin.captioners.machine import Machine, gigabytes, this_machine
from calvin.core.errors import UsageError

Where = Literal["bundled", "cache", "server"]
NOTHING = (
    "No model that can describe any film is on this machine: name one to be fetched, such as --model smolvlm2-500m, or "
    "run `ollama pull qwen3-vl:2b` and try again."
)
A_NIGHT_S = 12 * 3600.0
"""What an hour of film may take on a model that is chosen for somebody."""
_TOWER = re.compile(r"(^|\.)(vision|visual|vit)(_|\.)")
"""In names of tensors."""
_LICENCE = re.compile(r"^license:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Found:
    """A model at hand. `model` follows --model; sizes are in bytes, `hour_s` is for an hour of film.

    `trouble` says why it cannot be used, with the next step; None where it can. `sees` is None if nobody tells.
    """

    model: str
    where: Where
    about: str = ""
    size: int | None = None
    parameters: int | None = None
    licence: str = ""
    needed: int | None = None
    hour_s: float | None = None
    sees: bool | None = True
    trouble: str | None = None

    @property
    def usable(self) -> bool:
        """Whether it can describe any film."""
        return self.trouble is None and self.sees is not False and self.where != "bundled"


def found(machine: Machine | None = None, ports: Mapping[str, int] = PORTS) -> list[Found]:
    """All that is at hand: bundled models, then the local cache of the hub, then servers on this machine."""
    machine = machine or this_machine()
    own = [_bundled(name, folder, machine) for name, folder in bundled_models().items()]
    return [*own, *cached(machine), *map(_of_server, served(ports))]


def best(models: Iterable[Found] | None = None) -> tuple[Found, str]:
    """The best of the models at hand that can describe any film, and why it is that.

    Servers that are known to see come first: they are loaded, and their answers need no memory of calvin's. Then
    models of the cache that this machine holds, the largest that describes an hour of film in a night before those
    that do not; and last, servers of which nobody knows whether they see.

    Raises:
        UsageError: there is none; the sentence has the next step.
    """
    all_found = list(found() if models is None else models)
    able = [model for model in all_found if model.usable]
    if not able:
        unready = [f"{model.model}: {model.trouble}" for model in all_found if model.trouble and model.where == "cache"]
        raise UsageError(NOTHING if not unready else f"{NOTHING} Of what was fetched before, {'; '.join(unready[:3])}.")
    ranked = sorted(able, key=_rank)
    chosen, count = ranked[0], len(able)
    if chosen.where == "server":
        why = "its server runs here" + ("" if chosen.sees else ", though nobody tells whether it sees pictures")
    else:
        why = "it is here and fits into memory"
    size = ", and is the largest of its kind" if count > 1 and _rank(ranked[1])[:2] == _rank(chosen)[:2] else ""
    return chosen, f"{why}{size} (of {count} at hand)" if count > 1 else why


def _rank(model: Found) -> tuple[int, bool, float, str]:
    kind = (0 if model.sees else 2) if model.where == "server" else 1
    slow = model.hour_s is not None and model.hour_s > A_NIGHT_S
    # The larger the better, unless it takes too long.
    size = model.parameters or model.size or 0
    return kind, slow, float(size if slow else -size), model.model


def _bundled(name: str, folder: Path, machine: Machine) -> Found:
    weights, world = parameters_of(folder), World.load(folder)
    return Found(
        name, "bundled", f"knows {world.description} only" if world else "", _size(folder), weights, licence_of(folder),
        machine.needed(weights) if weights else None, machine.hour_s(weights) if weights else None,
    )  # fmt: skip


def cached(machine: Machine, cache: Path | None = None) -> list[Found]:
    """Models of the hub's local cache that look and write, CALVINs among them, and those fetched only in part."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    folder = cache or Path(constants.HF_HUB_CACHE)
    try:
        repos = {repo.repo_id: repo for repo in scan_cache_dir(folder).repos if repo.repo_type == "model"}
    except (CacheNotFound, OSError, ValueError):
        repos = {}
    results = []
    for path in sorted(folder.glob("models--*")):
        name = path.name.removeprefix("models--").replace("--", "/")
        revisions = sorted(repos[name].revisions, key=lambda one: ("main" not in one.refs, -one.last_modified)) if (
            name in repos
        ) else []  # fmt: skip
        one = _of_cache(name, path, Path(revisions[0].snapshot_path) if revisions else None, machine)
        if one is not None:
            results.append(one)
    return results


def _of_cache(name: str, path: Path, folder: Path | None, machine: Machine) -> Found | None:
    """A model of the cache; None for one that neither looks nor was to."""
    partly = f"fetched only in part: run `hf download {name}`"
    kind = model_kind(folder) if folder else ""
    model = _asked_for(name, kind)
    if folder is None or not kind:
        # A list of files is all that some fetch; what leaves unfinished pieces was to be more.
        started = any(path.glob("blobs/*.incomplete")) or name in ALIASES.values()
        return Found(model, "cache", size=_size(path), trouble=partly) if started else None
    if kind != "calvin" and not looks(kind):
        return None
    weights = parameters_of(folder)
    about = "a CALVIN" if kind == "calvin" else f"a video LLM ({kind})"
    licence = licence_of(folder)
    if not is_whole(folder):
        return Found(model, "cache", about, _size(folder), None, licence, trouble=partly)
    needed = machine.needed(weights) if weights else None
    trouble = None
    if needed and not machine.holds(needed):
        trouble = f"needs {gigabytes(needed)} of memory, and {gigabytes(machine.free + machine.gpu)} are free"
    hour_s = machine.hour_s(weights, parameters_of(folder, seeing=True) or 0) if weights else None
    return Found(model, "cache", about, _size(folder), weights, licence, needed, hour_s, True, trouble)


def _asked_for(name: str, kind: str) -> str:
    """The alias of a hub id, else the id, as --model takes it."""
    alias = next((alias for alias, known in ALIASES.items() if known == name), None)
    return alias or (name if kind == "calvin" else f"hf:{name}")


def _of_server(model: Served) -> Found:
    trouble = "sees no pictures: take a vision model of this server" if model.sees is False else None
    return Found(
        model.model, "server", f"served by {model.server}", model.size, model.parameters, model.licence,
        sees=model.sees, trouble=trouble,
    )  # fmt: skip


def looks(kind: str) -> bool:
    """Whether transformers loads an architecture as one that sees and writes."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES  # loads torch

    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES or kind in ("instructblipvideo", "video_llava")


def model_kind(folder: Path) -> str:
    """The architecture that a model folder names, or nothing."""
    return str(_json(folder / "config.json").get("model_type") or "")


def licence_of(folder: Path) -> str:
    """The licence in the head of a model's card, or nothing."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:20_000]
    except OSError:
        return ""
    named = _LICENCE.search(text.split("\n---", 1)[0]) if text.startswith("---") else None
    return named[1] if named else ""


def parameters_of(folder: Path, seeing: bool = False) -> int | None:
    """How many numbers a model's weights hold, or only those of its vision tower, from the heads of its safetensors.

    None where there are none.
    """
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "np") as file:
                names = [name for name in file.keys() if not seeing or _TOWER.search(name)]  # noqa: SIM118
                total += sum(math.prod(file.get_slice(name).get_shape()) for name in names)
        except (OSError, SafetensorError):
            return None
    return total or None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _size(folder: Path) -> int:
    """Bytes of a folder's files; a file that several names lead to, as in the hub's cache, counts once."""
    sizes = {}
    for path in folder.rglob("*"):
        if path.is_file():
            sizes[path.resolve()] = path.stat().st_size
    return sum(sizes.values())
