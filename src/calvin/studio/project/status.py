"""What a project holds, as plain values; whether its film is still the one it began with; what of it is spoken."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calvin.core.files import file_sha256
from calvin.core.text_tables import counted
from calvin.core.types import Author, Cue
from calvin.studio.project.contents import Choice, Decision, FilmRow
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.writers import spoken

VOICE_FOLDER = "voice"
RECORDED_FOLDER = f"{VOICE_FOLDER}/recorded"
PROXY = "proxy.mp4"
"""The copy of a film, in its project, for browsers that cannot play the film itself."""
_ASKS = re.compile(r"\b(?:add|give|name|as|with) `?--")
_TO_BE_WRITTEN = re.compile(
    r"The bundled model knows only .*left without words|To (?:have it described|write it yourself), "
)
"""Notes on a skeleton, which are over once every place has words."""
_PAUSES = " (`extended`), or the text to be shortened."


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
        "cues": {
            "total": len(script.cues),
            "by": dict(by),
            "kinds": dict(Counter(str(cue.kind) for cue in script.cues)),
        },
        "comments": _comments(store),
        "choices": dict(Counter(str(decision.choice) for decision in standing_decisions(store))),
        "notes": list(current_notes(store)),
        "notes_of": _further_notes(store),
        "decoding": None if store.decoded or not store.decoding else list(store.decoding),
        "decoded": store.decoded is not None,
        "reading": _reading(store),
        "described": _described(store),
        "spoken": _spoken(store),
        "recorded": {"cues": list(recorded_cues(store)), "out_of_date": recordings_out_of_date(store)},
        "steps": [{"what": step.what, "made_at": step.made_at, "undone": step.undone} for step in store.steps],
    }


def _comments(store: ProjectStore) -> list[dict[str, Any]]:
    """All comments, oldest first, each with the cue that it was made on."""
    return [
        {"id": one.id, "cue": one.cue_id, "at_ms": one.event_ms, "text": one.text, "done": one.done}
        | {"written_at": one.written_at}
        for one in store.comments
    ]


def pause_note(cues: Sequence[Cue]) -> str | None:
    """What there is to say of the cues for which the film is to pause, if any."""
    paused = sum(cue.extended for cue in cues)
    if paused and paused == len(cues):
        what = "the only cue: the film is to pause for it" if paused == 1 else "a cue: the film is to pause for all"
        return f"The dialogue leaves no silence that holds {what}{_PAUSES}"
    what, it = ("1 cue does", "it") if paused == 1 else (f"{paused} cues do", "them")
    return f"{what} not fit: the film is to pause for {it}{_PAUSES}" if paused else None


def standing_decisions(store: ProjectStore) -> list[Decision]:
    """What was decided for each place; a person's words in it stand by the person's decision."""
    written = {cue.id for cue in store.cues if cue.author is Author.HUMAN}
    return [
        replace(decision, choice=Choice.HUMAN, reason="A person wrote it.") if decision.cue_id in written else decision
        for decision in store.decisions
    ]


def current_notes(store: ProjectStore) -> tuple[str, ...]:
    """What there was to say of the description; of the cues that do not fit, what there is to say now."""
    now = pause_note(store.cues)
    notes = [now if note.endswith(_PAUSES) else note for note in store.notes]
    if all(place.done for place in store.plans):
        notes = [note for note in notes if note is None or not _TO_BE_WRITTEN.match(note)]
    return tuple(note for note in (*notes, *([] if now in notes else [now])) if note is not None)


def _further_notes(store: ProjectStore) -> dict[str, list[str]]:
    """What each command last had to say beyond what there is to say of the description now."""
    now = (*current_notes(store), *store.notes)  # also those that are over
    found = {
        name: [note for note in notes if note not in now and not note.endswith(_PAUSES)]
        for name, notes in store.told.items()
    }
    return {name: notes for name, notes in found.items() if notes}


def notes_to_tell(store: ProjectStore, command: str, notes: Sequence[str]) -> list[str]:
    """Those of a command's notes that it did not have for this project the last time, and how many it did have.

    A note that asks for an option is told until that is given.
    """
    known = store.told.get(command, ())
    store.told = {**store.told, command: tuple(notes)}
    told = [note for note in notes if note not in known or _ASKS.search(note)]
    again = len(notes) - len(told)
    return [*told, *([f"{counted(again, 'note')} as before: see `calvin status {store.folder}`."] if again else [])]


def _reading(store: ProjectStore) -> list[int] | None:
    """How many stills are read, and of how many, while that is at work or after it was stopped."""
    done, total = store.stills_read, store.readable
    return None if total is None or done >= total else [done, total]


def _described(store: ProjectStore) -> dict[str, Any] | None:
    """What made the drafts, and with what."""
    record, sources = store.described, store.sources
    if record is None:
        return None
    return {
        "model": store.model.get("name", record.model),
        "fingerprint": store.model.get("fingerprint", ""),
        "named": sources.model if sources else None,
        "adapter": store.model.get("adapter"),
        "cast": [person.name for person in store.characters] if record.cast else [],
        "subtitles": record.subtitles is not None,
        "context": record.context,
        "words_per_minute": record.words_per_minute,
        "language": store.bound_film().language,
        "audio_language": record.audio_language,
        "prompt": record.prompt.model_dump(),
        "two_stages": bool(sources and sources.two_stages),
        "frames": store.model.get("frames"),
    }


def _spoken(store: ProjectStore) -> dict[str, Any] | None:
    voice = store.voice
    if voice is None:
        return None
    found, missing = spoken_cues(store)
    values = voice.model_dump(include={"name", "rate", "lufs", "pronunciation"})
    return values | {"cues": sum(not one.recorded for one in found), "to_speak": len(missing)}


def film_where(film: FilmRow) -> str:
    """Where a project's film is, in words."""
    path = Path(film.path)
    if not path.is_file():
        return f"no longer at {path}: it was moved, and is recognised by its content wherever it is described from"
    if path.stat().st_size != film.facts.get("bytes", path.stat().st_size) or file_sha256(path) != film.sha256:
        return f"but {path} has changed since the project began"
    return f"at {path}"


@dataclass(frozen=True, slots=True)
class SpokenCue:
    """A cue and its sound: a mono WAV file of `duration_ms`. `recorded`: by a person."""

    cue: Cue
    path: Path
    duration_ms: int
    recorded: bool = False


def spoken_cues(store: ProjectStore) -> tuple[list[SpokenCue], list[Cue]]:
    """The cues that were spoken as they now read, and those that were not (no words in them, or other ones).

    A person's recording comes before what a voice says.
    """
    known = store.voice.cues if store.voice else {}
    home, own = store.folder / VOICE_FOLDER, recorded_cues(store)
    there = _names_in(home)
    found: list[SpokenCue] = []
    missing: list[Cue] = []
    for cue, _ in spoken(store.script()):
        row = known.get(cue.id)
        name = row.file.rpartition("/")[2] if row else ""
        if cue.id in own:
            found.append(own[cue.id])
        elif row and row.text == cue.text and name in there:
            found.append(SpokenCue(cue, home / name, row.ms))
        elif any(character.isalnum() for character in cue.text):
            missing.append(cue)
    return found, missing


def recorded_cues(store: ProjectStore, cues: Sequence[Cue] | None = None) -> dict[str, SpokenCue]:
    """The cues that a person recorded as they now read, by id; of `cues`, or of all."""
    home, recordings = store.folder / RECORDED_FOLDER, store.recordings
    if not recordings:
        return {}
    there, found = _names_in(home), {}
    for cue in store.cues if cues is None else cues:
        one = recordings.get(cue.id)
        if one is not None and one.text == cue.text and one.file in there:
            found[cue.id] = SpokenCue(cue, home / one.file, one.ms, recorded=True)
    return found


def recordings_out_of_date(store: ProjectStore) -> list[str]:
    """The cues, by id, whose recording is kept but not heard: they read otherwise by now, or its file has gone."""
    recordings, current = store.recordings, recorded_cues(store)
    return [cue.id for cue in store.cues if cue.id in recordings and cue.id not in current]


def _names_in(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder) if entry.is_file()} if folder.is_dir() else set()


def measured_ms(store: ProjectStore) -> dict[str, int]:
    """How long each cue takes to say, by the voice that said it; by id, only where its words are still the same."""
    return {found.cue.id: found.duration_ms for found in spoken_cues(store)[0]}
