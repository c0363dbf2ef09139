from __future__ import annotations

import numpy as np
import pytest

from calvin.core.errors import DataError, MissingExtraError, UsageError
from calvin.evaluation import scoring
from calvin.evaluation.metrics import BertScore, Bleu, CiderD, Pairs, RougeL, Spice
from calvin.evaluation.names import from_names
from calvin.evaluation.scoring import Measure, score_set

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


def test_a_measure_survives_json() -> None:
    import json

    [measure, *_] = score_set(PAIRS, FILMS, ["rouge"]).measures
    assert Measure.from_json(json.loads(json.dumps(measure.to_json()))) == measure
