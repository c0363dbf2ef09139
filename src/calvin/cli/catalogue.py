"""`calvin catalogue`: hundreds of films to projects with captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from calvin.cli.asking import DIALOGUE, NEIGHBOURS, ROOM, STILL_SIZE, STYLE, TWO_STAGE, prompt_wish
from calvin.cli.captioner import FOUR_BIT, FRAMES, MODEL_HELP, settled
from calvin.cli.console import ProgressView, say, warn
from calvin.cli.describe import (
    ADAPTER,
    AGREED,
    AUDIO_LANGUAGE,
    CAST,
    CONTEXT,
    GUARD,
    LANGUAGE,
    LONG,
    MIN_GAP,
    NAMES,
    RATE,
    TEXT,
    TRUST,
    describe_wish,
    plan_wish,
)
from calvin.cli.import_export import FORMATS

if TYPE_CHECKING:
    from calvin.studio.catalogue.catalogue_report import CatalogueReport

FILMS = Annotated[Path, Argument(help="Folder of films, or a text file with a film a line.", metavar="FOLDER|LIST")]
OUT = Annotated[Path, Option("--out", "-o", help="Folder for projects, journal and report.")]
WORKERS = Annotated[
    int, Option("--workers", "-w", help="Films at once, each in a process; 0: one by one in this process.", min=0)
]
TOGETHER = Annotated[int, Option(help="Films that a worker captions in common batches, for a GPU.", min=1, max=8)]
RAY = Annotated[bool, Option("--ray", help="Workers are Ray's, on RAY_ADDRESS or here.")]
CAPTIONERS = Annotated[
    int | None,
    Option(help="With --ray: actors that hold the model, for all workers; 0: none.", min=0, show_default="one a GPU"),
]
MODEL = Annotated[str | None, Option("--model", "-m", help=MODEL_HELP, show_default="bundled")]
IN_FLIGHT = Annotated[
    int | None, Option(help="Requests of all workers under way at a model server.", min=1, show_default="8")
]
PRICE = Annotated[str | None, Option(help="Cost of a million tokens asked/answered (0.25/2), to tell what was spent.")]


def catalogue(
    films: FILMS,
    out: OUT,
    workers: WORKERS = 1,
    together: TOGETHER = 1,
    ray: RAY = False,
    captioners: CAPTIONERS = None,
    model: MODEL = None,
    in_flight: IN_FLIGHT = None,
    price: PRICE = None,
    frames: FRAMES = None,
    four_bit: FOUR_BIT = False,
    adapter: ADAPTER = None,
    cast: CAST = None,
    formats: FORMATS = "vtt,srt,json",
    context: CONTEXT = None,
    names: NAMES = None,
    text: TEXT = None,
    language: LANGUAGE = None,
    audio_language: AUDIO_LANGUAGE = None,
    min_gap: MIN_GAP = None,
    guard: GUARD = None,
    long_talk: LONG = None,
    trust_subtitles: TRUST = None,
    rate: RATE = None,
    style: STYLE = None,
    room: ROOM = None,
    dialogue: DIALOGUE = None,
    neighbours: NEIGHBOURS = None,
    still_size: STILL_SIZE = None,
    two_stage: TWO_STAGE = None,
    yes: AGREED = False,
) -> None:
    """Describe a catalogue: all films of a folder or a list, each to a project in OUT, as `calvin describe` does.

    Stopped or killed, the same command goes on: films that are done are left alone, and those under way are continued.
    A film that cannot be described is reported, and the others go on; the exit code is then 1. OUT gets catalogue.html
    and catalogue.csv, which say what became of each film, and catalogue.jsonl, by which a stopped run goes on.

    A list holds a path a line, from its own folder, and behind a tab the film's subtitles, if they are elsewhere.

    Examples:

        calvin catalogue films -o described

        calvin catalogue films -o described --workers 4

        calvin catalogue films.txt -o described --model qwen3-vl --together 8

        calvin catalogue films -o described --workers 32 --ray

        calvin catalogue films -o described --model openai:https://ai.example/v1#qwen3-vl --in-flight 16 --price 0.2/1
    """
    from calvin.captioners.spending import Price
    from calvin.studio.catalogue.catalogue_run import catalogue as carry_out
    from calvin.studio.catalogue.film_work import CatalogueWish
    from calvin.studio.project.describe_settings import lasting_name

    values: dict[str, object] = {"context": context, "words_per_minute": rate, "names": names, "screen_text": text}
    values |= {"language": language, "audio_language": audio_language}
    values["prompt"] = prompt_wish(None, style, room, dialogue, neighbours, still_size)
    asked = describe_wish(formats, plan_wish(min_gap, guard, long_talk, trust_subtitles), values)
    paid = Price.parse(price) if price is not None else None
    model, tuned, people = lasting_name(settled(model)), lasting_name(adapter), lasting_name(cast)
    replace = bool(model or tuned or yes)
    wish = CatalogueWish(asked, model, frames, four_bit, bool(two_stage), tuned, people, replace=replace, fetch=yes)
    with ProgressView() as progress:
        made = carry_out(
            films, out, wish, workers=workers, together=together, in_flight=in_flight, ray=ray, captioners=captioners,
            price=paid, listener=progress,
        )  # fmt: skip
    raise typer.Exit(_report(made))


def _report(made: CatalogueReport) -> int:
    """Say what became of the films; the exit code."""
    say(made.summary)
    for path in made.files:
        say(f"  {path}")
    for row in made.rows:
        remarks = " ".join(row.remarks)
        if row.state == "failed":
            warn(f"Error: {'' if row.entry.film.name in remarks else f'{row.entry.film}: '}{remarks}")
        elif row.state == "the same film":
            warn(f"Note on {row.entry.film}: {remarks}")
    return 1 if made.counts("failed") else 0
