"""One row's captions and scores: scenes captioned in one setting, scored film by film, kept in the run's folder."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.captioners.decoding import CaptionDecoding
from calvin.core.errors import MissingExtraError
from calvin.core.files import read_record, write_json
from calvin.core.progress import Listener, silent
from calvin.core.prompts import EVALUATION_QUESTION
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.data import Features, FeatureStore, Sample, read_mad_csv
from calvin.encode.vectors import make_features
from calvin.evaluation.metrics import align
from calvin.evaluation.names import NameList, harvest
from calvin.evaluation.protocol import references_checksum
from calvin.evaluation.scenes import CaptionStore, Context, Kind, Origin, Pictures, caption_scenes, evaluated, film_of
from calvin.evaluation.scenes import with_oracle as with_names
from calvin.evaluation.scoring import Marks, Measure, check_metrics, score_set
from calvin.lab.evaluation_sets import PUPPET_SIZES, DataOptions, judge, make_job, puppet_names, read_truth
from calvin.lab.figures import context_names_everyone
from calvin.lab.reproduce.work_shares import DONE, awaited
from calvin.lab.truth_scoring import TruthScene
from calvin.puppets.truth import SceneTruth
from calvin.puppets.world import write_world

FILMS_SEED = 8100
"""Of the films that tables and figures are scored on: neither a recipe's nor that of the development films."""
TOLD = "names where told"
"""The exact set of names, of the scenes before which three captions tie everybody on screen to a look."""
_TOLD_BY = 3
USUAL_METRICS = ("cider", "rouge", "bertscore")


def metrics_here(asked: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    """The metrics to score by, and a note on each usual one that is not installed; those asked for by name have to be.

    Raises:
        UsageError, MissingExtraError: an unknown metric, or one asked for that is not installed.
    """
    if asked is not None:
        check_metrics(asked)
        return tuple(asked), []
    found, notes = [], []
    for name in USUAL_METRICS:
        try:
            check_metrics([name])
            found.append(name)
        except MissingExtraError as error:
            notes.append(f"Without {name}: {error}")
    return tuple(found), notes


@dataclass(frozen=True, slots=True)
class Setting:
    """How scenes are captioned: what the prompt holds, how many frames are seen, and the search's temperature. The
    context may be the model's `own` captions."""

    context: int = 3
    frames: int = 32
    temperature: float = 1.0
    kind: Kind = "scenes"
    own: bool = False

    @property
    def key(self) -> str:
        given = f"context-{self.context}{'-own' if self.own else ''}" if self.kind == "scenes" else self.kind
        return f"{given}-frames-{self.frames}-temperature-{self.temperature:g}"

    def decoding(self) -> CaptionDecoding:
        """The paper's plain beam search, at this temperature."""
        return CaptionDecoding(temperature=self.temperature, rules=())


@dataclass(frozen=True, slots=True)
class ScoredScenes:
    """Scenes to caption with their frame vectors and references; of puppet films, with what happens in them."""

    split: str
    samples: Sequence[Sample]
    features: Features | None
    names: NameList | None = None
    truth: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def movies(self) -> dict[str, str]:
        return {sample.id: film_of(sample) for sample in self.samples}

    def previous(self) -> dict[str, tuple[str, ...]]:
        """The references before each scene in its film, oldest first."""
        before: dict[str, tuple[str, ...]] = {}
        found = {}
        for sample in self.samples:
            film = film_of(sample)
            found[sample.id] = before.get(film, ())
            before[film] = (*found[sample.id], sample.caption)
        return found


def puppet_scenes(folder: Path, seed: int, films: int, tower: Path, listener: Listener = silent) -> ScoredScenes:
    """Held-out puppet films of a seed, drawn and encoded into `folder` where they are not there yet.

    Args:
        tower: the folder of the vision tower, or of a model that has one.
    """
    place = folder / f"seed-{seed}"
    with awaited(place):
        world = write_world(place, FILMS_SEED + seed, PUPPET_SIZES.changed(films=films), "heldout", 1, listener)
        features = place / "features.h5"
        if not features.is_file():
            make_features(world / "mad" / "videos", str(tower), features, listener=listener)
    samples = evaluated(read_mad_csv(world / "mad" / "mad.csv").samples)
    truth = read_truth(world / "mad", samples)
    names = puppet_names()
    samples = with_names(samples, {}, names)
    return ScoredScenes(f"puppets-{FILMS_SEED + seed}", samples, FeatureStore.open(features), names, truth)


def data_scenes(options: DataOptions, captioner: Calvin, listener: Listener = silent) -> ScoredScenes:
    """Scenes of a data set, as `calvin evaluate` reads them, with the names that their references hold.

    Raises:
        UsageError, DataError: what the data set needs is not there or does not fit.
    """
    job = make_job(options, Context("entities-oracle"), EVALUATION_QUESTION, captioner, listener)
    assert job.pictures.features is not None
    return ScoredScenes(job.split, job.samples, job.pictures.features, job.names)


@lru_cache(maxsize=2)
def opened(model: Path) -> Calvin:
    """A model, kept for the runs that follow."""
    return Calvin.from_pretrained(model)


def caption_and_score(
    captioner: Calvin, scenes: ScoredScenes, setting: Setting, metrics: Sequence[str], place: Path,
    facts: Mapping[str, Any], listener: Listener = silent,
) -> None:  # fmt: skip
    """Caption the scenes into `place`, going on where an earlier process stopped, and leave their scores.

    Args:
        facts: of the run, kept beside the scores.
    """
    started = time.process_time()
    captioner.decoding = setting.decoding()
    store = CaptionStore(place / "captions.jsonl")
    origin: Origin = "own" if setting.own else "references"
    context = Context(setting.kind, setting.context if setting.kind == "scenes" else 0, origin)
    pictures = Pictures(scenes.features, max_frames=min(setting.frames, captioner.max_frames))
    caption_scenes(captioner, scenes.samples, context, pictures, store, listener=listener)
    texts = {sample.id: store.kept[sample.id].text for sample in scenes.samples}
    searched = captioner.decoding
    card = {
        "split": scenes.split,
        "scenes": len(scenes.samples),
        "context": context.words,
        "frames": pictures.max_frames,
        "beams": searched.beams,
        "temperature": searched.temperature,
        "decoding": searched.words,
        "model": captioner.fingerprint,
    }
    score_captions(texts, scenes, metrics, place, card, facts, started)


def score_captions(
    texts: Mapping[str, str], scenes: ScoredScenes, metrics: Sequence[str], place: Path, card: Mapping[str, Any],
    facts: Mapping[str, Any], started: float | None = None,
) -> None:  # fmt: skip
    """Leave the scores of captions, by scene id, in `place`.

    Args:
        card: how they were made; which references they are scored against is added.
        started: the process's time when they were begun.
    """
    references = {s.id: s.references or (s.caption,) for s in scenes.samples}
    pairs = align(dict(texts), {key: list(given) for key, given in references.items()}, allow_empty=True)
    known = scenes.names or harvest([text for given in references.values() for text in given])
    present = {sample.id: sample.entities for sample in scenes.samples}
    marks = marks_of(texts, scenes) if scenes.truth else None
    movies = scenes.movies
    scores = score_set(pairs, movies, metrics, known, present, marks)
    took = {} if started is None else {"processor_seconds": round(time.process_time() - started, 1)}
    write_json(
        place / DONE,
        {
            "measures": {one.name: _by_film(one, movies) for one in scores.measures},
            "card": {**card, "references_sha256": references_checksum(references)},
            **facts,
            **took,
        },
    )


def _by_film(measure: Measure, movies: Mapping[str, str]) -> dict[str, Any]:
    """A measure in the unit of tables: of the whole set, and the mean of each film's scenes."""
    films: dict[str, list[float]] = {}
    for scene, value in measure.values.items():
        if scene in movies:
            films.setdefault(movies[scene], []).append(value)
    means = {film: round(float(np.mean(values)) * measure.scale, 6) for film, values in films.items()}
    return {"value": round(measure.shown, 6), "films": means, "setting": measure.setting}


def marks_of(texts: Mapping[str, str], scenes: ScoredScenes) -> Marks:
    """Marks of captions against what happens in their scenes; `TOLD` beside those of `score_caption`."""
    previous, found = scenes.previous(), {}
    for sample in scenes.samples:
        truth = SceneTruth.from_json(dict(scenes.truth[sample.id]))
        marks = judge(texts[sample.id], scenes.truth[sample.id])
        about = Scene(sample.id, film_of(sample), sample.span or Span(0, 1))
        item = TruthScene(about, truth, previous[sample.id], ())
        told = bool(previous[sample.id]) and context_names_everyone(item, _TOLD_BY)
        found[sample.id] = {**marks, TOLD: marks["names_exact"] if told else None}
    return found


def read_scores(places: Iterable[Path]) -> dict[str, dict[int, dict[str, float]]]:
    """What runs scored, one for each seed from 0 on: points by measure, seed and film; nothing of those not made."""
    scores: dict[str, dict[int, dict[str, float]]] = {}
    for seed, place in enumerate(places):
        for name, found in read_record(place / DONE).get("measures", {}).items():
            if found.get("films"):
                scores.setdefault(name, {})[seed] = dict(found["films"])
    return scores
