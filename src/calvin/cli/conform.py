"""`calvin conform`: a description moved to another release of its film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import ProgressView, say, warn_all
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted


def conform(
    described: Annotated[
        Path,
        typer.Argument(help="Project folder; or a script, or a sound track of descriptions.", show_default=False),
    ],
    to: Annotated[Path, typer.Option("--to", help="The other release of the film.", show_default=False)],
    of: Annotated[
        Path | None,
        typer.Option("--from", help="The film that a script or track is for.", show_default="the project's"),
    ] = None,
    subtitles: Annotated[
        Path | None,
        typer.Option("--subtitles", "-s", help="Of the other release.", show_default="beside or in it, else moved too"),
    ] = None,
    frame_rate: Annotated[
        str | None,
        typer.Option("--frame-rate", help="For a script with times such as 00:00:01:12.", show_default="the film's"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="New project folder; or the file to write.", show_default="FILM.calvin"),
    ] = None,
) -> None:
    """Move a description to another release of its film: cut, longer, at another speed, or from another label.

    The two films are compared by picture and sound. Each line goes where its scene is now, with its words, approval,
    voice and recording. Lines about scenes that are not there are kept aside in a file and named; places that are new
    are left open, and `calvin describe` fills them. What you have stays as it is.

    A script or a sound track of descriptions that was made elsewhere is moved too, with `--from` its own film.

    Examples:

        calvin conform film.calvin --to film-directors-cut.mkv

        calvin conform film.calvin --to film-25fps.mp4 -o broadcast.calvin

        calvin conform bought.srt --from dvd.mkv --to stream.mp4 -o stream-ad.srt

        calvin conform bought.wav --from dvd.mkv --to stream.mp4 -o stream-ad.wav
    """
    from calvin.studio.project.database import is_project

    if is_project(described):
        if of is not None or frame_rate is not None:
            raise UsageError(f"{described} knows its film: leave out --from and --frame-rate.")
        _project(described, to, out, subtitles)
        return
    if described.is_dir() or not described.exists():
        raise UsageError(f"{described} is neither a project nor a file: name one that `calvin describe` made.")
    if of is None or out is None:
        raise UsageError(f"For {described.name}, name the film that it was made for with --from, and a file with -o.")
    if subtitles is not None:
        raise UsageError("Subtitles only matter where a project is moved: leave out --subtitles.")
    _file(described, of, to, out, frame_rate)


def _project(described: Path, to: Path, out: Path | None, subtitles: Path | None) -> None:
    from calvin.studio.conform.other_cut import conform as moved

    with ProgressView() as progress:
        found = moved(described, to, out, subtitles, progress)
    say(f"{counted(found.carried, 'cue')} moved to {found.folder}")
    for path in found.exported.files:
        say(str(path))
    warn_all(found.notes)


def _file(described: Path, of: Path, to: Path, out: Path, frame_rate: str | None) -> None:
    from calvin.studio.conform.from_elsewhere import conform_script, conform_sound, is_sound

    with ProgressView() as progress:
        if is_sound(described):
            found = conform_sound(described, of, to, out, progress)
        else:
            found = conform_script(described, of, to, out, frame_rate, progress)
    say(f"{counted(found.carried, 'line')} moved to {out}")
    warn_all(found.notes)
