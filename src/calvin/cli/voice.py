"""`calvin voice`: the cues of a project, spoken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.console import ProgressView, say, warn

if TYPE_CHECKING:
    from calvin.studio.sound.spoken import VoiceReport


def voice(
    project: Annotated[Path, typer.Argument(help="Project folder.", show_default=False)],
    name: Annotated[
        str | None,
        typer.Option(
            "--voice",
            help="piper, espeak, espeak:LANGUAGE, or a Piper voice (.onnx).",
            show_default="the best installed",
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Words a minute.", min=60, max=400)] = 160,
    level: Annotated[float, typer.Option(help="Loudness of each cue, in LUFS.", min=-40, max=-10)] = -23,
    pronunciation: Annotated[
        Path | None,
        typer.Option(help="CSV: a name, and how to write it to have it said right.", show_default="in the project"),
    ] = None,
) -> None:
    """Speak the cues of a project; only those that changed since the last time are spoken anew.

    Examples:

        calvin voice film.calvin

        calvin voice film.calvin --voice espeak:de --rate 150 --pronunciation names.csv
    """
    from calvin.studio.sound.spoken import VoiceSettings, voice_project

    settings = VoiceSettings.load({"rate": rate, "lufs": level}, "voice")
    with ProgressView() as progress:
        report = voice_project(project, name, settings, pronunciation, progress)
    say(f"{project}: {report.made} cues spoken by {report.voice}, {report.kept} kept")
    tell(report)


def tell(report: VoiceReport) -> None:
    """Say which cues the voice takes too long for, and what became of them."""
    told = {
        "were too long when spoken and got other words that fit": report.reworded,
        "are too long when spoken: the film is to pause for them (`extended`)": report.paused,
        "stay as a person wrote them, though they take longer to say than their gap lasts": [
            late.cue.id for late in report.late
        ],
    }
    for what, ids in told.items():
        if ids:
            warn(f"Note: cues {', '.join(ids[:5])}{' and more' if len(ids) > 5 else ''} {what}.")
