"""Which projects and films the page may open: those of the folder, film or project that was named, each by an id.

The page never names a path. An id is made of the place where a thing lies, so that it is the same after a restart.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calvin.core.errors import UsageError
from calvin.core.types import FILM_SUFFIXES
from calvin.page.replies import Refusal
from calvin.studio.project.database import is_project, project_folder
from calvin.studio.project.glance import glance

_MOST = 500
"""Projects and films that a folder is looked through for."""


@dataclass(frozen=True, slots=True)
class ListedFilm:
    """A film without a project, and where its project would lie; `note` says why that is not where one would look."""

    fid: str
    path: Path
    project: Path
    note: str = ""


@dataclass
class Shelf:
    """What lies in `root`; a project or film that was named by itself is all there is."""

    root: Path
    only: bool = False
    _projects: dict[str, Path] = field(default_factory=dict)
    _films: dict[str, ListedFilm] = field(default_factory=dict)
    note: str = ""
    """What to say of where the project of the only film lies."""

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
        folder, note = project_folder(place, out), ""
        if is_other_film(folder, place):
            other = glance(folder).film
            if out is not None or is_other_film(project_folder(Path(f"{place.name}.film")), place):
                raise UsageError(f"{folder} is the project of another film ({other}): name a new folder with -o.")
            note = f"{folder} is the project of another film ({other}), so that of {place.name} is a folder of its own"
            folder = project_folder(Path(f"{place.name}.film"))
            note += f", {folder}."
        if is_project(folder):
            return cls(folder, True, {id_of(folder): folder}, note=note)
        film = ListedFilm(id_of(place), place, folder, note)
        return cls(place, True, {}, {film.fid: film}, note)

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
        shared = Counter(path.stem for path in films)
        listed = (self._listed(path, shared[path.stem] > 1) for path in films if str(path.resolve()) not in taken)
        self._films = {film.fid: film for film in listed if film.project not in folders}

    def _listed(self, film: Path, has_twin: bool) -> ListedFilm:
        """A film of the folder. Of films that differ in their suffix alone, each has a project by its full name."""
        folder = self.root / f"{film.stem}.calvin"
        if not (has_twin and not is_project(folder)) and not is_other_film(folder, film):
            return ListedFilm(id_of(film), film, folder)
        own = self.root / f"{film.name}.calvin"
        note = f"Another film here is called {film.stem} too, so its project is the folder {own.name}."
        return ListedFilm(id_of(film), film, own, note)

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

    def listed(self, pid: str) -> ListedFilm | None:
        """The film that a project is still to be made of, or is being; None where the project is there."""
        return next((film for film in self._films.values() if id_of(film.project) == pid), None)

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


def is_other_film(folder: Path, film: Path) -> bool:
    """Whether a folder is the project of another film than this one, which is there too.

    A film that is no longer where it was may be this one, moved; one as large may be its copy.
    """
    known = glance(folder).film
    if known is None:
        return False
    try:
        return not known.samefile(film) and known.stat().st_size != film.stat().st_size
    except OSError:
        return known.name != film.name and film.with_name(known.name).is_file()


def id_of(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:12]
