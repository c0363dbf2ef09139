from __future__ import annotations

from pathlib import Path

import pytest

from calvin.training.history import note_end, note_start, read_history, timed


def test_a_run_says_itself_how_long_each_step_worked(tmp_path: Path) -> None:
    assert read_history(tmp_path).starts == 0
    note_start(tmp_path, "one core")
    with timed(tmp_path, "tower"):
        sum(range(2_000_000))
    note_start(tmp_path, "two cores")
    with pytest.raises(ValueError, match="stop"), timed(tmp_path, "tower"):
        raise ValueError("stop")
    note_end(tmp_path)
    history = read_history(tmp_path)
    assert history.starts == 2
    assert history.machine == "two cores"
    assert history.begun <= history.ended
    assert 0 <= history.minutes < 1
    assert list(history.seconds) == ["tower"]
    assert history.processor["tower"] > 0.01
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 7


def test_a_line_that_a_kill_cut_is_left_out(tmp_path: Path) -> None:
    note_start(tmp_path, "one core")
    with open(tmp_path / "history.jsonl", "a") as stream:
        stream.write('{"at": "2026-1\n')
    note_start(tmp_path, "one core")
    assert read_history(tmp_path).starts == 2


def test_only_one_process_of_a_distributed_run_takes_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    note_start(tmp_path, "a GPU")
    assert not (tmp_path / "history.jsonl").exists()
