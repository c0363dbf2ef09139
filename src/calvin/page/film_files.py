"""What of a film the page shows and hands out: the film itself or its copy for browsers, stills, finished files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from calvin.core.errors import CalvinError, MediaError
from calvin.core.time import round_half_up
from calvin.media.film.frames import FrameStore
from calvin.media.film.playable import browser_trouble
from calvin.page.film_errands import DELIVERY
from calvin.page.replies import Refusal
from calvin.studio.project.contents import FilmRow
from calvin.studio.project.status import PROXY
from calvin.studio.project.store import ProjectStore

_MEDIA_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm"}


@dataclass(frozen=True, slots=True)
class FilmFile:
    """What a browser is given to play: `path`, or None with `why` not.

    `state`: "playable" (the film itself), "proxy-ready", "needs-proxy" or "gone".
    """

    state: str
    path: Path | None = None
    why: str = ""

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES.get(self.path.suffix.lower(), "video/mp4") if self.path else ""


def film_file(folder: Path, film: FilmRow) -> FilmFile:
    """What of a project's film a browser can play."""
    copy, path = folder / PROXY, Path(film.path)
    if copy.is_file():
        return FilmFile("proxy-ready", copy)
    try:
        stamp = path.stat()
    except OSError:
        return FilmFile("gone", why=f"The film is no longer where it was ({path.name}): bring it back there.")
    if stamp.st_size != film.facts.get("bytes", stamp.st_size):
        return FilmFile("gone", why=f"{path.name} is not the film that was described any more: bring that one back.")
    trouble = _trouble(path, stamp.st_size, stamp.st_mtime_ns)
    if not trouble:
        return FilmFile("playable", path)
    return FilmFile("needs-proxy", why=f"Not every browser plays this film: {trouble}. A small copy can be made of it.")


@lru_cache(128)
def _trouble(path: Path, size: int, changed_ns: int) -> str:
    """Asked once for each state of a file."""
    try:
        return browser_trouble(path)
    except MediaError:
        return "it cannot be opened as a film"


class Stills:
    """The stills of projects, opened once for each time that they were made."""

    def __init__(self) -> None:
        self._open: dict[Path, tuple[int, FrameStore]] = {}

    def jpeg(self, folder: Path, at_ms: int) -> bytes:
        """The still that is on screen at a time, or the last one.

        Raises:
            Refusal: there are none.
        """
        try:
            made = (folder / "frames" / "frames.json").stat().st_mtime_ns
            known = self._open.get(folder)
            if known is None or known[0] != made:
                self._open[folder] = known = (made, FrameStore.open(folder / "frames"))
            frames = known[1]
            index = min(round_half_up(at_ms * frames.fps / 1000), len(frames) - 1)
            return frames.jpeg(index)
        except (OSError, CalvinError, IndexError) as error:
            raise Refusal(404, "There are no stills of this film (any more): describe it again.") from error


@dataclass(frozen=True, slots=True)
class Finished:
    """A file to be taken away; `what` says what it is."""

    id: str
    path: Path
    what: str

    def shown(self, pid: str) -> dict[str, Any]:
        """The file as the page is told of it."""
        address = f"/media/p/{pid}/download/{self.id}"
        return {
            "n": self.id,
            "name": self.path.name,
            "size": self.path.stat().st_size,
            "what": self.what,
            "url": address,
        }


def finished_files(store: ProjectStore) -> list[Finished]:
    """What was exported and mixed from a project, where it lies in the project's folder and is a plain file.

    A listening page is left out: one file of its folder would be of no use elsewhere.
    """
    home = store.folder.resolve()
    found: dict[Path, str] = {}
    for name in store.exported:
        if name.endswith("/index.html"):
            continue
        found[(home / name).resolve()] = "script"
    for name in store.mixed:
        found[Path(name).resolve()] = "film or sound with the description"
    for path in sorted((home / DELIVERY).glob("*")):
        found.setdefault(path.resolve(), "made here")
    inside = [path for path in found if path.is_relative_to(home) and path.is_file()]
    return [Finished(hashlib.sha256(str(path).encode()).hexdigest()[:12], path, found[path]) for path in inside]
