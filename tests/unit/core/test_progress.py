"""Progress is told in events, with an estimate of what is left."""

from __future__ import annotations

import time

import pytest

from calvin.core.progress import Progress, Stage, silent


def test_the_rest_is_estimated_by_the_pace_so_far() -> None:
    assert Progress("decode", 25, 100, elapsed_s=10).remaining_s == pytest.approx(30)
    assert Progress("decode", 100, 100, elapsed_s=10).remaining_s == 0
    assert Progress("decode", 120, 100, elapsed_s=10).remaining_s == 0


def test_what_an_earlier_run_did_took_none_of_the_time() -> None:
    assert Progress("train", 2700, 3000, elapsed_s=100, kept=2600).remaining_s == pytest.approx(300)
    assert Progress("train", 2600, 3000, elapsed_s=1, kept=2600).remaining_s is None
    heard: list[Progress] = []
    Stage("train", heard.append, 3000, "steps", kept=2600).update(2601)
    assert (heard[0].done, heard[0].kept) == (2601, 2600)


@pytest.mark.parametrize("progress", [Progress("a", 0, 100, elapsed_s=9), Progress("a", 5), Progress("a", 5, 0)])
def test_nothing_is_estimated_from_nothing(progress: Progress) -> None:
    assert progress.remaining_s is None


def test_a_stage_tells_its_listener() -> None:
    heard: list[Progress] = []
    stage = Stage("decode", heard.append, total=4, unit="frames", started=time.monotonic() - 2)
    stage.update(1, "first")
    stage.update(4)
    assert [(event.stage, event.done, event.total, event.unit, event.detail) for event in heard] == [
        ("decode", 1, 4, "frames", "first"),
        ("decode", 4, 4, "frames", ""),
    ]
    assert 2 <= heard[0].elapsed_s <= heard[1].elapsed_s < 60
    assert heard[0].remaining_s == pytest.approx(3 * heard[0].elapsed_s)


def test_the_silent_listener_takes_everything() -> None:
    Stage("decode", silent).update(1)


def test_a_stage_never_passes_its_end_and_its_pace_is_that_of_the_pieces() -> None:
    heard: list[Progress] = []
    stage = Stage("voice", heard.append, 4, "cues", started=time.monotonic() - 100)
    for done in (1, 2, 5):
        stage.update(done)
    assert [event.done for event in heard] == [1, 2, 4]
    assert (heard[1].remaining_s or 100) < 50
