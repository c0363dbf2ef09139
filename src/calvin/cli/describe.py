"""`calvin describe`: films to scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from calvin.cli.captioner import FOUR_BIT, FRAMES, MODEL_HELP, opening, settled
from calvin.cli.console import ProgressView, say, warn
from calvin.cli.import_export import FORMATS
from calvin.core.errors import CalvinError, UsageError
from calvin.core.text_tables import counted
from calvin.core.time import to_ms

if TYPE_CHECKING:
    from calvin.studio.describe.films import Alike, Description, FilmJob, Known, Outcome
    from calvin.studio.project.describe_settings import DescribeWish

SUBTITLES = Annotated[
    list[Path] | None,
    Option(
        "--subtitles",
        "-s",
        help="Subtitle file; with several films, give one for each, in the same order. `none`: listen instead.",
        show_default="beside or in the film",
    ),
]
ENCODING = Annotated[str | None, Option(help="Encoding of the subtitles, such as cp1250.", show_default="detected")]
SHIFT = Annotated[
    float | None, Option(help="Move the subtitles later by this many seconds (negative: earlier).", show_default="0")
]
STRETCH = Annotated[
    str | None, Option(help="Frame rate that the subtitles are for / this film's rate: 25/23.976.", show_default="none")
]
LONG = Annotated[
    float | None, Option(help="Seconds of unbroken talk after which the film may pause.", show_default="30")
]
TRUST = Annotated[
    bool | None,
    Option(
        "--trust-subtitles/--heard-too",
        help="Whether speech that is heard, but not in the subtitles, may be talked over.",
        show_default="heard too",
    ),
]


TEXT = Annotated[
    bool | None,
    Option("--text/--no-text", help="Read out writing on the screen (extra ocr).", show_default="where it can be read"),
]
NAMES = Annotated[
    str | None,
    Option(help="known: only those whom a cast or your cues introduce; free: anybody.", show_default="known"),
]


def describe(
    films: Annotated[
        list[Path], Argument(help="Films (mp4, mkv, mov, webm, avi, ts), or a project to continue.", show_default=False)
    ],
    subtitles: SUBTITLES = None,
    shift_subtitles: SHIFT = None,
    stretch_subtitles: STRETCH = None,
    trust_subtitles: TRUST = None,
    encoding: ENCODING = None,
    context: Annotated[
        int | None, Option("--context", "-c", help="Previous captions that each caption sees.", show_default="3")
    ] = None,
    model: Annotated[str | None, Option("--model", "-m", help=MODEL_HELP, show_default="the project's")] = None,
    frames: FRAMES = None,
    four_bit: FOUR_BIT = False,
    yes: Annotated[
        bool, Option("--yes", "-y", help="Fetch a model, and replace another one's drafts, without asking.")
    ] = False,
    formats: FORMATS = "vtt,srt,json",
    min_gap: Annotated[
        float | None, Option(help="Shortest gap in the dialogue to use, in seconds.", show_default="2.0")
    ] = None,
    guard: Annotated[float | None, Option(help="Seconds left free around dialogue.", show_default="0.3")] = None,
    long_talk: LONG = None,
    rate: Annotated[int | None, Option(help="Words per minute at which a cue must fit.", show_default="160")] = None,
    cast: Annotated[Path | None, Option(help="Who is in the film: a TOML file, or none.")] = None,
    names: NAMES = None,
    text: TEXT = None,
    adapter: Annotated[Path | None, Option("--adapter", "-a", help="Folder that `calvin adapt` made, or none.")] = None,
    language: Annotated[str | None, Option(help="Language of the description, such as de.", show_default="en")] = None,
    audio_language: Annotated[
        str | None, Option(help="Language of the sound track to listen to.", show_default="the film's")
    ] = None,
    out_dir: Annotated[Path | None, Option("--out", "-o", help="Project folder.", show_default="FILM.calvin")] = None,
) -> None:
    """Describe films: write what a blind viewer needs to know into the gaps of the dialogue.

    Each film gets a project folder with the script in the formats you ask for. If a run was stopped, give the same
    command again to continue it. A project that is described again keeps the model, adapter, cast, subtitles and
    options that it remembers, unless you name others. If one of several films cannot be described, the others still
    are; the exit code is then 1.

    Examples:

        calvin describe film.mp4 --subtitles film.srt

        calvin describe film.mkv --format vtt --context 5 -o film-project

        calvin describe film.mp4 --model openai:http://127.0.0.1:8000/v1#qwen3-vl

        calvin describe film.mp4 --cast cast.toml

        calvin describe film.calvin --adapter adapted
    """
    from calvin.studio.describe.dialogue import checked_stretch
    from calvin.studio.describe.films import alike, nobody_named
    from calvin.studio.project.describe_settings import DescribeSources

    model = settled(model)
    values: dict[str, object] = {"context": context, "words_per_minute": rate, "names": names, "screen_text": text}
    values |= {"language": language, "audio_language": audio_language}
    wish = _wish(formats, _plan(min_gap, guard, long_talk, trust_subtitles), values)
    found = _jobs(films, subtitles, out_dir)
    shift_ms = None if shift_subtitles is None else to_ms(shift_subtitles)
    stretch, named = checked_stretch(stretch_subtitles), bool(model or adapter or yes)

    def sources(known: DescribeSources | None) -> DescribeSources:
        return DescribeSources.named(known, model, frames, four_bit, adapter, cast)

    found = [
        (replace(job, shift_ms=shift_ms, stretch=stretch, encoding=encoding, replace=named), known)
        for job, known in found
    ]
    found = [(replace(job, unasked=nobody_named(model, sources(known.sources))), known) for job, known in found]
    groups = alike(found, wish, sources, cast)
    described = [_describe_alike(group, wish, model, yes, alone=len(groups) == 1) for group in groups]
    outcomes = {outcome.job: outcome for some in described for outcome in some}
    raise typer.Exit(report([outcomes[job] for job, _ in found]))


def _plan(
    min_gap: float | None, guard: float | None, long_talk: float | None, trust_subtitles: bool | None
) -> dict[str, int] | None:
    """What is asked for of the places of cues."""
    asked = {"min_gap_ms": min_gap, "guard_ms": guard, "long_talk_ms": long_talk}
    plan = {name: round(seconds * 1000) for name, seconds in asked.items() if seconds is not None}
    plan |= {} if trust_subtitles is None else {"trust_subtitles": trust_subtitles}
    return plan or None


def _wish(formats: str, plan: dict[str, int] | None, values: Mapping[str, object]) -> DescribeWish:
    from calvin.studio.project.describe_settings import DescribeWish
    from calvin.studio.script.writers import find_writers

    kinds = tuple(writer.name for writer in find_writers(formats.split(",")))
    return DescribeWish.load({**values, "formats": kinds, "plan": plan}, "describe")


def _describe_alike(group: Alike, wish: DescribeWish, model: str | None, yes: bool, alone: bool) -> list[Outcome]:
    """Describe films with one captioner; if it cannot be opened, that stops the others only where there are none."""
    from calvin.captioners import open_captioner
    from calvin.captioners.adapted import adapter_context, with_adapter
    from calvin.media.film import ocr
    from calvin.studio.describe.films import Outcome, describe_many
    from calvin.studio.project.describe_settings import settle

    sources = group.sources
    try:
        captioner = open_captioner(model or sources.model, opening(yes, sources.frames, sources.four_bit))
        with with_adapter(captioner, sources.adapter) as captioner, ProgressView() as progress:
            settings = settle(wish, group.record, adapter_context(captioner), ocr.reads_by_default())
            return describe_many(group.jobs, captioner, settings, progress, cast=group.cast, sources=sources)
    except CalvinError as error:
        if alone:
            raise
        return [Outcome(job, error=error) for job in group.jobs]


def _jobs(films: list[Path], subtitles: list[Path] | None, out_dir: Path | None) -> list[tuple[FilmJob, Known]]:
    """What to describe, and what the project of each film remembers."""
    from calvin.studio.describe.dialogue import LISTEN
    from calvin.studio.describe.films import film_job
    from calvin.studio.project.database import is_project

    if subtitles == [LISTEN]:
        subtitles = [LISTEN] * len(films)
    if subtitles and len(subtitles) != len(films):
        raise UsageError(f"{len(subtitles)} subtitle files for {len(films)} films: give one for each film, or none.")
    lines: list[Path | None] = list(subtitles) if subtitles else [None] * len(films)
    several = len(films) > 1
    if any(map(is_project, films)) and out_dir is not None:
        raise UsageError("A project is described into itself: name it without -o.")
    return [film_job(film, srt, out_dir, several) for film, srt in zip(films, lines, strict=True)]


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
    """Say what was written, and what there is to know that was not said of this project before."""
    from calvin.studio.project.status import notes_to_tell
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(description.project) as store:
        notes = notes_to_tell(store, "describe", description.notes)
    if description.empty:  # what there is to know comes before what looks like a result, each time
        _warn_of(film, description.notes)
    empty = f", {counted(description.empty, 'place')} without words" if description.empty else ""
    say(f"{film}: {counted(len(description.script.cues), 'cue')}{empty}")
    for path in description.files:
        say(f"  {path}")
    if not description.empty:
        _warn_of(film, notes)


def _warn_of(film: Path, notes: Iterable[str]) -> None:
    for note in notes:
        warn(f"Note on {film.name}: {note}")
