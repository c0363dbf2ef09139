"""What a project holds, as plain values; and whether its film is still the one it began with."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from calvin.core.files import file_sha256
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.store import ProjectStore


def project_status(store: ProjectStore) -> dict[str, Any]:
    """The state of a project.

    Raises:
        StoreError: it holds no film yet.
    """
    script, film = store.script(), store.bound_film()
    plans = store.plans
    by = Counter(str(cue.author) for cue in script.cues) + Counter(str(cue.status) for cue in script.cues)
    by["extended"] = sum(cue.extended for cue in script.cues)
    return {
        "film": {"title": film.title, "path": film.path, "duration_ms": film.duration_ms, "where": film_where(film)},
        "shots": len(store.shots),
        "dialogue": len(store.dialogue),
        "places": len(plans),
        "places_done": sum(plan.done for plan in plans),
        "cues": {"total": len(script.cues), "by": dict(by)},
        "choices": dict(Counter(str(decision.choice) for decision in store.decisions)),
        "notes": list(store.notes),
    }


def film_where(film: FilmRow) -> str:
    """Where a project's film is, in words."""
    path = Path(film.path)
    if not path.is_file():
        return f"no longer at {path}: it was moved, and is known again by its content wherever it is described from"
    if path.stat().st_size != film.facts.get("bytes", path.stat().st_size) or file_sha256(path) != film.sha256:
        return f"but {path} has changed since the project began"
    return f"at {path}"
