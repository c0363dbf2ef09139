"""Which films a catalogue holds: those of a folder or of a list, each once, and each with a project of its own name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from calvin.core.errors import MediaError, UsageError
from calvin.core.files import file_sha256
from calvin.core.types import FILM_SUFFIXES
from calvin.media.film.source import open_film, stated_us
from calvin.media.film.trial import check_survivable
from calvin.studio.project.database import is_project, project_folder

_LONGEST_LIST = 1 << 24


@dataclass(frozen=True, slots=True)
class Entry:
    """A film of a catalogue.

    `name` is its project's folder in the catalogue's own; `subtitles` None: those beside the film or in it. `seconds`
    is how long the file says it is (0: it does not). `stamp` is its size in bytes and time of change in nanoseconds.
    `problem` says why it cannot be described, and `same_as` which other entry is the same film.
    """

    film: Path
    name: str = ""
    subtitles: Path | None = None
    seconds: float = 0.0
    stamp: tuple[int, int] = (0, 0)
    problem: str = ""
    same_as: Path | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to describe."""
        return not self.problem and self.same_as is None


def list_films(source: Path, out: Path) -> list[Entry]:
    """The films of a folder and then those of its folders, by their names, or those of a list, in its order.

    A list is a text file with a film a line, by a path from the list's own folder; behind a tab its subtitles may
    follow (`none`: listen instead). Blank lines and those that begin with # are passed over. In a folder, projects,
    the catalogue's `out` and whatever is hidden are passed over too.

    Raises:
        UsageError: there is no such folder or list, or no film in it.
    """
    if source.is_dir():
        entries = [Entry(film) for film in _within(source, out)]
        if not entries:
            kinds = ", ".join(suffix.lstrip(".") for suffix in FILM_SUFFIXES)
            raise UsageError(f"There is no film in {source}: name a folder that holds some ({kinds}).")
    else:
        entries = _listed(source)
        if not entries:
            raise UsageError(f"{source} lists no film: write the path of one on each line.")
    return _each_once([_looked_at(entry) for entry in entries])


def with_names(entries: Sequence[Entry], known: Mapping[str, str]) -> list[Entry]:
    """The entries with names for their projects, no two alike even where capitals do not count.

    A film keeps the name that it has from an earlier run (`known`, by its path). Of films of one name the first has
    that name, as `calvin describe` gives it, and the others have a number behind it.
    """
    names = dict(known)
    taken = Counter(name.casefold() for name in names.values())
    wanted = [entry for entry in entries if entry.wanted and str(entry.film) not in names]
    doubled = list[Entry]()
    for entry in wanted:
        name = project_folder(entry.film).name
        if taken[name.casefold()]:
            doubled.append(entry)
        else:
            names[str(entry.film)] = name
            taken[name.casefold()] += 1
    for entry in doubled:
        stem, number = project_folder(entry.film), 2
        while taken[(name := f"{stem.stem}-{number}{stem.suffix}").casefold()]:
            number += 1
        names[str(entry.film)] = name
        taken[name.casefold()] += 1
    return [replace(entry, name=names.get(str(entry.film), "")) for entry in entries]


def _within(folder: Path, out: Path) -> Iterable[Path]:
    found = list[Path]()
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not (name.startswith(".") or is_project(here / name) or (here / name).resolve() == out.resolve())
        )
        found += [here / name for name in files if not name.startswith(".")]
    films = [_lasting(path) for path in found if path.suffix.lower() in FILM_SUFFIXES]
    return sorted(films, key=lambda path: (len(path.parts), path))


def _listed(source: Path) -> list[Entry]:
    if not source.is_file():
        raise UsageError(f"There is no {source}: name a folder of films, or a text file that lists them.")
    if source.suffix.lower() in FILM_SUFFIXES:
        raise UsageError(f"{source} is a film and no list of films: use `calvin describe {source}` for one.")
    try:
        if source.stat().st_size > _LONGEST_LIST:
            raise UsageError(f"{source} is too long for a list of films: name a text file with a film a line.")
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{source} cannot be read as a list of films: save it as text in UTF-8.") from error
    entries = []
    for line in lines:
        film, _, subtitles = (part.strip() for part in line.partition("\t"))
        if not film or film.startswith("#"):
            continue
        given = Path(subtitles) if subtitles in ("", "none") else _lasting(source.parent / subtitles)
        entries.append(Entry(_lasting(source.parent / film), subtitles=given if subtitles else None))
    return entries


def _lasting(path: Path) -> Path:
    """The path from the root, for workers in other folders; links in it stay."""
    return Path(os.path.abspath(path))  # noqa: PTH100  `resolve` would follow links, and the film lose its name


def _looked_at(entry: Entry) -> Entry:
    """The entry with what the disk and the film's container say of it."""
    film = entry.film
    if is_project(film):
        return replace(entry, problem=f"{film} is a project and no film: `calvin describe {film}` continues it.")
    try:
        check_survivable(film)  # also a look at its container may take down whoever looks
        with open_film(film) as container:
            seconds = stated_us(container) / 1_000_000
        status = film.stat()
    except MediaError as error:
        return replace(entry, problem=str(error))
    except OSError as error:
        return replace(entry, problem=f"{film} cannot be read ({error.strerror}).")
    return replace(entry, seconds=seconds, stamp=(status.st_size, status.st_mtime_ns))


def _each_once(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, those of a film that came before marked as the same: by its path, as a link to it, or as a copy."""
    sizes = Counter(entry.stamp[0] for entry in entries if entry.wanted)
    first: dict[object, Path] = {}
    once = []
    for entry in entries:
        if entry.wanted:
            try:
                status = entry.film.stat()
                # Reading whole films takes long: only those that have another's size may be a copy of it.
                alike = sizes[entry.stamp[0]] > 1
                contents = file_sha256(entry.film) if alike else (status.st_dev, status.st_ino)
            except OSError as error:
                entry = replace(entry, problem=f"{entry.film} cannot be read ({error.strerror}).")
            else:
                before = first.setdefault((contents, entry.subtitles), entry.film)
                entry = entry if before is entry.film else replace(entry, same_as=before)
        once.append(entry)
    return once
