from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from calvin.data import SourceConfig, identity
from calvin.data.identity import content_hash, source_identity


def source(folder: Path, **changes: object) -> SourceConfig:
    values = {
        "name": "mad",
        "format": "mad_csv",
        "annotations": folder / "a.csv",
        "features": folder / "f.h5",
        **changes,
    }
    return SourceConfig.load(values)


def write(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.csv").write_text("rows")
    (folder / "f.h5").write_bytes(b"vectors")
    return folder


def test_data_is_the_same_wherever_it_lies_and_whatever_memory_it_gets(tmp_path: Path) -> None:
    here, there = write(tmp_path / "here"), write(tmp_path / "there")
    assert source_identity(source(here)) == source_identity(source(there, cache_mb=0, max_bad_share=0.5))
    assert str(tmp_path) not in json.dumps(source_identity(source(here)))


@pytest.mark.parametrize(
    "change", [{"context": 1}, {"limit": 3}, {"clean": False}, {"fps": 3.0}, {"evaluation_films": "drop"}]
)
def test_what_is_done_with_it_is_part_of_it(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write(tmp_path / "data")
    assert source_identity(source(folder)) != source_identity(source(folder, **change))


@pytest.mark.parametrize("name", ["a.csv", "f.h5"])
def test_one_byte_makes_other_data(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "data")
    before = source_identity(source(folder))
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert source_identity(source(folder)) != before


def test_evaluation_sets_count_by_what_is_in_them(tmp_path: Path) -> None:
    folder = write(tmp_path / "data")
    sets = [tmp_path / name for name in ("one.csv", "two.csv", "three.csv")]
    for path, text in zip(sets, ("films", "films", "others"), strict=True):
        path.write_text(text)
    one, two, three = (source_identity(source(folder, against=[f"mad:{path}"])) for path in sets)
    assert one == two != three


def test_a_folder_is_its_files_by_name_but_hidden_and_unfinished_ones(tmp_path: Path) -> None:
    folder = write(tmp_path / "data")
    before = content_hash(folder)
    (folder / ".lock").write_text("x")
    (folder / "part-1.partial.h5").write_text("x")
    assert content_hash(folder) == before
    (folder / "b.json").write_text("x")
    assert content_hash(folder) != before
    only = content_hash(folder, {".json"})
    (folder / "a.csv").rename(folder / "c.csv")
    assert content_hash(folder, {".json"}) == only
    (folder / "b.json").rename(folder / "d.json")
    assert content_hash(folder, {".json"}) != only


def test_a_large_file_is_read_once_until_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    sha256 = identity.file_sha256
    monkeypatch.setattr(identity, "file_sha256", lambda path: read.append(Path(path).name) or sha256(path))
    monkeypatch.setattr(identity, "WORTH_KEEPING", 4)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"12345678")
    small.write_bytes(b"1")
    first = content_hash(large)
    assert content_hash(large) == first == sha256(large)
    assert read == ["large"]
    large.write_bytes(b"12345679")
    os.utime(large, ns=(1, 1))
    assert content_hash(large) == sha256(large) != first
    content_hash(small)
    content_hash(small)
    assert read == ["large", "large", "small", "small"]
    # Where nothing can be kept, it is read again.
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    assert content_hash(large) == sha256(large)


def test_a_folder_of_many_small_files_is_read_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    sha256 = identity.file_sha256
    monkeypatch.setattr(identity, "file_sha256", lambda path: read.append(Path(path).name) or sha256(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.tar").write_text(f"vectors {number}")
    plain = content_hash(folder)
    monkeypatch.setattr(identity, "WORTH_KEEPING", 20)
    read.clear()
    assert content_hash(folder) == content_hash(folder) == plain
    assert sorted(read) == [f"{number}.tar" for number in range(5)]
    os.utime(folder / "3.tar", ns=(1, 1))
    assert content_hash(folder) == plain
    assert sorted(read)[3:5] == ["3.tar", "3.tar"]
