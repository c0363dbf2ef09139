"""A project described again: its film, its dialogue, its own settings where none are given, an adapter for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from calvin.captioners import Captioner
from calvin.captioners.adapted import AdaptedCalvin, open_adapted
from calvin.captioners.calvin import Calvin
from calvin.core.errors import StoreError
from calvin.model.modeling import adapter_of
from calvin.model.tuning import base_kept
from calvin.studio.project.store import ProjectStore


def film_and_settings(project: Path, values: dict[str, Any], given: Collection[str]) -> tuple[Path, dict[str, Any]]:
    """The film of a project, and `values` (of `DescribeSettings`) with those that are not `given` taken from it.

    Raises:
        StoreError: no project, or its film is no longer where it was.
    """
    with ProjectStore(project, read_only=True) as store:
        film, request = store.bound_film(), base_request(store)
    if not Path(film.path).is_file():
        raise StoreError(f"The film of {project} is no longer at {film.path}: name it, with -o {project}.")
    kept = ("context", "words_per_minute", "plan", "question", "audio_language")
    return Path(film.path), values | {name: request[name] for name in kept if name in request and name not in given}


def base_request(store: ProjectStore) -> dict[str, Any]:
    """What the project was last described with, by its own context where an adapter's stood in its place."""
    request: dict[str, Any] = store.get("request") or {}
    return request | {"context": request["own_context"]} if "own_context" in request else request


def as_adapted(values: dict[str, Any], captioner: Captioner, given: Collection[str]) -> dict[str, Any]:
    """`values` (of `DescribeSettings`) with the context that the captioner was adapted with, where none is `given`."""
    if not isinstance(captioner, AdaptedCalvin) or "context" in given:
        return values
    own = {"own_context": values["context"]} if "context" in values else {}
    return {**values, **own, "context": captioner.context}


@contextmanager
def with_adapter(captioner: Captioner, adapter: str | Path | None) -> Iterator[Captioner]:
    """The captioner with an adapter, where one is named; afterwards its model is the base again.

    Raises:
        UsageError, CheckpointError: as `open_adapted`.
    """
    with ExitStack() as stack:
        if adapter is None:
            yield captioner
            return
        if isinstance(captioner, Calvin) and adapter_of(captioner.model) is None:
            stack.enter_context(base_kept(captioner.model))
        yield open_adapted(captioner, adapter)
