"""`calvin data`: preparing data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import ProgressView, say, warn

app = typer.Typer(help="Prepare data: frames and clips into feature files.", no_args_is_help=True)


class Kind(StrEnum):
    FILMS = "films"
    IMAGES = "images"
    FRAMES = "frames"


@app.callback()
def group() -> None:
    """Prepare data: frames and clips into feature files."""


@app.command("features")
def features(
    source: Annotated[Path, typer.Argument(help="A film, or the folder that holds the films, images or frames.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="Feature file to write: .h5 or .safetensors.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Folder or id of a vision tower, or a CALVIN with one.")],
    kind: Annotated[Kind, typer.Option("--kind", "-k", help="What the folder holds.")] = Kind.FILMS,
    fps: Annotated[float, typer.Option("--fps", help="Frames a second to keep.")] = 5.0,
    frames_at: Annotated[
        float | None, typer.Option("--frames-at", help="Rate of the stills in frame folders.", show_default="--fps")
    ] = None,
) -> None:
    """Turn films, clips, images or folders of frames into one vector a frame, in one file.

    Ids are paths below the folder, without suffix. What cannot be read is left out and counted. An interrupted .h5 is
    gone on with.

    Examples:

        calvin data features mad/videos --model openai/clip-vit-large-patch14 --out mad.h5

        calvin data features cc3m/images --kind images --model runs/micro/tower --out cc3m.h5

        calvin data features tvc/frames --kind frames --fps 3 --model runs/micro/tower --out tvc.h5
    """
    from calvin.studio.features import make_features

    with ProgressView() as progress:
        report = make_features(source, _tower(model), output, kind.value, fps, frames_at, progress)
    kept = f", {report.kept} of them from an earlier run" if report.kept else ""
    say(f"{report.path}: {report.written} ids{kept}, {report.frames} frames encoded")
    if report.drops.total_dropped:
        warn(report.drops.summary())


def _tower(model: str) -> str:
    """A bundled model may lend its tower."""
    from calvin.captioners.calvin import bundled_models

    known = bundled_models()
    return str(known[model]) if model in known and not Path(model).exists() else model
