"""`calvin pick`: which scenes to correct, so that the model learns most of the film."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import say
from calvin.core.time import format_timecode


def pick(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    count: Annotated[int, typer.Option("--count", "-n", help="How many scenes.")] = 20,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV to correct the scenes in.")] = None,
) -> None:
    """Propose the scenes that are worth describing by hand: where each main character first appears, then scenes that
    are unlike those before. What a person described already is left out, and who appeared in it counts as seen.

    The CSV holds the cues as they are: put your own words in the column `text`, then `calvin adapt --corrections` it.
    A row left as it is counts as approved; empty its text to leave it out.

    Example:

        calvin pick film.calvin -n 20 -o corrections.csv
    """
    from calvin.studio.adapt.picking import pick_scenes, write_picks
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(project, read_only=True) as store:
        picks = pick_scenes(store, count)
    if out is not None:
        write_picks(picks, out)
    for found in picks:
        say(f"{format_timecode(found.span.start_ms)} - {format_timecode(found.span.end_ms)}  {found.reason}")
        say(f"    {found.cue.text if found.cue else '(no cue)'}")
    if out is not None:
        say(f"{out}: {len(picks)} scenes to correct")
