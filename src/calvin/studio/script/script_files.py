"""The files of a script, from what the project knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path

from calvin.captioners import CaptionerInfo
from calvin.core.errors import CalvinError, MissingExtraError
from calvin.core.files import file_sha256, write_bytes
from calvin.core.package import __version__
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted
from calvin.core.types import Script
from calvin.media.gaps import PlanSettings
from calvin.studio.project.comments import standing_comments
from calvin.studio.project.origin import origin_of
from calvin.studio.project.status import current_notes, recorded_cues, recordings_out_of_date
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import WORDS_PER_MINUTE, rooms
from calvin.studio.script.open_places import open_places
from calvin.studio.script.programme_start import dated_programme, programme_of
from calvin.studio.script.writers import WRITERS, FolderWriter, Provenance, ScriptWriter


@dataclass(frozen=True, slots=True)
class Exported:
    """The files written, and sentences on those that stood in their place."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def keep_origin(store: ProjectStore, info: CaptionerInfo, notes: Sequence[str]) -> None:
    """Keep who described and what there was to say about it, so that a later export tells it too."""
    model = {"name": info.name, "fingerprint": info.fingerprint, **info.details, "card": info.card}
    with store.together():
        store.model = {**model, "calvin": __version__}
        store.notes = tuple(notes)


def project_plan(store: ProjectStore) -> PlanSettings:
    """The plan settings that a project was described with, else the usual ones."""
    return store.described.plan if store.described else PlanSettings()


def provenance(store: ProjectStore) -> Provenance:
    """Where the script of a project comes from."""
    film = store.film
    facts = {"name": Path(film.path).name, "sha256": film.sha256, **film.facts} if film else {}
    guard_ms, dialogue, described = project_plan(store).guard_ms, store.dialogue, store.described
    cues, places = store.cues, open_places(store)
    room = rooms(cues, [line.span for line in dialogue], film.duration_ms if film else None)
    present = {cue.id for cue in cues}
    recorded = recorded_cues(store)
    voices = [*([store.voice.name] if store.voice else []), *(["a person"] if recorded else [])]
    return Provenance(
        film=facts,
        model=store.model,
        notes=current_notes(store),
        decisions=tuple(store.decisions),
        rooms={cue: max(0, ms - guard_ms) for cue, ms in room.items()},
        open=places,
        comments=standing_comments(store.comments, present, cues, [one.place for one in places]),
        dialogue=tuple(dialogue),
        heard_in=(described.audio_language if described else None) or "",
        voice=" and ".join(voices),
        origin=origin_of(store, cues),
        programme=programme_of(store.clock, film.facts.get("frame_rate") if film else None),
        dated=dated_programme(store),
        events=store.events,
        said_as=_said_as(store),
        rate=(store.voice.rate if store.voice else None) or WORDS_PER_MINUTE,
        own_voices={
            **dict.fromkeys(recorded, "recorded"),
            **dict.fromkeys(recordings_out_of_date(store), "recording out of date"),
        },
    )


def _said_as(store: ProjectStore) -> dict[str, str]:
    """The project's list of pronunciations; one that cannot be read keeps no script from being written."""
    from calvin.media.voice.pronunciation import LIST, read_pronunciations

    named = store.voice.pronunciation if store.voice else None
    path = Path(named) if named else store.folder / LIST
    with suppress(CalvinError):
        return read_pronunciations(path) if path.is_file() else {}
    return {}


def export_script(
    store: ProjectStore, writers: Sequence[ScriptWriter], folder: Path | None = None, *, leave_edited: bool = False,
    film: Path | None = None, listener: Listener = silent,
) -> Exported:  # fmt: skip
    """Write the script in each format into `folder`, by default the project's, and renew what was written before.

    A file in the way that is not as it was written here, such as one edited by hand, is moved aside first.

    Args:
        leave_edited: files edited by hand that are not in the way stay where they are, to be imported.
        film: the film that a folder is to play, where it is another file than the project's.

    Raises:
        CalvinError: the project has no film yet, or the film cannot be put where it is to be played.
    """
    targets = export_targets(store, writers, folder)
    notes: list[str] = []
    # Folders last, because their film may be refused; what is refused is not asked for again at the next change.
    for folders in (False, True):
        part = [one for one in targets if isinstance(one[1], FolderWriter) is folders]
        notes += _write(store, part, film, listener)
        with store.together():
            names = [_name(store, path) for path, _ in part]
            store.exported = tuple(dict.fromkeys((*(_name(store, path) for path, _ in _exports(store)), *names)))
    renewed = Exported(())
    if not store.is_copy:  # nothing can be written in the folder of one
        renewed = renew_exports(store, leave_edited=leave_edited)
    return Exported(tuple(path for path, _ in targets), (*notes, *renewed.notes, *_lost_marks(store, writers)))


def export_targets(
    store: ProjectStore, writers: Sequence[ScriptWriter], folder: Path | None = None
) -> list[tuple[Path, ScriptWriter]]:
    """Where each format goes, in `folder` or in the project's."""
    return [((folder or store.folder) / f"{_stem(store)}{writer.suffix}", writer) for writer in writers]


def _lost_marks(store: ProjectStore, writers: Sequence[ScriptWriter]) -> list[str]:
    """What to say where a format cannot hold that the film is to pause for a cue."""
    mute = [writer.name for writer in writers if not writer.marks_pauses]
    paused = sum(cue.extended for cue in store.cues)
    if not (mute and paused):
        return []
    return [
        f"{' and '.join(mute)} cannot say that the film is to pause for {counted(paused, 'cue')} (`extended`); "
        "the other formats can."
    ]


def renew_exports(store: ProjectStore, *, leave_edited: bool = False) -> Exported:
    """Write the script anew wherever it was written before and now reads otherwise.

    Elsewhere than in the project, a file that was taken away since does not come back; nor does a folder anywhere.
    """
    home = _real(store.folder)
    known = [
        (path, kind)
        for path, kind in _exports(store)
        if path.is_file() or (_real(path).is_relative_to(home) and not isinstance(kind, FolderWriter))
    ]
    script, origin = (store.script(), provenance(store)) if known else (None, None)
    stale, notes = [], list[str]()
    for path, writer in known:
        assert script is not None
        assert origin is not None
        if leave_edited and path.is_file() and _is_edited(store, path):
            continue
        try:
            stands = _stands(store, path, writer, script, origin)
        except MissingExtraError as error:  # what was changed is kept, whatever is installed here
            notes.append(f"{path.name} is as it was: {error}")
            continue
        if not stands:
            stale.append((path, writer))
    for one in stale:
        try:
            notes += _write(store, [one])
        except CalvinError as error:  # a folder whose film is gone does not keep what was changed from being kept
            if not isinstance(one[1], FolderWriter):
                raise
            notes.append(f"{one[0].parent} is as it was: {error}")
    return Exported(tuple(path for path, _ in stale), tuple(notes))


def _stands(store: ProjectStore, path: Path, writer: ScriptWriter, script: Script, origin: Provenance) -> bool:
    """Whether what a writer would write is there to the byte."""
    if isinstance(writer, FolderWriter):
        media = writer.media(store, path.parent)
        files = [*([media.film] if writer.plays_film else []), *(clip.file for clip in media.clips.values())]
        if not all(file and (path.parent / file).is_file() for file in files):
            return False
        origin = replace(origin, media=media)
    contents = _contents(path, writer, script, origin)
    return all(file.is_file() and file.read_bytes() == data for file, data in contents)


def _contents(path: Path, writer: ScriptWriter, script: Script, origin: Provenance) -> list[tuple[Path, bytes]]:
    """The files of a format but for media, the one that needs the others last."""
    beside = writer.beside(script, origin).items()
    texts = [(path.with_name(name), text.encode("utf-8")) for name, text in beside]
    return [*texts, (path, writer.content(script, origin))]


def _write(
    store: ProjectStore,
    targets: Sequence[tuple[Path, ScriptWriter]],
    film: Path | None = None,
    listener: Listener = silent,
) -> list[str]:
    notes: list[str] = []
    script, origin = (store.script(), provenance(store)) if targets else (Script("", ()), Provenance())
    for path, writer in targets:
        told = origin
        if isinstance(writer, FolderWriter):
            told = replace(origin, media=writer.bring(store, path.parent, film, listener))
            notes += told.media.notes
        for file, data in _contents(path, writer, script, told):
            notes += make_way(store, file, data)
            write_bytes(file, data)
        if isinstance(writer, FolderWriter):
            writer.tidy(path.parent, told.media)
    return notes


def _exports(store: ProjectStore) -> list[tuple[Path, ScriptWriter]]:
    """Where the script was written to, and in which format.

    A project of an earlier version knows this only of files in its own folder that bear the name of its film.
    """
    writers = [kind.writer for kind in WRITERS.working()]
    own = {f"{_stem(store)}{writer.suffix}" for writer in writers}
    names = dict.fromkeys((*store.exported, *(name for name in store.written if name in own)))
    return [
        (store.folder / name, max(found, key=lambda writer: len(writer.suffix)))
        for name in names
        if (found := [writer for writer in writers if name.endswith(writer.suffix)])
    ]


def _stem(store: ProjectStore) -> str:
    """What the exports are called: as the first of them, also once the film has another name, else as the film."""
    suffixes = sorted((kind.writer.suffix for kind in WRITERS.working()), key=len, reverse=True)
    first = store.exported[0] if store.exported else ""
    for suffix in suffixes:
        if first.endswith(suffix) and (name := first.removesuffix(suffix).rpartition("/")[2]):
            return name
    film = store.film
    return Path(film.path).stem if film else store.script().title


def remember_written(store: ProjectStore, path: Path, digest: str) -> None:
    """From here on a file of this content at this path is known, and may be written over."""
    written, name = store.written, _name(store, path)
    store.written = {**written, name: [*written.get(name, [])[-1:], digest]}


def written_files(store: ProjectStore) -> list[Path]:
    """The files that calvin wrote for a project, wherever they are."""
    return [store.folder / name for name in store.written]


def make_way(store: ProjectStore, path: Path, data: bytes) -> list[str]:
    """Move away a file that is not ours, and say where to. Killed at any moment, neither file is lost."""
    notes = []
    digest = sha256(data).hexdigest()
    if path.is_file() and _is_edited(store, path) and file_sha256(path) != digest:
        aside = next(name for name in _names_aside(path) if not name.exists())
        path.rename(aside)
        back = ": `calvin import` reads it" if any(path.name.endswith(suffix) for suffix in _readable()) else ""
        notes.append(f"{path.name} was not as calvin wrote it and is kept as {aside.name}{back}.")
    remember_written(store, path, digest)
    return notes


def _readable() -> list[str]:
    return [kind.writer.suffix for kind in WRITERS.built_in.values() if kind.readable]


def _is_edited(store: ProjectStore, path: Path) -> bool:
    return file_sha256(path) not in store.written.get(_name(store, path), [])


def _names_aside(path: Path) -> Iterator[Path]:
    return (path.with_name(f"{path.stem}.kept-{number}{path.suffix}") for number in count(1))


def _name(store: ProjectStore, path: Path) -> str:
    """A path for the record: that of a file in the project survives a move of the project."""
    resolved, home = _real(path), _real(store.folder)
    return resolved.relative_to(home).as_posix() if resolved.is_relative_to(home) else resolved.as_posix()


def _real(path: Path) -> Path:
    """The path without links; unlike `Path.resolve`, also of a link that leads to itself."""
    return Path(os.path.realpath(path))
