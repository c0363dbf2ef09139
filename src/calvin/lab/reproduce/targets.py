"""From what was asked for to a table or figure: everything that can be refused first, then runs, then the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from calvin.captioners.hub import Agree, find_model, nobody_asked
from calvin.core.errors import UsageError
from calvin.core.package import __version__
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import markdown_table
from calvin.evaluation.metrics.registry import METRICS
from calvin.evaluation.scenes import Context
from calvin.lab.evaluation_sets import PUPPET_SIZES, DataOptions
from calvin.lab.model_card import machine
from calvin.lab.reproduce.curves import draw
from calvin.lab.reproduce.film_scores import metrics_here, opened
from calvin.lab.reproduce.findings import Findings
from calvin.lab.reproduce.inference import InferenceStudy, Target
from calvin.lab.reproduce.work_shares import carry_out, carry_out_by_ray
from calvin.training.claim import claim_folder
from calvin.training.full.data_file import DataFile
from calvin.training.history import commit

SEEDS = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asked to reproduce; None is the usual.

    Args:
        data: a data file with a table [evaluation]; None: puppet films.
        rows: keys of rows; none: all.
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
            characters=files.characters,
        )  # fmt: skip
        options.check(Context(count=3))
        return options


def study_of(wanted: Wanted) -> tuple[InferenceStudy, list[str]]:
    """The runs of a target that needs no training, with notes for its report.

    Raises:
        UsageError, DataError, CheckpointError: options that do not fit, files or models that are not there.
    """
    wanted.check()
    data = wanted.evaluation()
    if data is not None:
        if wanted.model is None:
            raise UsageError("With --data, name the model that is to be scored: --model.")
        if wanted.seeds not in (None, 1):
            raise UsageError(
                f"{wanted.target} trains nothing, so with --data a seed changes nothing: leave --seeds out."
            )
    metrics, notes = metrics_here(wanted.metrics)
    folder = find_model(wanted.model, wanted.agree)
    target: Target = "figure8" if wanted.target == "figure8" else "table1"
    seeds = 1 if data is not None else wanted.seeds or SEEDS
    study = InferenceStudy(
        target, wanted.folder, folder, metrics, seeds, wanted.films or PUPPET_SIZES.films, data, wanted.rows
    )
    study.jobs()  # refuses an unknown row
    if data is None:
        notes.append(
            f"Captions by plain beam search of 5 beams, {wanted.films or PUPPET_SIZES.films} held-out puppet films of "
            f"{PUPPET_SIZES.scenes} scenes for each seed; context from the references."
        )
    return study, notes


def plan_of(wanted: Wanted) -> str:
    """The runs, with about how long they take and how much memory, without making any."""
    study, _ = study_of(wanted)
    jobs = study.jobs()
    rows = [[job.label, f"{job.minutes:.1f}"] for job in jobs]
    total = sum(job.minutes for job in jobs)
    parameters = opened(study.model).model.num_parameters()
    command = f"calvin reproduce {wanted.target} --seeds {study.seeds} -o {wanted.folder}"
    return (
        f"{markdown_table(['run', 'minutes of one core'], rows)}\n\n"
        f"{len(jobs)} runs, {total / 60:.1f} hours of one core, {1 + 4 * parameters / 2**30:.1f} GiB of memory for "
        f"each process; films are drawn once before, about a second each. Everything by one command, in as many "
        f"processes as there are cores:\n\n    {command}"
    )


def reproduced(
    wanted: Wanted, share: tuple[int, int] = (1, 1), ray: bool = False, listener: Listener = silent
) -> tuple[Findings, int]:
    """Make this share of the runs and write the report as far as they are made; also how many are still to be made.

    Raises:
        UsageError, DataError, CheckpointError: options that do not fit, files or models that are not there, a folder
            of another experiment.
    """
    study, notes = study_of(wanted)
    claim_folder(study.folder, study.claim())
    left = carry_out_by_ray(study) if ray else carry_out(study, share, listener)
    findings = study.findings(notes, facts_of(wanted, study))
    findings.write(study.folder, draw(findings, study.folder))
    return findings, left


def facts_of(wanted: Wanted, study: InferenceStudy) -> Mapping[str, str]:
    """How a report came about."""
    captioner = opened(study.model)
    code = commit()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine(),
        "version": __version__ + (f", commit {code}" if code else ""),
        "command": command_of(wanted),
        "model": f"{captioner.name} {captioner.fingerprint[:12]}",
    }


def command_of(wanted: Wanted) -> str:
    """The command that makes the same again."""
    words = ["calvin", "reproduce", wanted.target]
    for name in ("data", "model", "seeds", "films"):
        value = getattr(wanted, name)
        words += [f"--{name}", str(value)] if value is not None else []
    words += ["--rows", ",".join(wanted.rows)] if wanted.rows else []
    words += ["--metrics", ",".join(wanted.metrics)] if wanted.metrics else []
    return " ".join(words)
