"""Which scenes are picked, and why."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from calvin.core.errors import UsageError
from calvin.core.time import Span
from calvin.core.types import Cue
from calvin.studio.pick import Pick, choose_scenes, write_picks
from calvin.studio.readers import read_script
from calvin.studio.rows import Plan


def test_first_appearances_come_first_and_then_the_farthest() -> None:
    names = [(), ("Bob",), ("Ann", "Bob"), ("Ann",), ("Ann",), ()]
    angles = np.radians([0, 10, 20, 90, 180, 270])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    chosen = choose_scenes(names, vectors, 4)
    assert [choice.index for choice in chosen[:2]] == [2, 1]
    assert chosen[0].reason == "first appearance of Ann (in 3 scenes)"
    unit = vectors - vectors.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    taken = [2, 1]
    for choice in chosen[2:]:
        nearest = (1 - unit @ unit[taken].T).min(axis=1)
        assert choice.index == int(np.argmax(nearest))
        assert "unlike" in choice.reason
        taken.append(choice.index)


def test_two_who_appear_together_take_one_scene_and_nobody_known_starts_at_the_average() -> None:
    vectors = np.array([[0.0, 1], [1, 0], [0.4, 0.5]])
    [only] = choose_scenes([("Ann", "Bob"), (), ()], vectors, 1)
    assert only.index == 0
    assert "Ann" in only.reason
    assert "Bob" in only.reason
    assert choose_scenes([(), (), ()], vectors, 1)[0].reason == "nearest to the film's average"
    assert sorted(choice.index for choice in choose_scenes([(), (), ()], vectors, 3)) == [0, 1, 2]
    for count in (0, 4):
        with pytest.raises(UsageError, match="cannot be picked"):
            choose_scenes([(), (), ()], vectors, count)


def test_the_table_is_read_back_as_corrections_and_never_written_over(tmp_path: Path) -> None:
    plan = Plan(Span(1000, 4000), Span(0, 4000), 2000, 7)
    cue = Cue("3", Span(1000, 2500), "=Ann waves.", plan.visual, 2000)
    other = Plan(Span(5000, 8000), Span(5000, 8000), 6000, 8)
    path = tmp_path / "picks.csv"
    write_picks([Pick(plan, cue, "why"), Pick(other, None, "because")], path)
    with open(path, newline="") as stream:
        assert [row["why"] for row in csv.DictReader(stream)] == ["why", "because"]
    first, second = read_script(path)
    assert (first.cue_id, first.span, first.text) == ("3", cue.span, "=Ann waves.")
    assert (second.cue_id, second.span, second.text) == (None, other.span, "")
    with pytest.raises(UsageError, match="may hold corrections"):
        write_picks([], path)
