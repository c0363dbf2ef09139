from __future__ import annotations

import itertools

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.evaluation.statistics import bootstrap_interval, paired_test


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 400)
    low, high = bootstrap_interval(values) or (0, 0)
    error = values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        low, high = bootstrap_interval(rng.exponential(1.0, 80), seed, 400) or (0, 0)
        held += low <= 1.0 <= high
    assert 178 <= held <= 198  # exponential values are skewed: a little under 95% is known of percentile intervals


def test_equal_values_have_an_interval_of_one_point_and_one_value_has_none() -> None:
    assert bootstrap_interval(np.full(9, 0.25)) == (0.25, 0.25)
    assert bootstrap_interval(np.array([1.0])) is None


def test_p_is_the_share_of_sign_patterns() -> None:
    first, second = np.array([3.0, 1.0, 2.0, 4.0, 0.5, 2.5]), np.array([1.0, 1.5, 1.0, 1.0, 0.0, 1.0])
    gaps = first - second
    sums = [abs(np.dot(signs, gaps)) for signs in itertools.product((-1, 1), repeat=6)]
    exact = np.mean(np.array(sums) >= abs(gaps.sum()) - 1e-9)
    test = paired_test(first, second)
    assert test.p == pytest.approx(exact, abs=0.01)
    assert test.difference == pytest.approx(gaps.mean())
    assert paired_test(second, first).p == pytest.approx(test.p, abs=0.01)


def test_equal_systems_do_not_differ_and_a_constant_lead_does() -> None:
    values = np.random.default_rng(1).random(60)
    same = paired_test(values, values)
    assert (same.p, same.significant, same.interval) == (1.0, False, (0.0, 0.0))
    assert paired_test(values + 0.01, values).p == pytest.approx(1 / 10_001)


def test_chance_is_called_significant_one_time_in_twenty() -> None:
    rng = np.random.default_rng(5)
    found = sum(paired_test(rng.random(40), rng.random(40), seed, 600).significant for seed in range(300))
    assert 5 <= found <= 27


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([], [])])
def test_other_scenes_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(DataError, match="same scenes"):
        paired_test(np.array(first), np.array(second))
