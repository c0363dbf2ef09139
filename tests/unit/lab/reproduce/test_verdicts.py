"""An ordering's verdict by made-up scores: clear, tied, contradicted, missing, not a number."""

from __future__ import annotations

import math

import pytest

from calvin.lab.reproduce.orderings import BERT, CIDER, Contrast, Ordering, above, levels_off, no_gain
from calvin.lab.reproduce.verdicts import summary, verdict_on


def ordering(*contrasts: Contrast, measure: str = CIDER, counted: bool = True) -> Ordering:
    return Ordering("table1", "one", "A is better than B.", "Table 1", contrasts, measure, counted)


def scores(*values: float) -> dict[str, float]:
    return {f"film {number}": value for number, value in enumerate(values)}


LOW, HIGH = (1.0, 4.0, 2.0, 6.0, 3.0, 8.0, 5.0, 7.0), (6.0, 9.5, 7.0, 11.0, 8.0, 12.0, 10.0, 13.0)


def test_what_every_film_says_holds() -> None:
    found = verdict_on(ordering(*above("a", "b")), {"a": {0: scores(*HIGH)}, "b": {0: scores(*LOW)}})
    assert found.kind == "holds"
    assert found.difference == pytest.approx(5.0625)
    # All eight signs alike: 2 of 256 patterns are as extreme, and ten thousand are drawn.
    assert found.p == pytest.approx(2 / 256, abs=0.003)
    assert (found.films, found.seeds) == (8, 1)
    assert found.words.startswith("holds (a above b: +5.1 CIDEr-D, 95% +")
    turned = verdict_on(ordering(*above("b", "a")), {"a": {0: scores(*HIGH)}, "b": {0: scores(*LOW)}})
    assert turned.kind == "does not hold"
    assert turned.difference == pytest.approx(-5.0625)


def test_two_films_are_too_few_to_be_sure() -> None:
    found = verdict_on(ordering(*above("a", "b")), {"a": {0: scores(9, 9)}, "b": {0: scores(1, 2)}})
    assert found.kind == "holds, not surely"
    assert found.p is not None
    assert found.p > 0.4


def test_a_tie_does_not_hold() -> None:
    found = verdict_on(ordering(*above("a", "b")), {"a": {0: scores(*LOW)}, "b": {0: scores(*LOW)}})
    assert (found.kind, found.difference, found.p) == ("does not hold", 0.0, 1.0)


def test_a_seed_that_contradicts_leaves_it_unsure() -> None:
    low = {seed: scores(*LOW) for seed in (0, 1, 2)}
    high = {0: scores(*HIGH), 1: scores(*HIGH), 2: scores(*(value - 0.5 for value in LOW))}
    found = verdict_on(ordering(*above("a", "b")), {"a": high, "b": low})
    assert found.kind == "holds, not surely"
    assert found.p is not None
    assert found.p < 0.05
    assert (found.why, found.seeds, found.films) == ("not with seed 2", 3, 8)
    sure = verdict_on(ordering(*above("a", "b")), {"a": {**high, 2: scores(*HIGH)}, "b": low})
    assert sure.kind == "holds"


def test_seeds_with_films_of_their_own_are_all_counted() -> None:
    low, high = ({seed: {f"{seed}-{i}": v for i, v in enumerate(values)} for seed in (0, 1)} for values in (LOW, HIGH))
    found = verdict_on(ordering(*above("a", "b")), {"a": high, "b": low})
    assert (found.kind, found.films, found.seeds) == ("holds", 16, 2)


def test_the_weakest_of_several_statements_decides() -> None:
    rows = {"a": {0: scores(*HIGH)}, "b": {0: scores(*LOW)}, "c": {0: scores(*(value + 6 for value in LOW))}}
    found = verdict_on(ordering(*above("a", "b", "c")), rows)
    assert found.kind == "does not hold"
    assert found.weakest == "a above c"
    mixed = {**rows, "c": {0: scores(*(v + (9 if i % 2 else -9) for i, v in enumerate(HIGH)))}}
    unsure = verdict_on(ordering(*above("a", "b"), *above("c", "b")), mixed)
    assert (unsure.kind, unsure.weakest) == ("holds, not surely", "c above b")


@pytest.mark.parametrize(
    ("first", "last", "kind"),
    [
        (0.0, 10.5, "holds"),
        (0.0, 8.0, "holds"),  # what is lost again is no gain
        (0.0, 16.0, "does not hold"),  # it rises on
        (10.0, 10.0, "does not hold"),  # it never rose
        (12.0, 11.0, "does not hold"),
    ],
)
def test_a_curve_levels_off_where_it_rose_before(first: float, last: float, kind: str) -> None:
    noise = (0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.1)
    curve = {"1": first, "8": 10.0, "32": last}
    rows = {key: {0: scores(*(value + (n if key == "8" else 0) for n in noise))} for key, value in curve.items()}
    assert verdict_on(ordering(*levels_off("1", "8", "32")), rows).kind == kind


@pytest.mark.parametrize(("other", "kind"), [(20.0, "holds"), (20.9, "holds"), (22.0, "does not hold")])
def test_less_than_a_twentieth_is_no_gain(other: float, kind: str) -> None:
    rows = {"all": {0: scores(*[20.0] * 8)}, "stage3": {0: scores(*[other] * 8)}}
    assert verdict_on(ordering(*no_gain("all", "stage3")), rows).kind == kind


def test_what_is_missing_is_told_and_what_is_no_number_is_left_out() -> None:
    one = ordering(*above("a", "b"))
    assert verdict_on(one, {"a": {0: scores(*HIGH)}}).words == "not run: no CIDEr-D of b"
    nothing = {"a": {0: scores(*HIGH)}, "b": {0: scores(*[math.nan] * 8)}}
    assert verdict_on(one, nothing).words == "not run: no CIDEr-D of b"
    apart = {"a": {0: scores(*HIGH)}, "b": {1: scores(*LOW)}}
    assert verdict_on(one, apart).why == "no film with the same seed in all rows of: a above b"
    part = {"a": {0: scores(math.nan, *HIGH)}, "b": {0: scores(5.0, *LOW)}}
    found = verdict_on(one, part)
    assert (found.kind, found.films) == ("holds", 8)
    fewer = {"a": {0: scores(*HIGH), 1: scores(*HIGH)}, "b": {0: scores(*LOW)}}
    assert verdict_on(one, fewer).seeds == 1


def test_the_summary_counts_the_papers_nineteen_alone() -> None:
    rows = {"a": {0: scores(*HIGH)}, "b": {0: scores(*LOW)}}
    made = [
        verdict_on(ordering(*above("a", "b")), rows),
        verdict_on(ordering(*above("b", "a")), rows),
        verdict_on(ordering(*above("a", "c")), rows),
        verdict_on(ordering(*above("a", "b"), measure=BERT, counted=False), rows),
    ]
    assert summary(made) == ("Of 3 orderings of the paper: 1 holds; 0 holds, not surely; 1 does not hold; 1 not run.")
