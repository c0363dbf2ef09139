"""The orderings are the paper's: its own numbers have them, and there are nineteen."""

from __future__ import annotations

from collections import Counter

import pytest

from calvin.evaluation.protocol import PUBLISHED
from calvin.lab.adapt_comparison import PAPER
from calvin.lab.reproduce.inference import rows_of_figure_8, rows_of_table_1
from calvin.lab.reproduce.orderings import ORDERINGS, TABLE_3, Ordering
from calvin.lab.reproduce.verdicts import verdict_on


def published(target: str) -> dict[str, dict[str, float]]:
    """Points by row and measure."""
    if target == "table1":
        return {row.paper.key: dict(row.paper.values) for row in rows_of_table_1(32)}
    if target == "table3":
        return {row.key: dict(row.values) for row in TABLE_3}
    return {f"{kind}-{size}" if size else kind: dict(values) for (kind, size), values in PAPER.items()}


def test_nineteen_are_counted() -> None:
    assert Counter(one.target for one in ORDERINGS if one.counted) == {
        "table1": 2, "table3": 10, "table4": 3, "figure8": 2, "figure9": 1, "figure10": 1,
    }  # fmt: skip
    assert len({(one.target, one.key) for one in ORDERINGS}) == len(ORDERINGS)


@pytest.mark.parametrize(
    "one", [one for one in ORDERINGS if one.target.startswith("table")], ids=lambda one: f"{one.target}-{one.key}"
)
def test_the_papers_own_numbers_have_the_order(one: Ordering) -> None:
    rows = {row: {0: {"film": values[one.measure]}} for row, values in published(one.target).items()}
    # One film is never sure, but the direction is there.
    assert verdict_on(one, rows).kind == "holds, not surely"


def test_a_row_that_is_printed_twice_has_one_score() -> None:
    values: dict[str, dict[str, float]] = {}
    for row in TABLE_3:
        assert values.setdefault(row.key, dict(row.values)) == dict(row.values)
    assert len(TABLE_3) == 19
    assert len(values) == 14
    assert values["all"] == PUBLISHED["mad-named"][5].mapping


@pytest.mark.parametrize("most", [4, 12, 32])
def test_the_curves_end_at_what_the_model_takes(most: int) -> None:
    rows = rows_of_figure_8(most)
    frames = [row.setting.frames for row in rows if row.curve == "frames"]
    assert frames == sorted(set(frames))
    assert (frames[0], frames[-1]) == (1, most)
    assert {row.paper.key for row in rows if row.x == 3 and row.curve == "scenes"} == {"scenes-3"}
    # The usual setting is a point of each curve, and is captioned once.
    shared = [row for row in rows if row.setting == rows[3].setting]
    assert {row.curve for row in shared} == {"scenes", "frames", "temperature"}
