"""What is in a data set, what training would leave out of it, and why, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from calvin.core.time import format_timecode
from calvin.data.features import NO_FEATURES, PAST_END, FeatureFolder, open_features
from calvin.data.instructions import Instructions
from calvin.data.readers.registry import READERS
from calvin.data.samples import DropReport, FilmName, Sample
from calvin.data.sources import SourceConfig, evaluation_films, find_overlap, read_samples

SHOWN = 5
_SAID = {NO_FEATURES: "without features", PAST_END: f"{PAST_END}, which are cut short or at another rate"}


@dataclass
class Check:
    """`report` is the reader's and the cleaning's; `unusable` has what is wrong with the features of samples.

    `overlap` names films.
    """

    config: SourceConfig
    stage: Literal[1, 2]
    samples: list[Sample]
    report: DropReport
    unusable: dict[str, list[Sample]] = field(default_factory=dict)
    features: str = ""
    feature_report: DropReport = field(default_factory=DropReport)
    overlap: dict[str, FilmName] = field(default_factory=dict)
    unnamed_films: int = 0

    @property
    def bad_share(self) -> float:
        """The share that training compares with `max_bad_share`."""
        bad = self.report.bad + sum(map(len, self.unusable.values()))
        total = self.report.bad + len(self.samples)
        return bad / total if total else 1.0

    @property
    def stops_training(self) -> bool:
        refused = bool(self.overlap) and self.config.evaluation_films == "refuse"
        return self.bad_share > self.config.max_bad_share or refused

    def lines(self) -> list[str]:
        """The whole finding, for people."""
        media = {sample.media_id for sample in self.samples}
        kinds = "/".join(sorted({sample.kind for sample in self.samples})) or "no"
        lines = [
            f"{self.config.annotations}: {READERS.find(self.config.reader).about}",
            f"{len(self.samples)} {kinds} samples of {len(media)} files" + self._hours(),
            *self.report.summary().splitlines(),
            *self._about_features(),
            *self._about_overlap(),
            f"broken: {self.bad_share:.2%} ({self.config.max_bad_share:.2%} allowed)",
        ]
        return [*lines, "", *self._prompts()]

    def _hours(self) -> str:
        described = sum(sample.span.duration_ms for sample in self.samples if sample.span)
        return f", {described / 3_600_000:.2f} hours described" if described else ""

    def _about_features(self) -> list[str]:
        lines = [self.features] if self.features else []
        for problem, samples in self.unusable.items():
            files = list(dict.fromkeys(sample.media_id for sample in samples))
            named = files if problem == NO_FEATURES else [sample.id for sample in samples]
            what = _SAID.get(problem, problem)
            lines.append(f"{len(samples)} samples {what}, of {len(files)} files: {', '.join(named[:SHOWN])}")
        if self.feature_report.dropped or self.feature_report.noted:
            lines += [f"features: {line}" for line in self.feature_report.summary().splitlines()[1:]]
        return lines

    def _about_overlap(self) -> list[str]:
        lines = [
            f"evaluation film: {media_id} is {film.title or film.imdb}"
            for media_id, film in sorted(self.overlap.items())
        ]
        if self.unnamed_films:
            unnamed = f"{self.unnamed_films} films have neither a title nor an IMDb id"
            lines.append(f"{unnamed}, so whether they are evaluation films is not known")
        return lines

    def _prompts(self) -> list[str]:
        instructions = Instructions(stage=self.stage)
        lines: list[str] = []
        for sample in spread(self.samples, SHOWN):
            example = instructions(sample)
            span = sample.span
            when = f" {format_timecode(span.start_ms)} to {format_timecode(span.end_ms)}" if span else ""
            lines += [f"[{sample.id}]{when}", f"  <visual>{example.prompt.text}", f"  -> {example.caption}"]
        return lines


def check_source(
    config: SourceConfig,
    *,
    features: Path | None = None,
    against: Sequence[str] = (),
    stage: Literal[1, 2] = 2,
    **expected: Any,
) -> Check:
    """Read, clean and judge a source as training would.

    Args:
        features: a feature file or folder; None leaves features unchecked.
        against: evaluation sets whose films must not be here (`evaluation_films`).
        expected: `expect_encoder` and `expect_dim` of the features.

    Raises:
        DataError: the annotations cannot be read.
        FeatureError: no feature file can be used.
    """
    result = read_samples(config)
    check = Check(config, stage, result.samples, result.report)
    if features is not None:
        store = open_features(features, fps=config.fps, stated_encoder=config.stated_encoder, **expected)
        for sample in result.samples:
            if problem := store.problem(sample.media_id, sample.span):
                check.unusable.setdefault(problem, []).append(sample)
        check.features = f"{features}: features of {len(store)} ids"
        if isinstance(store, FeatureFolder):
            check.feature_report = store.report
    if against:
        check.overlap = find_overlap(result.films, evaluation_films(against))
        check.unnamed_films = sum(not (film.imdb or film.title) for film in result.films.values())
    return check


def spread(samples: Sequence[Sample], count: int) -> list[Sample]:
    """`count` samples spread evenly over all of them."""
    if len(samples) <= count:
        return list(samples)
    return [samples[(2 * i + 1) * len(samples) // (2 * count)] for i in range(count)]
