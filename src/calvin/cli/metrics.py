"""`calvin metrics`: what the caption metrics need beside Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calvin.cli.console import say

app = typer.Typer(help="Set up caption metrics.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Set up caption metrics."""


@app.command("install-spice")
def install_spice(
    sources: Annotated[
        list[Path], typer.Argument(help="Folders, zips or jars that hold Stanford CoreNLP 3.6.0 and its models.")
    ],
) -> None:
    """Copy the Java archives that SPICE needs to where calvin looks for them, each checked by its checksum.

    Example:

        calvin metrics install-spice stanford-corenlp-full-2015-12-09.zip
    """
    from calvin.evaluation.metrics.spice import install_spice as install

    for path in install(sources):
        say(str(path))
