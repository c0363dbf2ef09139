"""A project described again: its film, its dialogue, and its own settings where none are given."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from calvin.core.errors import StoreError
from calvin.studio.store import ProjectStore


def film_and_settings(project: Path, values: dict[str, Any], given: Collection[str]) -> tuple[Path, dict[str, Any]]:
    """The film of a project, and `values` (of `DescribeSettings`) with those that are not `given` taken from it.

    Raises:
        StoreError: no project, or its film is no longer where it was.
    """
    with ProjectStore(project, read_only=True) as store:
        film, request = store.bound_film(), store.get("request") or {}
    if not Path(film.path).is_file():
        raise StoreError(f"The film of {project} is no longer at {film.path}: name it, with -o {project}.")
    kept = ("context", "words_per_minute", "plan", "question", "audio_language")
    return Path(film.path), values | {name: request[name] for name in kept if name in request and name not in given}
