"""`calvin mix`: a film with audio description that plays."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import ProgressView, say, warn


class Channels(StrEnum):
    STEREO = "stereo"
    SURROUND = "5.1"


def mix(
    project: Annotated[Path, typer.Argument(help="Project folder, after `calvin voice`.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--out", "-o", help="Film: .mkv, .mp4, .mov, .webm. Sound: .wav, .m4a, .mka.")
    ],
    extended: Annotated[
        bool, typer.Option("--extended", help="The film pauses where a cue needs more time than there is.")
    ] = False,
    channels: Annotated[Channels, typer.Option(help="5.1 only where the film has it.")] = Channels.STEREO,
    duck: Annotated[float, typer.Option(help="How far the film is turned down, in dB.", min=-60, max=0)] = -8,
    language: Annotated[str | None, typer.Option(help="The film's sound track to mix with, such as en.")] = None,
    film: Annotated[Path | None, typer.Option(help="Where the film is now, if it was moved.")] = None,
) -> None:
    """Mix the spoken cues into the film: its streams untouched, the described sound as a second track.

    The result is opened again and checked before it is kept: each cue must be heard, all else be as it was.

    Examples:

        calvin mix film.calvin -o film.ad.mkv

        calvin mix film.calvin -o "Film.Audio Description.eng.m4a"

        calvin mix film.calvin -o film.extended.mp4 --extended
    """
    from calvin.media.sound.ducking import MixSettings
    from calvin.studio.sound.mixing import mix_project

    settings = MixSettings.load({"duck_db": duck, "layout": channels.value}, "mix")
    with ProgressView() as progress:
        report = mix_project(project, output, settings, extended, language, film, progress)
    pauses = f", {report.pauses} pauses" if extended else ""
    say(f"{report.cues} cues{pauses}, true peak {report.peak_db:.1f} dB; checked: every cue is heard")
    for path in report.files:
        say(f"  {path}")
    for note in report.notes:
        warn(f"Note: {note}")
