"""`calvin adapt-compare`: the paper's Table 4 on held-out puppet films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from calvin.cli.captioner import YES, opening
from calvin.cli.console import ProgressView, say
from calvin.core.errors import UsageError


def adapt_compare(
    model: Annotated[str | None, Option("--model", "-m", help="The CALVIN to adapt.", show_default="bundled")] = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder of films, captions and tables.")] = Path("adapt-compare"),
    films: Annotated[int, Option(min=2, help="Held-out films.")] = 10,
    scenes: Annotated[int, Option(min=10, help="Described scenes per film.")] = 210,
    training_films: Annotated[int, Option(min=1, help="Films on which the presence threshold is chosen.")] = 10,
    seeds: Annotated[int, Option(min=1)] = 3,
    sizes: Annotated[str, Option(help="Scenes to adapt to; the first is the main row.")] = "20,50",
    iterations: Annotated[str, Option(help="Micro-batches; the first is the main row.")] = "100",
    rate: Annotated[float | None, Option(help="Learning rate.", show_default="1e-5, more for small models")] = None,
    metrics: Annotated[str, Option(help="As in `calvin score`.")] = "cider,rouge",
    regularisation: Annotated[
        Path | None, Option(help="From `calvin data regularisation`.", show_default="bundled")
    ] = None,
    part: Annotated[str, Option(help="K/N: only the K-th of N shares of the runs.")] = "1/1",
    yes: YES = False,
) -> None:
    """Compare no context, entity prompts (by oracle and by bank) and few-shot tuning on held-out puppet films.

    A stopped run continues where it was. Several processes share the work by --part, in one folder, once the first has
    drawn the films; whichever ends last, or a run without --part, prints the table. Figures 9 and 10 are a separate
    comparison, because it scores each film without 100 of its scenes.

    Examples:

        calvin adapt-compare --films 10 --seeds 3 -o adapt-compare

        calvin adapt-compare -o adapt-compare --part 1/2 & calvin adapt-compare -o adapt-compare --part 2/2

        calvin adapt-compare --films 10 --seeds 1 --iterations 100,25,50,200 --sizes 20,5,10,50,100 -o adapt-figures
    """
    from calvin.captioners.calvin import Calvin
    from calvin.captioners.hub import find_model
    from calvin.lab.adapt_comparison import FilmCounts, compare_adaptations
    from calvin.lab.adapt_study import StudyConfig
    from calvin.training.fewshot import adapt_config

    folder = find_model(model, opening(yes).agree)
    base = Calvin.from_pretrained(folder)
    adapt = adapt_config(base.model.config)
    adapt = adapt.changed(loop=adapt.loop.changed(max_lr=rate)) if rate is not None else adapt
    values = {"sizes": _numbers(sizes), "iterations": _numbers(iterations), "seeds": seeds, "adapt": adapt}
    config, counts = StudyConfig.load(values, "adapt-compare"), FilmCounts(films, scenes, training_films)
    with ProgressView() as progress:
        compared = compare_adaptations(
            base, folder, out, counts, config, metrics.split(","), regularisation, _share_of(part), progress, say
        )
    if isinstance(compared, int):
        say(f"Part {part} is done; other parts have {compared} runs to go before there is a table.")
        return
    compared.write(out)
    say(compared.text())


def _share_of(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not (slash and part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"{text!r} is not a share such as 1/2 (the first of two).")
    return int(part), int(parts)


def _numbers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UsageError(f"{text!r} is not a list of numbers such as 20,50.")
    return tuple(map(int, parts))
