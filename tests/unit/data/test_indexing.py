from __future__ import annotations

import fcntl
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calvin.core.errors import DataError
from calvin.data import indexing
from calvin.data.indexing import HIDDEN, DataFiles, KeptIndex, RawFile, kept_index


class Maker:
    """Makes an index of a file that holds how long it is, and keeps what was said."""

    def __init__(self, path: Path) -> None:
        self.path, self.made, self.said = path, 0, list[str]()

    def __call__(self, settings: Any = None) -> KeptIndex:
        return kept_index(DataFiles.of(self.path), "test", settings, self.build, self.said.append)

    def build(self, folder: Path) -> dict[str, Any]:
        self.made += 1
        (folder / "a.bin").write_bytes(b"x" * 100)
        return {"length": len(self.path.read_bytes())}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.tsv").write_text("rows")
    return Maker(tmp_path / "data" / "rows.tsv")


def test_an_index_is_made_once_and_lies_beside_its_data(maker: Maker) -> None:
    first, second = maker(), maker()
    assert maker.made == 1
    assert first == second
    assert first.facts["facts"] == {"length": 4}
    assert first.folder.parent == maker.path.parent / HIDDEN
    assert maker.said == []


def touch(maker: Maker, folder: Path) -> None:
    facts = maker.path.stat()
    os.utime(maker.path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))


def lengthen(maker: Maker, folder: Path) -> None:
    maker.path.write_text("more rows")


def cut(maker: Maker, folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"x" * 99)


def lose(maker: Maker, folder: Path) -> None:
    (folder / "a.bin").unlink()


def spoil(maker: Maker, folder: Path) -> None:
    (folder / "index.json").write_text('{"state": ')


def forget(maker: Maker, folder: Path) -> None:
    (folder / "index.json").unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (touch, "no longer fitted"),
        (lengthen, "no longer fitted"),
        (cut, "was damaged"),
        (lose, "was damaged"),
        (spoil, "no longer fitted"),
        (forget, "no longer fitted"),
    ],
)
def test_another_state_of_data_or_index_is_made_anew(
    maker: Maker, change: Callable[[Maker, Path], None], why: str
) -> None:
    change(maker, maker().folder)
    assert maker().facts["facts"] == {"length": len(maker.path.read_text())}
    assert maker.made == 2
    assert maker.said == [f"the index of rows.tsv {why} and was made anew"]
    maker()
    assert maker.made == 2


def test_other_settings_and_other_code_make_another_index(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {maker({"clean": clean}).key for clean in (True, False)}
    monkeypatch.setattr(indexing, "_code", lambda: "other")
    keys.add(maker({"clean": False}).key)
    assert maker.made == len(keys) == 3


def test_data_that_may_not_be_written_beside_has_its_index_in_the_cache(maker: Maker, tmp_path: Path) -> None:
    (maker.path.parent / HIDDEN).write_text("in the way, whoever one is")
    index = maker()
    assert index.folder.parent == tmp_path / "cache" / "calvin" / "index"
    [sentence] = maker.said
    assert f"{maker.path.parent / HIDDEN} cannot be written" in sentence
    assert str(index.folder) in sentence
    assert maker() == index
    assert maker.made == 1
    assert len(maker.said) == 1


def test_two_files_of_one_name_do_not_share_a_place_in_the_cache(maker: Maker, tmp_path: Path) -> None:
    other = Maker(tmp_path / "other" / "rows.tsv")
    other.path.parent.mkdir()
    other.path.write_text("other rows")
    for one in (maker, other):
        (one.path.parent / HIDDEN).write_text("")
        one()
    assert maker().facts["facts"] != other().facts["facts"]
    assert (maker.made, other.made) == (1, 1)


def test_where_no_index_can_be_written_one_sentence_says_what_to_do(maker: Maker, tmp_path: Path) -> None:
    (maker.path.parent / HIDDEN).write_text("")
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match=r"neither beside it nor .*XDG_CACHE_HOME"):
        maker()


def test_data_that_change_meanwhile_are_not_indexed(maker: Maker) -> None:
    build = maker.build

    def late(folder: Path) -> dict[str, Any]:
        facts = build(folder)
        maker.path.write_text("rows, and more")
        return facts

    maker.build = late  # type: ignore[method-assign]
    with pytest.raises(DataError, match="changed while its index was made"):
        maker()
    maker.build = build  # type: ignore[method-assign]
    assert maker().facts["facts"] == {"length": 14}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_of_several_processes_one_makes_the_index_and_the_others_wait(maker: Maker) -> None:
    place = maker.path.parent / HIDDEN
    place.mkdir()
    log, context = maker.path.with_name("log"), multiprocessing.get_context("fork")
    build = maker.build

    def noted(folder: Path) -> dict[str, Any]:
        with open(log, "a", encoding="utf-8") as stream:
            stream.write("made\n")
        return build(folder)

    maker.build = noted  # type: ignore[method-assign]
    # All begin behind the same lock.
    with open(place / "rows.tsv.test.lock", "a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        processes = [context.Process(target=maker) for _ in range(3)]
        for process in processes:
            process.start()
        assert not log.exists()
        fcntl.flock(stream, fcntl.LOCK_UN)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert log.read_text() == "made\n"


def test_only_finished_files_of_a_folder_count(tmp_path: Path) -> None:
    for name in ("b.tar", "a.h5", "c.partial.h5", ".hidden.tar", "notes.txt"):
        (tmp_path / name).write_text(name)
    data = DataFiles.of(tmp_path, ".tar", ".h5")
    assert [file.name for file in data.files] == ["a.h5", "b.tar"]
    assert data.size == len("a.h5b.tar")


def test_a_file_that_ends_too_early_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"12345")
    raw = RawFile(tmp_path / "a.bin")
    assert raw.read(1, 3) == b"234"
    with pytest.raises(DataError, match="is damaged: delete"):
        raw.read(3, 3)


def test_data_that_vanish_meanwhile_are_named(maker: Maker) -> None:
    maker.build = lambda folder: {"none": maker.path.unlink()}  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"rows\.tsv cannot be read: No such file"):
        maker()
