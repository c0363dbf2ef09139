"""`calvin studio`: the review page of a project, a film, or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from calvin.cli.captioner import MODEL_HELP
from calvin.cli.console import say, warn
from calvin.core.errors import MissingExtraError

if TYPE_CHECKING:
    from calvin.page.workshop import Workshop


def studio(
    ctx: typer.Context,
    place: Annotated[Path, typer.Argument(help="A project, a film, or a folder of either.")] = Path(),
    empty: Annotated[
        bool, Option("--empty", help="Begin a film's project without a model: its places are yours to write.")
    ] = False,
    model: Annotated[str | None, Option("--model", "-m", help=MODEL_HELP, show_default="bundled")] = None,
    subtitles: Annotated[
        Path | None,
        Option(
            "--subtitles", "-s", help="Subtitle file of a film. `none`: listen.", show_default="beside or in the film"
        ),
    ] = None,
    yes: Annotated[bool, Option("--yes", "-y", help="Fetch a model from the hub without asking.")] = False,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Project folder of a film.", show_default="FILM.calvin")
    ] = None,
    port: Annotated[int, Option(help="Port to answer at.", min=0, max=65535, show_default="a free one")] = 0,
    no_open: Annotated[bool, Option("--no-open", help="Open no browser, only print the address.")] = False,
) -> None:
    """Write, correct, hear, approve and deliver a description in the browser, on this machine alone.

    A film that has no project yet gets one: described, or with `--empty` with the places to be written by hand. The
    address that is printed lets in whoever has it; it is a new one each time. Ctrl-C ends; everything is saved as it is
    written.

    Examples:

        calvin studio film.calvin

        calvin studio film.mp4 --empty

        calvin studio film.mp4 --subtitles film.en.srt

        calvin studio films --no-open --port 8765
    """
    try:
        from calvin.page.serve import run
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise MissingExtraError("The review page", "studio", str(error)) from error
    from calvin.page.shelf import Shelf

    shelf = Shelf.of(place, out)
    new = shelf.only and not shelf.projects
    begin: dict[str, Any] | None = {"empty": empty, "model": model, "fetch": yes} if new else None
    if begin is not None and subtitles is not None:
        begin["subtitles"] = _checked(subtitles)
    if not new and (empty or model or subtitles):
        warn(
            "Note: --empty, --model and --subtitles are for films without a project; this is opened as it is. "
            'Other subtitles are chosen on the page, under "Let the model work".'
        )

    if shelf.note:
        warn(f"Note: {shelf.note}")

    def ready(workshop: Workshop) -> None:
        say(f"The page is at {workshop.admission.address}")
        say("It is for this machine alone. Ctrl-C ends it; everything is saved as it is written.")

    debug = bool(ctx.find_root().params.get("debug"))
    run(shelf, port, ready, not no_open, debug, begin)
    say("Ended; everything is saved.")


def _checked(subtitles: Path) -> str:
    """A subtitle file as it can be named from anywhere, or "none".

    Raises:
        SubtitleError: it cannot be read.
    """
    from calvin.media.subtitles import read_subtitles
    from calvin.studio.describe.dialogue import LISTEN

    if subtitles == LISTEN:
        return str(LISTEN)
    for note in read_subtitles(subtitles).report.notes:  # before the page is there, not after the film was decoded
        warn(f"Note: {note}")
    return str(subtitles.resolve())
