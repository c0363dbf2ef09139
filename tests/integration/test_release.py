"""A recipe of every kind of step, from nothing to the folder that is given away: killed in each step and gone on with,
it leaves the same weights as a run that was never stopped, and that made the language model first and not beside."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from calvin.core.files import file_sha256
from calvin.core.progress import silent
from calvin.lab import release
from calvin.lab.evaluation_sets import test_seed as seed_of
from calvin.lab.known_puppets import puppet_drawing
from calvin.lab.pace import pace_of, pace_table
from calvin.model.configuration import CalvinConfig
from calvin.training.history import read_history
from calvin.training.recipes import get_recipe
from calvin.training.steps import LanguageStep, Recipe, StageStep, TowerStep
from forks import exit_code, fork, kill


def train(recipe: Recipe, folder: Path, beside: bool) -> None:
    """In a process of its own. How puppet films are drawn is found from two of them instead of thirty."""
    release.puppet_drawing = partial(puppet_drawing, films=2)
    release.train_in_world(recipe, folder, 1, silent, beside=beside)


def tiny() -> Recipe:
    """Mini with everything small: each step is there, none learns anything."""
    mini = get_recipe("mini")
    steps = []
    for step in mini.steps:
        loop = {"steps": 6, "warmup_steps": 1, "checkpoint_every": 2, "log_every": 1, "precision": "fp32"}
        if isinstance(step, TowerStep):
            small = {**step.backbone, "embedding_size": 8, "hidden_sizes": [8, 8, 8]}
            step = step.changed(backbone=small, batch_size=8, loop={**step.loop.model_dump(), **loop})
        elif isinstance(step, LanguageStep):
            phases = [
                {
                    **phase.model_dump(),
                    "batch_size": 4,
                    "gate_accuracy": None,
                    "loop": {**phase.loop.model_dump(), **loop},
                }
                for phase in (step.phases[0], step.phases[-1])
            ]
            step = step.changed(hidden_size=48, intermediate_size=64, num_hidden_layers=1, phases=phases)
        elif isinstance(step, StageStep):
            step = step.with_changes(batch_sizes={"image": 4, "video": 4, "text": 4}, max_frames=4, loop=loop)
        else:
            step = step.changed(films=3)
        steps.append(step.model_dump())
    qformer = {**mini.model.qformer, "hidden_size": 48, "num_hidden_layers": 1, "intermediate_size": 48}
    return mini.changed(
        name="tiny",
        world={**dict.fromkeys(("clips", "images", "conversations"), 8), "films": 4, "scenes": 5, "heldout_films": 2,
               "tower_images": 256},
        model={**mini.model.model_dump(), "qformer": qformer, "num_query_tokens": 4},
        steps=steps,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_in_each_step_it_leaves_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = tiny().changed(released=False)
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert exit_code(fork(train, recipe, straight, False)) == 0
    waits = {
        "tower": lambda: list(stopped.glob("checkpoints/tower/checkpoint-*")),
        "language": lambda: list(stopped.glob("checkpoints/language/phase2-*/checkpoint-*")),
        "world": lambda: list(stopped.glob("world/train/mad/videos/*.mp4")),
        "stage 1": lambda: list(stopped.glob("checkpoints/stage1/checkpoint-*")),
        "stage 2": lambda: list(stopped.glob("checkpoints/stage2/checkpoint-*")),
        "stage 2, known names": lambda: list(stopped.glob("checkpoints/stage2-knownnames/checkpoint-*")),
        "own captions": lambda: list(stopped.glob("checkpoints/own/*.jsonl")),
        "stage 2, own context": lambda: list(stopped.glob("checkpoints/stage2-owncontext/checkpoint-*")),
        "held-out films": lambda: list(stopped.glob("world/heldout/mad/videos/*.mp4")),
    }
    killed = []
    for step, reached in waits.items():
        process = fork(train, recipe, stopped, True)
        while process.is_alive() and not reached():
            time.sleep(0.02)
        if process.is_alive():
            kill(process)
            killed.append(step)
        process.join()
    assert len(killed) >= 6, killed
    assert exit_code(fork(train, recipe, stopped, True)) == 0
    first, second = (folder / "model" / "model.safetensors" for folder in (straight, stopped))
    assert file_sha256(first) == file_sha256(second)
    assert [CalvinConfig.from_pretrained(straight / it).reads_looks for it in ("stage2", "model")] == [False, True]
    assert (straight / "own/own.jsonl").read_bytes() == (stopped / "own/own.jsonl").read_bytes()
    history = read_history(stopped)
    # What was killed before it had begun, noted nothing.
    assert 6 <= history.starts <= len(waits) + 1
    card = (stopped / "model" / "README.md").read_text()
    assert f"with {history.starts - 1} stops on the way" in card
    assert history.begun in card
    assert "in one go" in (straight / "model" / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_how_long_it_takes_is_measured_by_beginning_every_step() -> None:
    recipe = tiny()
    paces = {pace.step: pace for pace in pace_of(recipe)}
    language = next(step for step in recipe.steps if isinstance(step, LanguageStep))
    phases = {f"language {number}/2 {phase.kind}" for number, phase in enumerate(language.phases, 1)}
    assert phases | {"draw stills", "draw films", "encode films", "encode clips", "evaluation"} <= set(paces)
    assert {step.name for step in recipe.steps if not isinstance(step, LanguageStep)} <= set(paces)
    assert all(pace.seconds > 0 for pace in paces.values() if pace.step != "draw clips")
    assert paces["stage 1"].count == 6
    assert paces["own captions"].count == 3 * 5
    table = pace_table(recipe, list(paces.values()))
    assert "minutes of one core" in table
    assert "stage 2, own context" in table


def test_test_films_are_drawn_from_the_weights(tmp_path: Path) -> None:
    seeds = []
    for content in (b"one", b"two"):
        (tmp_path / "model.safetensors").write_bytes(content)
        seeds.append(seed_of(tmp_path))
        assert seeds[-1] == seed_of(tmp_path)
    assert seeds[0] != seeds[1]
    assert all(0 <= seed < 10**9 for seed in seeds)
