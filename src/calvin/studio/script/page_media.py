"""What a listening page plays: the film and the spoken cues, in the page's own folder.

The folder has to work wherever it is taken, so nothing in it leads out of it. On the film's own disk the film is there
by a hard link, which takes no room and is an ordinary file to whatever copies or packs the folder; elsewhere it is
copied, and where some browser would not play it, a copy is made that all of them play. The project's film is only ever
read.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from calvin.core.errors import StoreError, UsageError
from calvin.core.files import atomic_path, check_room, temporary_folder
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import counted
from calvin.studio.project.status import PROXY, SpokenCue, spoken_cues
from calvin.studio.project.store import ProjectStore
from calvin.studio.script.writers import Clip, Media

FILM_SUFFIXES = (".mp4", ".webm")
VOICES = "voice"
_OWN_CLIP = re.compile(r".+-\d+\.m4a")
_CLIP_BYTES_PER_S = 10_500
_OTHER_LENGTH_MS = 1000


def page_media(store: ProjectStore, folder: Path) -> Media:
    """What a page in this folder plays: the film that is there, and the cues that are spoken as they now read."""
    film = next((name for name in _film_names() if (folder / name).is_file()), "")
    return Media(film, {one.cue.id: _clip(one) for one in spoken_cues(store)[0]})


def bring_media(store: ProjectStore, folder: Path, film: Path | None = None, listener: Listener = silent) -> Media:
    """Put the film and the spoken cues into the folder of a page, where they are not there yet.

    Args:
        film: the file to play, where it is another than the project's own.

    Raises:
        CalvinError: there is no film, or no room for it.
    """
    found, missing = spoken_cues(store)
    name = next((name for name in _film_names() if (folder / name).is_file()), "")
    if film is not None or not name:
        name = _bring_film(*_source(store, film), folder, listener)
    stage = Stage("voices for the page", listener, len(found), "cues")
    for number, one in enumerate(found, 1):
        target = folder / _clip(one).file
        if not target.is_file():
            from calvin.media.sound.clips import write_clip  # here: it loads FFmpeg

            write_clip(one.path, target)
        stage.update(number)
    return Media(name, {one.cue.id: _clip(one) for one in found}, tuple(_on_voices(store, found, len(missing))))


def remove_old_media(folder: Path, media: Media) -> None:
    """Remove sounds that no cue is spoken by any more, and a film in another form than the page's."""
    wanted = {clip.file for clip in media.clips.values()}
    for path in (folder / VOICES).glob("*.m4a"):
        if f"{VOICES}/{path.name}" not in wanted and _OWN_CLIP.fullmatch(path.name):
            path.unlink(missing_ok=True)
    for name in _film_names():
        if name != media.film:
            (folder / name).unlink(missing_ok=True)


def foretold_size(store: ProjectStore, folder: Path, film: Path | None = None) -> str:
    """How large a page in this folder will be, in a sentence to say before it is made.

    Raises:
        CalvinError: there is no film.
    """
    spoken = spoken_cues(store)[0]
    sound = round(sum(one.duration_ms for one in spoken) / 1000 * _CLIP_BYTES_PER_S)
    voices = f", and {counted(len(spoken), 'spoken cue')} about {_megabytes(sound)}" if spoken else ""
    there = next((name for name in _film_names() if (folder / name).is_file()), "")
    if there and film is None:
        return f"{folder}: the film is there already ({_megabytes((folder / there).stat().st_size)}){voices}."
    source, anew = _source(store, film)
    if anew:
        from calvin.media.film.proxy import proxy_bytes

        most = _megabytes(proxy_bytes(source))
        return f"{folder}: not every browser plays {source.name}, so a copy is made, of {most} at most{voices}."
    how = "takes no room, being linked on its own disk" if _links(source, folder) else "is copied"
    return f"{folder}: the film has {_megabytes(source.stat().st_size)} and {how}{voices}."


def _source(store: ProjectStore, film: Path | None) -> tuple[Path, bool]:
    """The film to play, and whether browsers need a copy in another form of it.

    Raises:
        CalvinError: it is gone, or is another film.
    """
    row, copy = store.bound_film(), store.folder / PROXY
    if film is None and copy.is_file():
        return copy, False
    source = film or Path(row.path)
    if not source.is_file():
        raise StoreError(f"The film is not at {source}: say where it is with --film.")
    if film is not None:
        from calvin.media.film.source import probe

        length = probe(film, fingerprint=False).duration_ms
        if abs(length - row.duration_ms) > _OTHER_LENGTH_MS:
            raise UsageError(
                f"{film} lasts {length / 1000:.1f} s and the project's film {row.duration_ms / 1000:.1f} s, so the "
                "descriptions would not fit: name a copy of the same film."
            )
    from calvin.media.film.playable import browser_trouble

    return source, bool(browser_trouble(source))


def _bring_film(source: Path, anew: bool, folder: Path, listener: Listener) -> str:
    """Put the film into the folder: a copy in another form (`anew`), a hard link, or a copy to the byte."""
    name = "film.webm" if source.suffix.lower() == ".webm" and not anew else "film.mp4"
    target = folder / name
    if anew:
        from calvin.media.film.proxy import make_proxy

        make_proxy(source, target, listener)
        return name
    folder.mkdir(parents=True, exist_ok=True)
    if target.is_file() and target.samefile(source):
        return name
    with temporary_folder(folder) as between, suppress(OSError):
        os.link(source.resolve(), between / name)
        (between / name).replace(target)
        return name
    check_room(target, source.stat().st_size)
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
    return name


def _links(source: Path, folder: Path) -> bool:
    """Whether the film can be in the folder without taking room: both are on one disk."""
    beside = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    return source.stat().st_dev == beside.stat().st_dev


def _film_names() -> Sequence[str]:
    return [f"film{suffix}" for suffix in FILM_SUFFIXES]


def _clip(one: SpokenCue) -> Clip:
    return Clip(f"{VOICES}/{one.path.stem}-{one.duration_ms}.m4a", one.duration_ms)


def _on_voices(store: ProjectStore, found: Sequence[SpokenCue], missing: int) -> list[str]:
    if not found:
        return [
            "No cue is spoken yet, so the listener's own browser speaks the descriptions: after `calvin voice "
            f"{store.folder}` the page has a recorded voice too."
        ]
    if missing:
        return [
            f"{counted(missing, 'cue')} not spoken as now worded: the listener's browser speaks what is missing, until "
            f"`calvin voice {store.folder}` has been run."
        ]
    return []


def _megabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"
