"""Runs are made once and whole, whoever makes them: after a kill, in two shares, beside another process."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from calvin.core.errors import UsageError
from calvin.core.files import read_record, write_json
from calvin.core.progress import Listener, Progress, silent
from calvin.lab.reproduce.work_shares import DONE, Job, carry_out, claimed, left_over, perform_one, place_of, share_of


@dataclass
class Counting:
    """An experiment whose runs score their own number; `killed_in` breaks off once."""

    folder: Path
    killed_in: str = ""
    made: list[str] = field(default_factory=list)

    def jobs(self) -> list[Job]:
        return [Job("row", number, 1.0) for number in range(5)]

    def perform(self, job: Job, place: Path, listener: Listener = silent) -> None:
        (place / "captions.jsonl").write_text("half")
        if job.key == self.killed_in:
            self.killed_in = ""
            raise KeyboardInterrupt
        self.made.append(job.key)
        write_json(place / DONE, {"score": job.key})


def scored(folder: Path) -> dict[str, object]:
    return {path.parent.name: read_record(path)["score"] for path in sorted(folder.glob(f"runs/*/{DONE}"))}


def test_what_was_made_before_a_kill_is_not_made_again(tmp_path: Path) -> None:
    experiment = Counting(tmp_path, killed_in="row-seed-2")
    with pytest.raises(KeyboardInterrupt):
        carry_out(experiment)
    assert experiment.made == ["row-seed-0", "row-seed-1"]
    assert [job.key for job in left_over(experiment)] == ["row-seed-2", "row-seed-3", "row-seed-4"]
    seen: list[Progress] = []
    assert carry_out(experiment, listener=seen.append) == 0
    assert experiment.made == [f"row-seed-{number}" for number in range(5)]
    assert [event.done for event in seen] == [1.0, 2.0, 3.0]


def test_two_shares_make_what_one_process_makes(tmp_path: Path) -> None:
    alone, first, second = Counting(tmp_path / "alone"), Counting(tmp_path / "both"), Counting(tmp_path / "both")
    assert carry_out(alone) == 0
    assert carry_out(first, share_of("1/2")) == 2
    assert carry_out(second, share_of("2/2")) == 0
    assert (len(first.made), len(second.made)) == (3, 2)
    assert scored(tmp_path / "both") == scored(tmp_path / "alone")


def test_a_run_that_another_process_is_at_is_left_to_it(tmp_path: Path) -> None:
    experiment = Counting(tmp_path)
    busy = experiment.jobs()[1]
    with claimed(place_of(experiment, busy)) as mine:
        assert mine
        assert carry_out(experiment) == 1
    assert experiment.made == ["row-seed-0", "row-seed-2", "row-seed-3", "row-seed-4"]
    assert perform_one(experiment, busy)
    assert not perform_one(experiment, busy), "it is made"
    assert left_over(experiment) == []


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/", "-1/2"])
def test_a_wrong_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a share such as 1/2"):
        share_of(text)
