"""The settings of presence that are chosen on training films."""

from __future__ import annotations

import numpy as np
import pytest

from calvin.lab.adapt_films import CastFilm, PresenceScore, choose_settings, score_contrast, score_presence
from calvin.puppets.tell.screenplay import make_film
from calvin.studio.cast.characters import PresenceSettings


@pytest.fixture(scope="module")
def films() -> list[CastFilm]:
    """Three films with frame vectors [T, 64] in which looks are seen among places and noise."""
    made = []
    for seed in range(3):
        film, rng = make_film(seed, 40, split="train"), np.random.default_rng(seed)
        looks = {name: rng.normal(size=64) for name in film.names}
        vectors = 0.5 * rng.normal(size=(round(film.duration_ms / 200), 64))
        for scene in film.scenes:
            span = slice(*scene.truth.span.frame_range(5.0, len(vectors)))
            vectors[span] += sum(looks[name] for name in scene.truth.present) + rng.normal(size=64)
        portraits = {name: look + 0.3 * rng.normal(size=(3, 64)) for name, look in looks.items()}
        made.append(CastFilm(film, vectors, 5.0, portraits, []))
    return made


def test_a_wrong_name_weighs_more_than_a_missing_one() -> None:
    sure, bold = PresenceScore(0.8, 0.4, 100), PresenceScore(0.4, 0.8, 100)
    assert sure.f(1) == pytest.approx(bold.f(1)) == pytest.approx(0.5333, abs=1e-4)
    assert sure.f(0.5) == pytest.approx(1.25 * 0.32 / (0.25 * 0.8 + 0.4))
    assert sure.f(0.5) > bold.f(0.5)


def test_the_threshold_is_the_best_by_f_half_and_the_curve_is_told(
    films: list[CastFilm], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = choose_settings(films)
    told = capsys.readouterr().out
    assert f"(chosen: {chosen.threshold:g})" in told
    assert told.count("F0.5") == 15
    assert "of other films' casts" in told
    best = score_presence(films, chosen).f(0.5)
    thresholds = [0.05 * step for step in range(2, 17)]
    assert best == max(score_presence(films, chosen.changed(threshold=round(t, 2))).f(0.5) for t in thresholds)


def test_contrast_tells_strangers_from_the_cast(films: list[CastFilm]) -> None:
    strangers, own = score_contrast(films, PresenceSettings())
    assert strangers > 0.6
    assert own < 0.1
