"""The driver of a catalogue, with workers that do as they are told."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from calvin.core.errors import CalvinError, CheckpointError, UsageError
from calvin.core.progress import silent
from calvin.studio.catalogue import catalogue_run as module
from calvin.studio.catalogue.catalogue_report import CatalogueReport
from calvin.studio.catalogue.catalogue_run import STRIKES, _Run, catalogue
from calvin.studio.catalogue.crew import Event
from calvin.studio.catalogue.film_journal import FilmJournal, FilmResult
from calvin.studio.catalogue.film_work import CatalogueWish
from calvin.studio.catalogue.listing import Entry


class Crew:
    """Workers that die over the films of `deadly`, fail by their server with all films, or cannot begin at all."""

    def __init__(self, deadly: Sequence[str] = (), fail: bool = False, unready: int = 0, stillborn: int = 0) -> None:
        self.deadly, self.fail, self.unready, self.stillborn = deadly, fail, unready, stillborn
        self.hired, self.given = 0, list[tuple[str, ...]]()
        self.events: deque[Event] = deque()

    def hire(self) -> int:
        self.hired += 1
        if self.stillborn:
            self.stillborn -= 1
            self.events.append(Event(self.hired, "died", how="it was ended by SIGKILL"))
        elif self.unready:
            self.unready -= 1
            self.events.append(Event(self.hired, "unready", error=CheckpointError("There is no model m.")))
        else:
            self.events.append(Event(self.hired, "ready"))
        return self.hired

    def give(self, worker: int, entries: Sequence[Entry]) -> None:
        names = tuple(entry.film.stem for entry in entries)
        self.given.append(names)
        if set(names) & set(self.deadly):
            self.events.append(Event(worker, "died", how="it had no memory left"))
            return
        result = FilmResult(error="The server is gone.", server=True) if self.fail else FilmResult(1.0, 2)
        self.events.append(Event(worker, "made", (result,) * len(entries)))

    def wait(self, timeout_s: float) -> list[Event]:
        return [self.events.popleft()] if self.events else []

    def close(self) -> None:
        pass


def go(
    tmp_path: Path, crew: Crew, names: str = "abcd", workers: int = 1, together: int = 1
) -> tuple[CatalogueReport, CalvinError | None]:
    entries = [Entry(Path(f"/{name}.mp4"), f"{name}.calvin", seconds=float(9 - n)) for n, name in enumerate(names)]
    run = _Run(tmp_path, entries, FilmJournal(tmp_path, {}), together, None, silent)
    try:
        run.carry_out(crew, workers)
    except CalvinError as error:
        return run.report(), error
    return run.report(), None


def test_a_film_that_takes_workers_down_is_given_up_and_takes_no_other_with_it(tmp_path: Path) -> None:
    crew = Crew(deadly="b")
    report, error = go(tmp_path, crew, together=4)
    assert error is None
    assert [row.state for row in report.rows] == ["described", "failed", "described", "described"]
    assert report.rows[1].remarks == (
        "3 workers died over it (it had no memory left): there may be too little memory for so many, so give the same "
        "command again with fewer --workers.",
    )
    # Together at first; then each of them by itself, the one at fault until it is given up.
    assert crew.given == [("a", "b", "c", "d"), ("a",), ("b",), ("b",), ("c",), ("d",)]
    assert crew.hired == 1 + STRIKES


def test_workers_share_the_films_the_longest_first(tmp_path: Path) -> None:
    crew = Crew()
    report, error = go(tmp_path, crew, "abcde", workers=2, together=2)
    assert error is None
    assert crew.given == [("a", "b"), ("c", "d"), ("e",)]
    assert report.summary == "5 films described: 0.1 minutes of film, 10 cues."


def test_what_keeps_workers_from_beginning_ends_the_run(tmp_path: Path) -> None:
    report, error = go(tmp_path, Crew(unready=2), workers=2)
    assert str(error) == "There is no model m."
    assert {row.state for row in report.rows} == {"not begun"}
    crew = Crew(stillborn=99)
    _, error = go(tmp_path, crew)
    assert str(error).startswith("3 workers died before they were ready (it was ended by SIGKILL)")
    assert crew.hired == STRIKES


def test_one_worker_that_can_is_enough(tmp_path: Path) -> None:
    report, error = go(tmp_path, Crew(unready=1), workers=2)
    assert error is None
    assert Counter(row.state for row in report.rows) == {"described": 4}


def test_a_server_that_fails_film_after_film_ends_the_run(tmp_path: Path) -> None:
    crew = Crew(fail=True)
    report, error = go(tmp_path, crew)
    assert str(error).startswith(
        "The model server failed with 3 films, one after the other (The server is gone). 1 film is left: mend it"
    )
    assert [row.state for row in report.rows] == ["failed", "failed", "failed", "not begun"]


def test_a_full_disk_ends_the_run_before_the_next_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = iter([1 << 40, 1 << 40, 1 << 20])
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=next(free)))
    report, error = go(tmp_path, Crew())
    assert str(error).startswith(f"The disk of {tmp_path} has too little room for c.mp4: 32 MiB are needed and 1 are ")
    assert "2 films are left: free some space" in str(error)
    assert [row.state for row in report.rows] == ["described", "described", "not begun", "not begun"]


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    def refused(**options: object) -> str:
        with pytest.raises(UsageError) as error:
            catalogue(tmp_path, tmp_path / "out", CatalogueWish(), **options)  # type: ignore[arg-type]
        return str(error.value)

    assert "no fewer than 0 workers" in refused(workers=-1)
    assert "1 to 8 films together" in refused(together=9)
    assert "at least one worker" in refused(ray=True, workers=0)
    assert "leave --captioners out" in refused(captioners=1)
    assert "There is no film in" in refused()
    assert not (tmp_path / "out").exists()
