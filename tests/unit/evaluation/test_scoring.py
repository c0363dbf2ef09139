from __future__ import annotations

import itertools

import numpy as np
import pytest

from calvin.core.errors import DataError, MissingExtraError, UsageError
from calvin.evaluation import scoring
from calvin.evaluation.metrics import BertScore, Bleu, CiderD, Pairs, RougeL, Spice
from calvin.evaluation.names import from_names
from calvin.evaluation.scoring import bootstrap_interval, paired_test, score_set

IDS = tuple("abcdef")
TEXTS = ("a man runs", "a man runs", "she opens a red door", "the dog barks", "he sits", "Ann waves to Bob")
GIVEN = (
    ("a man is running", "someone runs"),
    ("the man walks",),
    ("she opens the door",),
    ("a dog barks loudly",),
    ("he sits down",),
    ("Bob waves",),
)
FILMS = dict(zip(IDS, "xxxyyy", strict=True))
PAIRS = Pairs(IDS, TEXTS, GIVEN)


def part(film: str) -> Pairs:
    rows = [i for i, key in enumerate(IDS) if FILMS[key] == film]
    return Pairs(tuple(IDS[i] for i in rows), tuple(TEXTS[i] for i in rows), tuple(GIVEN[i] for i in rows))


def test_pooled_and_mean_of_films_are_what_the_metrics_say() -> None:
    scores = score_set(PAIRS, FILMS, ["cider", "rouge", "bleu"])
    for name, metric in (("CIDEr-D", CiderD()), ("ROUGE-L", RougeL()), ("BLEU-4", Bleu())):
        found = scores.get(name)
        assert found is not None
        assert found.pooled == metric.score_pairs(PAIRS).corpus
        each = [metric.score_pairs(part(film)).corpus for film in "xy"]
        assert [found.movies["x"], found.movies["y"]] == pytest.approx(each)
        assert found.movie_mean == pytest.approx(np.mean(each))
    cider = scores.get("CIDEr-D")
    assert cider is not None
    # Document frequencies differ, so that the mean of films is not the pooled score (Table 4's dagger).
    assert cider.movie_mean != pytest.approx(cider.pooled)


def test_intervals_are_of_means_only() -> None:
    scores = score_set(PAIRS, None, ["rouge", "bleu"])
    rouge, bleu = scores.get("ROUGE-L"), scores.get("BLEU-4")
    assert rouge is not None
    assert bleu is not None
    assert rouge.interval is not None
    assert rouge.interval[0] < rouge.pooled < rouge.interval[1]
    assert bleu.interval is None
    assert (rouge.movie_mean, dict(rouge.movies)) == (None, {})


def test_variety_length_and_wrong_names() -> None:
    scores = score_set(PAIRS, FILMS, ["rouge"], from_names(["Ann", "Bob"], "test"))
    by_name = {measure.name: measure for measure in scores.measures}
    assert by_name["distinct captions"].shown == pytest.approx(100 * 5 / 6)
    assert by_name["mean length"].shown == pytest.approx((3 + 3 + 5 + 3 + 2 + 4) / 6)
    assert by_name["wrong-name rate"].shown == pytest.approx(100 / 6)
    told = score_set(PAIRS, FILMS, ["rouge"], from_names(["Ann", "Bob"], "test"), {"f": ("Ann",)})
    wrong = told.get("wrong-name rate")
    assert wrong is not None
    assert wrong.pooled == 0


def test_marks_against_the_truth_count_only_where_they_apply() -> None:
    marks = {key: {"action": float(i % 2), "prop": 1.0 if key == "a" else None} for i, key in enumerate(IDS)}
    scores = score_set(PAIRS, FILMS, ["rouge"], marks=marks)
    action, prop = scores.get("truth: action"), scores.get("truth: prop")
    assert action is not None
    assert prop is not None
    assert (action.pooled, action.movie_mean) == (0.5, pytest.approx(0.5))
    assert (prop.pooled, prop.interval, prop.values) == (1.0, None, {"a": 1.0})


def test_what_is_not_installed_is_skipped_by_default_and_an_error_where_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(_: str | None) -> Spice:
        raise MissingExtraError("SPICE", "metrics")

    monkeypatch.setattr(Spice, "of", absent)
    monkeypatch.setattr(scoring, "USUAL", ("rouge", "spice"))
    scores = score_set(PAIRS, FILMS)
    assert scores.get("ROUGE-L") is not None
    assert "calvin-ad[metrics]" in scores.skipped["spice"]
    with pytest.raises(MissingExtraError):
        score_set(PAIRS, FILMS, ["spice"])
    with pytest.raises(UsageError, match="no metric 'rogue': choose from bertscore, cider, rouge"):
        score_set(PAIRS, FILMS, ["rogue"])


def test_recall_by_window_and_short_films(monkeypatch: pytest.MonkeyPatch) -> None:
    class Same:
        setting, comparable = "words in common", False

        def precision_recall_f1(self, pairs: Pairs) -> np.ndarray:
            return np.array([[0, 0, float(c == r[0])] for c, r in zip(pairs.candidates, pairs.references, strict=True)])

    monkeypatch.setattr(BertScore, "best_available", lambda _: Same())
    ids = tuple(f"{i}" for i in range(8))
    pairs = Pairs(ids, ("w0", "w1", "w2", "w3", "w4", "x", "w6", "w7"), tuple((f"w{i}",) for i in range(8)))
    scores = score_set(pairs, dict.fromkeys(ids, "film"), ["recall"])
    [recall] = [measure for measure in scores.measures if measure.name.startswith("R@")]
    assert (recall.name, recall.comparable) == ("R@1/5", False)
    # Windows 0-4 and 2-6; x, which is like nothing, is tied with all.
    assert recall.values == {"film, 0": 1.0, "film, 2": pytest.approx(0.8)}
    assert recall.pooled == pytest.approx(0.9)
    assert "recall" in score_set(PAIRS, FILMS, ["recall"]).skipped


def test_a_scene_without_a_film_is_refused() -> None:
    with pytest.raises(DataError, match="film of scene f"):
        score_set(PAIRS, dict.fromkeys("abcde", "x"), ["rouge"])


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
