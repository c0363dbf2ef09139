"""What a table or figure takes: its runs as commands, with hours and memory, without making any."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from calvin.core.text_tables import counted, markdown_table
from calvin.lab.reproduce.ablations import AblationStudy, recipes_of
from calvin.lab.reproduce.film_scores import opened
from calvin.lab.reproduce.targets import Wanted, adaptation_of, study_of
from calvin.lab.reproduce.work_shares import Job
from calvin.training.full.cost import A100_FLOPS, memory, step_flops
from calvin.training.full.dry_run import GPUS, UTILISATION, assumed_shapes, build_on_meta, plan
from calvin.training.peers import PEERS
from calvin.training.recipes import get_recipe
from calvin.training.variants import find_variant

PROCESS_GIB = 1.5
"""Memory of a process with a model of puppet films, about: nearly all of it is libraries."""


def plan_of(wanted: Wanted) -> str:
    """The runs, one a row, with about how long they take and how much memory, and the commands.

    Raises:
        UsageError, DataError, CheckpointError: as `study_of`.
    """
    if wanted.adapts:
        return _adaptation(wanted)
    study, _ = study_of(wanted)
    if isinstance(study, AblationStudy) and study.data is not None:
        return _full_size(study, wanted)
    jobs = study.jobs()
    rows = [[job.label, f"{job.minutes:.1f}", f"{PROCESS_GIB:.1f}"] for job in jobs]
    total = sum(job.minutes for job in jobs)
    before = " and one stage 1, about 15 minutes of one core in all" if isinstance(study, AblationStudy) else ""
    if wanted.captioners:
        before += "; what a server or a large captioner takes is not known, and is told as the blind baseline's"
    return (
        f"{markdown_table(['run', 'minutes of one core', 'GiB'], rows)}\n\n"
        f"{counted(len(jobs), 'run')}, {total / 60:.1f} hours of one core; before them films are drawn{before}. "
        f"All by one command, given in as many processes as there are cores:\n\n    {wanted.command(study.seeds)}"
    )


def _adaptation(wanted: Wanted) -> str:
    wish, _ = adaptation_of(wanted)
    found = wish.plan(opened(wish.model))
    rows = [[label, str(runs), f"{minutes:.0f}", f"{PROCESS_GIB:.1f}"] for label, runs, minutes in found]
    hours = sum(minutes for *_, minutes in found) / 60
    return (
        f"{markdown_table(['row', 'runs', 'minutes of one core', 'GiB'], rows)}\n\n{hours:.1f} hours of one core with "
        f"a model of the bundled one's size; `calvin adapt --dry-run` says what tuning a larger one takes. All by one "
        f"command, in two processes by --part 1/2 and --part 2/2:\n\n    {wanted.command(wish.seeds)}"
    )


def _full_size(study: AblationStudy, wanted: Wanted) -> str:
    """The commands of full-size training in the order in which they can be given."""
    rows, commands, done = list[list[str]](), list[str](), set[str]()
    hours_in_all = 0.0
    for job in study.jobs():
        for name, seed, folder, start in steps_before(study, job):
            if str(folder) in done:
                continue
            done.add(str(folder))
            hours, gib = cost_of(name)
            hours_in_all += hours
            rows.append([f"{name}, seed {seed}", f"{hours:.1f}", f"{gib:.1f}"])
            commands.append(_said(study.command(name, seed, folder, start)))
    table = markdown_table(["training", f"hours on {GPUS} A100", "GiB of each GPU"], rows)
    told = "\n".join(f"    {command}" for command in commands)
    return (
        f"{table}\n\n{counted(len(rows), 'training')}, {hours_in_all:,.0f} hours on {GPUS} A100 at {UTILISATION:.0%} "
        "of their peak (computed from the recipes' shapes, not measured; captions of the evaluation come to it).\n\n"
        f"`{wanted.command(study.seeds)}` gives these commands itself and then scores; what they leave in these "
        f"folders it does not train again:\n\n{told}"
    )


def _said(words: Sequence[str]) -> str:
    """A command as somebody would type it."""
    first = "python" if Path(words[0]).name.startswith("python") else words[0]
    return shlex.join([first, *words[1:]])


def steps_before(study: AblationStudy, job: Job) -> list[tuple[str, int, Path, Path | None]]:
    """The trainings that a run needs, in order: recipe, seed, folder and the model to start from."""
    system, seed, first = job.what, job.seed, study.folder / "stage1"
    name, before = recipes_of(study.family, system)
    if before is None:
        return [(name, 0, first / name, None)]
    earlier: list[tuple[str, int, Path, Path | None]] = [(before, 0, first / before, None)]
    start = first / before / "model"
    after = "" if system in PEERS else find_variant(system).after
    if after:
        earlier = steps_before(study, Job(after, seed))
        start = earlier[-1][2] / "model"
    return [*earlier, (name, seed, study.folder / "runs" / job.key / "train", start)]


@lru_cache
def cost_of(name: str) -> tuple[float, float]:
    """Hours on eight A100, and GiB of each of them, of a full-size recipe; what does not change the shapes costs the
    same and is not computed again."""
    recipe = get_recipe(name)
    [stage] = plan(recipe)
    flops, gib = _shape_cost(_like(name))
    return stage.step.loop.steps * flops / (A100_FLOPS * UTILISATION) / 3600, gib


def _like(name: str) -> str:
    """A recipe of the same shapes."""
    [step] = get_recipe(name).stages
    first = step.starts_from is None
    same = ("no-mad", "no-webvid", "no-vqa", "lr-1e-4", "stage3")
    return "calvin-7b-stage2" if not first and name.endswith(same) else name


@lru_cache
def _shape_cost(name: str) -> tuple[float, float]:
    """Operations of a micro-batch, and GiB of a GPU under the recipe's own layout."""
    [stage] = plan(get_recipe(name))
    model, step = build_on_meta(stage), stage.step
    shapes = assumed_shapes(step, stage.config)
    flops = sum(share * step_flops(model, step.trains, shape) for share, shape in shapes)
    sharded, saves = step.parallel.strategy == "fsdp2", step.parallel.activation_checkpointing
    most = max(memory(model, shape, GPUS, sharded, saves).total for _, shape in shapes)
    return flops, most / 2**30
