from __future__ import annotations

import numpy as np
import pytest

from calvin.core.errors import DataError
from calvin.evaluation.metrics import MetricResult, align, collect_candidates, collect_references
from calvin.evaluation.metrics.rouge import RougeL


def test_pairs_follow_the_order_of_the_references() -> None:
    pairs = align({"b": "two", "a": "one"}, {"a": ["uno"], "b": ["dos", "zwei"]})
    assert pairs.ids == ("a", "b")
    assert pairs.candidates == ("one", "two")
    assert pairs.references == (("uno",), ("dos", "zwei"))
    assert pairs.reference_counts.tolist() == [1, 2]


def test_every_mismatch_is_counted_in_one_message() -> None:
    candidates = {"a": "one", "x": "stray", "y": "stray", "blank": " "}
    references = {"a": ["uno"], "b": ["dos"], "blank": ["tres"], "bare": [], "hollow": [""]}
    with pytest.raises(DataError) as caught:
        align(candidates, references)
    message = str(caught.value)
    assert "3 references ('b', 'bare', 'hollow') without a prediction" in message
    assert "2 predictions ('x', 'y') without references" in message
    assert "1 item ('bare') with no reference at all" in message
    assert "1 item ('hollow') with an empty reference" in message
    assert "1 empty prediction ('blank')" in message
    assert "Nothing was scored" in message


def test_a_long_list_of_ids_is_cut_but_counted() -> None:
    with pytest.raises(DataError, match=r"7 references \('0', '1', '2', \.\.\.\) without"):
        align({}, {str(index): ["text"] for index in range(7)})


def test_empty_candidates_pass_only_when_allowed_and_score_nothing() -> None:
    candidates, references = {"a": "", "b": "a man runs"}, {"a": ["he walks"], "b": ["a man runs"]}
    with pytest.raises(DataError, match="1 empty prediction"):
        RougeL().score(candidates, references)
    assert RougeL().score(candidates, references, allow_empty=True).per_item.tolist() == [0.0, 1.0]


def test_a_reference_that_is_one_text_is_refused_instead_of_read_as_letters() -> None:
    with pytest.raises(DataError, match="given as one text"):
        align({"a": "one"}, {"a": "uno"})


def test_nothing_to_score() -> None:
    with pytest.raises(DataError, match="nothing to score"):
        align({}, {})


def test_rows_with_repeated_ids_are_refused() -> None:
    assert collect_candidates([("a", "one"), ("b", "two")]) == {"a": "one", "b": "two"}
    with pytest.raises(DataError, match=r"2 predictions \('a', 'b'\) occur more than once"):
        collect_candidates([("a", "one"), ("b", "x"), ("a", "two"), ("b", "x"), ("c", "y")])


def test_reference_rows_gather_by_id_but_not_the_same_row_twice() -> None:
    assert collect_references([("a", "one"), ("b", "x"), ("a", "two")]) == {"a": ["one", "two"], "b": ["x"]}
    with pytest.raises(DataError, match=r"1 reference row \('a'\) occur twice"):
        collect_references([("a", "one"), ("a", "one")])


def test_points_are_hundredths() -> None:
    result = MetricResult("m", 0.4, np.array([0.2, 0.4, 0.6]), ("1", "2", "3"), "setting")
    assert result.points == pytest.approx(40)
