"""`calvin adapt-compare`: the paper's Table 4, on held-out puppet films or on films of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from calvin.cli.adapt import CHARACTERS, DATA, ENCODER, FEATURES, FORMAT, annotation_files, settings_for
from calvin.cli.captioner import ADAPTED, LEARNING_RATE, LESSONS, YES, opening
from calvin.cli.console import ProgressView, say
from calvin.cli.evaluate import check_names, metric_names
from calvin.core.errors import UsageError
from calvin.evaluation.metrics.registry import METRICS

if TYPE_CHECKING:
    from calvin.lab.adapt_comparison import Comparison

FILMS, SCENES, TRAINING_FILMS = 10, 210, 10


def adapt_compare(
    model: ADAPTED = None,
    out: Annotated[Path, Option("--out", "-o", help="Folder of films, captions and tables.")] = Path("adapt-compare"),
    films: Annotated[int | None, Option(min=2, help="Held-out puppet films.", show_default=str(FILMS))] = None,
    scenes: Annotated[
        int | None, Option(min=10, help="Described scenes per puppet film.", show_default=str(SCENES))
    ] = None,
    training_films: Annotated[
        int | None,
        Option(min=1, help="Puppet films on which the presence threshold is chosen.", show_default=str(TRAINING_FILMS)),
    ] = None,
    data: DATA = None,
    features: FEATURES = None,
    film: Annotated[
        list[str] | None, Option("--film", help="A film of --data; may be given again.", show_default="all")
    ] = None,
    format: FORMAT = None,
    encoder: ENCODER = None,
    characters: CHARACTERS = None,
    entities: Annotated[
        Path | None, Option(help="With --data: who is in each scene, for the bank's row (JSON lines).")
    ] = None,
    seeds: Annotated[int, Option(min=1, help="Runs of each tuned row, each with its own seed.")] = 3,
    sizes: Annotated[str, Option(help="Scenes to adapt to; the first is the main row.")] = "20,50",
    iterations: Annotated[str, Option(help="Micro-batches; the first is the main row.")] = "100",
    rate: LEARNING_RATE = None,
    metrics: Annotated[str, Option(help="As in `calvin score`.")] = "cider,rouge",
    regularisation: LESSONS = None,
    part: Annotated[str, Option(help="K/N: only the K-th of N shares of the runs.")] = "1/1",
    yes: YES = False,
) -> None:
    """Compare no context, entity prompts (by oracle and by bank) and few-shot tuning, on films not trained on.

    The films are puppet films, drawn for it, or those of --data and --features: annotations in the form of MAD's, of
    which there need be no film files.

    A stopped run continues where it was. Several processes can share the work by --part, in one folder, once the first
    has drawn the films. The one that ends last prints the table, and so does a run without --part. Figures 9 and 10
    are a comparison of their own, because they leave 100 scenes of each film unscored.

    Examples:

        calvin adapt-compare --films 10 --seeds 3 -o adapt-compare

        calvin adapt-compare --data mad-eval.csv --features mad.h5 -m my-model --regularisation other.safetensors

        calvin adapt-compare -o adapt-compare --part 1/2 & calvin adapt-compare -o adapt-compare --part 2/2

        calvin adapt-compare --films 10 --seeds 1 --iterations 100,25,50,200 --sizes 20,5,10,50,100 -o adapt-figures
    """
    from calvin.captioners.calvin import Calvin
    from calvin.captioners.hub import find_model
    from calvin.lab.adapt_comparison import FilmCounts, Wish, compare_adaptations, compare_annotated
    from calvin.lab.adapt_study import StudyConfig
    from calvin.studio.adapt.annotated_films import AnnotatedFilms

    # Everything that can be refused is, before a model is opened and films are drawn.
    share, wanted = _share_of(part), _metrics_of(metrics)
    files = annotation_files(data, features, format, encoder, characters)
    if files is not None and any(count is not None for count in (films, scenes, training_films)):
        raise UsageError("--films, --scenes and --training-films draw puppet films: leave them out with --data.")
    if files is None and (film or entities):
        raise UsageError("--film and --entities go with --data and --features.")
    folder = find_model(model, opening(yes).agree)
    base = Calvin.from_pretrained(folder)
    adapt = settings_for(base.model.config, {} if rate is None else {"max_lr": rate})
    values = {"sizes": _numbers(sizes), "iterations": _numbers(iterations), "seeds": seeds, "adapt": adapt}
    config = StudyConfig.load(values, "adapt-compare")
    with ProgressView() as progress:
        wish = Wish(out, config, wanted, regularisation, share, progress)
        if files is not None:
            compared = compare_annotated(base, AnnotatedFilms.open(files, base.encoder), wish, film or (), entities)
        else:
            counts = FilmCounts(films or FILMS, scenes or SCENES, training_films or TRAINING_FILMS)
            compared = compare_adaptations(base, folder, counts, wish, say)
    _show(compared, out, part)


def _show(compared: Comparison | int, out: Path, part: str) -> None:
    if isinstance(compared, int):
        say(f"Part {part} is done; other parts have {compared} runs to go before there is a table.")
        return
    compared.write(out)
    say(compared.text())


def _metrics_of(text: str) -> list[str]:
    names = metric_names(text) or []
    check_names(text)
    if "cider" not in {METRICS.find(word).name for word in names}:
        raise UsageError(f"Table 4 is in CIDEr: name cider among the metrics, not only {text!r}.")
    return names


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
