"""`calvin score`: captions of any system, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from calvin.cli.captioner import YES
from calvin.cli.console import warn
from calvin.cli.evaluate import (
    JUDGE,
    JUDGE_PROMPT,
    WANTED,
    check_names,
    free_for_results,
    open_judges,
    score_and_show,
)

if TYPE_CHECKING:
    from calvin.evaluation.results import Results


def score(
    predictions: Annotated[Path, Argument(help="Captions (CSV, JSON, JSON lines, text), or a results folder.")],
    references: Annotated[Path | None, Argument(help="References; not needed if the first file holds both.")] = None,
    metrics: WANTED = None,
    characters: Annotated[Path | None, Option(help="Cast by film, by which wrong names are counted.")] = None,
    card: Annotated[Path | None, Option(help="JSON with fields of the protocol card that you vouch for.")] = None,
    judge: JUDGE = None,
    judge_prompt: JUDGE_PROMPT = None,
    best_of: Annotated[
        int | None, Option(help="Score the best of so many candidates of each caption too.", min=2, max=64)
    ] = None,
    yes: YES = False,
    allow_empty: Annotated[bool, Option("--allow-empty", help="Let empty captions score 0.")] = False,
    out: Annotated[Path | None, Option("--out", "-o", help="Folder to write results and a report to.")] = None,
) -> None:
    """Score captions against references: any system's, in a file, or those of an earlier `calvin evaluate`.

    Rows are matched by id. If ids stand on one side only, or there are copies, empty captions or rows that cannot be
    read, they are counted and nothing is scored.

    Examples:

        calvin score predictions.csv references.csv

        calvin score runs/evaluation/calvin-mini-puppet-eval-3 --metrics cider,rouge,bleu
    """
    from calvin.core.errors import UsageError
    from calvin.evaluation.results import load_results

    judges = open_judges(judge, judge_prompt, yes)
    check_names(metrics, judges)
    free_for_results(out)
    if predictions.is_dir():
        if references is not None:
            raise UsageError(f"{predictions} is a folder of results, which holds its references: leave them out.")
        given = {"--characters": characters, "--card": card, "--allow-empty": allow_empty or None, "--out": out}
        if unused := " and ".join(name for name, value in given.items() if value is not None):
            raise UsageError(
                f"{predictions} is a folder of results, scored as it stands and in place: leave {unused} out."
            )
        results = load_results(predictions)
    else:
        results = read_results(predictions, references or predictions, characters, card, allow_empty)
        if out is not None:
            save_as(results, out)
    if best_of is not None and not predictions.is_dir():
        raise UsageError("--best-of goes with a folder of results, which holds the candidates of each caption.")
    if results.folder is None:  # before the work, which can be long, and so that the scores stand last
        warn("Give --out FOLDER to keep the scores, with a report of every scene.")
    score_and_show(results, metrics, judges, best_of)


def read_results(
    predictions: Path, references: Path, characters: Path | None, card: Path | None, allow_empty: bool
) -> Results:
    """The results of a system that is known by its caption files."""
    from calvin.core.errors import DataError
    from calvin.data.readers.text_files import read_json
    from calvin.evaluation.evaluate import from_files
    from calvin.evaluation.names import read_cast
    from calvin.evaluation.tables import read_captions

    given = read_captions(references, "reference")
    names = read_cast(characters, [text for _, text in given.rows])[1] if characters else None
    stated: Any = read_json(card) if card else {}
    if not isinstance(stated, dict):
        raise DataError(f"{card} is not a protocol card: an object with fields such as split and context is expected.")
    return from_files(read_captions(predictions, "prediction"), given, stated, names, allow_empty)


def save_as(results: Results, folder: Path) -> None:
    """Give results a folder, with the captions in it."""
    from calvin.evaluation.results import claim
    from calvin.evaluation.scenes import CaptionStore

    results.folder = folder
    claim(results)
    store = CaptionStore(folder / "captions.jsonl")
    store.add([caption for key, caption in results.captions.items() if key not in store.kept])
