"""What a worker makes of the films that it is given together, whatever one of them brings about."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from calvin.captioners.base import CaptionAnswer, CaptionerInfo, CaptionRequest
from calvin.captioners.spending import Spending
from calvin.core.errors import MediaError, ServerError
from calvin.studio.catalogue import film_work as module
from calvin.studio.catalogue.film_journal import FilmResult
from calvin.studio.catalogue.film_work import CatalogueWish, Describer, OutOfMemoryError, failed, wait_until_free
from calvin.studio.catalogue.listing import Entry
from calvin.studio.describe.films import FilmJob, Outcome
from calvin.studio.project.database import LOCK, held_elsewhere


class Served:
    """A captioner whose server has been asked five times whenever somebody looks."""

    info, needs = CaptionerInfo("served"), frozenset[str]()
    looks = 0

    @property
    def spent(self) -> Spending:
        self.looks += 1
        return Spending(5 * self.looks, 100 * self.looks, 0)

    def caption(self, requests: Sequence[CaptionRequest]) -> list[CaptionAnswer]:
        raise AssertionError


@pytest.fixture
def describer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Describer:
    """One whose films are described if they are called so, and else bring about what they are called."""

    def describe_many(jobs: Sequence[FilmJob], *_: object, **__: object) -> list[Outcome]:
        outcomes = []
        for job in jobs:
            if job.film.stem == "KeyError":
                raise KeyError("frame")
            if job.film.stem == "MemoryError":
                raise MemoryError
            error = MediaError("It is broken.") if job.film.stem == "broken" else None
            outcomes.append(Outcome(job, error=error, description=None if error else SimpleNamespace()))  # type: ignore[arg-type]
        return outcomes

    monkeypatch.setattr(module, "describe_many", describe_many)
    monkeypatch.setattr(module, "_result", lambda _: FilmResult(2.0, 3))
    return Describer(CatalogueWish(), tmp_path, Served())  # type: ignore[arg-type]


def given(*names: str) -> list[Entry]:
    return [Entry(Path(f"/{name}.mp4"), f"{name}.calvin", seconds=2.0) for name in names]


def test_each_film_has_its_own_end(describer: Describer) -> None:
    good, odd, broken, better = describer.describe(given("good", "KeyError", "broken", "better"))
    assert [one.cues for one in (good, odd, broken, better)] == [3, 0, 0, 3]
    assert odd.error == "It met an error that calvin does not know (KeyError: 'frame'): please report it."
    assert (broken.error, broken.server) == ("It is broken.", False)
    # What was spent on all of them is shared out, and nothing of it lost.
    assert [one.spent.answers for one in (good, odd, broken, better)] == [1, 1, 1, 2]
    assert [one.spent.prompt_tokens for one in (good, odd, broken, better)] == [25] * 4


def test_a_lack_of_memory_is_no_fault_of_the_film(describer: Describer) -> None:
    with pytest.raises(OutOfMemoryError):
        describer.describe(given("good", "MemoryError"))
    assert module.out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"))
    assert not module.out_of_memory(RuntimeError("shapes do not match"))


def test_errors_are_told_in_the_words_of_describe(tmp_path: Path) -> None:
    assert failed(ServerError("It is\ngone."), tmp_path) == FilmResult(error="It is gone.", server=True)
    assert "see that its disk has room" in failed(OSError(28, "No space left on device"), tmp_path).error


def test_a_project_is_waited_for_that_another_process_holds(tmp_path: Path) -> None:
    assert not held_elsewhere(tmp_path)
    holder = sqlite3.connect(tmp_path / LOCK, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            holder.execute("ROLLBACK")

    assert held_elsewhere(tmp_path)
    wait_until_free(tmp_path, 10.0, sleep)
    assert len(slept) == 3
    holder.execute("BEGIN EXCLUSIVE")
    wait_until_free(tmp_path, 0.5, slept.append)
    assert len(slept) == 6
    holder.close()
    assert not held_elsewhere(tmp_path)
