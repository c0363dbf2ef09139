"""`calvin import` and `calvin export`: a script from a file into its project, and out of it."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.cli.undo_approve import renewed
from calvin.studio.script.writers import READABLE, WRITERS

RATES = "25, 23.976, 29.97df for drop-frame"
FORMATS = Annotated[str, typer.Option("--format", "-f", help=f"What to write: {WRITERS.listed()}.")]


class TimeCodes(StrEnum):
    """How times are written: as the film's own, or as codes that count frames."""

    MEDIA = "media"
    SMPTE = "smpte"


def import_script(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    edited: Annotated[Path, typer.Argument(help=f"Script: {READABLE}.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Make the changes without asking.")] = False,
    language: Annotated[
        str | None, typer.Option("--language", help="Language of the description, such as de.", show_default="kept")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove cues that are not in the file.")] = False,
    retime: Annotated[
        bool, typer.Option("--retime", help="Allow cues to move by whole hours, or all of them at once.")
    ] = False,
    frame_rate: Annotated[
        str | None,
        typer.Option("--frame-rate", help=f"For times such as 00:00:01:12: {RATES}.", show_default="the film's"),
    ] = None,
    starts_at: Annotated[
        str | None,
        typer.Option(
            "--starts-at", help="Time code of the film's first frame, such as 10:00:00:00.", show_default="found out"
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Encoding of the file, such as cp1250.", show_default="detected")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="Sheet of a workbook.", show_default="the one with a script")
    ] = None,
) -> None:
    """Bring an edited script, or one from another tool, into a project.

    Lines are matched with cues by id, else by time. Words that you changed count as yours and are approved; a change
    of times alone approves nothing. You see the changes first, and nothing is written until you agree or give `--yes`.

    Examples:

        calvin import film.calvin film.calvin/film.vtt

        calvin import film.calvin from-the-describer.csv --yes

        calvin import film.calvin from-the-narrator.xlsx --sheet "Reel 2"

        calvin import film.calvin translated.vtt --language de

        calvin import film.calvin from-the-studio.csv --starts-at 10:00:00:00 --frame-rate 29.97df
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.human_words import apply_plan, plan_import
    from calvin.studio.sound.imported_sounds import imported_sounds, keep_sounds

    with ProjectStore(project) as store, TemporaryDirectory() as parts:
        plan = plan_import(store, edited, remove, language, retime, encoding, frame_rate, starts_at, sheet)
        for line in plan.lines():
            say(line)
        sounds = imported_sounds(store, plan, edited.parent, Path(parts))
        if sounds.files:
            say(sounds.in_words)
        warn_all([*plan.notes, *sounds.notes])
        if not (plan.changes_anything or sounds.files):
            return
        if not (yes or (sys.stdin.isatty() and typer.confirm("Make these changes?"))):
            warn("Nothing was written: give --yes to make these changes.")
            raise typer.Exit(1)
        exported = apply_plan(store, plan, partial(keep_sounds, store, sounds))
    say(f"Imported; `calvin undo {project}` takes it back.")
    renewed(exported)


def export(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    formats: FORMATS = "vtt,srt,json",
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to write to.", show_default="the project")
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(help="For html: the film to play, if it has moved, or a copy that browsers play."),
    ] = None,
    timecode: Annotated[
        TimeCodes | None,
        typer.Option("--timecode", help="How files for people tell the time.", show_default="as before, else media"),
    ] = None,
    starts_at: Annotated[
        str | None,
        typer.Option(
            "--starts-at",
            help="Time code of the film's first frame, such as 10:00:00:00.",
            show_default="as imported, else the film's own",
        ),
    ] = None,
    frame_rate: Annotated[
        str | None,
        typer.Option("--frame-rate", help=f"For smpte: {RATES}.", show_default="as imported, else the film's"),
    ] = None,
) -> None:
    """Write the script of a project as it stands.

    If a file of that name is there and calvin did not write it, or it was edited since, it is kept under another name.

    `html` makes the listening page, a folder FILM.listen: open its index.html in any browser. Each description is said
    by the project's voice (run `calvin voice` first), by a voice of the computer or by a screen reader, and the film
    waits where one takes longer. `transcript` is what is said and described in a film, as a page to read.

    `xlsx` and `docx` are for narrators and describers, and come back by `calvin import`. `edl`, `fcpxml` and `otio` are
    for editing programs, `reaper`, `audition` and `audacity` for sound programs.

    With `--timecode smpte`, times are codes of the programme that count frames, such as 10:00:01:12; `--timecode media`
    goes back to the film's own time. Subtitle files are for players and always tell the film's.

    Examples:

        calvin export film.calvin --format vtt,dapt,csv

        calvin export film.calvin --format docx,xlsx -o for-the-narrator

        calvin export film.calvin --format edl,reaper

        calvin export film.calvin --format html,transcript

        calvin export film.calvin --format csv --timecode smpte --starts-at 10:00:00:00
    """
    from calvin.studio.project.store import ProjectStore
    from calvin.studio.script.page_media import foretold_size
    from calvin.studio.script.programme_start import set_clock
    from calvin.studio.script.script_files import export_script, export_targets
    from calvin.studio.script.writers import FolderWriter, find_writers

    writers = find_writers(formats.split(","))
    with ProjectStore(project, or_look=True) as store, ProgressView() as progress:
        set_clock(store, timecode, starts_at, frame_rate)
        for path, writer in export_targets(store, writers, out_dir):
            if isinstance(writer, FolderWriter) and writer.plays_film:
                say(foretold_size(store, path.parent, film))
        exported = export_script(store, writers, out_dir, leave_edited=True, film=film, listener=progress)
    for path in exported.files:
        say(str(path))
    warn_all(exported.notes)
