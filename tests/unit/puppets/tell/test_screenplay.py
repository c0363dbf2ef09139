from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError, UsageError
from calvin.puppets.lexicon import ACTION_BY_KEY, ACTIONS, COLOURS, NAMES
from calvin.puppets.tell.screenplay import draw_cast, make_film, pairing_split, random_scene
from calvin.puppets.truth import SceneTruth


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**31), scenes=st.integers(5, 30), cast=st.integers(2, 5), talk=st.floats(0, 1))
def test_a_film_hangs_together(seed: int, scenes: int, cast: int, talk: float) -> None:
    film = make_film(seed, scenes, cast, talk=talk)
    assert film == make_film(seed, scenes, cast, talk=talk)
    assert len(film.scenes) == scenes
    assert len(set(film.names)) == len({person.look.coat for person in film.cast}) == cast
    parts = [film.cards[0], *(shot.truth for shot in film.shots), film.cards[1]]
    assert parts[0].start_ms == 0
    assert all(before.end_ms == after.start_ms for before, after in pairwise(parts))
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(film.lines))
    for scene in film.scenes:
        truth = scene.truth
        action = ACTION_BY_KEY[truth.action]
        assert 2000 <= scene.duration_ms <= 6000
        assert truth.start_ms < truth.event_ms < truth.end_ms
        assert truth.present == ((truth.agent, truth.patient) if action.people == 2 else (truth.agent,))
        assert (truth.prop is not None) == action.prop
        assert set(truth.looks) == set(truth.present) <= set(film.names)
        assert SceneTruth.from_json(truth.to_json()) == truth


def test_films_of_other_seeds_are_other_films() -> None:
    assert len({make_film(seed).cast for seed in range(50)}) == 50
    assert make_film(3, split="train").cast != make_film(3, split="heldout").cast


def test_training_and_held_out_films_share_no_pairing_of_name_and_coat() -> None:
    pairs = {
        split: {(p.name, p.look.coat) for seed in range(400) for p in make_film(seed, 5, split=split).cast}
        for split in ("train", "heldout")
    }
    assert not pairs["train"] & pairs["heldout"]
    assert len(pairs["heldout"]) > 300
    for split, found in pairs.items():
        assert all(pairing_split(name, coat) == split for name, coat in found)
    # Each coat can be worn in both, and names are not bound to a split.
    for coat in COLOURS:
        assert {pairing_split(name, coat) for name in NAMES} == {"train", "heldout"}


def test_actions_are_balanced_and_independent_of_place_prop_and_cast() -> None:
    truths = [scene.truth for seed in range(300) for scene in make_film(seed, 20).scenes]
    actions = Counter(truth.action for truth in truths)
    expected = len(truths) / len(ACTIONS)
    # 6,000 draws over 32 actions: five standard deviations are 37 % of the mean.
    assert all(abs(actions[action.key] / expected - 1) < 0.37 for action in ACTIONS)
    for field in ("place", "prop"):
        told = [(truth.action, getattr(truth, field)) for truth in truths if getattr(truth, field)]
        assert _chi_square(told) < 1.25, field
    agents = [(truth.action, truth.looks[truth.agent].coat) for truth in truths]
    assert _chi_square(agents) < 1.25


def _chi_square(pairs: list[tuple[str, str]]) -> float:
    """Pearson's statistic by its degrees of freedom: about 1 for independent draws."""
    rows, columns = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    counts = np.zeros((len(rows), len(columns)))
    for a, b in pairs:
        counts[rows.index(a), columns.index(b)] += 1
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum() / ((len(rows) - 1) * (len(columns) - 1)))


def test_lone_scenes_differ_and_stills_keep_to_what_one_frame_tells() -> None:
    assert random_scene(1) == random_scene(1) != random_scene(2)
    assert not any(ACTION_BY_KEY[random_scene(seed, still=True).truth.action].motion for seed in range(100))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="split"):
        make_film(0, split="test")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="cast"):
        draw_cast(np.random.default_rng(0), 9, None)
    with pytest.raises(DataError, match="truth"):
        SceneTruth.from_json({"film": "x"})
