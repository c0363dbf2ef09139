"""`calvin metrics`: what scoring needs besides Python, and measures that are not of single captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from calvin.cli.captioner import YES
from calvin.cli.console import say, warn

if TYPE_CHECKING:
    from calvin.evaluation.results import Results
    from calvin.evaluation.story_questions import StoryQuestion, StoryReader

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
    before: Annotated[str, Option(help="Sentences that the listener is given, with commas.")] = "1,3,8,20",
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
    from calvin.core.errors import UsageError
    from calvin.evaluation.results import aligned, load_results
    from calvin.evaluation.story_questions import ask_story, chance, read_questions, write_questions

    counts = [int(word) for word in before.split(",") if word.strip().isdigit()]
    if not counts or len(counts) != len(before.split(",")) or min(counts) < 1:
        raise UsageError(f"--before is numbers of sentences such as 1,3,8, not {before!r}.")
    loaded = [load_results(path) for path in systems]
    listener = _reader(reader, yes)
    asked = read_questions(file) if file is not None else _made(loaded[0])
    if write is not None:
        write_questions(write, asked)
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
