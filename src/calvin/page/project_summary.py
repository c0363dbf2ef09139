"""What the page is told of a project as a whole."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import Any

from calvin.captioners.registry import answers_questions
from calvin.media.gaps import dialogue_gaps
from calvin.page.film_files import film_file
from calvin.page.project_errands import ADAPTER
from calvin.studio.edit.rows import EMPTY, FilmPart
from calvin.studio.edit.study_log import keeps_log
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import WORDS_PER_MINUTE
from calvin.studio.script.script_files import project_plan
from calvin.studio.script.writers import WRITERS

_STATUSES = (EMPTY, "draft", "needs-work", "approved")


def summary(store: ProjectStore, pid: str) -> dict[str, Any]:
    """Title, film, dialogue, gaps, shots, voice and captioner of a project, as plain values.

    Raises:
        StoreError: it has no film yet.
    """
    from calvin.media.sound.levels import SPECS  # by way of PyAV, which the server need not load to begin

    film, plan, described = store.bound_film(), project_plan(store), store.described
    lines = store.dialogue
    gaps = dialogue_gaps([line.span for line in lines], film.duration_ms, plan.min_gap_ms, plan.guard_ms)
    shown = film_file(store.folder, film)
    url = f"/media/p/{pid}/film" if shown.path is not None else None
    part = FilmPart(store)
    statuses = Counter(str(cue.status) for cue in part.cues) | Counter({EMPTY: len(part.empty)})
    return {
        "pid": pid,
        "title": film.title,
        "language": film.language,
        "duration_ms": film.duration_ms,
        "fps": film.facts.get("frame_rate") or 25.0,
        "film": {"url": url, "state": shown.state, "why": shown.why},
        "shots": [[shot.start_ms, shot.end_ms] for shot in store.shots],
        "dialogue": [
            {"start_ms": line.span.start_ms, "end_ms": line.span.end_ms, "text": line.text, "speaker": line.speaker}
            for line in lines
        ],
        "gaps": [[gap.start_ms, gap.end_ms] for gap in gaps],
        "counts": {status.replace("-", "_"): statuses[status] for status in _STATUSES},
        "voice": _voice(store),
        "captioner": _captioner(store),
        "people": [{"name": one.name, "look": one.look} for one in store.characters],
        **steps(store),
        "settings": {
            "log": keeps_log(store),
            "formats": list(WRITERS.names()),
            "specs": [[spec.name, spec.about] for spec in SPECS.values()],
            "words_per_minute": described.words_per_minute if described else WORDS_PER_MINUTE,
            "guard_ms": plan.guard_ms,
            "min_gap_ms": plan.min_gap_ms,
            "adapter": (store.folder / ADAPTER).is_dir(),
        },
    }


def steps(store: ProjectStore) -> dict[str, str | None]:
    """What the next undo takes back and the next redo does again, in words; None: nothing."""
    return dict(zip(("undo", "redo"), store.next_steps, strict=True))


def _voice(store: ProjectStore) -> dict[str, Any]:
    installed = any(find_spec(name) for name in ("piper", "espeakng_loader"))
    return {"name": store.voice.name if store.voice else None, "installed": installed}


def _captioner(store: ProjectStore) -> dict[str, Any]:
    named = store.sources.model if store.sources else None
    name = store.model.get("name")
    return {"name": None if name == "nobody" else name, "answers_questions": answers_questions(named)}
