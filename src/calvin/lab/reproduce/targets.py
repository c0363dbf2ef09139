"""From what was asked for to a table or figure: everything that can be refused first, then runs, then the report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from calvin.captioners.hub import Agree, find_model, nobody_asked
from calvin.core.errors import UsageError
from calvin.core.package import __version__
from calvin.core.progress import Listener, silent
from calvin.evaluation.metrics.registry import METRICS
from calvin.evaluation.scenes import Context
from calvin.lab.evaluation_sets import FRESH_FILMS, PUPPET_SIZES, DataOptions
from calvin.lab.model_card import machine
from calvin.lab.reproduce.ablations import AblationStudy
from calvin.lab.reproduce.adaptations import FILMS, AdaptationWish
from calvin.lab.reproduce.adaptations import TITLES as ADAPTED
from calvin.lab.reproduce.curves import draw
from calvin.lab.reproduce.film_scores import metrics_here, opened
from calvin.lab.reproduce.findings import Findings
from calvin.lab.reproduce.inference import InferenceStudy, Target
from calvin.lab.reproduce.work_shares import carry_out, carry_out_by_ray
from calvin.lab.reproduce.zero_shot import BLIND, GIVEN, ZeroShotStudy, missing_blind
from calvin.training.claim import claim_folder
from calvin.training.full.data_file import DataFile
from calvin.training.history import commit
from calvin.training.settings import check_settings, parse_settings

SEEDS = 3
Study = InferenceStudy | AblationStudy | ZeroShotStudy


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked to reproduce; None is the usual.

    Args:
        data: a data file with a table [evaluation]; None: puppet films.
        rows: keys of rows; none: all.
        changes: settings of every stage that is trained, as `calvin train --set` takes them.
        launch: on a user's data, the words before `-m calvin train`.
        captioners: further rows of Table 2, as `calvin evaluate` takes them.
    """

    target: str
    folder: Path
    model: str | None = None
    data: Path | None = None
    seeds: int | None = None
    films: int | None = None
    rows: tuple[str, ...] = ()
    metrics: tuple[str, ...] | None = None
    agree: Agree = nobody_asked
    changes: tuple[str, ...] = ()
    launch: tuple[str, ...] = ()
    captioners: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether rows are trained. Table 1 of a model that is named is that model in three settings."""
        return self.target == "table3" or (self.target == "table1" and self.model is None)

    @property
    def adapts(self) -> bool:
        """Whether a model is tuned to films."""
        return self.target in ADAPTED

    @property
    def zero_shot(self) -> bool:
        """Whether other captioners stand beside ours, and names are given in place of context."""
        return self.target == "table2"

    def command(self, seeds: int) -> str:
        """The command that makes all of this, with everything that was asked for."""
        options: dict[str, Sequence[object]] = {
            "--data": [self.data], "--model": [self.model], "--seeds": [seeds], "--films": [self.films],
            "--rows": [",".join(self.rows) or None], "--metrics": [self.metrics and ",".join(self.metrics)],
            "--captioner": self.captioners, "--set": self.changes, "--launch": [shlex.join(self.launch) or None],
            "--out": [self.folder],
        }  # fmt: skip
        given = [
            word for name, values in options.items() for it in values if it is not None for word in (name, str(it))
        ]
        return shlex.join(["calvin", "reproduce", self.target, *given])

    def target_name(self) -> Target:
        return next(name for name in get_args(Target) if name == self.target)

    def check(self) -> None:
        """See that what was asked for fits together, before a model is opened.

        Raises:
            UsageError: it does not.
            ConfigError, DataError: the data file cannot be used.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file: give --out a folder.")
        if self.metrics is not None and "cider" not in {METRICS.find(word).name for word in self.metrics}:
            raise UsageError(f"The orderings are by CIDEr: name cider among the metrics, not only {self.metrics[0]}.")
        if self.data is not None and self.films is not None:
            raise UsageError("--films draws puppet films: leave it out with --data.")
        if self.launch and (self.data is None or not self.trains):
            raise UsageError(
                "--launch starts the training of full-size recipes: it goes with table1 or table3 of --data."
            )
        if self.adapts and self.rows:
            raise UsageError(f"{self.target} is made with all its rows: leave --rows out.")
        if not self.trains:
            self._check_inference()
        elif self.captioners:
            raise UsageError(f"--captioner adds a row to table2: leave it out of {self.target}.")
        elif self.data is not None and self.model is not None:
            raise UsageError(f"{self.target} of --data trains its models from the data file: leave --model out.")
        else:
            check_settings(parse_settings(self.changes), "--set")

    def _check_inference(self) -> None:
        if self.captioners and not self.zero_shot:
            raise UsageError(f"--captioner adds a row to table2: leave it out of {self.target}.")
        if self.zero_shot and self.films is not None:
            raise UsageError(
                f"table2 has {FRESH_FILMS} films a seed: leave --films out; more --seeds bring more films."
            )
        if self.changes:
            raise UsageError(f"{self.target} trains nothing here: leave --set out.")
        if self.data is None or self.adapts:
            return
        if self.seeds not in (None, 1):
            raise UsageError(f"{self.target} trains nothing, so with --data a seed changes nothing: leave --seeds out.")

    def evaluation(self) -> DataOptions | None:
        """The data set to score on; None: puppet films.

        Raises:
            ConfigError, DataError: the data file cannot be read.
            UsageError: it names no data set to score on.
        """
        if self.data is None:
            return None
        files = DataFile.read(self.data).evaluation
        if files is None:
            raise UsageError(
                f"{self.data} does not say what to score on: add a table [evaluation] with annotations and features "
                "(docs/reproduce.md)."
            )
        options = DataOptions(
            str(files.annotations), format=files.format, features=files.features, encoder=files.encoder,
            characters=files.characters, films=files.clips, stills_at=files.stills_at,
        )  # fmt: skip
        options.check(GIVEN if self.zero_shot else Context(count=3))
        return options


def study_of(wanted: Wanted) -> tuple[Study, list[str]]:
    """The runs of a target, with notes for its report.

    Raises:
        UsageError, DataError, CheckpointError: options that do not fit, files or models that are not there.
    """
    wanted.check()
    scored = wanted.evaluation()
    metrics, notes = metrics_here(wanted.metrics)
    films = wanted.films or PUPPET_SIZES.films
    if wanted.trains:
        study: Study = AblationStudy(
            wanted.target_name(), wanted.folder, _parts_of(wanted), metrics, wanted.seeds or SEEDS, films, wanted.data,
            scored, wanted.launch or (sys.executable,), wanted.changes, wanted.rows,
        )  # fmt: skip
    else:
        if scored is not None and wanted.model is None:
            raise UsageError("With --data, name the model that is to be scored: --model.")
        seeds = 1 if scored is not None else wanted.seeds or SEEDS
        folder = find_model(wanted.model, wanted.agree)
        if wanted.zero_shot:
            return _zero_shot(wanted, ZeroShotStudy(
                wanted.folder, folder, metrics, seeds, wanted.captioners, scored, wanted.rows, wanted.agree
            ), notes)  # fmt: skip
        study = InferenceStudy(wanted.target_name(), wanted.folder, folder, metrics, seeds, films, scored, wanted.rows)
    study.jobs()  # refuses an unknown row
    if scored is None:
        drawn = "the same for every seed" if wanted.trains else "others for every seed"
        notes.append(
            f"Captions by plain beam search of 5 beams, {films} held-out puppet films of {PUPPET_SIZES.scenes} scenes, "
            f"{drawn}; context from the references unless a row says otherwise."
        )
    return study, notes


def _zero_shot(wanted: Wanted, study: ZeroShotStudy, notes: list[str]) -> tuple[Study, list[str]]:
    study.jobs()  # refuses an unknown row
    blind = any(name.partition(":")[0] == BLIND for name in wanted.captioners)
    if not blind and (why := missing_blind()):
        notes.append(f"Without the blind baseline: {why}")
    films = "" if study.data is not None else (
        f" {FRESH_FILMS} puppet films a seed of {PUPPET_SIZES.scenes} scenes, of another drawing style, lexicon and "
        "narrator, on which no recipe trains."
    )  # fmt: skip
    notes.append(
        f"Names of those in the scene in the prompt, no context; CALVIN by plain beam search of 5 beams.{films}"
    )
    return study, notes


def _parts_of(wanted: Wanted) -> Path:
    """The model whose tower and language model puppet rows take; on a user's data, which names its own, none."""
    return Path() if wanted.data is not None else find_model(wanted.model, wanted.agree)


def reproduced(
    wanted: Wanted, share: tuple[int, int] = (1, 1), ray: bool = False, listener: Listener = silent
) -> tuple[Findings, int]:
    """Make this share of the runs and write the report as far as they are made; also how many are still to be made.

    Raises:
        UsageError, DataError, CheckpointError: options that do not fit, files or models that are not there, a folder
            of another experiment.
    """
    if wanted.adapts:
        return _adapted(wanted, share, ray, listener)
    study, notes = study_of(wanted)
    claim_folder(study.folder, study.claim())
    left = carry_out_by_ray(study) if ray else carry_out(study, share, listener)
    findings = study.findings(notes, facts_of(wanted, study.model))
    findings.write(study.folder, draw(findings, study.folder))
    return findings, left


def adaptation_of(wanted: Wanted) -> tuple[AdaptationWish, list[str]]:
    """What Table 4, Figure 9 or Figure 10 compares, with notes for the report.

    Raises:
        UsageError, DataError, CheckpointError: options that do not fit, files or models that are not there.
    """
    wanted.check()
    scored = wanted.evaluation()
    if scored is not None and wanted.model is None:
        raise UsageError("With --data, name the model that is to be tuned: --model.")
    files = DataFile.read(wanted.data).evaluation if wanted.data is not None else None
    metrics, notes = metrics_here(wanted.metrics)
    model, seeds = find_model(wanted.model, wanted.agree), wanted.seeds or SEEDS
    notes.append(f"Each film's score is the mean over {seeds} seeds of tuning; each film is scored by itself.")
    return AdaptationWish(wanted.target, wanted.folder, model, metrics, seeds, wanted.films or FILMS, files), notes


def _adapted(wanted: Wanted, share: tuple[int, int], ray: bool, listener: Listener) -> tuple[Findings, int]:
    if ray:
        raise UsageError(f"{wanted.target} is shared by --part: leave --ray out.")
    wish, notes = adaptation_of(wanted)
    compared, left = wish.made(share, listener)
    scores = compared.scores if compared is not None else ()
    told = [*notes, *(compared.notes if compared is not None else ())]
    findings = wish.findings(scores, told, facts_of(wanted, wish.model))
    if compared is not None:
        findings.write(wish.folder, draw(findings, wish.folder))
    return findings, left


def facts_of(wanted: Wanted, folder: Path) -> Mapping[str, str]:
    """How a report came about."""
    code = commit()
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "version": __version__ + (f", commit {code}" if code else ""),
        "command": command_of(wanted),
    }
    if wanted.data is None or not wanted.trains:
        model = opened(folder)
        what = "tower and language model of" if wanted.trains else "model"
        facts[what] = f"{model.name} {model.fingerprint[:12]}"
    return facts


def command_of(wanted: Wanted) -> str:
    """The command that makes the same again."""
    words = ["calvin", "reproduce", wanted.target]
    for name in ("data", "model", "seeds", "films"):
        value = getattr(wanted, name)
        words += [f"--{name}", str(value)] if value is not None else []
    words += [word for name in wanted.captioners for word in ("--captioner", name)]
    words += ["--rows", ",".join(wanted.rows)] if wanted.rows else []
    words += ["--metrics", ",".join(wanted.metrics)] if wanted.metrics else []
    words += [word for change in wanted.changes for word in ("--set", change)]
    words += ["--launch", shlex.join(wanted.launch)] if wanted.launch else []
    return shlex.join(words)
