"""What needs training: Table 3, and Table 1 with the peers that can be trained on the same data.

On puppet films each row is an `ablation` recipe carried out here; on a user's data it is the full-size recipe of the
same variant, carried out by the command that `--plan` prints.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from calvin.captioners.calvin import Calvin
from calvin.core.errors import CalvinError
from calvin.core.progress import Listener, silent
from calvin.evaluation.protocol import PUBLISHED
from calvin.lab.evaluation_sets import PUPPET_SIZES, DataOptions
from calvin.lab.reproduce.base_parts import WORLD, make_base
from calvin.lab.reproduce.film_scores import (
    TOLD,
    ScoredScenes,
    Setting,
    caption_and_score,
    data_scenes,
    opened,
    puppet_scenes,
    read_scores,
)
from calvin.lab.reproduce.findings import Findings, ScoredRow
from calvin.lab.reproduce.inference import CAPTION_SECONDS, Target, chosen_rows
from calvin.lab.reproduce.orderings import CIDER, TABLE_3, Ordering, PaperRow, above
from calvin.lab.reproduce.verdicts import verdict_on
from calvin.lab.reproduce.work_shares import DONE, Job, awaited, place_of
from calvin.puppets.draw.stage import DRAWING
from calvin.training.full.data_file import DataFile
from calvin.training.peers import PEERS
from calvin.training.recipes import get_recipe
from calvin.training.run import Run
from calvin.training.settings import change_recipe, parse_settings
from calvin.training.steps import Recipe, WorldConfig
from calvin.training.variants import VARIANTS, find_variant

TITLES: Mapping[Target, str] = {
    "table1": "Table 1: with and without context, beside the forms of earlier describers",
    "table3": "Table 3: what stage 2 learns from, what it trains, and how",
}
GATE_ACTION, GATE_NAMES = 80.0, 50.0
"""What the starred row has to score, in percent: without sight, and without names from the context, the order of the
rows would say nothing."""
BASELINE = "all"
_THREE, _MOST = "3-scenes", 32


@dataclass(frozen=True, slots=True)
class TrainedRow:
    """A row: the trained system, in one setting of its evaluation."""

    paper: PaperRow
    system: str
    setting: str = _THREE


SETTINGS: Mapping[str, Setting] = {
    _THREE: Setting(3, _MOST),
    "none": Setting(0, _MOST),
    "5-scenes": Setting(5, _MOST),
    "6-own": Setting(6, _MOST, own=True),
}
_PAPER = {(row.system, row.context): row.mapping for row in PUBLISHED["mad-named"]}
TABLE_1: Sequence[TrainedRow] = (
    TrainedRow(PaperRow("clipcap", "No context", "ClipCap's form", _PAPER["ClipCap", "none"]), "clipcap", "none"),
    TrainedRow(PaperRow("none", "No context", "CALVIN", _PAPER["CALVIN 7B", "none"]), BASELINE, "none"),
    TrainedRow(
        PaperRow("autoad", "Context", "AutoAD-I's form (6 scenes, its own captions)", _PAPER["AutoAD-I", "6 scenes"]),
        "autoad", "6-own",
    ),
    TrainedRow(PaperRow("3-scenes", "Context", "CALVIN (3 scenes)", _PAPER["CALVIN 7B", "3 scenes"]), BASELINE),
    TrainedRow(
        PaperRow("5-scenes", "Context", "CALVIN (5 scenes)", _PAPER["CALVIN 7B", "5 scenes"]), BASELINE, "5-scenes"
    ),
)  # fmt: skip


def recipes_of(family: str, system: str) -> tuple[str, str | None]:
    """The recipe of a system in a family of models, and that of the model it goes on from; of a model before stage 2
    the recipe alone."""
    if system in PEERS:
        return f"{family}-stage2-{system}", f"{family}-stage1-{system}"
    variant = find_variant(system)
    if variant.untrained:
        return variant.recipe(family), None
    return variant.recipe(family), variant.stage_1(family)


@dataclass(frozen=True)
class AblationStudy:
    """Rows that are trained, each with several seeds.

    Args:
        model: on puppet films, the model whose tower and language model are taken.
        data: a user's data file, and what it says to score on; None: puppet films.
        launch: on a user's data, the words before `-m calvin train`.
        changes: settings of every stage, as `calvin train --set` takes them.
        only: keys of rows; none: all.
    """

    target: Target
    folder: Path
    model: Path
    metrics: tuple[str, ...]
    seeds: int = 3
    films: int = PUPPET_SIZES.films
    data: Path | None = None
    scored: DataOptions | None = None
    launch: tuple[str, ...] = (sys.executable,)
    changes: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    world: WorldConfig = field(default=WORLD)

    @property
    def family(self) -> str:
        return "ablation" if self.data is None else "calvin-7b"

    @property
    def rows(self) -> list[TrainedRow]:
        """
        Raises:
            UsageError: there is no such row.
        """
        every = list(TABLE_1) if self.target == "table1" else [TrainedRow(row, row.key) for row in TABLE_3]
        return chosen_rows(every, [row.paper.key for row in every], self.only)

    @property
    def systems(self) -> list[str]:
        """What is trained: the baseline first, by which the gate is judged, and what others go on from before them."""
        wanted = {row.system for row in self.rows}
        order = [BASELINE, *(variant.key for variant in VARIANTS), *PEERS]
        return [system for system in dict.fromkeys(order) if system in wanted]

    def jobs(self) -> list[Job]:
        """A run for each system and seed; of the model before stage 2, one."""
        jobs = []
        for seed in range(self.seeds):
            for system in self.systems:
                if seed and recipes_of(self.family, system)[1] is None:
                    continue
                jobs.append(Job(system, seed, self._minutes(system)))
        return jobs

    def _minutes(self, system: str) -> float:
        name, before = recipes_of(self.family, system)
        [step] = self.recipe(name, 0).stages
        trained = step.loop.steps * MINUTES_A_STEP if before is not None else 0.0
        captions = len(self._settings(system)) * self.films * PUPPET_SIZES.scenes
        return trained + captions * CAPTION_SECONDS / 60

    def _settings(self, system: str) -> list[str]:
        """What a system is scored in, the setting of its main row last. The gate needs the baseline without context."""
        asked = {row.setting for row in self.rows if row.system == system}
        asked |= {"none", _THREE} if system == BASELINE else set()
        return sorted(asked, key=lambda name: (name == _THREE, name))

    def recipe(self, name: str, seed: int) -> Recipe:
        """A recipe with this study's settings and a seed."""
        changed = change_recipe(get_recipe(name), parse_settings(self.changes), "--set")
        return change_recipe(changed, {"seed": seed}, "--seeds")

    def perform(self, job: Job, place: Path, listener: Listener = silent) -> None:
        system = job.what
        captioner = opened(self.trained(system, job.seed, listener))
        scenes = _scenes(self, captioner, listener)
        facts = {"seed": job.seed, "recipe": recipes_of(self.family, system)[0], "set": list(self.changes)}
        *others, last = self._settings(system)
        for name in others:
            if not (place / name / DONE).is_file():
                (place / name).mkdir(exist_ok=True)
                caption_and_score(captioner, scenes, SETTINGS[name], self.metrics, place / name, facts, listener)
        caption_and_score(captioner, scenes, SETTINGS[last], self.metrics, place, facts, listener)

    def trained(self, system: str, seed: int, listener: Listener = silent) -> Path:
        """The folder of a system's model, trained first if need be, with what it goes on from."""
        name, before = recipes_of(self.family, system)
        data = self.data or make_base(self.folder / "base", self.model, self.world, listener)
        first = self.folder / "stage1"
        if before is None:
            return self._train(name, 0, data, first / name, None, listener)
        variant = None if system in PEERS else find_variant(system)
        if variant is not None and variant.after:
            place = place_of(self, Job(variant.after, seed))
            with awaited(place):  # whoever makes that run is done with it then
                start = self.trained(variant.after, seed, listener)
        else:
            with awaited(first):
                start = self._train(before, 0, data, first / before, None, listener)
        return self._train(name, seed, data, place_of(self, Job(system, seed)) / "train", start, listener)

    def _train(
        self, name: str, seed: int, data: Path, folder: Path, start: Path | None, listener: Listener
    ) -> Path:  # fmt: skip
        model = folder / "model"
        if model.is_dir():
            return model
        if self.data is None:
            import torch

            # At these sizes one thread is as fast as two, and weights are the same on any number of cores.
            torch.set_num_threads(1)
            Run(self.recipe(name, seed), folder, DataFile.read(data), start, listener).models()
            return model
        words = self.command(name, seed, folder, start)
        if subprocess.run(words, check=False).returncode:
            raise CalvinError(f"Training ended with an error; the command was: {shlex.join(words)}")
        return model

    def command(self, name: str, seed: int, folder: Path, start: Path | None) -> list[str]:
        """The command that trains a recipe on the user's data."""
        words = [*self.launch, "-m", "calvin", "train", name, "--data", str(self.data), "--out", str(folder)]
        words += ["--start", str(start)] if start is not None else []
        return [*words, *(word for change in (*self.changes, f"seed={seed}") for word in ("--set", change))]

    def findings(self, notes: Sequence[str] = (), facts: Mapping[str, str] | None = None) -> Findings:
        """The table as far as it is made."""
        found = [ScoredRow(row.paper, self._scores(row.system, row.setting)) for row in self.rows]
        holds, gate = (True, "") if self.data is not None else self.gate()
        return Findings(self.target, TITLES[self.target], found, notes, facts or {}, gate, holds)

    def _scores(self, system: str, setting: str) -> dict[str, dict[int, dict[str, float]]]:
        """measure -> seed -> film -> points. What is not trained is the same for every seed."""
        alone = recipes_of(self.family, system)[1] is None
        places = [place_of(self, Job(system, 0 if alone else seed)) for seed in range(self.seeds)]
        within = "" if setting == self._settings(system)[-1] else setting
        return read_scores(place / within for place in places)

    def gate(self) -> tuple[bool, str]:
        """Whether the baseline has learnt what the orderings are about, and in words what it scores."""
        with_context = ScoredRow(PaperRow(_THREE, "", ""), self._scores(BASELINE, _THREE))
        action, names = (with_context.mean(f"truth: {aspect}") for aspect in ("action", TOLD))
        if action is None or names is None:
            return False, "the baseline is not run yet"
        ordering = Ordering("gate", "context", "", "", above(_THREE, "none"))
        scores = {_THREE: with_context.scores.get(CIDER, {}), "none": self._scores(BASELINE, "none").get(CIDER, {})}
        found = verdict_on(ordering, scores)
        holds = action >= GATE_ACTION and names >= GATE_NAMES and found.kind == "holds"
        return holds, (
            f"action {action:.1f}% (at least {GATE_ACTION:.0f}), names where told {names:.1f}% (at least "
            f"{GATE_NAMES:.0f}), three scenes above none: {found.words}"
        )

    def claim(self) -> dict[str, object]:
        """What the folder is recognised by."""
        return {
            "target": self.target, "model": opened(self.model).fingerprint if self.data is None else "",
            "data": "puppets" if self.data is None else str(self.data), "films": self.films, "drawing": DRAWING,
            "metrics": list(self.metrics), "set": list(self.changes), "world": self.world.model_dump(mode="json"),
        }  # fmt: skip


MINUTES_A_STEP = 0.48 / 60
"""Minutes of one core for a micro-batch of an `ablation` stage 2, measured on a busy machine."""


@lru_cache(maxsize=2)
def _scenes(study: AblationStudy, captioner: Calvin, listener: Listener) -> ScoredScenes:
    if study.scored is not None:
        return data_scenes(study.scored, captioner, listener)
    return puppet_scenes(study.folder / "films", 0, study.films, study.folder / "base" / "tower", listener)
