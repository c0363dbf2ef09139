"""The package itself: its version, and the files that come with it (models, regularisation scenes and a film)."""

from __future__ import annotations

from pathlib import Path

from calvin.core.errors import UsageError

__version__ = "0.2.0.dev0"

ASSETS = Path(__file__).parents[1] / "assets"


def bundled_film() -> tuple[Path, Path]:
    """The film that comes with the package, and its subtitles.

    Raises:
        UsageError: the package was installed without it.
    """
    film = next(iter(sorted((ASSETS / "film").glob("*.mp4"))), None)
    if film is None or not film.with_suffix(".srt").is_file():
        raise UsageError("The bundled film is not installed: install calvin-ad again.")
    return film, film.with_suffix(".srt")


def bundled_cast() -> Path:
    """The cast of that film, with portraits from its stills.

    Raises:
        UsageError: the package was installed without it.
    """
    cast = bundled_film()[0].with_suffix(".cast.toml")
    if not cast.is_file():
        raise UsageError("The cast of the bundled film is not installed: install calvin-ad again.")
    return cast
