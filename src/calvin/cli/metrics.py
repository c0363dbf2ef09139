"""`calvin metrics`: what scoring needs besides Python, and measures that are not of single captions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from calvin.cli.console import say

app = typer.Typer(help="Set up caption metrics, and measure what is not a single caption.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Set up caption metrics, and measure what is not a single caption."""


@app.command("install-spice")
def install_spice(
    sources: Annotated[list[Path], Argument(help="Folders, zips or jars with Stanford CoreNLP 3.6.0 and its models.")],
) -> None:
    """Copy the Java archives that SPICE needs to where calvin looks for them, and check each by its checksum.

    Example:

        calvin metrics install-spice stanford-corenlp-full-2015-12-09.zip
    """
    from calvin.evaluation.metrics.spice import install_spice as install

    for path in install(sources):
        say(str(path))


@app.command("ratings")
def ratings(
    table: Annotated[Path, Argument(help="CSV with the columns id, rater and accuracy, choice, people, ...")],
) -> None:
    """Ratings of captions by people: the mean of each dimension, and how far the raters agree.

    Dimensions are accuracy, choice, people, wording, neutrality and continuity, each from 1 (bad) to 5 (good); a cell
    may be empty. Agreement is Krippendorff's alpha for equal steps: 1 is perfect, 0 what chance gives. A model rates by
    the same dimensions with `calvin score --metrics ratings --judge MODEL`.

    Example:

        calvin metrics ratings ratings.csv
    """
    from calvin.evaluation.raters import DIMENSIONS, read_ratings, summarised
    from calvin.evaluation.results import aligned

    rows = [["dimension", "mean", "ratings", "alpha"]]
    for one in summarised(read_ratings(table)):
        rows.append(
            [one.dimension, f"{one.mean:.2f}", str(one.ratings), "" if one.alpha is None else f"{one.alpha:.3f}"]
        )
        say(f"{one.dimension}: {DIMENSIONS[one.dimension]}")
    say("\n" + aligned(rows))
