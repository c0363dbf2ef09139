"""Table 4 and Figures 9 and 10: the comparison of adaptations (`adapt_comparison`) as a table or figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calvin.captioners.calvin import Calvin
from calvin.core.progress import Listener
from calvin.lab.adapt_comparison import (
    PAPER,
    Comparison,
    FilmCounts,
    RowScore,
    Wish,
    compare_adaptations,
    compare_annotated,
)
from calvin.lab.adapt_study import Row, StudyConfig, rows_of
from calvin.lab.reproduce.findings import Findings, ScoredRow
from calvin.lab.reproduce.orderings import PaperRow
from calvin.studio.adapt.annotated_films import AnnotatedFilms, AnnotationFiles
from calvin.training.fewshot import adapt_config
from calvin.training.full.data_file import EvaluationFiles

TITLES: Mapping[str, str] = {
    "table4": "Table 4: entities in the prompt, and tuning on some scenes of the film",
    "figure9": "Figure 9: micro-batches of few-shot tuning",
    "figure10": "Figure 10: annotated scenes of few-shot tuning",
}
SIZES: Mapping[str, tuple[int, ...]] = {"table4": (20, 50), "figure9": (20,), "figure10": (20, 5, 10, 50, 100)}
ITERATIONS: Mapping[str, tuple[int, ...]] = {"table4": (100,), "figure9": (100, 25, 50, 200), "figure10": (100,)}
FILMS, TRAINING_FILMS = 10, 10
SCENES: Mapping[str, int] = {"table4": 150, "figure9": 150, "figure10": 210}
"""Of a film, of which the largest training set is left out."""
TUNING_SECONDS, CAPTION_SECONDS = 0.18, 0.05
"""Of the processor, with the bundled model: a micro-batch of tuning, and a caption in the form of Figure 6."""


@dataclass(frozen=True)
class AdaptationWish:
    """What is compared: a model on puppet films, or on films of a data set."""

    target: str
    folder: Path
    model: Path
    metrics: tuple[str, ...]
    seeds: int
    films: int = FILMS
    evaluation: EvaluationFiles | None = None

    def config(self, base: Calvin) -> StudyConfig:
        """Rows and settings of the comparison."""
        bank = self.evaluation is None or self.evaluation.entities is not None
        return StudyConfig(
            sizes=SIZES[self.target], iterations=ITERATIONS[self.target], seeds=self.seeds, bank=bank,
            adapt=adapt_config(base.model.config),
        )  # fmt: skip

    def plan(self, base: Calvin) -> list[tuple[str, int, float]]:
        """Each row with its number of runs and about how many minutes of one core they take with a small model."""
        config, scenes, found = self.config(base), SCENES[self.target], []
        for row in rows_of(config):
            runs = self.films * (self.seeds if row.size else 1)
            seconds = row.iterations * TUNING_SECONDS + scenes * CAPTION_SECONDS
            found.append((row.label, runs, runs * seconds / 60))
        return found

    def made(self, share: tuple[int, int], listener: Listener) -> tuple[Comparison | None, int]:
        """The comparison once all runs are made, else how many other processes still have to make.

        Raises:
            UsageError, DataError, StoreError: films that are too short, files that do not fit, a folder of another
                comparison.
        """
        base = Calvin.from_pretrained(self.model)
        given = self.evaluation
        lessons = given.regularisation if given is not None else None
        wish = Wish(self.folder, self.config(base), self.metrics, lessons, share, listener)
        if given is None:
            counts = FilmCounts(self.films, SCENES[self.target], TRAINING_FILMS)
            compared = compare_adaptations(base, self.model, counts, wish, lambda _: None)
        else:
            files = AnnotationFiles(given.annotations, given.features, given.format, given.encoder, given.characters)
            opened = AnnotatedFilms.open(files, base.encoder)
            compared = compare_annotated(base, opened, wish, given.films, given.entities)
        return (None, compared) if isinstance(compared, int) else (compared, 0)

    def findings(self, scores: Sequence[RowScore], notes: Sequence[str], facts: Mapping[str, str]) -> Findings:
        """The table, or the points of the curve, with verdicts."""
        rows = [ScoredRow(paper_row(self.target, one.row), _by_seed(one)) for one in scores]
        axis = {}
        if self.target != "table4":
            name = "iterations" if self.target == "figure9" else "samples"
            tuned = [one.row for one in scores if one.row.kind == "first"]
            axis = {name: {key_of(self.target, r): float(getattr(r, _COUNTED[self.target])) for r in tuned}}
        return Findings(self.target, TITLES[self.target], rows, notes, facts, axis=axis)


_COUNTED = {"figure9": "iterations", "figure10": "size"}


def key_of(target: str, row: Row) -> str:
    """A row's key in the orderings: figure 9 tells iterations apart, the others sizes."""
    if not row.size:
        return row.kind
    return f"{row.kind}-{row.size}" + (f"-{row.iterations}" if target == "figure9" else "")


def paper_row(target: str, row: Row) -> PaperRow:
    usual = row.iterations in (0, ITERATIONS[target][0])
    return PaperRow(key_of(target, row), "", row.label, PAPER.get((row.kind, row.size), {}) if usual else {})


def _by_seed(one: RowScore) -> dict[str, dict[int, dict[str, float]]]:
    """The comparison's scores are means over its seeds already, film by film: one seed to the verdicts."""
    return {measure: {0: dict(films)} for measure, films in one.films.items()}
