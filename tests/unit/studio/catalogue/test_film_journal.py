"""The journal of a catalogue: what it remembers, whatever was killed while it was written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calvin.captioners.spending import Spending
from calvin.core.errors import UsageError
from calvin.studio.catalogue import film_journal as module
from calvin.studio.catalogue.film_journal import JOURNAL, FilmJournal, FilmResult
from calvin.studio.catalogue.listing import Entry
from calvin.studio.project.database import DATABASE

ASKED = {"model": "m", "plan": {"guard_ms": 300}, "formats": ("vtt",)}
ENTRY = Entry(Path("/films/a.mp4"), "a.calvin", stamp=(10, 20))
RESULT = FilmResult(12.5, 3, 1, 0, 4.0, ("A note.",), spent=Spending(2, 30, 4))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "a.calvin").mkdir()
    (tmp_path / "a.calvin" / DATABASE).touch()
    return tmp_path


def test_it_remembers_what_was_done_until_film_or_project_change(out: Path) -> None:
    journal = FilmJournal(out, ASKED)
    journal.begin(ENTRY)
    assert FilmJournal(out, ASKED).done(ENTRY) is None
    journal.end(ENTRY, RESULT)
    again = FilmJournal(out, ASKED)
    assert again.done(ENTRY) == RESULT
    assert again.names == {"/films/a.mp4": "a.calvin"}
    assert again.done(Entry(ENTRY.film, "a.calvin", stamp=(11, 20))) is None
    again.end(ENTRY, replace(RESULT, unanswered=1))
    assert again.done(ENTRY) is None
    again.end(ENTRY, RESULT)
    (out / "a.calvin" / DATABASE).unlink()
    assert again.done(ENTRY) is None
    journal.end(ENTRY, FilmResult(error="It is broken."))
    assert FilmJournal(out, ASKED).records["/films/a.mp4"].state == "failed"


@pytest.mark.parametrize("left", [1, 20, 10_000])
def test_half_a_line_is_cut_off(out: Path, left: int) -> None:
    journal = FilmJournal(out, ASKED)
    journal.begin(ENTRY)
    whole = (out / JOURNAL).read_bytes()
    journal.end(ENTRY, RESULT)
    content = (out / JOURNAL).read_bytes()
    last = content[len(whole) :]
    (out / JOURNAL).write_bytes(whole + last[: min(left, len(last) - 1)])
    again = FilmJournal(out, ASKED)
    assert (out / JOURNAL).read_bytes() == whole
    again.end(ENTRY, RESULT)
    assert (out / JOURNAL).read_bytes() == content


def test_a_damaged_line_costs_its_film_alone_and_another_file_is_refused(out: Path) -> None:
    journal = FilmJournal(out, ASKED)
    journal.end(ENTRY, RESULT)
    with (out / JOURNAL).open("ab") as file:
        file.write(b'{"film": 3}\nnonsense\n')
    assert FilmJournal(out, ASKED).done(ENTRY) == RESULT
    (out / JOURNAL).write_text("nonsense\n")
    with pytest.raises(UsageError, match="no journal of a catalogue"):
        FilmJournal(out, ASKED)


def test_other_options_are_refused_by_name(out: Path) -> None:
    FilmJournal(out, ASKED)
    with pytest.raises(UsageError, match=r'\(model: "m", now "n"; plan.guard_ms: 300, now not given\)'):
        FilmJournal(out, {"model": "n", "formats": ["vtt"]})


def test_a_full_disk_leaves_no_half_line(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FilmJournal(out, ASKED)
    before = (out / JOURNAL).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "fsync", full)
        with pytest.raises(OSError, match=JOURNAL):
            journal.begin(ENTRY)
    assert (out / JOURNAL).read_bytes() == before
    journal.begin(ENTRY)
    assert json.loads((out / JOURNAL).read_text().splitlines()[-1])["state"] == "begun"
