"""`calvin puppets`: films, clips, images and annotations of the puppet world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Argument, Option

from calvin.cli.console import ProgressView, say
from calvin.core.errors import UsageError

app = typer.Typer(help="Make puppet films, with the truth of every scene.", no_args_is_help=True)


SPLIT = Annotated[Literal["train", "heldout"], Option(help="Held-out films pair no name and look as training does.")]


@app.callback()
def group() -> None:
    """Make puppet films, with the truth of every scene."""


@app.command("render")
def render(
    out_dir: Annotated[Path, Option("--out", "-o", help="Folder to write the world to.")],
    seed: Annotated[int, Option(help="The same seed and sizes give the same files.", min=0)] = 0,
    split: SPLIT = "train",
    films: Annotated[int, Option(help="MAD-like films.", min=0)] = 20,
    scenes: Annotated[int, Option(help="Scenes per film.", min=5)] = 20,
    clips: Annotated[int, Option(help="WebVid-like clips.", min=0)] = 100,
    images: Annotated[int, Option(help="CC-like images.", min=0)] = 200,
    conversations: Annotated[int, Option(help="LLaVA-like conversations.", min=0)] = 100,
    tv_clips: Annotated[int, Option(help="TVC-like clips.", min=0)] = 20,
    workers: Annotated[int, Option(help="Processes that draw.", min=1)] = 2,
) -> None:
    """Write a puppet world: one counterpart of each training set, in that set's own file formats.

    Files that exist are not drawn again, so a stopped run continues where it was.

    Examples:

        calvin puppets render --out world

        calvin puppets render --out heldout --split heldout --films 8 --clips 0 --images 0 --conversations 0
    """
    from calvin.puppets.world import WorldSizes, write_world

    sizes = WorldSizes(
        films=films, scenes=scenes, clips=clips, images=images, conversations=conversations, tv_clips=tv_clips
    )
    with ProgressView() as progress:
        out = write_world(out_dir, seed, sizes, split, workers, progress)
    for path in sorted(out.glob("*/*")):
        if path.is_file():
            say(str(path))


@app.command("film")
def film(
    path: Annotated[Path, Argument(help="MP4 to write; PATH.srt, PATH.cast.toml and PATH.truth.json go beside it.")],
    seed: Annotated[int, Option(help="The same seed gives the same film.", min=0)] = 0,
    split: SPLIT = "heldout",
    scenes: Annotated[int, Option(help="How many scenes.", min=1)] = 18,
    width: Annotated[int, Option(help="Width in pixels.", min=16)] = 640,
    height: Annotated[int, Option(help="Height in pixels.", min=16)] = 360,
    fps: Annotated[float, Option(help="Frames per second.", min=1)] = 25.0,
    writing: Annotated[bool, Option("--writing", help="With signs, letters and cards between the shots.")] = False,
    burnt_in: Annotated[bool, Option("--burnt-in", help="With the subtitles in the picture, too.")] = False,
) -> None:
    """Draw one film with voices, subtitles and credits, and write its cast and the truth of every scene next to it.

    Example:

        calvin puppets film lamp.mp4 --seed 7

        calvin puppets film letters.mp4 --seed 8 --writing --burnt-in
    """
    from calvin.puppets.film import render_film

    if path.suffix.lower() != ".mp4":
        raise UsageError(f"Puppet films are written as MP4: give {path.name} the suffix .mp4.")
    with ProgressView() as progress:
        render_film(
            seed, path, width, height, fps, scenes, split=split, listener=progress, writing=writing, burnt_in=burnt_in
        )
    for written in (path, *(path.with_suffix(end) for end in (".srt", ".cast.toml", ".truth.json"))):
        say(str(written))
