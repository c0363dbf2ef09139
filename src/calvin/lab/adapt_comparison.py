"""Table 4 of the paper, on puppet films or on films of a data set: from films to the table, and whether the paper's
orderings come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.core.files import write_json, write_text
from calvin.core.progress import Listener, silent
from calvin.core.text_tables import counted, markdown_table
from calvin.core.time import Span
from calvin.data.regularisation import RegularScene
from calvin.evaluation.metrics import align
from calvin.evaluation.names import NameList
from calvin.evaluation.scenes import with_bank
from calvin.evaluation.scoring import PairedTest, bootstrap_interval, paired_test, score_set
from calvin.lab.adapt_films import (
    TRAINING_SCENES,
    PresenceScore,
    choose_settings,
    draw_films,
    score_presence,
    study_films,
)
from calvin.lab.adapt_study import Kind, Row, Study, StudyConfig, StudyFilm, StudyScene, rows_of, split_film
from calvin.lab.evaluation_sets import puppet_names
from calvin.studio.adapt.annotated_films import AnnotatedFilms
from calvin.studio.adapt.film_tuning import regular_scenes
from calvin.studio.cast.characters import PresenceSettings

PAPER: Mapping[tuple[str, int], Mapping[str, float]] = {
    ("none", 0): {"BERTScore": 26.91, "CIDEr-D": 10.85, "ROUGE-L": 11.76, "SPICE": 3.73},
    ("oracle", 0): {"BERTScore": 39.14, "CIDEr-D": 16.27, "ROUGE-L": 15.56, "SPICE": 7.13},
    ("first", 20): {"BERTScore": 34.14, "CIDEr-D": 17.74, "ROUGE-L": 14.06, "SPICE": 7.17},
    ("first", 50): {"BERTScore": 36.19, "CIDEr-D": 20.06, "ROUGE-L": 15.22, "SPICE": 7.21},
}
"""Table 4: the mean of 10 films of MAD, by a model of 7B. Beside another model or other films, only the order of the
rows can be compared."""
MAIN = "CIDEr-D"
UNPARSED = "form not kept"
KNEES = {"9": 100, "10": 50}
"""Where the paper's curves flatten: micro-batches, scenes."""
LITTLE = 1 / 3
"""At most this share of the gain up to the knee counts as none after it (our bound: the paper draws curves)."""
_HEAD = "CIDEr is the mean of films, each scored by itself; every row on the same scenes, none of them trained on."
Marks = Callable[[str, str], Mapping[str, float | None]]
"""(scene id, caption) -> marks against the structured truth."""


@dataclass(frozen=True, slots=True)
class RowScore:
    """A row's measures. `films[measure][film]` is the mean over the seeds, in the unit of tables."""

    row: Row
    films: Mapping[str, Mapping[str, float]]

    def values(self, measure: str) -> np.ndarray:
        """A measure of each film, [films]; empty where there is none."""
        return np.array(list(self.films.get(measure, {}).values()))

    def mean(self, measure: str) -> float | None:
        values = self.values(measure)
        return float(values.mean()) if len(values) else None


def score_study(
    study: Study, names: NameList, metrics: Sequence[str] = ("cider", "rouge"), marks: Marks | None = None
) -> list[RowScore]:
    """Every row on the same scenes, each film scored by itself (as Table 4's footnote says)."""
    scores = []
    for row in rows_of(study.config):
        films: dict[str, dict[str, float]] = {}
        for film in study.films:
            runs = [_run(study, film, row, seed, names, metrics, marks) for seed in range(study.config.seeds)]
            for name in runs[0]:
                films.setdefault(name, {})[film.id] = float(np.mean([run[name] for run in runs if name in run]))
        scores.append(RowScore(row, films))
    return scores


def _run(
    study: Study, film: StudyFilm, row: Row, seed: int, names: NameList, metrics: Sequence[str], marks: Marks | None
) -> dict[str, float]:
    scored = [film.scenes[index] for index in split_film(film, study.config, seed).scored]
    found = study.captions(film, row, seed if row.size else 0)
    texts = {scene.id: str(found["captions"][scene.id]) for scene in scored}
    pairs = align(texts, {scene.id: [scene.caption] for scene in scored}, allow_empty=True)
    judged = {key: marks(key, text) for key, text in texts.items()} if marks else None
    result = score_set(pairs, None, list(metrics), names, {s.id: s.oracle for s in scored}, judged)
    values = {measure.name: measure.shown for measure in result.measures}
    return {**values, UNPARSED: 100 * len(found["unparsed"]) / len(scored)} if row.size else values


@dataclass(frozen=True, slots=True)
class Ordering:
    """One of the paper's orderings, by CIDEr per film: `better` minus `worse`, and p of a paired test over films."""

    words: str
    difference: float
    p: float
    films: int

    @property
    def holds(self) -> bool:
        return self.difference > 0

    def line(self) -> str:
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return (
            f"{self.words}: {verdict} ({self.difference:+.1f} CIDEr, p {self.p:.3f} over {counted(self.films, 'film')})"
        )


def orderings(scores: Sequence[RowScore]) -> list[Ordering]:
    """The orderings of Table 4."""
    # Reversed, so that the main row, which comes first, wins over longer runs of the same kind and size.
    by_kind = {(score.row.kind, score.row.size): score for score in reversed(scores)}
    sizes = list(dict.fromkeys(score.row.size for score in scores if score.row.kind == "first"))
    first = sizes[0]
    more = 50 if 50 in sizes else max(sizes)
    pairs: list[tuple[str, tuple[Kind, int], tuple[Kind, int]]] = [
        ("entities by oracle better than none", ("oracle", 0), ("none", 0)),
        ("entities by bank better than none", ("bank", 0), ("none", 0)),
        (f"{first} scenes better than none", ("first", first), ("none", 0)),
        (f"first appearances better than {first} at random", ("first", first), ("random", first)),
    ]
    if more > first:
        pairs.insert(3, (f"{more} scenes better than {first}", ("first", more), ("first", first)))
    found = []
    for words, better, worse in pairs:
        if better not in by_kind:
            continue
        test = paired_test(by_kind[better].values(MAIN), by_kind[worse].values(MAIN))
        found.append(Ordering(words, test.difference, test.p, test.items))
    return found


def gains(scores: Sequence[RowScore]) -> list[str]:
    """Figures 9 and 10: what each step to more micro-batches, then to more scenes, gains on these films."""
    main = next(score.row for score in scores if score.row.kind == "first")
    tuned = [score for score in scores if score.row.kind == "first"]
    curves = [
        ("9, micro-batches", [(s.row.iterations, s) for s in tuned if s.row.size == main.size]),
        ("10, scenes", [(s.row.size, s) for s in tuned if s.row.iterations == main.iterations]),
    ]
    lines = []
    for words, points in curves:
        points.sort(key=lambda point: point[0])
        for (few, less), (many, more) in pairwise(points):
            test = paired_test(more.values(MAIN), less.values(MAIN))
            lines.append(f"Figure {words} from {few} to {many}: {test.difference:+.1f} CIDEr, p {test.p:.3f}")
        lines += _flattening(words, {count: score.values(MAIN) for count, score in points})
    return lines


def _flattening(words: str, curve: Mapping[int, np.ndarray]) -> list[str]:
    """Whether a curve of values by film [films] rises to the paper's knee and then no more; nothing is said of one that
    does not reach across it."""
    figure, _, unit = words.partition(", ")
    knee = KNEES[figure]
    first, last = min(curve), max(curve)
    if knee not in curve or knee in (first, last):
        return []
    before, after = paired_test(curve[knee], curve[first]), paired_test(curve[last], curve[knee])
    return [
        f"Figure {figure}, little gained past {knee} {unit}: {_levels_off(before, after)} ({_gain(before)} "
        f"from {first} to {knee}, {_gain(after)} to {last}; a third of the first is little)"
    ]


def _gain(test: PairedTest) -> str:
    spread = f", 95% {test.interval[0]:+.1f} to {test.interval[1]:+.1f}" if test.interval else ""
    return f"{test.difference:+.1f} CIDEr{spread}"


def _levels_off(before: PairedTest, after: PairedTest) -> str:
    """It holds where something is surely gained before and surely little after: a curve that falls, or lies flat all
    along, levels off nowhere."""
    if before.interval is None or after.interval is None:
        return "CANNOT BE TOLD of one film"
    little = LITTLE * before.difference
    if before.interval[0] <= 0:
        return "DOES NOT HOLD, nothing is surely gained before" if before.difference <= 0 else "CANNOT BE TOLD"
    if after.interval[1] <= little:
        return "holds"
    return "DOES NOT HOLD" if after.interval[0] > little else "CANNOT BE TOLD"


def table(scores: Sequence[RowScore]) -> str:
    """Markdown: CIDEr with its interval over films and the paper's, then the other measures, each with the paper's
    where Table 4 has it."""
    main = next((score.row.iterations for score in scores if score.row.size), 0)
    others = [name for name in dict.fromkeys(n for score in scores for n in score.films) if name != MAIN]
    stated = {name for row in PAPER.values() for name in row}
    head = ["row", f"{MAIN}, mean of films", "95%", "paper, Table 4"]
    head += [word for name in others for word in ([name, f"{name}, paper"] if name in stated else [name])]
    rows = []
    for score in scores:
        interval = bootstrap_interval(score.values(MAIN))
        paper = PAPER.get((score.row.kind, score.row.size), {}) if score.row.iterations in (0, main) else {}
        cells = [score.row.label, f"{score.mean(MAIN):.1f}"]
        cells += [f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "", _cell(paper.get(MAIN), 2)]
        for name in others:
            cells += [_cell(score.mean(name)), *([_cell(paper.get(name), 2)] if name in stated else [])]
        rows.append(cells)
    return markdown_table(head, rows)


def _cell(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


@dataclass(frozen=True, slots=True)
class FilmCounts:
    """How many held-out films are drawn, how many scenes each has, and on how many films the threshold is chosen."""

    heldout: int
    scenes: int
    training: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found: the scores of the rows; of puppet films, how well the bank knows who is there; and
    sentences about the films."""

    scores: Sequence[RowScore]
    presence: PuppetPresence | None = None
    notes: Sequence[str] = ()

    def text(self) -> str:
        lines = [*([self.presence.line()] if self.presence else [])]
        lines += [*(ordering.line() for ordering in orderings(self.scores)), *gains(self.scores), *self.notes]
        return "\n".join([table(self.scores), "", _HEAD, "", *(f"- {line}" for line in lines)])

    def write(self, folder: Path) -> None:
        """`table.md` and `results.json`."""
        rows = [{"row": score.row.label, **asdict(score.row), "films": score.films} for score in self.scores]
        presence = {"presence": self.presence.facts()} if self.presence else {}
        write_text(folder / "table.md", self.text() + "\n")
        write_json(folder / "results.json", {"rows": rows, **presence})


@dataclass(frozen=True, slots=True)
class PuppetPresence:
    """How well the bank knows who is in the scenes of held-out puppet films, with settings chosen on training films."""

    found: PresenceScore
    settings: PresenceSettings
    training_films: int

    def line(self) -> str:
        found = self.found
        return (
            f"Who is there, by bank: precision {found.precision:.0%}, recall {found.recall:.0%} on {found.scenes} "
            f"held-out scenes, at threshold {self.settings.threshold:g}, chosen on {self.training_films} training "
            "films."
        )

    def facts(self) -> dict[str, Any]:
        found = {"precision": self.found.precision, "recall": self.found.recall}
        return {**found, "settings": self.settings.model_dump()}


@dataclass(frozen=True)
class Wish:
    """What is compared in one folder: the rows, the metrics (CIDEr among them), and this process's share of the
    runs, of which (1, 2) is the first of two; `regularisation` are scenes of other films, None: the bundled ones."""

    folder: Path
    config: StudyConfig
    metrics: Sequence[str]
    regularisation: Path | None = None
    share: tuple[int, int] = (1, 1)
    listener: Listener = silent

    def others(self, base: Calvin) -> list[RegularScene]:
        """The scenes of other films that the largest row needs."""
        wanted = round(max(self.config.sizes) * self.config.adapt.regularisation)
        return regular_scenes(base, self.regularisation, wanted)

    def scores(
        self, base: Calvin, films: Sequence[StudyFilm], regular: Sequence[RegularScene], names: NameList,
        marks: Marks | None = None,
    ) -> list[RowScore] | int:  # fmt: skip
        """Make this share of the runs and, once all are made, score them; else how many others still have to make."""
        study = Study(base, films, regular, self.config, self.folder, self.listener)
        if left := study.run(*self.share):
            return left
        return score_study(study, names, self.metrics, marks)


def compare_adaptations(
    base: Calvin, tower: Path, counts: FilmCounts, wish: Wish, say: Callable[[str], None] = print
) -> Comparison | int:
    """Draw puppet films, make this process's share of the runs and, once all are made, score them.

    Args:
        tower: the folder of the model's vision tower.
        say: gets a line on how each threshold of presence does.

    Returns: the comparison, or how many runs other processes still have to make.
    """
    # First what may be missing, then what takes long.
    regular, listener = wish.others(base), wish.listener
    films = wish.folder / "films"
    settings = choose_settings(draw_films(films, base, tower, "train", counts.training, TRAINING_SCENES, listener), say)
    heldout = draw_films(films, base, tower, "heldout", counts.heldout, counts.scenes, listener)
    puppets = study_films(heldout, settings, base.max_frames)
    scores = wish.scores(base, puppets.films, regular, puppet_names(), puppets.marks)
    if isinstance(scores, int):
        return scores
    return Comparison(scores, PuppetPresence(score_presence(heldout, settings), settings, counts.training))


def compare_annotated(
    base: Calvin, films: AnnotatedFilms, wish: Wish, chosen: Sequence[str] = (), entities: Path | None = None
) -> Comparison | int:
    """The same on films of a data set, of which there are annotations and frame vectors and perhaps no film file.

    Args:
        chosen: the films' ids; none: all.
        entities: who is in each scene (`data.sources.read_entities`), for the row of the bank; None: there is no such
            row.

    Raises:
        UsageError: no such film, or one with too few scenes.
        DataError, FeatureError: no scenes of other films for this model, scenes without vectors, or a file that does
            not mention every scene.
    """
    regular, told = wish.others(base), []
    for name in dict.fromkeys(map(films.find, chosen)) if chosen else films.films:
        told.append(_study_film(films, name, base.max_frames, entities))
        split_film(told[-1], wish.config, 0)  # refuses a film with too few scenes before anything is captioned
    wish = replace(wish, config=wish.config.changed(bank=entities is not None))
    scores = wish.scores(base, told, regular, films.names)
    return scores if isinstance(scores, int) else Comparison(scores, notes=films.notes)


def _study_film(films: AnnotatedFilms, name: str, max_frames: int, entities: Path | None) -> StudyFilm:
    scenes = films.usable(name)
    bank = [scene.entities for scene in with_bank(scenes, entities)] if entities is not None else [()] * len(scenes)
    made = [
        StudyScene(s.id, s.span or Span(0, 1), s.caption, films.vectors(s, max_frames), s.entities, found)
        for s, found in zip(scenes, bank, strict=True)
    ]
    return StudyFilm(name, tuple(made))
