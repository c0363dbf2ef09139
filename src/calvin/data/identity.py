"""What data is, whatever it is called and wherever it lies: a hash of its content.

Files of gigabytes are read once; what was found is kept with their size and time of change, in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from calvin.core.files import file_sha256, read_record, write_json
from calvin.data.sources import NAMED, SourceConfig

WORTH_KEEPING = 2**24
"""Bytes of a file, or of a folder's files, from which on hashes are kept; less is read again in no time."""
_SAVE_EVERY_S = 60.0
_FILES = ("annotations", "features", "entities", "credits")
# Fields that say nothing of what is learnt, or that are in a stage's shares already.
_BESIDE = {*_FILES, "name", "weight", "cache_mb", "max_bad_share", "against"}


def content_hash(path: str | Path, suffixes: Collection[str] | None = None) -> str:
    """SHA-256 of a file, or of the names and contents of all files in a folder but hidden and half-written ones.

    Args:
        suffixes: count only files that end so, such as ".json".

    Raises:
        OSError: something there cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        return _kept_sha256(path)[0]
    digest = hashlib.sha256()
    files = []
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        name = file.relative_to(path)
        if any(part.startswith(".") for part in name.parts) or ".partial" in file.name:
            continue
        if suffixes is None or file.suffix in suffixes:
            files.append(file)
    for file, found in zip(files, _kept_sha256(*files), strict=True):
        digest.update(f"{file.relative_to(path).as_posix()}\0{found}\n".encode())
    return digest.hexdigest()


def source_identity(config: SourceConfig) -> dict[str, Any]:
    """What a source gives to training, for JSON: contents of its files and what is done with them, but no path."""
    fields = config.model_dump(mode="json", exclude=_BESIDE)
    if not config.leave_in:
        del fields["leave_in"]  # identities are older than what may be left in
    files = {name: content_hash(path) for name in _FILES if (path := getattr(config, name)) is not None}
    return {**fields, **files, "against": _against(config.against)}


def _against(sets: Sequence[str]) -> list[str]:
    """Names of evaluation sets, and for files (FILE or FORMAT:FILE) what is in them."""
    found = []
    for item in sets:
        name = item if item in NAMED or Path(item).exists() else item.rpartition(":")[2]
        found.append(content_hash(name) if item not in NAMED and Path(name).is_file() else item)
    return found


def _kept_sha256(*paths: Path) -> list[str]:
    """The hash of each; what is large, alone or together, is read once."""
    states = [[facts.st_size, facts.st_mtime_ns] for facts in map(Path.stat, paths)]
    if sum(size for size, _ in states) < WORTH_KEEPING:
        return [file_sha256(path) for path in paths]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "calvin" / "hashes.json"
    kept, hashes, new = read_record(cache), list[str](), dict[str, Any]()
    saved = time.monotonic()
    for path, state in zip(paths, states, strict=True):
        name = str(path.resolve())
        entry = kept.get(name)
        if isinstance(entry, dict) and entry.get("state") == state and isinstance(entry.get("sha256"), str):
            hashes.append(entry["sha256"])
            continue
        hashes.append(file_sha256(path))
        new[name] = {"state": state, "sha256": hashes[-1]}
        if time.monotonic() - saved > _SAVE_EVERY_S:  # so that a run that is stopped need not begin again
            saved = _keep(cache, new)
    if new:
        _keep(cache, new)
    return hashes


def _keep(cache: Path, new: dict[str, Any]) -> float:
    with suppress(OSError):  # a home that cannot be written costs another reading, no more
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_json(cache, {**read_record(cache), **new})
    return time.monotonic()
