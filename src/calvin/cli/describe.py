"""`calvin describe`: films to scripts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.captioner import FOUR_BIT, FRAMES, MODEL_HELP, YES, opening
from calvin.cli.console import ProgressView, say, warn
from calvin.core.errors import UsageError

if TYPE_CHECKING:
    from calvin.studio.describe import Description, Outcome


def describe(
    films: Annotated[list[Path], typer.Argument(help="Films: mp4, mkv, mov, webm, avi or ts.", show_default=False)],
    subtitles: Annotated[
        list[Path] | None,
        typer.Option("--subtitles", "-s", help="Subtitles; for several films once for each, in their order."),
    ] = None,
    context: Annotated[int, typer.Option("--context", "-c", help="Previous captions that each caption sees.")] = 3,
    model: Annotated[str | None, typer.Option("--model", "-m", help=MODEL_HELP, show_default="bundled")] = None,
    frames: FRAMES = None,
    four_bit: FOUR_BIT = False,
    yes: YES = False,
    formats: Annotated[
        str, typer.Option("--format", "-f", help="What to write: vtt, srt, dapt, csv, json, txt.")
    ] = "vtt,srt,json",
    min_gap: Annotated[float, typer.Option("--min-gap", help="Shortest gap in the dialogue to use, in s.")] = 2.0,
    guard: Annotated[float, typer.Option("--guard", help="What is left free beside dialogue, in s.")] = 0.3,
    rate: Annotated[int, typer.Option("--rate", help="Words a minute that a cue must fit at.")] = 160,
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", help="Project folder.", show_default="FILM.calvin")
    ] = None,
) -> None:
    """Describe films: write what a blind viewer needs to know into the gaps of the dialogue.

    Each film gets a project folder with the script in the formats asked for. A run that was stopped goes on where it
    was when given again. With several films, one that cannot be described does not stop the others; the exit code is
    then 1.

    Examples:

        calvin describe film.mp4 --subtitles film.srt

        calvin describe film.mkv --format vtt --context 5 -o film-project

        calvin describe a.mp4 b.mp4 --model my-model

        calvin describe film.mp4 --model openai:http://127.0.0.1:8000/v1#qwen3-vl
    """
    from calvin.captioners import open_captioner
    from calvin.studio.describe import DescribeSettings, FilmJob, describe_many
    from calvin.studio.writers import find_writers

    if subtitles and len(subtitles) != len(films):
        raise UsageError(f"{len(subtitles)} subtitle files for {len(films)} films: give one for each film, or none.")
    names = tuple(writer.name for writer in find_writers(formats.split(",")))
    plan = {"min_gap_ms": round(min_gap * 1000), "guard_ms": round(guard * 1000)}
    settings = DescribeSettings.load(
        {"context": context, "formats": names, "plan": plan, "words_per_minute": rate}, "describe"
    )
    lines: list[Path | None] = list(subtitles) if subtitles else [None] * len(films)
    jobs = [FilmJob(film, srt, out_dir) for film, srt in zip(films, lines, strict=True)]
    captioner = open_captioner(model, opening(yes, frames, four_bit))
    with ProgressView() as progress:
        outcomes = describe_many(jobs, captioner, settings, progress)
    raise typer.Exit(report(outcomes))


def report(outcomes: list[Outcome]) -> int:
    """Say what became of each film; the exit code."""
    for outcome in outcomes:
        if outcome.error is not None:
            warn(f"Error: {outcome.error}")
        elif outcome.description is not None:
            show(outcome.job.film, outcome.description)
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed and len(outcomes) > 1:
        warn(f"{failed} of {len(outcomes)} films could not be described.")
    return 1 if failed else 0


def show(film: Path, description: Description) -> None:
    count = len(description.script.cues)
    say(f"{film}: {count} cue{'' if count == 1 else 's'}")
    for path in description.files:
        say(f"  {path}")
    for note in description.notes:
        warn(f"Note on {film.name}: {note}")
