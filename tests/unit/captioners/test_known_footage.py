from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calvin.captioners.known_footage import FILE_NAME, World
from calvin.core.errors import CheckpointError, DataError


def known_frames(count: int, seed: int = 0) -> np.ndarray:
    """Frames that vary in 6 of 24 directions, with a little noise in the others."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(6, 24))
    return rng.normal(size=(count, 6)) @ basis + 0.1 * rng.normal(size=(count, 24)) + 3


def test_known_footage_gets_no_notice() -> None:
    world = World.fit(known_frames(600))
    fresh = known_frames(300, seed=1)
    assert world.check(fresh) is None
    assert float(np.median(world.distances(fresh))) == pytest.approx(1, abs=0.3)


def test_other_footage_gets_a_notice_that_names_the_alternative() -> None:
    world = World.fit(known_frames(600), "puppet films")
    other = np.random.default_rng(2).normal(size=(200, 24)) + 3
    notice = world.check(other)
    assert notice is not None
    assert notice.share > 0.9
    assert "--model" in notice.message
    assert "puppet films" in notice.message


def test_a_few_unknown_frames_are_no_other_world() -> None:
    world = World.fit(known_frames(600))
    other = np.random.default_rng(2).normal(size=(30, 24)) + 3
    assert world.check(np.concatenate([known_frames(110, seed=3), other])) is None
    assert world.check(np.zeros((0, 24))) is None


def test_saved_and_loaded_it_measures_the_same(tmp_path: Path) -> None:
    world = World.fit(known_frames(600))
    world.save(tmp_path)
    loaded = World.load(tmp_path)
    assert loaded == world
    frames = known_frames(10, seed=4)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.distances(frames), world.distances(frames))


def test_a_model_without_a_world_has_none(tmp_path: Path) -> None:
    assert World.load(tmp_path) is None


def test_a_damaged_world_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"mean": [1, 2')
    with pytest.raises(CheckpointError, match=r"world\.json is damaged"):
        World.load(tmp_path)


def test_too_few_frames_and_other_widths_are_refused() -> None:
    with pytest.raises(DataError, match="at least 32"):
        World.fit(known_frames(31))
    with pytest.raises(DataError, match="24 wide, these vectors are 5"):
        World.fit(known_frames(64)).distances(np.zeros((3, 5)))


def test_constant_features_do_not_divide_by_zero() -> None:
    world = World.fit(np.ones((64, 8)))
    assert np.isfinite(world.distances(np.ones((4, 8)))).all()
    assert world.check(np.zeros((4, 8))) is not None
