"""`calvin train RECIPE`: from nothing to a model with a card."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.captioner import YES, at_hand
from calvin.cli.console import ProgressView, say

if TYPE_CHECKING:
    from calvin.core.progress import Listener
    from calvin.lab.material import PuppetMaterial
    from calvin.training.full.stage_recipes import StageRecipe
    from calvin.training.recipes import Recipe


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, such as micro or calvin-7b-stage2.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run [runs/RECIPE].")] = None,
    workers: Annotated[int, typer.Option(help="Processes that draw.", min=1)] = 2,
    data: Annotated[
        Path | None, typer.Option("--data", help="TOML file that names pretrained parts and data sets.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option("--start", help="Model of the stage before [beside the run's folder].")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, without training or weights.")
    ] = False,
    keep_activations: Annotated[
        bool,
        typer.Option("--keep-activations", help="Of calvin-7b: compute none of them twice; faster, takes more memory."),
    ] = False,
    yes: YES = False,
) -> None:
    """Train a model by a recipe, stage by stage, and score it on held-out films.

    Every step leaves its result in the run's folder; a run that was stopped, at any moment and in any way, goes on
    with the same command from its last checkpoint. Recipes whose parts and data you bring (calvin-7b-stage1, -stage2,
    calvin-small and their variants) take a data file; docs/cluster.md shows one.

    Examples:

        calvin train micro

        calvin train calvin-7b-stage2 --dry-run --keep-activations

        accelerate launch --multi_gpu --num_processes 8 -m calvin train calvin-7b-stage1 --data data.toml
    """
    from calvin.lab.material import PuppetMaterial
    from calvin.training.recipes import RECIPES, get_recipe
    from calvin.training.small.pipeline import Pipeline

    if dry_run:
        say(_dry_run(recipe, data, keep_activations))
        return
    if recipe not in RECIPES:
        _train_stages(_stages(recipe, keep_activations), data, out, start, yes)
        return
    chosen = get_recipe(recipe)
    folder = out or Path("runs") / recipe
    with ProgressView() as progress:
        material = PuppetMaterial(chosen.world, folder / "world", progress, workers)
        model = Pipeline(chosen, folder, material, progress).run()
        table = finish(chosen, folder, model, material, progress)
    say(table)
    say(f"\nThe model is in {model}: describe a film with `calvin describe FILM --model {model}`.")


def _stages(name: str, keep_activations: bool = False) -> list[StageRecipe]:
    from calvin.core.errors import ConfigError
    from calvin.training.full.stage_recipes import all_names, stage_recipes
    from calvin.training.recipes import RECIPES

    if name not in all_names():
        raise ConfigError(f"There is no recipe {name!r}; there are: {', '.join([*sorted(RECIPES), *all_names()])}.")
    recipes = stage_recipes(name)
    return [recipe.keeping_activations() for recipe in recipes] if keep_activations else recipes


def _dry_run(name: str, data: Path | None, keep_activations: bool = False) -> str:
    from calvin.training.full.data_file import DataFile
    from calvin.training.full.dry_run import dry_run, plan_recipe, plan_stage
    from calvin.training.recipes import RECIPES

    file = DataFile.read(data) if data is not None else None
    if name in RECIPES:
        plans, file = plan_recipe(RECIPES[name]), None
    else:
        plans = [plan_stage(recipe, file) for recipe in _stages(name, keep_activations)]
    return "\n\n".join(dry_run(plan, file) for plan in plans)


def _train_stages(
    recipes: list[StageRecipe], data: Path | None, out: Path | None, start: Path | None, yes: bool = False
) -> None:
    """The stages one after another, each in a folder of its own beside the others."""
    from calvin.core.errors import ConfigError
    from calvin.core.progress import silent
    from calvin.training.full.data_file import DataFile
    from calvin.training.full.staged import run_stage

    if data is None:
        raise ConfigError(f"{recipes[0].name} needs --data, a file that names its parts and data sets.")
    file = DataFile.read(data)
    parts = {part: at_hand(source, yes) for part, source in file.model.model_dump(exclude_none=True).items()}
    file = file.changed(model=parts)
    speaks = os.environ.get("RANK", "0") == "0"  # one of the processes of a distributed run
    for recipe in recipes:
        several = len(recipes) > 1
        folder = (out / recipe.name if several else out) if out is not None else Path("runs") / recipe.name
        before = folder.parent / recipe.starts_from / "model" if recipe.starts_from else None
        with ProgressView() if speaks else nullcontext(silent) as progress:
            model = run_stage(recipe, file, folder, start or before, progress)
        start = None
        if speaks:
            say(f"{recipe.name} is done: its model is in {model}.")


def finish(recipe: Recipe, folder: Path, model: Path, material: PuppetMaterial, listener: Listener) -> str:
    """Score the model on held-out films; write its card and what footage it knows. Returns the table."""
    import numpy as np

    from calvin.captioners.calvin import Calvin
    from calvin.captioners.known_footage import World
    from calvin.lab.material import truth_score
    from calvin.lab.model_card import save_evaluation, write_card
    from calvin.lab.truth_scoring import evaluate_truth, truth_table
    from calvin.training.small.pipeline import accuracy_of, seconds_of

    captioner = Calvin.from_pretrained(model)
    scenes, films = material.heldout(folder / "tower", captioner.max_frames)
    World.fit(np.concatenate(films)).save(model)
    rows = evaluate_truth(captioner, scenes, truth_score, listener=listener)
    save_evaluation(folder / "evaluation.json", rows)
    table = truth_table(rows)
    write_card(model, recipe, seconds_of(folder), accuracy_of(folder), table)
    return table
