"""`calvin metrics`: what scoring needs besides Python, and measures that are not of single captions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from calvin.cli.captioner import MODEL_HELP, YES
from calvin.cli.console import say, warn

if TYPE_CHECKING:
    from calvin.evaluation.results import Results
    from calvin.evaluation.story_questions import StoryQuestion, StoryReader

BEFORE = Annotated[str, Option(help="Sentences that the listener is given, with commas.")]

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


@app.command("detection")
def detection(
    script: Annotated[Path, Argument(help="Script whose times are judged, in any format that `import` reads.")],
    human: Annotated[Path, Argument(help="Script by a person, of the same film.")],
    subtitles: Annotated[Path | None, Option("--subtitles", "-s", help="The dialogue, to count by gap too.")] = None,
) -> None:
    """When a script describes, against when a person did: precision, recall and F1.

    Two cues fall together if they share at least half of the shorter one. With the dialogue, each gap of at least a
    second is told apart by whether it holds description, of all gaps and by length.

    Example:

        calvin metrics detection film.ad.vtt human.csv --subtitles film.srt
    """
    from calvin.evaluation.detection import detection as compared
    from calvin.evaluation.results import aligned
    from calvin.media.subtitles import read_subtitles
    from calvin.studio.script.script_lines import read_script

    ours, theirs = ([line.span for line in read_script(path).lines] for path in (script, human))
    dialogue = [line.span for line in read_subtitles(subtitles).lines] if subtitles is not None else []
    rows = [["", "both", "this script", "person", "precision", "recall", "F1"]]
    for one in compared(ours, theirs, dialogue):
        shares = ("" if share is None else f"{100 * share:.1f}" for share in (one.precision, one.recall, one.f1))
        rows.append([one.name, str(one.hits), str(one.predicted), str(one.given), *shares])
    say(aligned(rows))


@app.command("questions")
def questions(
    systems: Annotated[list[Path], Argument(help="Folders of results of `calvin evaluate`, on the same films.")],
    file: Annotated[
        Path | None, Option("--questions", help="Questions, JSON lines.", show_default="made of what puppets do")
    ] = None,
    before: BEFORE = "1,3,8,20",
    reader: Annotated[
        str | None,
        Option(help="Model that listens and answers, as for --judge.", show_default="rules for puppet films"),
    ] = None,
    write: Annotated[Path | None, Option(help="Write the questions to a file.")] = None,
    yes: YES = False,
) -> None:
    """Questions about the story, answered from description alone: of each system, of the references, and by guessing.

    A question is asked just before a scene, of the sentences before it. On puppet films questions are made of what
    happens (who has the lamp now? where was Otto last seen? what did Mara do last?), and a listener who knows the
    puppets' phrases needs no model; it never guesses, so it may stay below chance.

    Examples:

        calvin metrics questions runs/evaluation/calvin-mini-puppet-eval-3

        calvin metrics questions ours theirs --questions q.jsonl --reader openai:http://127.0.0.1:8080/v1#qwen
    """
    from calvin.evaluation.results import load_results
    from calvin.evaluation.story_questions import read_questions, write_questions

    counts = _counts(before)
    loaded = [load_results(path) for path in systems]
    listener = _reader(reader, yes)
    asked = read_questions(file) if file is not None else _made(loaded[0])
    if write is not None:
        write_questions(write, asked)
    _show_story(loaded, asked, listener, counts)


@app.command("story")
def story(
    models: Annotated[list[str] | None, Argument(help=MODEL_HELP, show_default="calvin-mini and blind:smollm2")] = None,
    films: Annotated[int, Option(help="Puppet films, of twenty scenes each.", min=1, max=10)] = 3,
    seed: Annotated[int, Option(help="The films are drawn from it; none is a training film.", min=0)] = 4711,
    context: Annotated[
        str, Option("--context", "-c", help="none, a number of scenes, or entities-oracle: who is there is known.")
    ] = "entities-oracle",
    own: Annotated[bool, Option("--own", help="Context from the model's own captions, not the references.")] = False,
    correct_every: Annotated[
        int | None, Option(help="With --own: the first caption of a film, and each N-th after it, is corrected.", min=1)
    ] = None,
    before: BEFORE = "1,3,8,20",
    yes: YES = False,
) -> None:
    """Do the scripts of several models tell a listener the story? On freshly drawn puppet films, side by side.

    Each model describes the films; then the questions of `calvin metrics questions` are asked of its script, of the
    references and of nothing (guessing). By default that is the bundled model and one that sees nothing of the film and
    guesses from its context: what this one scores can be had without looking. Captions are kept as those of `calvin
    evaluate` are, in runs/evaluation, so that a run that was stopped goes on.

    Examples:

        calvin metrics story

        calvin metrics story calvin-mini my-model blind:smollm2 --films 5 --context 3 --own --correct-every 10
    """
    from calvin.cli.captioner import opening
    from calvin.cli.evaluate import Asked, caption
    from calvin.core.prompts import EVALUATION_QUESTION
    from calvin.evaluation.scenes import Context
    from calvin.lab.evaluation_sets import PUPPET_SIZES, DataOptions
    from calvin.lab.puppet_questions import PuppetReader

    counts = _counts(before)
    chosen = Context.parse(context, "own" if own else "references", correct_every or 0, held=own)
    options = DataOptions(f"puppets:{seed}", limit=films * PUPPET_SIZES.scenes)
    options.check(chosen)
    asked = Asked(options, chosen, EVALUATION_QUESTION, stated=True)
    named = list(dict.fromkeys(models or ("calvin-mini", "blind:smollm2")))
    made = [caption(model, opening(yes), None, asked, None) for model in named]
    _show_story(made, _made(made[0]), PuppetReader(), counts)


def _counts(before: str) -> list[int]:
    from calvin.core.errors import UsageError

    counts = [int(word) for word in before.split(",") if word.strip().isdigit()]
    if not counts or len(counts) != len(before.split(",")) or min(counts) < 1:
        raise UsageError(f"--before is numbers of sentences such as 1,3,8, not {before!r}.")
    return counts


def _show_story(
    loaded: Sequence[Results], asked: Sequence[StoryQuestion], listener: StoryReader, counts: Sequence[int]
) -> None:
    """What was answered right of each system's captions, of the references, and by guessing."""
    from calvin.evaluation.results import aligned
    from calvin.evaluation.story_questions import ask_story, chance

    first = loaded[0]
    texts = [(one.name, {key: caption.text for key, caption in one.captions.items()}, one) for one in loaded]
    texts.append(("the references", {scene.id: scene.references[0] for scene in first.scenes}, first))
    scores = []
    for name, said, one in texts:
        films: dict[str, list[tuple[str, str]]] = {}
        for scene in one.scenes:
            films.setdefault(scene.movie, []).append((scene.id, said[scene.id]))
        scores.append(ask_story(name, asked, films, listener, counts))
    kinds = list(scores[0].kinds)
    rows = [["answered right", *(f"{n} before" for n in counts), *(f"{kind}?" for kind in kinds)]]
    for score in scores:
        parts = (score.kinds[kind] for kind in kinds)
        rows.append(
            [score.system, *(f"{score.share(n):.1f}" for n in counts), *(f"{100 * a / b:.1f}" for a, b in parts)]
        )
    rows.append(
        ["by guessing", *([f"{chance(asked):.1f}"] * len(counts)),
         *(f"{chance([q for q in asked if q.kind == kind]):.1f}" for kind in kinds)]
    )  # fmt: skip
    warn(f"{len(asked)} questions, listener: {listener.name}; columns by kind are with {max(counts)} before.")
    say(aligned(rows))


def _made(results: Results) -> list[StoryQuestion]:
    """Questions about puppet films, from the truth that their results hold."""
    from calvin.core.errors import UsageError
    from calvin.lab.puppet_questions import puppet_questions
    from calvin.puppets.truth import SceneTruth

    films: dict[str, list[tuple[str, SceneTruth]]] = {}
    for scene in results.scenes:
        if scene.truth is None:
            raise UsageError(f"{results.folder} is not of puppet films: give questions about them with --questions.")
        films.setdefault(scene.movie, []).append((scene.id, SceneTruth.from_json(dict(scene.truth))))
    return puppet_questions(films)


def _reader(model: str | None, yes: bool) -> StoryReader:
    from calvin.cli.evaluate import open_judges
    from calvin.evaluation.story_questions import AskingReader
    from calvin.lab.puppet_questions import PuppetReader

    judges = open_judges([model], None, yes) if model else None
    return PuppetReader() if judges is None else AskingReader(judges.models[0])
