"""`calvin evaluate MODEL`: caption a data set, score it, and show it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from calvin.captioners.decoding_rules import DECODING_HELP, GUARDED
from calvin.cli.asking import TWO_STAGE
from calvin.cli.captioner import FOUR_BIT, MODEL_HELP, YES
from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.core.errors import UsageError
from calvin.core.text_tables import counted
from calvin.data.readers.registry import READERS
from calvin.evaluation.metrics.registry import METRICS, USUAL

if TYPE_CHECKING:
    from calvin.captioners.base import OpenOptions
    from calvin.evaluation.evaluate import Judge
    from calvin.evaluation.results import Results
    from calvin.evaluation.scenes import Context
    from calvin.evaluation.scoring import Judges
    from calvin.lab.evaluation_sets import DataOptions

BEAMS = Annotated[int | None, Option(help="Beams of a CALVIN's search.", min=1, max=64, show_default="5")]
TEMPERATURE = Annotated[
    float | None, Option(help="Divides the logits that its beams are scored by.", min=0.01, show_default="1")
]
DECODING = Annotated[str | None, Option(help=f"Its rules: {DECODING_HELP}", show_default=GUARDED)]
ADAPTER = Annotated[Path | None, Option("--adapter", "-a", help="Folder that `calvin adapt` made for the model.")]
CONTEXT = Annotated[
    str | None,
    Option(
        "--context",
        "-c",
        help="none, a number of scenes, entities-oracle or entities-bank.",
        show_default="none, or what the adapter was trained with",
    ),
]
WANTED = Annotated[
    str | None, Option(help=f"{METRICS.listed()}, with commas.", show_default=f"{', '.join(USUAL)}, if installed")
]

DATA = Annotated[
    str,
    Option("--data", "-d", help="puppet-eval, puppet-zero, puppets:SEED, mad-named, tvc, cmd-ad, tv-ad or a file."),
]
CORRECT_EVERY = Annotated[
    int | None, Option(help="With --own: the first caption of a film, and each N-th after it, is corrected.", min=1)
]
MOST_FRAMES = Annotated[
    int | None, Option(help="The most frames per scene.", min=1, max=64, show_default="32, or the model's own")
]
JUDGE = Annotated[
    list[str] | None,
    Option(help="Model for llm-ad-eval, story-recall and ratings; twice for two, with their agreement."),
]
JUDGE_PROMPT = Annotated[
    Path | None, Option(help="What llm-ad-eval asks, with {reference} and {caption}.", show_default="ours")
]


def evaluate(
    model: Annotated[str, Argument(help=MODEL_HELP)],
    data: DATA = "puppet-eval",
    context: CONTEXT = None,
    own: Annotated[bool, Option("--own", help="Context from the model's own captions, not the references.")] = False,
    correct_every: CORRECT_EVERY = None,
    names: Annotated[
        str | None,
        Option(help="known: only who was introduced is named; free: anybody.", show_default="known with --own"),
    ] = None,
    annotations: Annotated[
        Path | None, Option(help="Annotations of mad-named, cmd-ad, tv-ad (CSV) or tvc (JSON lines).")
    ] = None,
    format: Annotated[str | None, Option(help=f"Format of the annotations: {READERS.listed()}.")] = None,
    features: Annotated[Path | None, Option(help="Stored frame vectors, .h5 or .safetensors.")] = None,
    encoder: Annotated[str | None, Option(help="The encoder of features that do not name theirs (MAD's).")] = None,
    films: Annotated[Path | None, Option(help="Folder of the films or clips, named by their ids.")] = None,
    stills_at: Annotated[float | None, Option(help="For folders of stills: how many per second (TVC: 3).")] = None,
    characters: Annotated[Path | None, Option(help="Cast by film, in the form of MAD's character bank.")] = None,
    entities: Annotated[
        Path | None, Option(help="Who is in each scene, for entities-bank (JSON lines, or AutoAD-Zero's CSV).")
    ] = None,
    question: Annotated[str | None, Option(help="What to ask.", show_default="Describe this visual.")] = None,
    frames: MOST_FRAMES = None,
    adapter: ADAPTER = None,
    beams: BEAMS = None,
    temperature: TEMPERATURE = None,
    decoding: DECODING = None,
    yes: YES = False,
    four_bit: FOUR_BIT = False,
    two_stage: TWO_STAGE = None,
    limit: Annotated[int | None, Option(help="Evaluate only this many scenes, the first ones.", min=1)] = None,
    metrics: WANTED = None,
    judge: JUDGE = None,
    judge_prompt: JUDGE_PROMPT = None,
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

        calvin evaluate my-model --data eval.csv --features eval.h5 --decoding paper --beams 5 --temperature 0.7

        calvin evaluate my-model --data tvc --annotations tvc_val.jsonl --films frames --stills-at 3 -c entities-oracle
    """
    from calvin.captioners.decoding import CaptionDecoding
    from calvin.cli.captioner import opening
    from calvin.core.prompts import EVALUATION_QUESTION
    from calvin.evaluation.scenes import Context
    from calvin.lab.evaluation_sets import DataOptions
    from calvin.studio.project.describe_settings import checked_names

    # Everything that can be refused is, before a model is opened: captions may take hours.
    judges = open_judges(judge, judge_prompt, yes)
    check_names(metrics, judges)
    held = checked_names(names or ("known" if own else "free")) == "known"
    chosen = Context.parse(context or "none", "own" if own else "references", correct_every or 0, held)
    options = DataOptions(
        data, annotations, format, features, encoder, films, stills_at, characters, entities, frames or 32, limit
    )
    options.check(chosen)
    free_for_results(out)
    searched = CaptionDecoding.named(decoding, beams, temperature)
    opened = replace(opening(yes, frames, four_bit, bool(two_stage)), decoding=searched)
    asked = Asked(options, chosen, question or EVALUATION_QUESTION, context is not None)
    score_and_show(caption(model, opened, adapter, asked, out), metrics, judges)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a model is asked about: the data, the context (`stated`, or by default) and the question."""

    data: DataOptions
    context: Context
    question: str
    stated: bool


def caption(model: str, opened: OpenOptions, adapter: Path | None, asked: Asked, out: Path | None) -> Results:
    """The captions of a data set, kept in `out` or in a folder named by what was asked."""
    from calvin.captioners.adapted import adapter_context, with_adapter
    from calvin.captioners.registry import open_captioner
    from calvin.cli.captioner import settled
    from calvin.evaluation.evaluate import evaluate as run
    from calvin.evaluation.evaluate import system_name, system_of
    from calvin.evaluation.results import refuse_other
    from calvin.lab.evaluation_sets import make_job

    with with_adapter(open_captioner(settled(model), opened), adapter) as captioner, ProgressView() as progress:
        context, trained = asked.context, adapter_context(captioner)
        if trained is not None and not asked.stated:
            context = replace(context, count=trained)
        if out is not None:
            details = captioner.info.details
            facts = {name: details.get(name, "") for name in ("beams", "temperature", "decoding")}
            refuse_other(
                out, system_of(captioner, context), {"context": context.words, "question": asked.question} | facts
            )
        job = make_job(asked.data, context, asked.question, captioner, progress)
        search = opened.decoding.label if opened.decoding else ""
        name = "-".join(filter(None, (system_name(captioner), job.split, context.label, search)))
        folder = out or Path("runs", "evaluation", re.sub(r"[^\w.-]+", "_", name))
        return run(captioner, job, folder, progress)


def metric_names(metrics: str | None) -> list[str] | None:
    """The names given to `--metrics`; None: the usual ones."""
    if metrics is None:
        return None
    words = [word.strip().lower() for word in metrics.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{metrics!r} names no metric: choose from {METRICS.listed()}.")
    return words


def free_for_results(out: Path | None) -> None:
    """Refuse a place for results that is taken by a file, before anything is done."""
    if out is not None and out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file: give --out a folder.")


def check_names(metrics: str | None, judges: Judges | None = None) -> None:
    """Refuse metrics that are unknown or not installed before anything is done."""
    from calvin.evaluation.scoring import check_metrics

    if named := metric_names(metrics):
        check_metrics(named, judges)


def open_judges(models: list[str] | None, prompt: Path | None, yes: bool) -> Judges | None:
    """The models that judge, opened before anything is done.

    Raises:
        UsageError: one that does not answer questions, such as a CALVIN, or a prompt without one.
    """
    if not models:
        if prompt is not None:
            raise UsageError("--judge-prompt is what a judge is asked: add --judge.")
        return None
    from calvin.captioners.registry import open_captioner
    from calvin.cli.captioner import opening
    from calvin.evaluation.metrics.judged import read_prompt
    from calvin.evaluation.scoring import Judges

    text = read_prompt(prompt) if prompt is not None else None
    opened = []
    for model in dict.fromkeys(models):
        captioner = open_captioner(model, opening(yes))
        if not hasattr(captioner, "complete"):
            raise UsageError(f"{model} only captions: a judge is a model server (openai:URL#NAME) or blind:MODEL.")
        opened.append(AskedModel(captioner.info.name, captioner.info.fingerprint, captioner.complete))
    return Judges(tuple(opened), text)


@dataclass(frozen=True, slots=True)
class AskedModel:
    """A captioner as a judge."""

    name: str
    fingerprint: str
    complete: Callable[[str], str]


def score_and_show(
    results: Results, metrics: str | None, judges: Judges | None = None, best: int | None = None
) -> None:
    """Score results, write them where they have a folder, and print the table."""
    from calvin.evaluation.evaluate import finish
    from calvin.evaluation.results import score_table

    judge: Judge | None = None
    if any(scene.truth is not None for scene in results.scenes):
        from calvin.lab.evaluation_sets import judge  # loads torch, which most scores do without

    with ProgressView() as progress:
        finish(results, metric_names(metrics), judge, listener=progress, judges=judges, best=best)
    split = f" of {results.card.split}" if results.card.split else ""
    say(f"{results.name}: {counted(results.card.scenes, 'scene')}{split}")
    say(f"References {results.card.references_sha256[:12]}, context: {results.card.context or 'not stated'}\n")
    say(score_table(results.scores))
    for word, why in results.scores.skipped.items():
        warn(f"Not computed: {word}: {why}")
    warn_all(results.notes)
    if results.folder is not None:
        warn(f"Results and pictures: {results.folder / 'report.html'}")
