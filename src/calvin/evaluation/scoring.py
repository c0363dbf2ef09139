"""All scores of one set of captions: pooled, by film and by scene, each with its interval and its setting.

How sure a score is: bootstrap intervals over scenes, and paired tests of two systems on the same scenes. The scenes are
taken as independent draws; document frequencies (CIDEr) stay those of the whole set. Everything is seeded, so the same
values give the same interval.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calvin.core.errors import DataError, UsageError
from calvin.core.progress import Listener, Stage, silent
from calvin.evaluation.metrics.base import FilmMetric, FilmResult, Metric, NothingToScoreError, PairMetric, Pairs
from calvin.evaluation.metrics.judged import CaptionJudge, Judged
from calvin.evaluation.metrics.ptb import tokenize
from calvin.evaluation.metrics.registry import METRICS, USUAL
from calvin.evaluation.names import NameList

Marks = Mapping[str, Mapping[str, float | None]]
"""Scene id -> aspect -> a mark from 0 to 1, None where the aspect does not apply: scores against structured truth."""

TRUTH = "truth: "
LOWER_IS_BETTER = frozenset({"wrong-name rate", "repetition", "redundancy", f"{TRUTH}wrong_name"})


@dataclass(frozen=True, slots=True)
class Measure:
    """One score of one set of captions, in its own scale; `scale` times that is what tables show.

    `pooled` is over all scenes at once (the paper's Table 1), `movie_mean` the mean of each film scored by itself
    (Table 4), None where there is one film or the measure knows no films. `values` are those of the scenes (or
    windows), whose mean is `pooled`, except for BLEU and METEOR, which therefore have no interval.
    """

    name: str
    pooled: float
    setting: str
    movie_mean: float | None = None
    movies: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    comparable: bool = True
    scale: float = 100.0

    @property
    def shown(self) -> float:
        return self.pooled * self.scale


@dataclass(frozen=True, slots=True)
class Scores:
    """The measures of a set; `skipped` says why a usual one is missing."""

    measures: tuple[Measure, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> Measure | None:
        return next((measure for measure in self.measures if measure.name == name), None)

    @property
    def bertscore_setting(self) -> str:
        found = self.get("BERTScore")
        return found.setting if found else ""


def score_set(
    pairs: Pairs,
    movies: Mapping[str, str] | None = None,
    metrics: Sequence[str] | None = None,
    names: NameList | None = None,
    present: Mapping[str, Collection[str]] | None = None,
    marks: Marks | None = None,
    device: str | None = None,
    listener: Listener = silent,
    judges: Judges | None = None,
) -> Scores:
    """Score captions against their references.

    Args:
        pairs: in time order within each film (for Recall@k/N).
        movies: the film of each id; None: one film.
        metrics: names in `METRICS`; None: those of the paper and Recall@k/N, each left out with its reason where it
            is not installed.
        names: whose names are known, for the wrong-name rate.
        present: who is in each scene, by name; by default the names in its references.
        judges: the models for metrics that ask one.

    Raises:
        UsageError, MissingExtraError: an unknown metric, or one asked for by name is not installed.
    """
    wanted = list(dict.fromkeys(METRICS.find(word).name for word in metrics or USUAL))
    films = movies or dict.fromkeys(pairs.ids, "")
    stage = Stage("score", listener, len(wanted), "metrics")
    measures, skipped = list[Measure](), dict[str, str]()
    for number, word in enumerate(wanted):
        stage.update(number, word)
        try:
            metric = judged(METRICS.find(word).load()(device), judges)
            if isinstance(metric, FilmMetric):
                measures += [_of_film_result(one) for one in metric.score_films(pairs, films, names)]
            else:
                metric = metric.watched_by(listener) if isinstance(metric, PairMetric) else metric
                measures.append(_measure(metric, pairs, films))
        except UsageError as error:
            # What others found, maybe over hours, is not lost because one found nothing.
            if metrics is not None and not isinstance(error, NothingToScoreError):
                raise
            skipped[word] = str(error)
    stage.update(len(wanted))
    measures += _facts(pairs, films, names, present)
    measures += _truth(marks or {}, films)
    if "recall" in wanted and not any(measure.name.startswith("R@") for measure in measures):
        skipped.setdefault("recall", "no film has as many scenes as a window")
    return Scores(tuple(measures), skipped)


@dataclass(frozen=True, slots=True)
class Judges:
    """The models that judge, and the prompt for LLM-AD-eval (None: ours)."""

    models: tuple[CaptionJudge, ...]
    prompt: str | None = None

    def facts(self, metrics: Sequence[str]) -> str:
        """For the protocol card: who judged, by which prompts."""
        asked = {METRICS.find(word).name: judged(METRICS.find(word).load()(None), self) for word in metrics}
        prompts = [f"{name} prompt {m.prompt_sha256}" for name, m in asked.items() if isinstance(m, Judged)]
        names = [" ".join(filter(None, (model.name, model.fingerprint[:12]))) for model in self.models]
        return "; ".join([*names, *prompts]) if prompts else ""


def judged(metric: Metric | FilmMetric, judges: Judges | None) -> Metric | FilmMetric:
    """A metric that asks a model, with these models; any other as it is.

    Raises:
        UsageError: it asks one, and there is none.
    """
    if not isinstance(metric, Judged):
        return metric
    metric = metric.judged_by(judges.models if judges else ())
    metric.checked()
    own = judges.prompt if judges and metric.takes_prompt else None
    return metric if own is None else replace(metric, prompt=own)


def check_metrics(metrics: Sequence[str], judges: Judges | None = None) -> None:
    """See that metrics asked for by name are there, before the captions are made that they are to score.

    Raises:
        UsageError, MissingExtraError: an unknown metric, one that is not installed, or one that asks a judge where
            there is none.
    """
    for word in metrics:
        metric = judged(METRICS.find(word).load()(None), judges)
        if isinstance(metric, PairMetric | FilmMetric):
            metric.check_installed()


def _measure(metric: Metric, pairs: Pairs, films: Mapping[str, str]) -> Measure:
    result = metric.score_pairs(pairs)
    values = dict(zip(result.ids, map(float, result.per_item), strict=True))
    # A mean over items splits by film. BLEU and METEOR pool their counts, and CIDEr weighs words by the whole set: with
    # them each film is scored again by itself.
    is_mean = bool(np.isclose(result.corpus, result.per_item.mean(), rtol=1e-9, atol=1e-12))
    if is_mean and not getattr(metric, "of_the_set", False):
        return measure_of_values(result.name, values, films, result.setting, comparable=result.comparable)
    groups = _groups(pairs.ids, films)
    by_film = {film: metric.score_pairs(_subset(pairs, ids)).corpus for film, ids in groups.items() if len(groups) > 1}
    return Measure(
        result.name, result.corpus, result.setting, _mean(by_film.values()) if by_film else None, by_film,
        bootstrap_interval(result.per_item) if is_mean else None, values, result.comparable,
    )  # fmt: skip


def measure_of_values(
    name: str, values: Mapping[str, float], films: Mapping[str, str], setting: str, **rest: Any
) -> Measure:
    """A measure from values whose mean it is, pooled and by film, with its interval."""
    groups = _groups(list(values), films)
    by_film = {film: _mean(values[key] for key in keys) for film, keys in groups.items()} if len(groups) > 1 else {}
    numbers = np.array(list(values.values()))
    return Measure(
        name, float(numbers.mean()), setting, _mean(by_film.values()) if by_film else None, by_film,
        bootstrap_interval(numbers), values, **rest,
    )  # fmt: skip


def _of_film_result(result: FilmResult) -> Measure:
    scored = {"comparable": result.comparable, "scale": result.scale}
    return measure_of_values(result.name, result.values, result.films, result.setting, **scored)


def _facts(
    pairs: Pairs, films: Mapping[str, str], names: NameList | None, present: Mapping[str, Collection[str]] | None
) -> list[Measure]:
    """Length, variety and wrong names, which the captions alone show."""
    lengths = {key: float(len(tokenize(text))) for key, text in zip(pairs.ids, pairs.candidates, strict=True)}
    given = _mean(len(tokenize(text)) for texts in pairs.references for text in texts)
    measures = [
        Measure(
            "distinct captions", len(set(pairs.candidates)) / len(pairs),
            "different captions, as a share of all; the first references have "
            f"{100 * len({texts[0] for texts in pairs.references}) / len(pairs):.1f}",
        ),
        measure_of_values("mean length", lengths, films, f"words; references have {given:.1f}", scale=1.0),
    ]  # fmt: skip
    if names is not None and names.words:
        wrong = {}
        for key, text, texts in zip(pairs.ids, pairs.candidates, pairs.references, strict=True):
            wrong[key] = float(names.wrong(text, (*texts, *(present or {}).get(key, ()))))
        setting = f"captions that name somebody who is not in the scene; names from {names.source}"
        measures.append(measure_of_values("wrong-name rate", wrong, films, setting))
    return measures


def _truth(marks: Marks, films: Mapping[str, str]) -> list[Measure]:
    aspects = dict.fromkeys(aspect for row in marks.values() for aspect in row)
    measures = []
    for aspect in aspects:
        values = {key: float(mark) for key, row in marks.items() if (mark := row.get(aspect)) is not None}
        if values:
            setting = f"share of {len(values)} scenes to which it applies, against what happens in them"
            measures.append(measure_of_values(f"{TRUTH}{aspect}", values, films, setting))
    return measures


def _groups(keys: Sequence[str], films: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key in keys:
        if key not in films:
            raise DataError(f"The film of scene {key} is not known: give it, or leave films out altogether.")
        groups.setdefault(films[key], []).append(key)
    return groups


def _subset(pairs: Pairs, ids: Sequence[str]) -> Pairs:
    wanted = set(ids)
    rows = [index for index, identity in enumerate(pairs.ids) if identity in wanted]
    return Pairs(
        tuple(pairs.ids[row] for row in rows),
        tuple(pairs.candidates[row] for row in rows),
        tuple(pairs.references[row] for row in rows),
    )


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


RESAMPLES = 2000
PERMUTATIONS = 10_000
LEVEL = 0.95
_CHUNK = 2_000_000  # numbers drawn at once

Floats = NDArray[np.float64]


def bootstrap_interval(values: Floats, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float] | None:
    """The 95% percentile interval of the mean of `values` [N], scenes drawn with replacement; None below two."""
    if len(values) < 2:
        return None
    rng = np.random.default_rng(seed)
    # A draw of all resamples at once would be [resamples, N] numbers: too many for a large set.
    rows = [values[rng.integers(len(values), size=(count, len(values)))].mean(axis=1)
            for count in _chunks(resamples, len(values))]  # fmt: skip
    low, high = np.quantile(np.concatenate(rows), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class PairedTest:
    """First minus second: the mean difference, its bootstrap interval, and p of a paired sign-flip permutation test."""

    difference: float
    interval: tuple[float, float] | None
    p: float
    items: int

    @property
    def significant(self) -> bool:
        return self.p < 1 - LEVEL


def paired_test(first: Floats, second: Floats, seed: int = 0, permutations: int = PERMUTATIONS) -> PairedTest:
    """Compare two systems scene by scene, [N] and [N] in one order.

    Under the null hypothesis a scene's two values could be exchanged, so the sign of each difference is free; p is the
    share of sign patterns whose mean is at least as far from 0 as the one seen (two-sided, never 0). It is not
    corrected for the number of comparisons.

    Raises:
        DataError: different numbers of scenes, or none.
    """
    if len(first) != len(second) or not len(first):
        raise DataError(f"A paired test takes the same scenes of both systems, not {len(first)} and {len(second)}.")
    gaps = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    seen, rng, extreme = abs(gaps.sum()), np.random.default_rng(seed), 0
    moved = gaps[gaps != 0]  # the sign of a gap of 0 changes nothing
    for count in _chunks(permutations, max(1, len(moved))):
        signs = rng.integers(0, 2, size=(count, len(moved)), dtype=np.int8) * 2 - 1
        # The pattern that was seen must count although its sum was added up in another order; hence the 1e-12.
        extreme += int((np.abs(signs @ moved) >= seen * (1 - 1e-12)).sum())
    # Plus one, for the pattern that was seen: p is never 0, and the test stays valid with few permutations.
    return PairedTest(float(gaps.mean()), bootstrap_interval(gaps, seed), (extreme + 1) / (permutations + 1), len(gaps))


def _chunks(total: int, width: int) -> Iterator[int]:
    size = max(1, _CHUNK // width)
    yield from (min(size, total - start) for start in range(0, total, size))
