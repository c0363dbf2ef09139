"""`calvin evaluate MODEL`: caption a data set, score it, and show it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from calvin.cli.asking import TWO_STAGE
from calvin.cli.captioner import FOUR_BIT, MODEL_HELP, YES
from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.core.text_tables import counted
from calvin.data.readers.registry import READERS
from calvin.evaluation.metrics.registry import METRICS, USUAL

if TYPE_CHECKING:
    from calvin.evaluation.evaluate import Judge
    from calvin.evaluation.results import Results

WANTED = Annotated[
    str | None, Option(help=f"{METRICS.listed()}, with commas.", show_default=f"{', '.join(USUAL)}, if installed")
]


def evaluate(
    model: Annotated[str, Argument(help=MODEL_HELP)],
    data: Annotated[
        str, Option("--data", "-d", help="puppet-eval, puppets:SEED, mad-named, tvc, or annotations.")
    ] = "puppet-eval",
    context: Annotated[
        str, Option("--context", "-c", help="none, a number of scenes, entities-oracle or entities-bank.")
    ] = "none",
    own: Annotated[bool, Option("--own", help="Context from the model's own captions, not the references.")] = False,
    correct_every: Annotated[
        int | None,
        Option(help="With --own: the first caption of a film, and each N-th after it, is corrected.", min=1),
    ] = None,
    names: Annotated[
        str | None,
        Option(help="known: only who was introduced is named; free: anybody.", show_default="known with --own"),
    ] = None,
    annotations: Annotated[Path | None, Option(help="Annotations of mad-named (CSV) or tvc (JSON lines).")] = None,
    format: Annotated[str | None, Option(help=f"Format of the annotations: {READERS.listed()}.")] = None,
    features: Annotated[Path | None, Option(help="Stored frame vectors, .h5 or .safetensors.")] = None,
    encoder: Annotated[str | None, Option(help="The encoder of features that do not name theirs (MAD's).")] = None,
    films: Annotated[Path | None, Option(help="Folder of the films or clips, named by their ids.")] = None,
    stills_at: Annotated[float | None, Option(help="For folders of stills: how many per second (TVC: 3).")] = None,
    characters: Annotated[Path | None, Option(help="Cast by film, in the form of MAD's character bank.")] = None,
    entities: Annotated[Path | None, Option(help="Who is in each scene, for entities-bank (JSON lines).")] = None,
    question: Annotated[str | None, Option(help="What to ask.", show_default="Describe this visual.")] = None,
    frames: Annotated[
        int | None, Option(help="The most frames per scene.", min=1, max=64, show_default="32, or the model's own")
    ] = None,
    yes: YES = False,
    four_bit: FOUR_BIT = False,
    two_stage: TWO_STAGE = None,
    limit: Annotated[int | None, Option(help="Evaluate only this many scenes, the first ones.", min=1)] = None,
    metrics: WANTED = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Folder of results.", show_default="runs/evaluation/MODEL-DATA-CONTEXT")
    ] = None,
) -> None:
    """Caption a data set, score the captions, and write results and a report with pictures.

    Captions are kept as they come: the same command continues a run that was stopped, and `calvin score FOLDER`
    scores again without the model.

    Examples:

        calvin evaluate calvin-mini --data puppet-eval --context 3

        calvin evaluate calvin-mini --data puppets:4711 --context 3 --own --correct-every 10

        calvin evaluate my-model --data mad-named --annotations mad-eval.csv --features mad.h5 --context 5

        calvin evaluate my-model --data tvc --annotations tvc_val.jsonl --films frames --stills-at 3 -c entities-oracle
    """
    from calvin.captioners import open_captioner
    from calvin.cli.captioner import opening, settled
    from calvin.core.prompts import EVALUATION_QUESTION
    from calvin.evaluation.evaluate import evaluate as run
    from calvin.evaluation.evaluate import system_name
    from calvin.evaluation.scenes import Context
    from calvin.lab.evaluation_sets import DataOptions, make_job
    from calvin.studio.project.describe_settings import checked_names

    held = checked_names(names or ("known" if own else "free")) == "known"
    chosen = Context.parse(context, "own" if own else "references", correct_every or 0, held)
    options = DataOptions(
        data, annotations, format, features, encoder, films, stills_at, characters, entities, frames or 32, limit
    )
    captioner = open_captioner(settled(model), opening(yes, frames, four_bit, bool(two_stage)))
    with ProgressView() as progress:
        job = make_job(options, chosen, question or EVALUATION_QUESTION, captioner, progress)
        name = f"{system_name(captioner)}-{job.split}-{chosen.label}"
        folder = out or Path("runs", "evaluation", re.sub(r"[^\w.-]+", "_", name))
        results = run(captioner, job, folder, progress)
    score_and_show(results, metrics)


def metric_names(metrics: str | None) -> list[str] | None:
    """The names given to `--metrics`; None: the usual ones."""
    return [word.strip().lower() for word in metrics.split(",") if word.strip()] if metrics else None


def score_and_show(results: Results, metrics: str | None) -> None:
    """Score results, write them where they have a folder, and print the table."""
    from calvin.evaluation.evaluate import finish
    from calvin.evaluation.results import score_table

    judge: Judge | None = None
    if any(scene.truth is not None for scene in results.scenes):
        from calvin.lab.evaluation_sets import judge  # loads torch, which most scores do without

    with ProgressView() as progress:
        finish(results, metric_names(metrics), judge, listener=progress)
    split = f" of {results.card.split}" if results.card.split else ""
    say(f"{results.name}: {counted(results.card.scenes, 'scene')}{split}")
    say(f"References {results.card.references_sha256[:12]}, context: {results.card.context or 'not stated'}\n")
    say(score_table(results.scores))
    for word, why in results.scores.skipped.items():
        warn(f"Not computed: {word}: {why}")
    warn_all(results.notes)
    if results.folder is not None:
        warn(f"Results and pictures: {results.folder / 'report.html'}")
