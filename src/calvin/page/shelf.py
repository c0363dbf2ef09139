"""Which projects and films the page may open: those of the folder, film or project that was named, each by an id.

The page never names a path. An id is made of the place where a thing lies, so that it is the same after a restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calvin.core.errors import UsageError
from calvin.page.replies import Refusal
from calvin.studio.project.database import is_project, project_folder
from calvin.studio.project.glance import glance

FILM_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mpg")
_MOST = 500
"""Projects and films that a folder is looked through for."""


@dataclass(frozen=True, slots=True)
class ListedFilm:
    """A film without a project, and where its project would lie."""

    fid: str
    path: Path
    project: Path


@dataclass
class Shelf:
    """What lies in `root`; a project or film that was named by itself is all there is."""

    root: Path
    only: bool = False
    _projects: dict[str, Path] = field(default_factory=dict)
    _films: dict[str, ListedFilm] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Path, out: Path | None = None) -> Shelf:
        """
        Args:
            place: a project, a film, or a folder of either.
            out: where the project of a film lies, or is to lie; None: as `calvin describe` has it.

        Raises:
            UsageError: there is nothing of the kind.
        """
        if is_project(place):
            return cls(place, True, {id_of(place): place})
        if place.is_dir():
            shelf = cls(place)
            shelf.look()
            return shelf
        if not place.exists():
            raise UsageError(f"{place} does not exist: name a project, a film or a folder of them.")
        if place.suffix.lower() not in FILM_SUFFIXES:
            raise UsageError(f"{place} is no film that calvin reads: name a project, a film or a folder of them.")
        folder = project_folder(place, out)
        if is_project(folder):
            return cls(folder, True, {id_of(folder): folder})
        film = ListedFilm(id_of(place), place, folder)
        return cls(place, True, {}, {film.fid: film})

    def look(self, making: Callable[[str], bool] = lambda pid: False) -> None:
        """See what is there now. Films whose projects are still in the `making` count as films."""
        if self.only:
            for film in list(self._films.values()):
                if is_project(film.project) and not making(id_of(film.project)):
                    self._projects[id_of(film.project)] = film.project
                    del self._films[film.fid]
            return
        inside = sorted(path for path in self.root.iterdir() if not path.name.startswith("."))[: 20 * _MOST]
        folders = [path for path in inside if path.is_dir() and is_project(path) and not making(id_of(path))][:_MOST]
        self._projects = {id_of(path): path for path in folders}
        taken = {str(found.film) for found in map(glance, folders) if found.film is not None}
        films = [path for path in inside if path.suffix.lower() in FILM_SUFFIXES and path.is_file()][:_MOST]
        self._films = {
            id_of(path): ListedFilm(id_of(path), path, self.root / f"{path.stem}.calvin")
            for path in films
            if str(path.resolve()) not in taken and self.root / f"{path.stem}.calvin" not in folders
        }

    @property
    def projects(self) -> dict[str, Path]:
        return dict(self._projects)

    @property
    def films(self) -> list[ListedFilm]:
        return list(self._films.values())

    def project(self, pid: str) -> Path:
        """The folder of a project, or of one that is being made.

        Raises:
            Refusal: no project has this id.
        """
        if pid in self._projects:
            return self._projects[pid]
        for film in self._films.values():
            if id_of(film.project) == pid:
                return film.project
        raise Refusal(404, "There is no project of this id here: go back to the list of projects.")

    def film(self, fid: str) -> ListedFilm:
        """
        Raises:
            Refusal: no film has this id.
        """
        if fid not in self._films:
            raise Refusal(404, "There is no film of this id here, or it has a project by now: see the list again.")
        return self._films[fid]

    def label(self, folder: Path) -> str:
        """How a project is told from others of its title: its folder, as seen from the one that was named."""
        return folder.name or str(folder)


def id_of(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
