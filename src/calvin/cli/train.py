"""`calvin train RECIPE`: from nothing to a model with a card."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from calvin.cli.captioner import YES, at_hand
from calvin.cli.console import ProgressView, say

if TYPE_CHECKING:
    from calvin.training.full.data_file import DataFile
    from calvin.training.steps import Recipe


def train(
    recipe: Annotated[str, Argument(help="Name of a recipe, such as micro or calvin-7b-stage2.")],
    out: Annotated[Path | None, Option("--out", "-o", help="Folder of the run.", show_default="runs/RECIPE")] = None,
    workers: Annotated[int, Option(help="Processes that draw.", min=1)] = 2,
    data: Annotated[Path | None, Option(help="TOML file that names pretrained parts and data sets.")] = None,
    start: Annotated[Path | None, Option(help="Model of the stage before.", show_default="beside the run")] = None,
    settings: Annotated[
        list[str] | None,
        Option("--set", metavar="NAME=VALUE", help="Change a setting of the recipe; may be given again."),
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Say what it would take, without training or weights.")] = False,
    keep_activations: Annotated[
        bool,
        Option("--keep-activations", help="Compute no activation of calvin-7b twice: faster, but takes more memory."),
    ] = False,
    packed: Annotated[
        int,
        Option(
            "--pack",
            metavar="N",
            min=1,
            help="Read up to N micro-batches in one pass where gradients are accumulated: faster on a GPU, for more "
            "memory.",
        ),
    ] = 1,
    yes: YES = False,
) -> None:
    """Train a model by a recipe, stage by stage, and score it on held-out films.

    Every step leaves its result in the run's folder. A run that was stopped, at any moment and in any way, continues
    from its last checkpoint when the same command is given. Recipes whose parts and data you bring (calvin-7b-stage1,
    -stage2, calvin-small and their variants) take a data file; docs/cluster.md shows one. Its table [train], and --set,
    change steps, batches, rates and more for data of your own size; what was changed stands in the model's card.

    Examples:

        calvin train micro

        calvin train calvin-small-stage1 --data data.toml --set epochs=3 --set micro_batch=8 --set evaluate_every=50

        calvin train calvin-7b-stage2 --dry-run --keep-activations

        calvin train calvin-7b-stage2 --data data.toml --set gradient_accumulation_steps=8 --pack 4

        accelerate launch --multi_gpu --num_processes 8 -m calvin train calvin-7b-stage1 --data data.toml
    """
    from calvin.training.full.data_file import DataFile
    from calvin.training.recipes import get_recipe
    from calvin.training.settings import change_recipe, parse_settings

    chosen = get_recipe(recipe)
    if keep_activations:
        chosen = chosen.keeping_activations()
    file = DataFile.read(data) if data is not None and chosen.world is None else None
    if file is not None:
        chosen = change_recipe(chosen, file.train, f"{data}, [train]")
    chosen = change_recipe(chosen, parse_settings(settings or ()), "--set", every_table=True)
    if packed > 1:
        chosen = chosen.packing(packed)
    if dry_run:
        from calvin.training.full.dry_run import dry_run as show
        from calvin.training.full.dry_run import plan

        say("\n\n".join(show(stage, file) for stage in plan(chosen, file)))
        if chosen.world is not None:
            from calvin.lab.pace import pace_of, pace_table

            with ProgressView() as progress:
                paces = pace_of(chosen, progress)
            say(
                f"\nHow long {chosen.name} takes on this machine, by a few steps of each\n\n{pace_table(chosen, paces)}"
            )
    elif chosen.world is not None:
        _train_in_world(chosen, out or Path("runs") / chosen.name, workers)
    else:
        folder = out or (Path("runs") if len(chosen.steps) > 1 else Path("runs") / chosen.name)
        _train_on_data(chosen, file, folder, start, yes)


def _train_in_world(recipe: Recipe, folder: Path, workers: int) -> None:
    """From nothing to a model with a card."""
    from calvin.lab.release import train_in_world

    with ProgressView() as progress:
        model, table = train_in_world(recipe, folder, workers, progress)
    say(table)
    say(f"\nThe model is in {model}: describe a film with `calvin describe FILM --model {model}`.")


def _train_on_data(recipe: Recipe, file: DataFile | None, folder: Path, start: Path | None, yes: bool) -> None:
    """Train stage after stage, from the parts and data that a file names."""
    from calvin.core.errors import ConfigError
    from calvin.core.progress import silent
    from calvin.training.history import leads
    from calvin.training.run import Run

    if file is None:
        raise ConfigError(f"{recipe.name} needs --data, a file that names its parts and data sets.")
    parts = {part: at_hand(source, yes) for part, source in file.model.model_dump(exclude_none=True).items()}
    with ProgressView() if leads() else nullcontext(silent) as progress:
        models = Run(recipe, folder, file.changed(model=parts), start, progress).models()
    if leads():
        for stage, model in models.items():
            say(f"{stage} is done: its model is in {model}.")
