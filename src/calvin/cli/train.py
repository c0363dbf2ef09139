"""`calvin train RECIPE`: from nothing to a model with a card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from calvin.cli.console import ProgressView, say

if TYPE_CHECKING:
    from calvin.cli.puppet_material import PuppetMaterial
    from calvin.core.progress import Listener
    from calvin.training.recipes import Recipe


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, such as micro.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the run [runs/RECIPE].")] = None,
    workers: Annotated[int, typer.Option(help="Processes that draw.", min=1)] = 2,
) -> None:
    """Train a model by a recipe, stage by stage, and score it on held-out films.

    Every step leaves its result in the run's folder; a run that was stopped, at any moment and in any way, goes on
    with the same command from its last checkpoint.

    Examples:

        calvin train micro

        calvin train micro --out runs/second
    """
    from calvin.cli.puppet_material import PuppetMaterial
    from calvin.training.pipeline import Pipeline
    from calvin.training.recipes import get_recipe

    chosen = get_recipe(recipe)
    folder = out or Path("runs") / recipe
    with ProgressView() as progress:
        material = PuppetMaterial(chosen.world, folder / "world", progress, workers)
        model = Pipeline(chosen, folder, material, progress).run()
        table = finish(chosen, folder, model, material, progress)
    say(table)
    say(f"\nThe model is in {model}: describe a film with `calvin describe FILM --model {model}`.")


def finish(recipe: Recipe, folder: Path, model: Path, material: PuppetMaterial, listener: Listener) -> str:
    """Score the model on held-out films; write its card and what footage it knows. Returns the table."""
    import numpy as np

    from calvin.captioners.calvin import Calvin
    from calvin.captioners.world import World
    from calvin.cli.puppet_material import truth_score
    from calvin.evaluation.truth import evaluate_truth, truth_table
    from calvin.training.card import save_evaluation, write_card
    from calvin.training.pipeline import accuracy_of, seconds_of

    captioner = Calvin.from_pretrained(model)
    scenes, films = material.heldout(folder / "tower", captioner.max_frames)
    World.fit(np.concatenate(films)).save(model)
    rows = evaluate_truth(captioner, scenes, truth_score, listener=listener)
    save_evaluation(folder / "evaluation.json", rows)
    table = truth_table(rows)
    write_card(model, recipe, seconds_of(folder), accuracy_of(folder), table)
    return table
