"""What needs no training: Figure 8 (scenes of context, frames, temperature) and the CALVIN rows of Table 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, TypeVar

from calvin.captioners.calvin import Calvin
from calvin.core.errors import UsageError
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted
from calvin.evaluation.protocol import PUBLISHED
from calvin.lab.evaluation_sets import PUPPET_SIZES, DataOptions
from calvin.lab.reproduce.film_scores import (
    ScoredScenes,
    Setting,
    caption_and_score,
    data_scenes,
    opened,
    puppet_scenes,
    read_scores,
)
from calvin.lab.reproduce.findings import Findings, ScoredRow
from calvin.lab.reproduce.orderings import PaperRow
from calvin.lab.reproduce.work_shares import Job, place_of
from calvin.puppets.draw.stage import DRAWING

_Row = TypeVar("_Row")
Target = Literal["table1", "table3", "figure8"]
TITLES: Mapping[Target, str] = {
    "table1": "Table 1: with and without context",
    "figure8": "Figure 8: scenes of context, frames and temperature at inference",
}
SCENES = (0, 1, 2, 3, 4, 5, 6, 8, 10)
FRAMES = (1, 2, 4, 8, 16)
TEMPERATURES = (0.1, 0.4, 0.7, 1.0)
"""The paper draws curves without saying where their points are: these are ours. The last point of the frames is as many
as the model takes."""
CAPTION_SECONDS = 0.03
"""Processor's seconds of a caption by five beams of the bundled model, about, for telling how long runs take."""
_PUBLISHED = {(row.system, row.context): row.mapping for row in PUBLISHED["mad-named"]}
_OURS = "CALVIN 7B"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A row that is one model in one setting; `x` is its place on a curve."""

    paper: PaperRow
    setting: Setting
    curve: str = ""
    x: float = 0.0


def rows_of_figure_8(most: int) -> list[SettingRow]:
    """The points of the three curves, for a model that takes `most` frames. Three scenes, all frames and temperature 1
    are a point of each."""

    def row(curve: str, key: str, label: str, x: float, setting: Setting) -> SettingRow:
        published = {0: "none", 3: "3 scenes", 5: "5 scenes"} if curve == "scenes" else {}
        values = _PUBLISHED.get((_OURS, published.get(int(x), "")), {})
        return SettingRow(PaperRow(f"{curve}-{key}", curve, label, values), setting, curve, x)

    fewer = [count for count in FRAMES if count < most]
    return [
        *(row("scenes", f"{n}", counted(n, "scene"), n, Setting(context=n, frames=most)) for n in SCENES),
        *(row("frames", f"{n}", counted(n, "frame"), n, Setting(frames=n)) for n in fewer),
        row("frames", "all", f"{most} frames, all that the model takes", most, Setting(frames=most)),
        *(row("temperature", f"{t:g}", f"temperature {t:g}", t, Setting(frames=most, temperature=t))
          for t in TEMPERATURES),
    ]  # fmt: skip


def rows_of_table_1(most: int) -> list[SettingRow]:
    """CALVIN's rows of Table 1."""
    return [
        SettingRow(
            PaperRow(key, "CALVIN", f"context: {words}", _PUBLISHED[_OURS, words]), Setting(context=count, frames=most)
        )
        for key, words, count in (("none", "none", 0), ("3-scenes", "3 scenes", 3), ("5-scenes", "5 scenes", 5))
    ]


@dataclass(frozen=True)
class InferenceStudy:
    """One model in many settings, on puppet films of each seed or on a data set.

    Args:
        model: its folder, which has a vision tower if the films are puppet films.
        films: held-out puppet films of each seed.
        data: a data set in place of puppet films; there is then one seed.
        only: keys of rows; none: all.
    """

    target: Target
    folder: Path
    model: Path
    metrics: tuple[str, ...]
    seeds: int = 3
    films: int = PUPPET_SIZES.films
    data: DataOptions | None = None
    only: tuple[str, ...] = ()

    @cached_property
    def rows(self) -> list[SettingRow]:
        """
        Raises:
            UsageError: there is no such row.
        """
        most = opened(self.model).max_frames
        every = rows_of_figure_8(most) if self.target == "figure8" else rows_of_table_1(most)
        return chosen_rows(every, [row.paper.key for row in every], self.only)

    def jobs(self) -> list[Job]:
        """One for each setting and seed, the settings of the orderings' rows not before others."""
        captions = self.films * PUPPET_SIZES.scenes
        settings = dict.fromkeys(row.setting for row in self.rows)
        return [
            Job(setting.key, seed, captions * CAPTION_SECONDS / 60)
            for seed in range(self.seeds)
            for setting in settings
        ]

    def perform(self, job: Job, place: Path, listener: Listener = silent) -> None:
        [setting] = {row.setting for row in self.rows if row.setting.key == job.what}
        captioner = opened(self.model)
        scenes = _scenes(self, job.seed, captioner, listener)
        caption_and_score(captioner, scenes, setting, self.metrics, place, {"seed": job.seed}, listener)

    def findings(self, notes: Sequence[str] = (), facts: Mapping[str, str] | None = None) -> Findings:
        """The table as far as it is made."""
        found, axis = [], dict[str, dict[str, float]]()
        for row in self.rows:
            places = [place_of(self, Job(row.setting.key, seed)) for seed in range(self.seeds)]
            found.append(ScoredRow(row.paper, read_scores(places)))
            if row.curve:
                axis.setdefault(row.curve, {})[row.paper.key] = row.x
        return Findings(self.target, TITLES[self.target], found, notes, facts or {}, axis=axis)

    def claim(self) -> dict[str, object]:
        """What the folder is recognised by."""
        return {
            "target": self.target, "model": opened(self.model).fingerprint, "data": claimed_data(self.data),
            "films": self.films, "drawing": DRAWING, "metrics": list(self.metrics),
        }  # fmt: skip


def claimed_data(data: DataOptions | None) -> str:
    """By what a folder of runs tells its data from others'."""
    return "puppets" if data is None else f"{data.data} {data.annotations} {data.features}"


@lru_cache(maxsize=4)
def _scenes(study: InferenceStudy, seed: int, captioner: Calvin, listener: Listener) -> ScoredScenes:
    if study.data is not None:
        return data_scenes(study.data, captioner, listener)
    return puppet_scenes(study.folder / "films", seed, study.films, study.model, listener)


def chosen_rows(every: Sequence[_Row], keys: Sequence[str], only: Sequence[str]) -> list[_Row]:
    """The rows of these keys, or all.

    Raises:
        UsageError: there is no such row.
    """
    unknown = [key for key in only if key not in keys]
    if unknown:
        raise UsageError(f"There is no row {unknown[0]!r}; there are: {', '.join(dict.fromkeys(keys))}.")
    return [row for row, key in zip(every, keys, strict=True) if not only or key in only]
