"""`calvin export`: a project's script as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import say, warn


def export(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    formats: Annotated[
        str, typer.Option("--format", "-f", help="What to write: vtt, srt, dapt, csv, json, txt.")
    ] = "vtt,srt,json",
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to.", show_default="the project")
    ] = None,
) -> None:
    """Write the script of a project as it stands.

    A file in the way that calvin did not write, or that was edited since, is kept under another name.

    Examples:

        calvin export film.calvin --format vtt,dapt,csv

        calvin export film.calvin --format txt -o for-the-narrator
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.exports import export_script
    from calvin.studio.script.writers import find_writers

    writers = find_writers(formats.split(","))
    with ProjectStore(project) as store:
        exported = export_script(store, writers, out_dir)
    for path in exported.files:
        say(str(path))
    for note in exported.notes:
        warn(f"Note: {note}")
