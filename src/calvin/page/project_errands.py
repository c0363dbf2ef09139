"""Errands about a whole project: made, described, adapted to, written out, looked through for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from calvin.captioners.base import OpenOptions
from calvin.core.errors import UsageError
from calvin.core.files import write_json
from calvin.core.progress import Listener
from calvin.core.text_tables import counted
from calvin.core.time import Span
from calvin.page.subtitle_errands import given
from calvin.studio.project.store import ProjectStore

Values = dict[str, Any]
ADAPTER = "adapter"
"""The folder, in a project, of the adapter that the page makes."""
PROPOSALS = "cast-proposals.json"
"""The file, in a project, of those whom its faces and dialogue propose."""


def begin(folder: Path, options: Values, listener: Listener) -> Values:
    """Make the project of a film: described by a model, or with empty places."""
    from calvin.studio.describe.films import describe
    from calvin.studio.describe.skeleton import Nobody

    model = Nobody() if options.get("empty") else options.get("model")
    with given(options, options["film"]) as subtitles:
        made = describe(
            options["film"], subtitles, model, out_dir=folder, progress=listener, opening=_opening(options)
        )  # fmt: skip
    what = f"{counted(made.empty, 'place')} to be written" if made.empty else counted(len(made.script.cues), "cue")
    return {"said": f"The project is made: {what}.", "notes": list(made.notes)}


def describe_again(folder: Path, options: Values, listener: Listener) -> Values:
    """Describe a project again, with the subtitles that are named or as before; what a person wrote or approved stays.

    One that is written by hand is only planned again where subtitles are all that is asked for.
    """
    from calvin.studio.describe.skeleton import NOBODY, Nobody

    with ProjectStore(folder, read_only=True) as store:
        film, by_hand = store.bound_film().path, store.model.get("name") == NOBODY
    model: Any = options.get("model")
    with given(options, film) as subtitles:
        if model is None and by_hand and subtitles is not None:
            model = Nobody()
        return _described(folder, listener, model=model, subtitles=subtitles, opening=_opening(options))


def rewrite(folder: Path, options: Values, listener: Listener) -> Values:
    """Write what nobody approved again, with the adapter that was made from what somebody did approve."""
    if not (folder / ADAPTER).is_dir():
        raise UsageError("There is no adapter yet: correct and approve about 20 cues, adapt, and then rewrite.")
    return _described(folder, listener, adapter=folder / ADAPTER)


def adapt_to_it(folder: Path, options: Values, listener: Listener) -> Values:
    """Tune the project's model to the cues that were approved."""
    from calvin.studio.adapt.adaptation import adapt

    with ProjectStore(folder, read_only=True) as store:
        model = store.sources.model if store.sources else None
    check, iterations = bool(options.get("check", False)), options.get("iterations")
    made = adapt(model, folder, None, folder / ADAPTER, check=check, progress=listener, iterations=iterations)
    lines = [line for effect in made.effects for line in effect.lines()]
    return {"said": f"Adapted to {counted(made.scenes, 'scene')}; now rewrite the rest.", "effects": lines,
            "notes": list(made.notes)}  # fmt: skip


def export(folder: Path, options: Values, listener: Listener) -> Values:
    """Write the script in some formats into the project."""
    from calvin.studio.script.script_files import export_script
    from calvin.studio.script.writers import find_writers

    writers = find_writers(options["formats"])
    with ProjectStore(folder) as store:
        made = export_script(store, writers, leave_edited=True, listener=listener)
    home = folder.resolve()
    names = [path.resolve().relative_to(home).as_posix() for path in made.files]
    return {"said": f"Written: {', '.join(names)}.", "files": names, "notes": list(made.notes)}


def propose_people(folder: Path, options: Values, listener: Listener) -> Values:
    """Keep who is proposed for the cast, with the stills that may show them."""
    from calvin.media.film.frames import FrameStore
    from calvin.studio.cast.characters import read_cast_file
    from calvin.studio.cast.faces import faces_installed, film_faces
    from calvin.studio.cast.interview import STILLS, propose_cast

    with ProjectStore(folder, read_only=True) as store:
        store.bound_film()
        path = cast_path(store)
        known = read_cast_file(path) if path.is_file() else None
        frames = FrameStore.open(folder / "frames")
        faces = film_faces(frames, folder, listener=listener) if faces_installed() else None
        found, notes = propose_cast(store, known, STILLS, frames, faces)
    proposals = [
        {
            "id": str(number), "name": one.name, "why": one.proposal.why,
            "stills": [still.at_ms for still in one.stills], "known": one.known_as,
        }
        for number, one in enumerate(found, 1)
    ]  # fmt: skip
    write_json(folder / PROPOSALS, {"proposals": proposals, "notes": notes})
    return {"said": f"{counted(len(proposals), 'name')} proposed.", "proposals": proposals, "notes": notes}


def cast_path(store: ProjectStore) -> Path:
    """The cast file that a project goes by."""
    named = store.sources.cast if store.sources else None
    return Path(named) if named else store.folder / "cast.toml"


def kept_proposals(folder: Path) -> list[Values]:
    """Who was proposed the last time that somebody looked."""
    try:
        found = json.loads((folder / PROPOSALS).read_text(encoding="utf-8"))["proposals"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found if isinstance(found, list) else []


def reject(folder: Path, number: str) -> None:
    """Propose somebody no more."""
    left = [one for one in kept_proposals(folder) if one.get("id") != number]
    write_json(folder / PROPOSALS, {"proposals": left})


def _opening(options: Values) -> OpenOptions:
    return OpenOptions(agree=lambda _: bool(options.get("fetch")))


def _described(folder: Path, listener: Listener, **asked: Any) -> Values:
    from calvin.studio.describe.films import describe

    before = _texts(folder)
    made = describe(folder, progress=listener, **asked)
    changes = _changes(before, folder)
    left = f", {counted(made.empty, 'place')} without words" if made.empty else ""
    said = f"Described: {counted(len(made.script.cues), 'cue')}{left}; {counted(len(changes), 'text')} changed."
    return {"said": said, "before_after": changes, "notes": list(made.notes)}


def _texts(folder: Path) -> dict[Span, str]:
    with ProjectStore(folder, read_only=True) as store:
        return {cue.visual: cue.text for cue in store.cues}


def _changes(before: dict[Span, str], folder: Path) -> list[Values]:
    """What became of each text, where it is another one now. Cues are matched by the scene that they are about."""
    found = []
    with ProjectStore(folder, read_only=True) as store:
        cues = store.cues
    for cue in cues:
        was = before.get(cue.visual, "")
        if was != cue.text:
            found.append({"key": f"cue-{cue.id}", "start_ms": cue.span.start_ms, "before": was, "after": cue.text})
    return found


ERRANDS = {
    "begin": begin,
    "describe": describe_again,
    "rewrite": rewrite,
    "adapt": adapt_to_it,
    "export": export,
    "cast": propose_people,
}
