"""`calvin ...` with a recipe `micro` that is over in a quarter of the time, for a test of every change.

Tower and language model are begun and left after a few steps: what is learnt in few steps is nothing that a model could
be made of. The two stages then go on with those of the shipped model, and have all to learn that joins them.

Processes that draw films import this file anew, so nothing is imported before it is known to be the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from calvin.training.steps import Recipe

STEPS = {"stage 1": 75, "stage 2": 85}


def shortened(recipe: Recipe) -> Recipe:
    from calvin.training.steps import LanguageStep, TowerStep

    assert recipe.world is not None
    world = recipe.world.changed(films=9, clips=260, heldout_films=4, images=60, conversations=16, tower_images=24 * 64)
    steps = []
    for step in recipe.steps:
        if isinstance(step, LanguageStep):
            phases = [phase.changed(loop=phase.loop.changed(steps=16, warmup_steps=4)) for phase in step.phases]
            step = step.changed(phases=tuple(phases))
        elif isinstance(step, TowerStep):
            step = step.changed(loop=step.loop.changed(steps=24, warmup_steps=6, checkpoint_every=12))
        else:
            step = step.changed(loop=step.loop.changed(steps=STEPS[step.name]))
        steps.append(step)
    return recipe.changed(world=world, steps=tuple(steps))


def shorten() -> None:
    """Put the shorter recipe into the place of micro, and the shipped model's parts into that of what it trained.

    How puppet films are drawn, which a model takes with it, is found from three films instead of thirty.
    """
    from functools import partial

    from calvin.captioners.hub import find_model
    from calvin.lab import known_puppets, release
    from calvin.model import load_calvin
    from calvin.model.pretrained import load_vision_tower
    from calvin.training import recipes, run

    train_tower, train_language = run.make_tower, run.make_language_model

    def make_tower(step: Any, name: str, images: Any, target: Path, *more: Any) -> None:
        train_tower(step, name, images, target, *more)
        for part in load_vision_tower(find_model(None)):
            part.save_pretrained(target)

    def make_language_model(step: Any, texts: Any, texts_at: Any, seed: int, target: Path, *more: Any) -> None:
        train_language(step, texts, texts_at, seed, target, *more)
        model, processor = load_calvin(find_model(None))
        for part in (model.language_model.float(), processor.tokenizer):
            part.save_pretrained(target)

    recipes.RECIPES = {**recipes.RECIPES, "micro": shortened(recipes.RECIPES["micro"])}
    run.make_tower, run.make_language_model = make_tower, make_language_model
    release.puppet_drawing = partial(known_puppets.puppet_drawing, films=3)


if __name__ == "__main__":
    from calvin.cli.main import main

    shorten()
    main()
