"""The table of a comparison says whether the paper's orderings and curves come out."""

from __future__ import annotations

import pytest

from calvin.lab.adapt_comparison import MAIN, RowScore, gains, orderings, table
from calvin.lab.adapt_study import Row


def test_an_ordering_that_does_not_come_out_is_said_to() -> None:
    def score(kind: str, size: int, values: tuple[float, float]) -> RowScore:
        return RowScore(Row(kind, size, 100 if size else 0), {MAIN: dict(zip("fg", values, strict=True))})  # type: ignore[arg-type]

    scores = [
        score("none", 0, (10, 12)), score("oracle", 0, (20, 20)), score("bank", 0, (9, 12)),
        score("first", 20, (15, 16)), score("first", 50, (15, 14)), score("random", 20, (14, 14)),
    ]  # fmt: skip
    lines = [ordering.line() for ordering in orderings(scores)]
    assert lines[0].startswith("entities by oracle better than none: holds (+9.0 CIDEr")
    assert lines[1].startswith("entities by bank better than none: DOES NOT HOLD (-0.5 CIDEr")
    assert lines[3].startswith("50 scenes better than 20: DOES NOT HOLD")
    assert [line.partition(",")[0] for line in gains(scores)] == ["Figure 10"]
    assert gains(scores)[0].startswith("Figure 10, scenes from 20 to 50: -1.0 CIDEr")


FLAT, RISING, UNSURE = (10.0, 12.0, 11.0, 13.0), (13.0, 15.5, 14.0, 16.5), (9.0, 18.5, 9.0, 19.0)


@pytest.mark.parametrize(
    ("first", "last", "verdict"),
    [
        (FLAT, (13.2, 15.6, 14.1, 16.4), "holds"),
        (FLAT, (9.0, 11.0, 10.0, 12.0), "holds"),  # what is lost again is no gain
        (FLAT, (16.0, 19.0, 17.0, 20.0), "DOES NOT HOLD ("),
        (FLAT, (12.0, 19.0, 12.0, 19.0), "CANNOT BE TOLD ("),
        ((16.0, 18.0, 17.0, 19.0), (13.0, 15.0, 14.0, 16.0), "DOES NOT HOLD, nothing is surely gained before"),
        (RISING, RISING, "DOES NOT HOLD, nothing is surely gained before"),
        (UNSURE, RISING, "CANNOT BE TOLD ("),
    ],
)
def test_a_curve_levels_off_where_it_rose_before(
    first: tuple[float, ...], last: tuple[float, ...], verdict: str
) -> None:
    def score(size: int, iterations: int, values: tuple[float, ...]) -> RowScore:
        return RowScore(Row("first", size, iterations), {MAIN: dict(zip("fghi", values, strict=True))})

    tuned = [score(20, 100, RISING), score(20, 25, first), score(20, 200, last), score(50, 100, RISING)]
    lines = [line for line in gains(tuned) if "little gained" in line]
    assert len(lines) == 1, "nothing beyond 50 scenes was tried"
    assert lines[0].startswith(f"Figure 9, little gained past 100 micro-batches: {verdict}")
    assert "CIDEr, 95% " in lines[0]
    rows = table([RowScore(Row("none"), {MAIN: {"f": 1.0, "g": 1.0}}), *tuned])
    assert rows.count("17.74") == 1, "the paper's figure is of 100 iterations"


def test_of_one_film_nothing_is_told() -> None:
    tuned = [RowScore(Row("first", 20, n), {MAIN: {"f": v}}) for n, v in ((100, 13.0), (25, 10.0), (200, 13.0))]
    [line] = [line for line in gains(tuned) if "little gained" in line]
    assert "CANNOT BE TOLD of one film" in line
