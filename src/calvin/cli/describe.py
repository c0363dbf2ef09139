"""`calvin describe`: films to scripts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from calvin.cli.asking import DIALOGUE, NEIGHBOURS, ROOM, STILL_SIZE, STYLE, TITLE, TWO_STAGE, prompt_wish
from calvin.cli.captioner import FOUR_BIT, FRAMES, MODEL_HELP, opening, settled
from calvin.cli.console import ProgressView, say, warn
from calvin.cli.import_export import FORMATS
from calvin.core.errors import CalvinError, UsageError
from calvin.core.text_tables import counted
from calvin.core.time import to_ms

if TYPE_CHECKING:
    from calvin.studio.describe.films import Alike, Description, FilmJob, Known, Outcome
    from calvin.studio.project.describe_settings import DescribeSources, DescribeWish

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

CONTEXT = Annotated[
    int | None, Option("--context", "-c", help="Previous captions that each caption sees.", show_default="3")
]
AGREED = Annotated[bool, Option("--yes", "-y", help="Fetch a model, and replace another one's drafts, without asking.")]
GUARD = Annotated[float | None, Option(help="Seconds left free around dialogue.", show_default="0.3")]
RATE = Annotated[int | None, Option(help="Words per minute at which a cue must fit.", show_default="160")]
CAST = Annotated[Path | None, Option(help="Who is in the film: a TOML file, or none.")]
ADAPTER = Annotated[Path | None, Option("--adapter", "-a", help="Folder that `calvin adapt` made, or none.")]
LANGUAGE = Annotated[str | None, Option(help="Language of the description, such as de.", show_default="en")]
MIN_GAP = Annotated[float | None, Option(help="Shortest gap in the dialogue to use, in seconds.", show_default="2.0")]
AUDIO_LANGUAGE = Annotated[
    str | None, Option(help="Language of the sound track to listen to.", show_default="the film's")
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
    context: CONTEXT = None,
    model: Annotated[str | None, Option("--model", "-m", help=MODEL_HELP, show_default="the project's")] = None,
    frames: FRAMES = None,
    four_bit: FOUR_BIT = False,
    title: TITLE = None,
    style: STYLE = None,
    room: ROOM = None,
    dialogue: DIALOGUE = None,
    neighbours: NEIGHBOURS = None,
    still_size: STILL_SIZE = None,
    two_stage: TWO_STAGE = None,
    yes: AGREED = False,
    formats: FORMATS = "vtt,srt,json",
    min_gap: MIN_GAP = None,
    guard: GUARD = None,
    long_talk: LONG = None,
    rate: RATE = None,
    cast: CAST = None,
    names: NAMES = None,
    text: TEXT = None,
    adapter: ADAPTER = None,
    language: LANGUAGE = None,
    audio_language: AUDIO_LANGUAGE = None,
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

        calvin describe film.mp4 --model qwen3-vl --title "The General" --style "Plain words." --two-stage

        calvin describe film.mp4 --cast cast.toml

        calvin describe film.calvin --adapter adapted
    """
    model = settled(model)
    values: dict[str, object] = {"context": context, "words_per_minute": rate, "names": names, "screen_text": text}
    values |= {"language": language, "audio_language": audio_language}
    values["prompt"] = prompt_wish(title, style, room, dialogue, neighbours, still_size)
    wish = describe_wish(formats, plan_wish(min_gap, guard, long_talk, trust_subtitles), values)
    told = _look_first(films, model, adapter, out_dir)  # before what takes seconds to load, and before the work

    from calvin.studio.describe.films import alike

    sources = _sources(model, frames, four_bit, adapter, cast, two_stage)
    changes = _retimed(shift_subtitles, stretch_subtitles)
    changes |= {"encoding": encoding, "replace": bool(model or adapter or yes)}
    found = _as_asked(_jobs(films, subtitles, out_dir), model, sources, told, changes)
    groups = alike(found, wish, sources, cast)
    described = [_describe_alike(group, wish, model, yes, alone=len(groups) == 1) for group in groups]
    outcomes = {outcome.job: outcome for some in described for outcome in some}
    raise typer.Exit(report([outcomes[job] for job, _ in found], told))


def _sources(
    model: str | None,
    frames: int | None,
    four_bit: bool,
    adapter: Path | None,
    cast: Path | None,
    two_stage: bool | None,
) -> Callable[[DescribeSources | None], DescribeSources]:
    """From what a project knows to what its film is described from."""
    from calvin.studio.project.describe_settings import DescribeSources

    return lambda known: DescribeSources.named(known, model, frames, four_bit, adapter, cast, two_stage)


def _retimed(shift: float | None, stretch: str | None) -> dict[str, Any]:
    from calvin.studio.describe.dialogue import checked_stretch

    return {"shift_ms": None if shift is None else to_ms(shift), "stretch": checked_stretch(stretch)}


def _as_asked(
    found: Iterable[tuple[FilmJob, Known]],
    model: str | None,
    sources: Callable[[DescribeSources | None], DescribeSources],
    told: Collection[Path],
    changes: Mapping[str, Any],
) -> list[tuple[FilmJob, Known]]:
    """The jobs with what was asked for of all of them."""
    from calvin.studio.describe.films import nobody_named

    def asked(job: FilmJob, known: Known) -> FilmJob:
        unasked = nobody_named(model, sources(known.sources))
        return replace(job, **changes, unasked=unasked, took_for_foreign=job.film in told)

    return [(asked(job, known), known) for job, known in found]


def _look_first(
    films: list[Path], model: str | None, adapter: Path | None, out_dir: Path | None
) -> dict[Path, tuple[str, ...]]:
    """Say of films that the bundled model would describe whether it knows them, before the work; what was said."""
    from calvin.captioners.hub import DEFAULT_MODEL, bundled_models
    from calvin.studio.describe.skeleton import foreign_note, look_first, skeleton_notes
    from calvin.studio.project.database import is_project, project_folder
    from calvin.studio.project.describe_settings import DescribeSources
    from calvin.studio.project.store import ProjectStore

    told: dict[Path, tuple[str, ...]] = {}
    for film in films:
        with suppress(CalvinError):  # what is wrong with a film or project is said by those that open it next
            folder, known = project_folder(film, out_dir, len(films) > 1), None
            if is_project(folder):
                with ProjectStore(folder, read_only=True) as store:
                    known, decoded = store.sources, store.decoded is not None
                if decoded:
                    continue  # its stills tell soon enough
            sources = DescribeSources.named(known, model, adapter=adapter)
            author = sources.model or DEFAULT_MODEL
            look = look_first(film, author) if sources.adapter is None and author in bundled_models() else None
            if look is not None and look.foreign:
                notes = skeleton_notes(look.known, folder, film.stem)[:2]
                notes = notes if sources.model is None else [foreign_note(author, look.known)]
                told[film] = tuple(notes)
                _warn_of(film, notes)
    return told


def plan_wish(
    min_gap: float | None, guard: float | None, long_talk: float | None, trust_subtitles: bool | None
) -> dict[str, int] | None:
    """What is asked for of the places of cues."""
    asked = {"min_gap_ms": min_gap, "guard_ms": guard, "long_talk_ms": long_talk}
    plan = {name: round(seconds * 1000) for name, seconds in asked.items() if seconds is not None}
    plan |= {} if trust_subtitles is None else {"trust_subtitles": trust_subtitles}
    return plan or None


def describe_wish(formats: str, plan: dict[str, int] | None, values: Mapping[str, object]) -> DescribeWish:
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
        captioner = open_captioner(
            model or sources.model, opening(yes, sources.frames, sources.four_bit, sources.two_stages)
        )
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


def report(outcomes: list[Outcome], told: Mapping[Path, tuple[str, ...]] | None = None) -> int:
    """Say what became of each film, but not again what was `told` of it before; the exit code."""
    for outcome in outcomes:
        if outcome.error is not None:
            warn(f"Error: {outcome.error}")
        elif outcome.description is not None:
            show(outcome.job.film, outcome.description, (told or {}).get(outcome.job.film, ()))
    failed = sum(outcome.error is not None for outcome in outcomes)
    if failed and len(outcomes) > 1:
        warn(f"{failed} of {len(outcomes)} films could not be described.")
    return 1 if failed else 0


def show(film: Path, description: Description, told: Collection[str] = ()) -> None:
    """Say what was written, and what there is to know that was not said of this project before, or `told` just now."""
    from calvin.studio.project.status import notes_to_tell
    from calvin.studio.project.store import ProjectStore

    with ProjectStore(description.project) as store:
        notes = [note for note in notes_to_tell(store, "describe", description.notes) if note not in told]
    if description.empty:  # what there is to know comes before what looks like a result, each time
        _warn_of(film, [note for note in description.notes if note not in told])
    empty = f", {counted(description.empty, 'place')} without words" if description.empty else ""
    say(f"{film}: {counted(len(description.script.cues), 'cue')}{empty}")
    for path in description.files:
        say(f"  {path}")
    if not description.empty:
        _warn_of(film, notes)


def _warn_of(film: Path, notes: Iterable[str]) -> None:
    for note in notes:
        warn(f"Note on {film.name}: {note}")
