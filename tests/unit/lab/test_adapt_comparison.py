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


@pytest.mark.parametrize(("last", "verdict"), [(14.0, "holds"), (15.0, "DOES NOT HOLD"), (9.0, "holds")])
def test_whether_the_curve_flattens_is_said(last: float, verdict: str) -> None:
    def score(size: int, iterations: int, value: float) -> RowScore:
        return RowScore(Row("first", size, iterations), {MAIN: {"f": value, "g": value}})

    tuned = [score(20, 100, 13.0), score(20, 25, 10.0), score(20, 200, last), score(50, 100, 16.0)]
    lines = [line for line in gains(tuned) if "little gained" in line]
    assert len(lines) == 1, "nothing beyond 50 scenes was tried"
    assert lines[0].startswith(f"Figure 9, little gained past 100 micro-batches: {verdict} ({last - 13:+.1f} CIDEr")
    rows = table([RowScore(Row("none"), {MAIN: {"f": 1.0, "g": 1.0}}), *tuned])
    assert rows.count("17.74") == 1, "the paper's figure is of 100 iterations"
