"""How long a recipe that makes its own parts and data takes on this machine: each of its steps is begun and timed.

What is timed is the processor's work, so that other programs that run meanwhile do not count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from calvin.captioners.base import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.progress import Listener, Progress, Stage, silent
from calvin.core.prompts import Prompt
from calvin.core.text_tables import markdown_table
from calvin.core.types import Scene
from calvin.lab.evaluation_sets import FRESH_FILMS, PUPPET_SIZES
from calvin.lab.figures import EVERY_CONDITION
from calvin.lab.material import PuppetMaterial
from calvin.lab.sight import fixed_scenes
from calvin.lab.truth_scoring import CONDITIONS
from calvin.puppets.draw.render import TRAINING_SIZE
from calvin.puppets.draw.stills import Stills
from calvin.puppets.world import CLIP_SIZE, WorldSizes, write_world
from calvin.training.run import Run
from calvin.training.steps import CaptionsStep, LanguageStep, Recipe, StageStep, TowerStep, WorldConfig

GATED = 600
"""Steps that a phase with a gate is taken to last: recall is learnt suddenly, so no few steps tell when."""
_STILLS, _STEPS = 128, 4
_NOTHING = WorldSizes(films=0, clips=0, images=0, conversations=0, tv_clips=0)


@dataclass(frozen=True, slots=True)
class Pace:
    """One part of a recipe: how many of what, and the processor's seconds for each."""

    step: str
    count: float
    unit: str
    seconds: float

    @property
    def minutes(self) -> float:
        return self.count * self.seconds / 60


@dataclass
class _Clock:
    """A listener that notes the processor's time at each event of a stage."""

    seen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def __call__(self, event: Progress) -> None:
        self.seen.setdefault(event.stage, []).append((event.done, time.process_time()))

    def each(self, stage: str) -> float:
        """Seconds a unit, from the first event to the last: what comes before the first is not the pace."""
        [(first, began), *_, (last, ended)] = self.rounds(stage)[0]
        return (ended - began) / max(last - first, 1)

    def rounds(self, stage: str) -> list[list[tuple[float, float]]]:
        """The events of each time that a stage of this name was gone through."""
        found: list[list[tuple[float, float]]] = []
        for event in self.seen[stage]:
            if not found or event[0] <= found[-1][-1][0]:
                found.append([])
            found[-1].append(event)
        return found


def pace_of(recipe: Recipe, listener: Listener = silent) -> list[Pace]:
    """Begin each step of a recipe with a world, in a folder that is thrown away, and time it."""
    world, found, clock = recipe.world, list[Pace](), _Clock()
    assert world is not None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a run
    stage = Stage("pace", listener, len(recipe.steps) + 1, "steps")
    try:
        with TemporaryDirectory() as name:
            folder = Path(name)
            found += _drawing(world, folder)
            stage.update(1, "drawing")

            def note(event: Progress) -> None:
                clock(event)
                stage.update(min(1 + len(clock.seen) / 2, len(recipe.steps)), event.stage)

            material = PuppetMaterial(_little(world), folder / "world", note, workers=1)
            Run(begun(recipe), folder / "run", material, listener=note).models()
            stage.update(len(recipe.steps) + 1)
    finally:
        torch.set_num_threads(threads)
    caption_s = _caption_seconds()
    for step in recipe.steps:
        found += _of_step(step, clock, world, caption_s)
    return found + _evaluation(recipe, clock, caption_s)


def begun(recipe: Recipe) -> Recipe:
    """The recipe with its own sizes and batches, but a few steps of everything."""
    few = {"steps": _STEPS, "warmup_steps": 1, "log_every": 1, "checkpoint_every": 1000}
    steps = []
    for step in recipe.steps:
        if isinstance(step, LanguageStep):
            phases = [
                {**phase.model_dump(), "gate_accuracy": None, "loop": {**phase.loop.model_dump(), **few}}
                for phase in step.phases
            ]
            steps.append(step.changed(phases=phases).model_dump())
        elif isinstance(step, CaptionsStep):
            steps.append(step.changed(films=2).model_dump())
        else:
            steps.append({**step.model_dump(), "loop": {**step.loop.model_dump(), **few}})
    assert recipe.world is not None
    return recipe.changed(world=_little(recipe.world).model_dump(), steps=steps)


def _little(world: WorldConfig) -> WorldConfig:
    few = {name: min(getattr(world, name), 16) for name in ("clips", "images", "conversations")}
    return world.changed(films=min(world.films, 8), heldout_films=1, tower_images=256, **few)


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _drawing(world: WorldConfig, folder: Path) -> list[Pace]:
    def draw(**sizes: int) -> float:
        """Seconds of one more, without what a world takes anyway."""
        what, count = next(iter(sizes.items()))
        picture = TRAINING_SIZE if what != "heldout" else CLIP_SIZE
        wanted = _NOTHING.changed(**{"films" if what == "heldout" else what: count}, picture=picture)
        return _seconds(lambda: write_world(folder / what, 1, wanted, "train", workers=1)) / count

    stills = _seconds(lambda: Stills(1).images_at(0, _STILLS)) / _STILLS
    return [
        Pace("draw stills", world.tower_images, "stills", stills),
        Pace("draw films", world.films, "films", draw(films=2)),
        Pace("draw clips", world.clips, "clips", draw(clips=24)),
        Pace("draw images", world.images + world.conversations, "images", draw(images=32)),
        Pace("draw films for evaluation", _scored_films(), "films", draw(heldout=1)),
    ]


def _scored_films() -> int:
    return PUPPET_SIZES.films + FRESH_FILMS


def _of_step(
    step: TowerStep | LanguageStep | CaptionsStep | StageStep, clock: _Clock, world: WorldConfig, caption_s: float
) -> list[Pace]:
    if isinstance(step, LanguageStep):
        phases = []
        for number, phase in enumerate(step.phases, 1):
            count = GATED if phase.gate_accuracy is not None else phase.loop.steps
            name = f"language {number}/{len(step.phases)} {phase.kind}"
            phases.append(Pace(name, count, "steps", clock.each(name)))
        return phases
    if isinstance(step, CaptionsStep):
        # Without beams, a third of the time.
        return [Pace(step.name, step.films * world.scenes, "captions", caption_s / 3)]
    return [Pace(step.name, step.loop.steps, "steps", clock.each(step.name))]


def _evaluation(recipe: Recipe, clock: _Clock, caption_s: float) -> list[Pace]:
    world = recipe.world
    assert world is not None
    scenes = world.heldout_films * world.scenes * len(CONDITIONS)
    if recipe.released:
        scenes += _scored_films() * PUPPET_SIZES.scenes * len(EVERY_CONDITION)
    # In the order of the material's sources: films, clips, images.
    films, clips, *_ = clock.rounds("encode")
    encode = [
        # Without the last: while it is waited for, nothing is read ahead any more.
        Pace(f"encode {what}", count, what, (part[-2][1] - part[0][1]) / max(part[-2][0] - part[0][0], 1))
        for what, count, part in (("films", world.films, films), ("clips", world.clips, clips))
    ]
    return [
        *encode,
        Pace("evaluation", scenes, "captions", caption_s),
    ]


def _caption_seconds() -> float:
    """Seconds of a caption by beams. The shipped model writes them: an untrained one writes on to the limit."""
    captioner, scenes = Calvin.from_pretrained(None), fixed_scenes(_STILLS // 8)
    embeds = np.zeros((captioner.max_frames, captioner.model.config.image_embed_dim), np.float32)
    requests = [CaptionRequest(Scene(str(n), "", s.truth.span, embeds), Prompt()) for n, s in enumerate(scenes)]
    captioner.caption(requests)
    return _seconds(lambda: captioner.caption(requests)) / len(requests)


def pace_table(recipe: Recipe, paces: list[Pace]) -> str:
    """The parts in a table, and how long they take one after another and, where the recipe does so, side by side."""
    rows = [
        [pace.step, f"{pace.count:,.0f} {pace.unit}", f"{1000 * pace.seconds:,.1f}", f"{pace.minutes:.1f}"]
        for pace in paces
    ]
    every = sum(pace.minutes for pace in paces)
    text = markdown_table(["step", "of", "ms each", "minutes of a core"], rows)
    said = f"One after another: {every:.0f} minutes of one core."
    if recipe.released and (os.cpu_count() or 1) > 1:
        language = sum(pace.minutes for pace in paces if pace.step.startswith("language "))
        before = sum(pace.minutes for pace in paces if pace.step.startswith(("draw ", "encode ", "tower")))
        said += f" With the language model beside tower and world, on two: {every - min(language, before):.0f} minutes."
    return f"{text}\n\n{said} A phase with a gate is taken to last {GATED} steps."
