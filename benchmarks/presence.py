"""Who is in which scene, with three portraits a person from the film itself, on puppet films.

    python benchmarks/presence.py --films 6 --scenes 100 -o presence

draws films (or uses those that are in the folder), chooses the weights of the likenesses on training films, and prints
precision and recall on held-out ones: by frame vectors, by colours, by both, and with looser boxes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calvin.captioners.calvin import Calvin
from calvin.captioners.hub import find_model
from calvin.lab.adapt_films import PORTRAITS, CastFilm, PresenceScore, draw_films
from calvin.puppets.draw.render import TRAINING_SIZE, SceneRenderer
from calvin.puppets.tell.screenplay import rng_for
from calvin.studio.cast.characters import PresenceSettings
from calvin.studio.cast.colours import STILLS, ColourBank
from calvin.studio.cast.portraits import Box
from calvin.studio.cast.presence import CharacterBank, likenesses

Boxed = Mapping[str, Sequence[tuple[np.ndarray, Box]]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A film's likenesses [scenes] by name, by vectors and by colours, and who is there [scenes] by name."""

    vectors: Mapping[str, np.ndarray]
    colours: ColourBank
    there: Mapping[str, np.ndarray]


def tight(box: Box) -> Box:
    return box


def loose(box: Box) -> Box:
    """30% more on each side."""
    left, top = max(0.0, box[0] - 0.3 * box[2]), max(0.0, box[1] - 0.3 * box[3])
    right, bottom = min(1.0, box[0] + 1.3 * box[2]), min(1.0, box[1] + 1.3 * box[3])
    return left, top, right - left, bottom - top


def half(box: Box) -> Box:
    """The left, middle or right half of the picture."""
    middle = box[0] + box[2] / 2
    return (0.0 if middle < 0.4 else 0.5 if middle > 0.6 else 0.25), 0.0, 0.5, 1.0


def whole(box: Box) -> Box:
    """All but nothing of the picture."""
    return 0.0, 0.0, 1.0, 0.999


def look(one: CastFilm, widen: Callable[[Box], Box], count: int = PORTRAITS) -> Seen:
    """Compare a film's scenes with `count` portraits of each person, from scenes drawn by lot."""
    rng = rng_for(one.film.seed, "portraits")
    renderers = [SceneRenderer(scene, *TRAINING_SIZE) for scene in one.film.scenes]
    lengths = [scene.duration_ms / 1000 for scene in one.film.scenes]
    shots = [
        [renderer.frame(length * (i + 0.5) / STILLS).copy() for i in range(STILLS)]
        for renderer, length in zip(renderers, lengths, strict=True)
    ]
    boxed: dict[str, list[tuple[np.ndarray, Box]]] = {}
    rows: dict[str, list[np.ndarray]] = {}
    for name in one.film.names:
        scenes = [i for i, present in enumerate(one.present) if name in present]
        for i in rng.permutation(scenes)[:count]:
            number = one.present[i].index(name)
            left, top, right, bottom = renderers[i].box(number, lengths[i] * 1.5 / STILLS)
            boxed.setdefault(name, []).append((shots[i][1], widen((left, top, right - left, bottom - top))))
            first, last = one.spans[i].frame_range(one.fps, len(one.vectors))
            rows.setdefault(name, []).append(one.vectors[first + (last - first) * 3 // 8])
    bank = CharacterBank.build(one.vectors, one.fps, one.spans, {n: np.stack(v) for n, v in rows.items()}, {})
    there = {name: np.array([name in present for present in one.present]) for name in boxed}
    return Seen(bank.scores, ColourBank.build(shots, boxed), there)


def logistic(rows: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Weights [1 + k] of terms [n, k], the constant first, for truths [n], with a little shrinkage."""
    x = np.concatenate([np.c_[np.ones(len(terms)), terms] for terms, _ in rows])
    y, weights = np.concatenate([truth for _, truth in rows]).astype(float), np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ weights))
        curvature = (x.T * (p * (1 - p))) @ x + 1e-2 * np.eye(x.shape[1])
        weights += np.linalg.solve(curvature, x.T @ (y - p) - 1e-2 * weights)
    return weights


def terms_of(seen: Seen, name: str, with_vectors: bool) -> np.ndarray:
    """[scenes, k], as `likenesses` weighs them."""
    terms = [seen.colours.likeness[name], seen.colours.explained[name]]
    return np.stack([seen.vectors[name], *terms] if with_vectors else terms, axis=1)


def choose(films: Sequence[Seen]) -> PresenceSettings:
    def fit(with_vectors: bool) -> tuple[float, ...]:
        pairs = [(terms_of(seen, name, with_vectors), seen.there[name]) for seen in films for name in seen.there]
        return tuple(round(float(weight), 2) for weight in logistic(pairs))

    return PresenceSettings().changed(with_vectors=fit(True), by_colours=fit(False))


def score(films: Sequence[Seen], settings: PresenceSettings, sources: str) -> PresenceScore:
    right = named = there = scenes = 0
    for seen in films:
        vectors = {} if sources == "colours" else seen.vectors
        sure = likenesses(settings, vectors, None if sources == "vectors" else seen.colours)
        for name, truth in seen.there.items():
            said = sure[name] >= settings.threshold
            right, named, there = right + int((said & truth).sum()), named + int(said.sum()), there + int(truth.sum())
        scenes += len(truth)
    return PresenceScore(right / named if named else 0.0, right / there if there else 0.0, scenes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=6, help="for training, and as many held out")
    parser.add_argument("--scenes", type=int, default=100, help="of a film")
    parser.add_argument("--out", "-o", type=Path, default=Path("presence"))
    options = parser.parse_args()
    base, model = Calvin.from_pretrained(), find_model(None)
    training = draw_films(options.out, base, model, "train", options.films, options.scenes)
    heldout = draw_films(options.out, base, model, "heldout", options.films, options.scenes)
    settings = choose([look(film, tight) for film in training])
    print(f"with_vectors = {settings.with_vectors}")
    print(f"by_colours = {settings.by_colours}")
    for widen, count in ((tight, PORTRAITS), (loose, PORTRAITS), (half, PORTRAITS), (whole, PORTRAITS), (tight, 1)):
        films = [look(film, widen, count) for film in heldout]
        for sources in ("vectors", "colours", "both"):
            found = score(films, settings, sources)
            print(f"{widen.__name__} boxes, {count} each, {sources}: precision {found.precision:.1%}, "
                  f"recall {found.recall:.1%} ({found.scenes} scenes)")  # fmt: skip
    films = [look(film, tight) for film in heldout]
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        found = score(films, settings.changed(threshold=threshold), "both")
        print(f"threshold {threshold:g}: precision {found.precision:.1%}, recall {found.recall:.1%}")


if __name__ == "__main__":
    main()
