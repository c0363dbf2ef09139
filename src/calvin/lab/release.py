"""From a finished run to a model that can be given away: scored, with its card, its pictures and what it knows."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from calvin.captioners.calvin import Calvin
from calvin.captioners.known_footage import World
from calvin.core.files import atomic_folder, write_text
from calvin.core.progress import Listener
from calvin.data import FeatureStore, SourceConfig, read_samples
from calvin.data.entities import EntityStripper
from calvin.data.regularisation import file_name, write_regularisation
from calvin.lab.evaluation_sets import test_seed
from calvin.lab.figures import model_figures
from calvin.lab.known_puppets import puppet_drawing
from calvin.lab.material import PuppetMaterial, draw_regularisation, truth_score
from calvin.lab.model_card import DEVELOPMENT, TEST, add_figures, machine, save_evaluation, write_card
from calvin.lab.sight import below_floors, look_again
from calvin.lab.truth_scoring import evaluate_truth, truth_table
from calvin.training.history import note_end, note_start, timed
from calvin.training.run import Run
from calvin.training.steps import Recipe


def train_in_world(
    recipe: Recipe, folder: Path, workers: int, listener: Listener, beside: bool | None = None
) -> tuple[Path, str]:
    """Carry out a recipe that makes its own parts and data. Returns the model's folder and the table of its scores.

    Everything is kept as it is done: the same call goes on from there.

    Args:
        beside: make the language model in a process of its own; by default where the model is to be released.
    """
    assert recipe.world is not None
    # One thread trains as fast as two at these sizes, and sums, so weights, are the same on any number of cores.
    torch.set_num_threads(1)
    note_start(folder, machine())
    material = PuppetMaterial(recipe.world, folder / "world", listener, workers)
    beside = recipe.released if beside is None else beside
    *_, model = Run(recipe, folder, material, listener=listener, beside=beside).models().values()
    table = score(recipe, folder, model, material, listener)
    note_end(folder)
    return (release(recipe, folder, model, listener) if recipe.released else model), table


def score(recipe: Recipe, folder: Path, model: Path, material: PuppetMaterial, listener: Listener) -> str:
    """Score the model on held-out films, and write its card and what footage it knows. Returns the table."""
    done = folder / "evaluation.md"
    if done.is_file() and (model / "README.md").is_file():
        return done.read_text(encoding="utf-8")
    captioner = Calvin.from_pretrained(model)
    with timed(folder, "held-out films"):
        scenes, films = material.heldout(folder / "tower", captioner.max_frames)
        World.fit(np.concatenate(films)).save(model)
        puppet_drawing().save(model)
        rows = evaluate_truth(captioner, scenes, truth_score, listener=listener)
    save_evaluation(folder / "evaluation.json", rows)
    table = truth_table(rows)
    write_card(model, recipe, folder, table)
    write_text(done, table)
    return table


def release(recipe: Recipe, folder: Path, model: Path, listener: Listener, limit: int | None = None) -> Path:
    """Put the model with every figure of its card into `release/` of the run, as it lies in the package, and beside it
    the scenes of other films that adapting it takes.

    The weights are frozen here: they are scored on the development films, and on test films whose seed is made of them.
    What sees less than a shipped model must is put there too, with a note that it is not to be shipped.

    Args:
        limit: use only this many films of each set, the first ones.
    """
    target = folder / "release" / f"calvin-{recipe.name}"
    if target.is_dir():
        return target
    captioner = Calvin.from_pretrained(model)
    blind = below_floors(look_again(captioner))
    found = {}
    for heading, name, seed in ((TEST, "test", test_seed(model)), (DEVELOPMENT, "development", None)):
        out = folder / "figures" / name
        if not (out / "figures.md").is_file():
            with timed(folder, f"figures, {name}"):
                figures = model_figures(captioner, model, out, limit, listener=listener, seed=seed)
            write_text(out / "figures.md", figures)
        found[heading] = (out / "figures.md").read_text(encoding="utf-8")
    with timed(folder, "regularisation scenes"):
        write_lessons(model, target.parent / "regularisation", listener)
    with atomic_folder(target) as temporary:
        shutil.copytree(model, temporary, dirs_exist_ok=True)
        write_card(temporary, recipe, folder, (folder / "evaluation.md").read_text(encoding="utf-8"))
        for heading, figures in found.items():
            picture = folder / "figures" / "development" / "confusion.png" if heading == DEVELOPMENT else None
            add_figures(temporary, figures, picture, heading)
        if (folder / "curves.png").is_file():
            shutil.copyfile(folder / "curves.png", temporary / "curves.png")
        if blind:
            write_text(temporary / "DO-NOT-SHIP.txt", f"These weights see too little: {'; '.join(blind)}.\n")
    return target


def write_lessons(model: Path, target: Path, listener: Listener) -> None:
    """Scenes of other films, for adapting: they are vectors of this model's tower, and no other's will do."""
    with TemporaryDirectory() as name:
        rows, features, names = draw_regularisation(Path(name), model, 0, listener)
        source = SourceConfig(name=rows.name, format="mad_csv", annotations=rows, features=features, context=0)
        samples = read_samples(source).samples
        stripper = EntityStripper(names, [sample.caption for sample in samples])
        with FeatureStore.open(features) as store:
            write_regularisation(target / file_name(store.encoder.hash), samples, store, store.encoder, stripper)
