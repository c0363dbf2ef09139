"""`calvin compare`: systems side by side, beside the published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from calvin.cli.console import ProgressView, say, warn, warn_all
from calvin.cli.evaluate import WANTED, check_names, metric_names


def compare(
    systems: Annotated[list[Path], Argument(help="Folders of results, or files of captions.")],
    references: Annotated[Path | None, Option("--references", "-r", help="References of files of captions.")] = None,
    rank: Annotated[bool, Option("--rank", help="Rank systems even where their protocol cards differ.")] = False,
    metrics: WANTED = None,
    scenes: Annotated[int, Option(help="The most scenes on the page, the worst first.", min=1)] = 300,
    out: Annotated[Path, Option("--out", "-o", help="Page to write.")] = Path("comparison.html"),
) -> None:
    """Put systems side by side: scores, paired significance, published numbers, and a page with a column per system.

    Systems are ranked only if their protocol cards agree. On the page, captions that differ from the reference can be
    marked as acceptable, and the marks saved as CSV.

    Examples:

        calvin compare runs/evaluation/calvin-mini-puppet-eval-none runs/evaluation/calvin-mini-puppet-eval-3

        calvin compare ours.csv theirs.json --references references.csv --out page.html
    """
    from calvin.cli.score import read_results
    from calvin.core.errors import UsageError
    from calvin.evaluation.compare import compare as put_together
    from calvin.evaluation.compare import comparison_table
    from calvin.evaluation.evaluate import finish
    from calvin.evaluation.report import write_comparison
    from calvin.evaluation.results import load_results

    # Everything that can be refused is, before anything is scored.
    check_names(metrics)
    if len(systems) < 2:
        raise UsageError("Comparing takes at least two systems.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder: give --out the page to write, such as {out / 'comparison.html'}.")
    loaded = []
    for path in systems:
        if path.is_dir():
            loaded.append(load_results(path))
            if not loaded[-1].scores.measures:
                raise UsageError(f"{path} has no scores yet: run its `calvin evaluate` again, or `calvin score` it.")
            continue
        if references is None:
            raise UsageError(f"{path} is a file of captions: give its references with --references FILE.")
        loaded.append(read_results(path, references, None, None, False))
    with ProgressView() as progress:
        for results in loaded:
            if results.folder is None:
                finish(results, metric_names(metrics), listener=progress)
    if metrics and any(path.is_dir() for path in systems):
        warn("Folders of results keep their scores; `calvin score FOLDER --metrics ...` scores a folder again.")
    comparison = put_together(loaded, rank)
    say(comparison_table(comparison))
    warn_all(comparison.warnings())
    for name, values in comparison.unequal.items():
        warn(f"  {name}: {' | '.join(values)}")
    warn(f"Every scene, with a column per system: {write_comparison(comparison, out, scenes)}")
