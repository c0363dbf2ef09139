"""Table 4 of the paper on films of which there are frame vectors and references: no adaptation, entity prompts,
few-shot tuning; resumable run by run.

All rows are scored on the same scenes: the film minus the largest training set. Smaller sets are nested in it, and so
are those drawn at random, so no scored scene is ever trained on.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from calvin.captioners import CaptionRequest
from calvin.captioners.calvin import Calvin
from calvin.core.config import FrozenConfig
from calvin.core.errors import StoreError, UsageError
from calvin.core.files import read_record, write_json
from calvin.core.progress import Listener, Stage, silent
from calvin.core.prompts import Prompt
from calvin.core.time import Span
from calvin.core.types import Scene
from calvin.data.regularisation import RegularScene
from calvin.studio.adapt.before_after import caption_all
from calvin.studio.adapt.film_tuning import tuned
from calvin.studio.adapt.scene_picks import choose_scenes
from calvin.training.fewshot import AdaptConfig, FewshotScene

Kind = Literal["none", "oracle", "bank", "first", "random"]


@dataclass(frozen=True, slots=True, eq=False)
class StudyScene:
    """A scene with its reference, its frame vectors [k, D], and who is in it: by the reference, and by the bank."""

    id: str
    span: Span
    caption: str
    image_embeds: np.ndarray
    oracle: tuple[str, ...]
    bank: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyFilm:
    """A film that the model was not trained on, its scenes in time order."""

    id: str
    scenes: tuple[StudyScene, ...]


class StudyConfig(FrozenConfig):
    """What is compared. The first of `sizes` and of `iterations` make the main row, the others Figures 10 and 9."""

    sizes: tuple[int, ...] = Field(default=(20, 50), min_length=1)
    iterations: tuple[int, ...] = Field(default=(100,), min_length=1)
    seeds: int = Field(default=3, gt=0)
    bank: bool = Field(default=True, description="whether a bank says who is in each scene")
    adapt: AdaptConfig


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    kind: Kind
    size: int = 0
    iterations: int = 0

    @property
    def label(self) -> str:
        words = {"none": "no context", "oracle": "entities, oracle", "bank": "entities, bank"}
        picked = {"first": f"{self.size} scenes, first appearances", "random": f"{self.size} scenes at random"}
        return words.get(self.kind) or f"{picked[self.kind]}, {self.iterations} iterations"

    @property
    def key(self) -> str:
        return self.kind if not self.size else f"{self.kind}-{self.size}-{self.iterations}"


def rows_of(config: StudyConfig) -> list[Row]:
    """The rows of the table, in its order."""
    size, steps = config.sizes[0], config.iterations[0]
    tuned = [Row("first", number, steps) for number in config.sizes]
    longer = [Row("first", size, number) for number in config.iterations[1:]]
    prompted = [Row("oracle"), *([Row("bank")] if config.bank else [])]
    return [Row("none"), *prompted, *tuned, Row("random", size, steps), *longer]


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of a film's scenes. Training sets take their scenes from the front of `order`; `random` holds as many as
    the smallest, drawn by chance; `scored` holds those that no training set has."""

    order: tuple[int, ...]
    random: tuple[int, ...]
    scored: tuple[int, ...]


def split_film(film: StudyFilm, config: StudyConfig, seed: int) -> Split:
    """Which scenes of a film are trained on and which are scored, in every row of one seed.

    Raises:
        UsageError: the film has too few scenes.
    """
    count, most, first = len(film.scenes), max(config.sizes), config.sizes[0]
    if count < 2 * most:
        raise UsageError(f"{film.id} has {count} scenes; to train on {most} of them, it needs {2 * most} or more.")
    vectors = np.stack([scene.image_embeds.mean(axis=0) for scene in film.scenes])
    chosen = [choice.index for choice in choose_scenes([scene.oracle for scene in film.scenes], vectors, first)]
    rng = np.random.default_rng([seed, 11])
    permutation = rng.permutation(count).tolist()
    drawn = permutation[:first]
    if len({*chosen, *drawn}) > most:  # no room for both: draw only from scenes that are not scored
        drawn = rng.permutation(list(dict.fromkeys((*chosen, *permutation)))[:most]).tolist()[:first]
    order = list(dict.fromkeys((*chosen, *drawn, *permutation)))
    scored = sorted(order[most:])
    return Split(tuple(order[:most]), tuple(drawn), tuple(scored))


@dataclass
class Study:
    """The comparison in one folder: `captions/FILM/ROW[-seed].json`, each whole or absent."""

    base: Calvin
    films: Sequence[StudyFilm]
    regular: Sequence[RegularScene]
    config: StudyConfig
    folder: Path
    listener: Listener = silent

    def run(self, part: int = 1, parts: int = 1) -> int:
        """Caption what has not been captioned yet; returns how many runs other processes still have to make.

        Args:
            part: of `parts`, which share of the runs is this process's, from 1.

        Raises:
            StoreError: the folder holds another comparison.
        """
        self._claim()
        rows = rows_of(self.config)
        everything = [(film, row, seed) for film in self.films for row in rows for seed in self.seeds(row)]
        jobs = everything[part - 1 :: parts]
        waiting = [job for job in jobs if not self._path(*job).is_file()]
        # Weighted by cost and without the runs of an earlier process: otherwise the time left could not be estimated.
        costs = [self._cost(film, row) for film, row, _ in waiting]
        stage = Stage("compare", self.listener, sum(costs), "steps")
        kept, done = len(jobs) - len(waiting), 0
        for number, (cost, (film, row, seed)) in enumerate(zip(costs, waiting, strict=True), kept + 1):
            write_json(self._path(film, row, seed), self._caption(film, row, seed))
            done += cost
            stage.update(done, f"run {number} of {len(jobs)}: {film.id}, {row.label}")
        return sum(not self._path(*job).is_file() for job in everything)

    def _cost(self, film: StudyFilm, row: Row) -> int:
        """In micro-batches: as long as one takes a caption in the form of Figure 6, or three other captions."""
        if not row.size:
            return math.ceil(len(film.scenes) / 3)
        return row.iterations + len(film.scenes) - max(self.config.sizes)

    def seeds(self, row: Row) -> range:
        """The seeds of a row: only tuning depends on one."""
        return range(self.config.seeds if row.size else 1)

    def captions(self, film: StudyFilm, row: Row, seed: int) -> dict[str, Any]:
        """Captions by scene id, `unparsed` ones, who was `taught`, and the seconds it took."""
        found: dict[str, Any] = json.loads(self._path(film, row, seed).read_text(encoding="utf-8"))
        return found

    def _path(self, film: StudyFilm, row: Row, seed: int) -> Path:
        name = f"{row.key}-{seed}" if row.size else row.key
        return self.folder / "captions" / film.id / f"{name}.json"

    def _caption(self, film: StudyFilm, row: Row, seed: int) -> dict[str, Any]:
        if row.size:
            return self._tuned(film, row, seed)
        names = {"none": lambda s: (), "oracle": lambda s: s.oracle, "bank": lambda s: s.bank}[row.kind]
        # In alphabetical order: references often name the one who acts first, and the order must not give that away.
        requests = [self._request(film, scene, tuple(sorted(names(scene)))) for scene in film.scenes]
        started = time.process_time()
        answers = caption_all(self.base, requests)
        captions = {request.scene.id: answer.text for request, answer in zip(requests, answers, strict=True)}
        return {"captions": captions, "unparsed": [], "cpu_seconds": {"captions": _since(started)}}

    def _tuned(self, film: StudyFilm, row: Row, seed: int) -> dict[str, Any]:
        split = split_film(film, self.config, seed)
        taught = split.order[: row.size] if row.kind == "first" else split.random[: row.size]
        scenes = [film.scenes[index] for index in taught]
        examples = [FewshotScene(s.id, s.caption, s.oracle, s.image_embeds) for s in scenes]
        config = self.config.adapt.changed(loop=self.config.adapt.loop.changed(steps=row.iterations, seed=seed))
        requests = [self._request(film, film.scenes[index]) for index in split.scored]
        place, started = self.folder / f"work-{film.id}-{row.key}-{seed}", time.process_time()
        with tuned(self.base, examples, self.regular, config, place) as adapted:
            tuning = _since(started)
            answers = caption_all(adapted, requests)
        shutil.rmtree(place, ignore_errors=True)
        pairs = list(zip(requests, answers, strict=True))
        return {
            "taught": [scene.id for scene in scenes],
            "captions": {request.scene.id: answer.text for request, answer in pairs},
            "unparsed": [request.scene.id for request, answer in pairs if answer.parsed is False],
            "cpu_seconds": {"tuning": tuning, "captions": round(_since(started) - tuning, 2)},
        }

    def _request(self, film: StudyFilm, scene: StudyScene, names: tuple[str, ...] = ()) -> CaptionRequest:
        about = Scene(scene.id, film.id, scene.span, scene.image_embeds, None, scene.caption)
        return CaptionRequest(about, Prompt(self.config.adapt.question, entities=names))

    def _claim(self) -> None:
        mark = self.folder / "study.json"
        facts: Mapping[str, Any] = {
            "model": self.base.fingerprint,
            "films": {film.id: len(film.scenes) for film in self.films},
            "largest": max(self.config.sizes),
            "first": self.config.sizes[0],
            "adapt": self.config.adapt.model_dump(mode="json"),
            "scenes": self._scenes_hash(),
        }
        if mark.is_file() and read_record(mark) != facts:
            raise StoreError(f"{self.folder} holds a comparison of another model or setting: name another with -o.")
        write_json(mark, facts)

    def _scenes_hash(self) -> str:
        """A hash of references, names and regularisation: captions made with others are not to be kept."""
        given = [(s.id, s.caption, s.oracle, s.bank) for film in self.films for s in film.scenes]
        return hashlib.sha256(repr([given, [scene.caption for scene in self.regular]]).encode()).hexdigest()[:16]


def _since(started: float) -> float:
    return round(time.process_time() - started, 2)
