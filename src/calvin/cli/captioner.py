"""Options of commands that take any captioner, and asking before a model is fetched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from calvin.captioners.base import OpenOptions
from calvin.captioners.hub import HubModel
from calvin.captioners.registry import AUTO, CAPTIONERS
from calvin.cli.console import warn

MODEL_HELP = f"{'; '.join(CAPTIONERS.abouts())}; auto for the best here.".replace("a model", "A model", 1)
YES = Annotated[bool, Option("--yes", "-y", help="Fetch the model from the hub without asking.")]
ADAPTED = Annotated[str | None, Option("--model", "-m", help="The CALVIN to adapt.", show_default="bundled")]
LESSONS = Annotated[Path | None, Option(help="From `calvin data regularisation`.", show_default="bundled")]
LEARNING_RATE = Annotated[float | None, Option(help="Learning rate.", show_default="1e-5, more for small models")]
FRAMES = Annotated[int | None, Option(help="The most stills per scene, for video LLMs and servers.", min=1, max=64)]
FOUR_BIT = Annotated[bool, Option("--four-bit", help="Load a video LLM in four bits (needs bitsandbytes).")]


def opening(
    yes: bool = False, frames: int | None = None, four_bit: bool = False, two_stages: bool = False
) -> OpenOptions:
    """How to open a captioner. Before a model is fetched, its size and licence are shown and somebody has to agree."""

    def agree(model: HubModel) -> bool:
        warn(f"To be fetched from the hub: {model}")
        return yes or (sys.stdin.isatty() and typer.confirm("Fetch it?", err=True))

    return OpenOptions(agree, frames, four_bit, two_stages)


def settled(model: str | None) -> str | None:
    """The model named; for `auto` the best that is at hand, which is told with the reason."""
    if model != AUTO or Path(AUTO).exists():
        return model
    from calvin.captioners.at_hand import best

    chosen, why = best()
    warn(f"Model: {chosen.model}, because {why}.")
    return chosen.model


def at_hand(source: str, yes: bool) -> str:
    """A model's folder or file, by path or bundled name. One on a hub is fetched first, if somebody agrees."""
    from calvin.captioners.hub import find_model

    return source if Path(source).exists() else str(find_model(source, opening(yes).agree))
