"""Long held-out puppet films for comparing adaptations, and who is in their scenes by a bank of portraits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.cli.puppet_eval import judge, read_truth
from calvin.core.progress import Listener, silent
from calvin.core.types import Character
from calvin.data import FeatureStore, MemoryFeatures, in_order, read_mad_csv
from calvin.media import read_subtitles
from calvin.puppets.lexicon import ACTION_BY_KEY
from calvin.puppets.render import TRAINING_SIZE, SceneRenderer
from calvin.puppets.scoring import names_in
from calvin.puppets.script import Film, Split, draw_scene, make_film, rng_for
from calvin.puppets.world import WorldSizes, write_world
from calvin.studio.adapt_study import StudyFilm, StudyScene
from calvin.studio.cast import Cast, PresenceSettings
from calvin.studio.features import make_features
from calvin.studio.presence import CharacterBank, Guess, guess_presence, names_at
from calvin.studio.rows import Line

SEED = 78
"""Neither a recipe's nor the evaluation set's."""
PORTRAITS = 3
_TALK = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class CastFilm:
    """A film with frame vectors: scenes, who is truly in each, and what the sources of guesses know."""

    film: Film
    samples: Sequence[Any]
    vectors: np.ndarray
    fps: float
    present: Sequence[tuple[str, ...]]
    truth: Mapping[str, dict[str, Any]]
    portraits: Mapping[str, np.ndarray]
    lines: Sequence[Line]

    def guesses(self, settings: PresenceSettings, pictures: bool = True) -> list[tuple[Guess, ...]]:
        cast = Cast(tuple(Character(name) for name in self.film.names), settings=settings)
        spans = [sample.span for sample in self.samples]
        bank = CharacterBank.build(self.vectors, self.fps, spans, self.portraits, {}, settings.exemplars)
        return guess_presence(spans, cast, self.lines, (), bank if pictures else None)


def draw_films(
    folder: Path, base: Calvin, model: Path, split: Split, count: int, scenes: int, listener: Listener = silent
) -> list[CastFilm]:
    """Draw and encode films that are not there yet, with portraits of the cast that are not from the films."""
    sizes = WorldSizes(
        films=count, scenes=scenes, clips=0, images=0, conversations=0, tv_clips=0, picture=TRAINING_SIZE, talk=_TALK
    )
    mad = write_world(folder / f"{split}-{count}x{scenes}", SEED, sizes, split, listener=listener) / "mad"
    features = folder / f"{split}-{count}x{scenes}-{base.encoder.hash[:12]}.h5"
    if not features.is_file():
        make_features(mad / "videos", model, features, listener=listener)
    samples = read_mad_csv(mad / "mad.csv").samples
    truth = read_truth(mad, samples)
    films = []
    with FeatureStore.open(features, expect_encoder=base.encoder) as store:
        for number in range(count):
            film = make_film(SEED * 100_000 + number, scenes, split=split, talk=_TALK)
            own = in_order(sample for sample in samples if sample.media_id == film.id)
            rows = {s.id: truth[s.id] for s in own}
            subtitles = mad / "videos" / f"{film.id}.srt"
            said = read_subtitles(subtitles).lines if subtitles.is_file() else []
            films.append(
                CastFilm(
                    film, own, store.get(film.id), store.fps, [tuple(rows[s.id]["present"]) for s in own], rows,
                    _portraits(film, base), [Line(line.span, line.text, line.speaker or "") for line in said],
                )
            )  # fmt: skip
    return films


def _portraits(film: Film, base: Calvin) -> dict[str, np.ndarray]:
    """Vectors [3, D] of each of the cast standing alone somewhere: pictures, but none of the film's."""
    found = {}
    for person in film.cast:
        rng = rng_for(film.seed, person.name, "portrait")
        scenes = [draw_scene(rng, "portrait", i, 0, (person,), 2.0, ACTION_BY_KEY["hips"]) for i in range(PORTRAITS)]
        found[person.name] = base.encode_frames(np.stack([SceneRenderer(s, *TRAINING_SIZE).frame(1.0) for s in scenes]))
    return found


@dataclass(frozen=True, slots=True)
class PresenceScore:
    """Precision and recall of names, over all scenes of films that the settings were not chosen on."""

    precision: float
    recall: float
    scenes: int

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def score_presence(films: Sequence[CastFilm], settings: PresenceSettings, pictures: bool = True) -> PresenceScore:
    right = named = there = scenes = 0
    for film in films:
        for guesses, present in zip(film.guesses(settings, pictures), film.present, strict=True):
            names = set(names_at(guesses, settings))
            right, named, there = right + len(names & set(present)), named + len(names), there + len(present)
            scenes += 1
    return PresenceScore(right / named if named else 0.0, right / there if there else 0.0, scenes)


def choose_settings(films: Sequence[CastFilm]) -> PresenceSettings:
    """What each source of guesses is worth, and the threshold, from films of the training split.

    Confidences become shares of guesses that are right: those of subtitles by counting, those of pictures by a logistic
    curve; then the threshold with the best F1.
    """
    plain = PresenceSettings()
    heard, near = _share(films, plain.changed(near_ms=0)), _share(films, plain)
    offset, slope = _logistic(films, plain)
    settings = plain.changed(heard=heard, near=min(near, heard), offset=offset, slope=slope)
    tried = [settings.changed(threshold=round(0.05 * step, 2)) for step in range(2, 17)]
    return max(tried, key=lambda each: score_presence(films, each).f1)


def _share(films: Sequence[CastFilm], settings: PresenceSettings) -> float:
    """The share of those whom subtitles place in a scene who are there; the prior guess where nobody speaks."""
    pairs = [
        guess.name in present
        for film in films
        for guesses, present in zip(film.guesses(settings, pictures=False), film.present, strict=True)
        for guess in guesses
    ]
    return float(np.mean(pairs)) if pairs else settings.heard


def _logistic(films: Sequence[CastFilm], settings: PresenceSettings) -> tuple[float, float]:
    """Offset and slope that turn likenesses into shares, by Newton's method with a little shrinkage."""
    likeness, there = [], []
    for film in films:
        spans = [sample.span for sample in film.samples]
        bank = CharacterBank.build(film.vectors, film.fps, spans, film.portraits, {}, settings.exemplars)
        for name, scores in bank.scores.items():
            likeness += list(scores)
            there += [name in present for present in film.present]
    x = np.stack([np.ones(len(likeness)), np.array(likeness)], axis=1)
    y, weights = np.array(there, dtype=float), np.zeros(2)
    for _ in range(25):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(2)
        weights += np.linalg.solve(curvature, x.T @ (y - p) - 1e-2 * weights)
    slope = max(float(weights[1]), 1e-3)
    return float(np.clip(-weights[0] / slope, -50, 50)), slope


@dataclass
class PuppetStudy:
    """Films for a study, with the truth by scene id."""

    films: list[StudyFilm] = field(default_factory=list)
    truth: dict[str, dict[str, Any]] = field(default_factory=dict)

    def marks(self, scene: str, caption: str) -> Mapping[str, float | None]:
        return judge(caption, self.truth[scene])


def study_films(films: Sequence[CastFilm], settings: PresenceSettings, max_frames: int) -> PuppetStudy:
    """Scenes with the names that their references hold, and those that the bank finds."""
    study = PuppetStudy()
    for one in films:
        features = MemoryFeatures({one.film.id: one.vectors}, one.fps)
        scenes = [
            StudyScene(
                sample.id, sample.span, sample.caption, features.scene(one.film.id, sample.span, max_frames),
                tuple(sorted(names_in(sample.caption, one.film.names), key=sample.caption.index)),
                names_at(guesses, settings),
            )
            for sample, guesses in zip(one.samples, one.guesses(settings), strict=True)
        ]  # fmt: skip
        study.films.append(StudyFilm(one.film.id, tuple(scenes)))
        study.truth |= one.truth
    return study
