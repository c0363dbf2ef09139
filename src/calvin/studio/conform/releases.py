"""Releases of a film, to be compared: that of a project, or one decoded for the purpose."""

from __future__ import annotations

from pathlib import Path

from calvin.core.errors import MediaError, StoreError
from calvin.core.progress import Listener, Stage, silent
from calvin.core.text_tables import counted
from calvin.core.time import format_timecode
from calvin.media.conform.change_list import ChangeList
from calvin.media.conform.matching import Release, match
from calvin.media.conform.tracks import picture_track, sound_track
from calvin.media.film.decode import decode_film, sounds_in
from calvin.media.film.frames import FrameStore
from calvin.media.film.source import probe
from calvin.media.film.trial import check_survivable
from calvin.studio.project.store import ProjectStore

LEAST_SHARE = 0.2
"""Two films that share less are two films."""


def project_release(store: ProjectStore, listener: Listener = silent) -> Release:
    """The release that a project describes.

    Raises:
        StoreError: its stills are not whole.
    """
    film = store.bound_film()
    try:
        frames = FrameStore.open(store.folder / "frames")
    except MediaError as error:
        raise StoreError(
            f"{store.folder} has no stills to compare films by: run `calvin describe {store.folder}` first."
        ) from error
    cuts = tuple(shot.start_ms for shot in store.shots[1:])
    return _release(frames, next(iter(sounds_in(store.folder / "frames")), None), film.duration_ms, cuts, listener)


def film_release(path: Path, folder: Path, listener: Listener = silent) -> Release:
    """A film, decoded into `folder`.

    Raises:
        MediaError: it cannot be read.
    """
    check_survivable(path, sound=True)
    decoded = decode_film(path, folder, listener=listener, facts=probe(path))
    return _release(decoded.frames, decoded.sound, decoded.duration_ms, decoded.cuts_ms, listener)


def _release(
    frames: FrameStore, sound: Path | None, duration_ms: int, cuts_ms: tuple[int, ...], listener: Listener
) -> Release:
    pictures = picture_track(frames, Stage("look", listener, len(frames), "stills"))
    return Release((pictures, sound_track(sound, duration_ms / 1000)), duration_ms, cuts_ms)


def changes_between(old: Release, new: Release, names: tuple[str, str], listener: Listener = silent) -> ChangeList:
    """Where what of one release lies in another.

    Args:
        names: what people call the two.

    Raises:
        MediaError: they are not releases of one film.
    """
    changes = match(old, new, Stage("match", listener, 1))
    if changes.share < LEAST_SHARE:
        found = f"only {changes.share:.0%} of" if changes.pieces else "nothing of"
        raise MediaError(
            f"{names[1]} is no release of the same film as {names[0]}: {found} the one was found in the other. Name "
            "another file with --to."
        )
    return changes


def left_out_note(times_ms: list[int], where: str) -> str:
    """What to say of lines about scenes that the other release does not have."""
    shown = ", ".join(format_timecode(ms) for ms in times_ms[:6])
    more = f" and {len(times_ms) - 6} more" if len(times_ms) > 6 else ""
    lines = counted(len(times_ms), "line")
    return f"{lines} about what the other release does not have, kept in {where}: at {shown}{more}."
