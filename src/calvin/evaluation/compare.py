"""Systems side by side on the same scenes: what may be ranked, and which differences are more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calvin.core.errors import UsageError
from calvin.evaluation.protocol import PUBLISHED, Published, unequal
from calvin.evaluation.results import Results, aligned
from calvin.evaluation.scoring import LOWER_IS_BETTER, TRUTH, Measure, PairedTest, paired_test


@dataclass(frozen=True)
class Comparison:
    """`systems` in rank order where `ranked`, else as given. `tests[measure][i]` is the first system against the one
    at i + 1; empty where the scenes or their references differ, so that nothing can be paired."""

    systems: tuple[Results, ...]
    unequal: dict[str, tuple[str, ...]]
    ranked: bool
    measures: tuple[str, ...]
    tests: dict[str, tuple[PairedTest, ...]]
    paired: bool

    @property
    def published(self) -> tuple[tuple[str, Published], ...]:
        """(split, row) of the paper's tables: that of our split where it has one, else all."""
        splits = {name for name in PUBLISHED for one in self.systems if one.card.split == name}
        return tuple((split, row) for split in splits or PUBLISHED for row in PUBLISHED[split])

    def warnings(self) -> list[str]:
        """What to know before reading the scores side by side, one sentence each."""
        found = []
        if self.unequal:
            how = "ranked all the same, as you asked" if self.ranked else "not ranked: --rank ranks them all the same"
            fields = ", ".join(self.unequal)
            found.append(f"The protocol cards differ in {fields}, so the systems are {how}.")
        if not self.paired:
            found.append("The systems were not scored against the same references, so no difference is tested.")
        return found


def compare(systems: Sequence[Results], rank: bool = False) -> Comparison:
    """Put systems side by side.

    Args:
        rank: rank them even where their cards differ.

    Raises:
        UsageError: fewer than two, one without scores, or no measure in common.
    """
    if len(systems) < 2:
        raise UsageError("Comparing takes at least two systems.")
    for one in systems:
        if not one.scores.measures:
            raise UsageError(f"{one.folder} has no scores yet: run its `calvin evaluate` again, or `calvin score` it.")
    systems = _named_apart(systems)
    measures = tuple(m.name for m in systems[0].scores.measures if all(one.scores.get(m.name) for one in systems))
    if not measures:
        raise UsageError("The systems have no measure in common: score them with the same metrics.")
    ranked = rank or not unequal([one.card for one in systems])
    if ranked:
        sign = 1 if measures[0] in LOWER_IS_BETTER else -1
        systems = sorted(systems, key=lambda one: sign * _measure(one, measures[0]).pooled)
    different = unequal([one.card for one in systems])
    paired = "references_sha256" not in different
    tests = {name: found for name in measures if paired and (found := _tests(systems, name))}
    return Comparison(tuple(systems), different, ranked, measures, tests, paired)


def _named_apart(systems: Sequence[Results]) -> list[Results]:
    names = [one.name for one in systems]
    return [
        replace(one, system={**one.system, "name": f"{one.system['name']} ({one.folder or number})"})
        if names.count(one.name) > 1
        else one
        for number, one in enumerate(systems, 1)
    ]


def _measure(one: Results, name: str) -> Measure:
    found = one.scores.get(name)
    assert found is not None
    return found


def _tests(order: Sequence[Results], name: str) -> tuple[PairedTest, ...]:
    """The first system against each other one; none where the measure has no values, or not of the same scenes."""
    first, *others = (_measure(one, name) for one in order)
    if not first.values or any(set(other.values) != set(first.values) for other in others):
        return ()
    if not np.isclose(np.mean(list(first.values.values())), first.pooled):
        return ()  # BLEU and METEOR: scores of the whole set, not means of the scenes
    keys = list(first.values)
    return tuple(
        paired_test(np.array([first.values[key] for key in keys]), np.array([other.values[key] for key in keys]))
        for other in others
    )


def cell(comparison: Comparison, name: str, index: int) -> str:
    """A system's score; with * where it differs from the first system's by more than chance (p < 0.05)."""
    tests = comparison.tests.get(name)
    star = "*" if index and tests and tests[index - 1].significant else ""
    return f"{_measure(comparison.systems[index], name).shown:.2f}{star}"


def tables(comparison: Comparison) -> list[list[list[str]]]:
    """Rows of text: systems by measure with the published rows below; where there is a truth, systems by aspect."""
    systems = [(f"{i + 1}. " if comparison.ranked else "") + one.name for i, one in enumerate(comparison.systems)]
    names = [name for name in comparison.measures if not name.startswith(TRUTH)]
    truth = [name for name in comparison.measures if name.startswith(TRUTH)]
    marked = [name + ("" if _comparable(comparison, name) else " †") for name in names]
    scores = [[label, *(cell(comparison, name, i) for name in names)] for i, label in enumerate(systems)]
    for split, row in comparison.published:
        values = (f"{row.mapping[name]:.2f}" if name in row.mapping else "" for name in names)
        scores.append([f"published: {row.system}, {row.context} ({split})", *values])
    found = [[["system", *marked], *scores]]
    if truth:
        head = ["against the truth", *(name.removeprefix(TRUTH) for name in truth)]
        found.append([head, *([one, *(cell(comparison, name, i) for name in truth)] for i, one in enumerate(systems))])
    return found


def legend(comparison: Comparison) -> list[str]:
    """What the marks in the tables mean, one sentence each."""
    published = "published: measured by others on that data and printed in the CALVIN paper (Tables 1 and 2)."
    lines = [published] if comparison.published else []
    if not all(_comparable(comparison, name) for name in comparison.measures):
        lines.append("†: ours is computed with another model than any published number: do not compare the two.")
    if comparison.tests:
        first = comparison.systems[0].name
        lines.append(f"*: differs from {first} with p < 0.05 (paired permutation test, not corrected for many tests).")
    return lines


def _comparable(comparison: Comparison, name: str) -> bool:
    return all(_measure(one, name).comparable for one in comparison.systems)


def comparison_table(comparison: Comparison) -> str:
    """The tables, their legend and every test, for a terminal."""
    tests = [f"  {line}" for name in comparison.tests for line in worded_tests(comparison, name)]
    return "\n".join(["\n\n".join(map(aligned, tables(comparison))), "", *legend(comparison), *tests])


def worded_tests(comparison: Comparison, name: str) -> list[str]:
    """One sentence per test."""
    scale = _measure(comparison.systems[0], name).scale
    lines = []
    for other, test in zip(comparison.systems[1:], comparison.tests.get(name, ()), strict=False):
        figures = f"{test.difference * scale:+.2f}"
        if test.interval is not None:
            figures += " ({:+.2f} to {:+.2f})".format(*(scale * end for end in test.interval))
        lines.append(f"{name}: {figures} against {other.name}, p = {test.p:.4f}, {test.items} values")
    return lines
