"""Training films that are also evaluation films: found by IMDb id, else by title."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from calvin.core.errors import ConfigError
from calvin.data.readers.registry import read, resolve_format
from calvin.data.samples import FilmName

MAD_EVAL: tuple[FilmName, ...] = (
    FilmName("tt0286106", "Signs"),
    FilmName("tt1038686", "Legion"),
    FilmName("tt1707386", "Les Misérables"),
    FilmName("tt0330373", "Harry Potter and the Goblet of Fire"),
    FilmName("tt1217613", "Battle: Los Angeles"),
    FilmName("tt1438254", "Charlie St. Cloud"),
    FilmName("tt1428538", "Hansel & Gretel: Witch Hunters"),
    FilmName("tt1341188", "How Do You Know"),
    FilmName("tt1124035", "The Ides of March"),
    FilmName("tt1265990", "The Roommate"),
)
"""The films that MAD-eval and MAD-eval-named describe (Han et al. 2023)."""

NAMED: Mapping[str, tuple[FilmName, ...]] = {"mad-eval": MAD_EVAL}
_SMALL_WORDS = {"the", "a", "an", "and"}


def evaluation_films(against: Sequence[str]) -> list[FilmName]:
    """The films of named evaluation sets and of annotation files.

    Args:
        against: "mad-eval", a MAD-like file, or FORMAT:FILE such as "cmd-ad:test.csv".

    Raises:
        ConfigError: neither a known name nor a file.
        DataError: the file cannot be read.
    """
    films: list[FilmName] = []
    for item in against:
        if item in NAMED:
            films.extend(NAMED[item])
            continue
        format, _, name = item.rpartition(":") if not Path(item).exists() else ("mad", "", item)
        if not Path(name).is_file():
            raise ConfigError(f"{item!r} is neither a file, FORMAT:FILE, nor one of {', '.join(NAMED)}.")
        films.extend(read(resolve_format(format or "mad", name), name).films.values())
    return films


def find_overlap(films: Mapping[str, FilmName], evaluation: Iterable[FilmName]) -> dict[str, FilmName]:
    """Media ids whose film is an evaluation film, with that film.

    Two IMDb ids decide where both are known, because films share titles; else titles do, without case, accents,
    articles and marks.
    """
    by_imdb: dict[int, FilmName] = {}
    by_title: dict[str, list[FilmName]] = {}
    for film in evaluation:
        if (number := _imdb(film.imdb)) is not None:
            by_imdb[number] = film
        if title := plain_title(film.title):
            by_title.setdefault(title, []).append(film)
    found: dict[str, FilmName] = {}
    for media_id, film in films.items():
        number = _imdb(film.imdb)
        if number in by_imdb:
            found[media_id] = by_imdb[number]
            continue
        for other in by_title.get(plain_title(film.title), []):
            if number is None or _imdb(other.imdb) is None:
                found[media_id] = other
    return found


def plain_title(title: str) -> str:
    """'The Roommate (2011)' and '3074_THE_ROOMMATE' alike -> 'roommate'."""
    bare = re.sub(r"\(\d{4}\)\s*$|^\d{4}_", "", title)
    letters = "".join(c for c in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(c)).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", letters.replace("'", "")) if word]
    return " ".join([word for word in words if word not in _SMALL_WORDS] or words)


def _imdb(text: str) -> int | None:
    match = re.fullmatch(r"(?:tt)?0*(\d{1,9})(?:\.0)?", text.strip())
    return int(match[1]) if match else None
