"""Long held-out puppet films for comparing adaptations, and who is in their scenes by a bank of portraits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.core.progress import Listener, silent
from calvin.core.time import Span
from calvin.core.types import Character, DialogueLine
from calvin.data import FeatureStore, MemoryFeatures
from calvin.encode.vectors import make_features
from calvin.lab.adapt_study import StudyFilm, StudyScene
from calvin.lab.material import truth_score
from calvin.media.subtitles import read_subtitles
from calvin.puppets.draw.render import TRAINING_SIZE, SceneRenderer
from calvin.puppets.lexicon import ACTION_BY_KEY
from calvin.puppets.tell.captions import film_captions
from calvin.puppets.tell.screenplay import Film, Split, draw_scene, make_film, rng_for
from calvin.puppets.truth import SceneTruth, names_in
from calvin.puppets.world import WorldSizes, write_world
from calvin.studio.cast.characters import Cast, PresenceSettings
from calvin.studio.cast.presence import CharacterBank, Guess, guess_presence, names_at

TRAINING_SCENES = 150
"""Scenes per training film. How sure a likeness is depends on the length of the film, and real films are long."""
SEED = 78
"""Neither a recipe's nor the evaluation set's."""
PORTRAITS = 3
_TALK = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class CastFilm:
    """A film with its frame vectors [T, D], portraits [3, D] by name, and what the sources of guesses know."""

    film: Film
    vectors: np.ndarray
    fps: float
    portraits: Mapping[str, np.ndarray]
    lines: Sequence[DialogueLine]

    @property
    def spans(self) -> list[Span]:
        return [scene.truth.span for scene in self.film.scenes]

    @property
    def present(self) -> list[tuple[str, ...]]:
        """Who is truly in each scene."""
        return [scene.truth.present for scene in self.film.scenes]

    def bank(self, settings: PresenceSettings) -> CharacterBank:
        return CharacterBank.build(self.vectors, self.fps, self.spans, self.portraits, {}, settings.exemplars)

    def guesses(self, settings: PresenceSettings, pictures: bool = True) -> list[tuple[Guess, ...]]:
        cast = Cast(tuple(Character(name) for name in self.film.names), settings=settings)
        return guess_presence(self.spans, cast, self.lines, (), self.bank(settings) if pictures else None)


def draw_films(
    folder: Path, base: Calvin, model: Path, split: Split, count: int, scenes: int, listener: Listener = silent
) -> list[CastFilm]:
    """Draw and encode the films that do not exist yet. Portraits of the cast are pictures from outside the films."""
    sizes = WorldSizes(
        films=count, scenes=scenes, clips=0, images=0, conversations=0, tv_clips=0, picture=TRAINING_SIZE, talk=_TALK
    )
    mad = write_world(folder / f"{split}-{count}x{scenes}", SEED, sizes, split, listener=listener) / "mad"
    features = folder / f"{split}-{count}x{scenes}-{base.encoder.hash[:12]}.h5"
    if not features.is_file():
        make_features(mad / "videos", model, features, listener=listener)
    films = []
    with FeatureStore.open(features, expect_encoder=base.encoder) as store:
        for number in range(count):
            # The spans are those of the truth: half of a training set's annotations begin in the dialogue before.
            film = make_film(SEED * 100_000 + number, scenes, split=split, talk=_TALK)
            subtitles = mad / "videos" / f"{film.id}.srt"
            lines = read_subtitles(subtitles).lines if film.lines else ()
            films.append(CastFilm(film, store.get(film.id), store.fps, draw_portraits(film, base), lines))
    return films


def draw_portraits(film: Film, base: Calvin) -> dict[str, np.ndarray]:
    """Vectors [3, D] of each character standing alone somewhere, in pictures that are not from the film."""
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

    def f(self, beta: float) -> float:
        """F-beta: a `beta` below 1 gives wrong names more weight than missing ones."""
        total = beta**2 * self.precision + self.recall
        return (1 + beta**2) * self.precision * self.recall / total if total else 0.0


def score_presence(films: Sequence[CastFilm], settings: PresenceSettings, pictures: bool = True) -> PresenceScore:
    """The names found in every scene of the films, against who is truly there; `pictures` False: without the bank."""
    right = named = there = scenes = 0
    for film in films:
        for guesses, present in zip(film.guesses(settings, pictures), film.present, strict=True):
            names = set(names_at(guesses, settings))
            right, named, there = right + len(names & set(present)), named + len(names), there + len(present)
            scenes += 1
    return PresenceScore(right / named if named else 0.0, right / there if there else 0.0, scenes)


def choose_settings(films: Sequence[CastFilm], say: Callable[[str], None] = print) -> PresenceSettings:
    """How far to trust each source of guesses, and the threshold, from films of the training split.

    Confidences become shares of guesses that are right: those of subtitles by counting, those of pictures by a logistic
    curve. The threshold is the one with the best F0.5, because a wrong name misleads a listener more than a missing
    one. `say` gets a line on how each threshold does.
    """
    plain = PresenceSettings()
    heard, near = _share(films, plain.changed(near_ms=0)), _share(films, plain)
    offset, slope = _logistic(films, plain)
    settings = plain.changed(heard=heard, near=min(near, heard), offset=offset, slope=slope)
    tried = [settings.changed(threshold=round(0.05 * step, 2)) for step in range(2, 17)]
    curve = [(each, score_presence(films, each)) for each in tried]
    best, _ = max(curve, key=lambda row: row[1].f(0.5))
    say(f"Who is there, by threshold, on {len(films)} training films (chosen: {best.threshold:g}):")
    for each, score in curve:
        say(
            f"  {each.threshold:.2f}: precision {score.precision:.0%}, recall {score.recall:.0%}, "
            f"F0.5 {100 * score.f(0.5):.1f}"
        )
    strangers, own = score_contrast(films, best)
    say(f"Taken not to be in the film, by contrast: {strangers:.0%} of other films' casts, {own:.0%} of its own.")
    return best


def score_contrast(films: Sequence[CastFilm], settings: PresenceSettings) -> tuple[float, float]:
    """Shares of the other films' casts, and of their own, that are taken not to be in films of 20 scenes or more."""
    strangers, own = [], []
    for film in films:
        cast = {(other.film.id, name): rows for other in films for name, rows in other.portraits.items()}
        there = {(film.film.id, name) for present in film.present for name in present}
        named = {f"{number}": rows for number, rows in enumerate(cast.values())}
        contrast = replace(film, portraits=named).bank(settings).contrast
        for (identity, name), value in zip(cast, contrast.values(), strict=bool(contrast)):
            if identity != film.film.id:
                strangers.append(value < settings.contrast)
            elif (identity, name) in there:
                own.append(value < settings.contrast)
    return float(np.mean(strangers or [False])), float(np.mean(own or [False]))


def _share(films: Sequence[CastFilm], settings: PresenceSettings) -> float:
    """How often a character is there when subtitles place them in a scene; the usual guess if nobody speaks."""
    pairs = [
        guess.name in present
        for film in films
        for guesses, present in zip(film.guesses(settings, pictures=False), film.present, strict=True)
        for guess in guesses
    ]
    return float(np.mean(pairs)) if pairs else settings.heard


def _logistic(films: Sequence[CastFilm], settings: PresenceSettings) -> tuple[float, float]:
    """Offset and slope of the logistic curve that turns likenesses into shares, with a little shrinkage."""
    likeness, there = [], []
    for film in films:
        for name, scores in film.bank(settings).scores.items():
            likeness += list(scores)
            there += [name in present for present in film.present]
    x = np.stack([np.ones(len(likeness)), np.array(likeness)], axis=1)
    y, weights = np.array(there, dtype=float), np.zeros(2)
    for _ in range(25):  # Newton's method on the log likelihood; the 1e-2 keep it from running off if all is separable
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(2)
        weights += np.linalg.solve(curvature, x.T @ (y - p) - 1e-2 * weights)
    slope = max(float(weights[1]), 1e-3)
    return float(np.clip(-weights[0] / slope, -50, 50)), slope


@dataclass
class PuppetStudy:
    """Films for a study, with the truth by scene id."""

    films: list[StudyFilm] = field(default_factory=list)
    truth: dict[str, SceneTruth] = field(default_factory=dict)

    def marks(self, scene: str, caption: str) -> Mapping[str, float | None]:
        return truth_score(caption, self.truth[scene])


def study_films(films: Sequence[CastFilm], settings: PresenceSettings, max_frames: int) -> PuppetStudy:
    """Scenes with the names that their references hold, and those that the bank finds."""
    study = PuppetStudy()
    for one in films:
        film, features = one.film, MemoryFeatures({one.film.id: one.vectors}, one.fps)
        scenes = []
        for scene, caption, guesses in zip(film.scenes, film_captions(film), one.guesses(settings), strict=True):
            truth = scene.truth
            named = tuple(sorted(names_in(caption, film.names), key=caption.index))
            embeds = features.scene(film.id, truth.span, max_frames)
            identity = f"{film.id}-{truth.scene}"
            scenes.append(StudyScene(identity, truth.span, caption, embeds, named, names_at(guesses, settings)))
            study.truth[identity] = truth
        study.films.append(StudyFilm(film.id, tuple(scenes)))
    return study
