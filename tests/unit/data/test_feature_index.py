from __future__ import annotations

import json
import multiprocessing
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from calvin.core.errors import CalvinError, DataError, FeatureError
from calvin.core.time import Span
from calvin.data import FeatureFolder, FeatureStore, FeatureWriter, open_features
from calvin.data.feature_files import MANIFEST, TarWriter
from calvin.data.feature_index import IndexedFeatures, open_indexed

ENCODER = ("tower", "a" * 64)
SPANS = [None, Span(0, 900), Span(300, 900), Span(2000, 9000), Span(8000, 9000)]


def ramp(frames: int, start: int = 0, dim: int = 4) -> np.ndarray:
    return np.repeat(np.arange(start, start + frames, dtype=np.float32)[:, None], dim, axis=1)


def write(path: Path, encoder: tuple[str, str] = ENCODER, dim: int = 4, **arrays: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True)
    with FeatureWriter(path, *encoder, fps=5, dim=dim) as writer:
        for name, array in arrays.items():
            writer.add(name.replace("__", "/"), array)
    return path


def write_tar(path: Path, *names: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    facts = {"fps": 5.0, "encoder_id": ENCODER[0], "encoder_hash": ENCODER[1], "dim": 4}
    (path.parent / MANIFEST).write_text(json.dumps(facts))
    with TarWriter(path, 5.0, {name: {"caption": "A lamp."} for name in names}) as writer:
        for number, name in enumerate(names):
            writer.add(name, ramp(1, number))
    return path


def films(folder: Path) -> Path:
    return write(folder / "films.h5", film=ramp(30), p__1=ramp(3), p__2=ramp(2, 7))


def film(folder: Path) -> Path:
    return write(folder / "film.safetensors", film=ramp(30), other=ramp(1))


def foreign(folder: Path) -> Path:
    with h5py.File(folder / "mad.h5", "w") as file:
        file.create_dataset("film", data=ramp(30))
    return folder / "mad.h5"


def tar(folder: Path) -> Path:
    return write_tar(folder / "tars" / "00000.tar", *(f"00000/00000{n:04d}" for n in (0, 1, 4000, 9999)))


def tars(folder: Path) -> Path:
    write_tar(folder / "tars" / "00001.tar", "00001/000010000", "00001/000019999")
    return tar(folder).parent


def few_in_shards(folder: Path) -> Path:
    """Digits that are places in shards of no power of ten, and so say nothing of rows."""
    for shard in range(2):
        names = [f"{shard:05d}/{shard:05d}{place:04d}" for place in range(105)]
        write_tar(folder / "tars" / f"{shard:05d}.tar", *names)
    return folder / "tars"


def mixed(folder: Path) -> Path:
    """Files of many kinds, of which some cannot be used; an id in two of them."""
    place = folder / "mixed"
    write(place / "a.h5", film=ramp(30), same=ramp(3))
    write(place / "b.safetensors", same=ramp(3, 50), last=ramp(2))
    write(place / "c.h5", ("another", "b" * 64), strange=ramp(2))
    write(place / "d.h5", dim=5, wide=ramp(2, dim=5))
    (place / "e.h5").write_bytes(b"no feature file")
    write(place / "f.partial.h5", unfinished=ramp(2))
    write_tar(place / "g.tar", "g/1", "g/2").write_bytes((place / "g.tar").read_bytes()[:2000])
    return place


KINDS: list[Callable[[Path], Path]] = [films, film, foreign, tar, tars, few_in_shards, mixed]
ASKED = ["film", "p/1", "p", "p/2", "same", "last", "strange", "wide", "unfinished", "other", "nobody", "", "g/1",
         "g/2", "000000000", "000004000", "000019999", "00001/000010000", "00000/000000001", "000000104"]  # fmt: skip
EXPECTED: dict[str, Any] = {"expect_encoder": ENCODER, "expect_dim": 4}


def opened(make: Callable[[Path], Path], folder: Path) -> tuple[FeatureStore | FeatureFolder, IndexedFeatures]:
    path = make(folder)
    expected = {**EXPECTED, "stated_encoder": ENCODER if make is foreign else None}
    return open_features(path, **expected), open_indexed(path, print, **expected)


@pytest.mark.parametrize("make", KINDS)
def test_an_index_gives_what_the_files_give(make: Callable[[Path], Path], tmp_path: Path) -> None:
    plain, indexed = opened(make, tmp_path)
    assert len(indexed) == len(plain)
    assert indexed.notes == plain.notes
    found = 0
    for name in ASKED:
        assert (name in indexed) == (name in plain)
        for span in SPANS:
            assert indexed.problem(name, span) == plain.problem(name, span)
            if name in plain:
                found += 1
                np.testing.assert_array_equal(indexed.scene(name, span, 4), plain.scene(name, span, 4))
    assert found
    if isinstance(plain, FeatureFolder):
        assert indexed.report == plain.report
    with pytest.raises(FeatureError, match="no features of 'nobody'"):
        indexed.scene("nobody", None)


def test_all_of_many_ids_are_found_and_no_other(tmp_path: Path) -> None:
    names = [f"clip{n}" for n in range(3000)]
    path = write(tmp_path / "f.safetensors", **{name: ramp(1, n % 1000) for n, name in enumerate(names)})
    counted: list[int] = []
    indexed = open_indexed(path, print, counted.append)
    assert all(name in indexed for name in names)
    assert not any(f"{name}x" in indexed for name in names)
    assert [int(indexed.scene(name, None)[0, 0]) for name in names[::271]] == [n % 1000 for n in range(0, 3000, 271)]
    assert len(indexed) == 3000


@pytest.mark.parametrize("expected", [{"expect_encoder": ("tower", "b" * 64)}, {"expect_dim": 5}, {"fps": 3.0}])
@pytest.mark.parametrize("make", [films, tar, tars])
def test_other_features_are_refused_in_the_same_words(
    make: Callable[[Path], Path], expected: dict[str, Any], tmp_path: Path
) -> None:
    path, said = make(tmp_path), list[str]()
    for open_them in (open_features, lambda path, **more: open_indexed(path, print, **more)):
        with pytest.raises(FeatureError) as refusal:
            open_them(path, **expected)
        said.append(str(refusal.value))
    assert said[0] == said[1]
    assert "film" in open_indexed(path, print) if make is films else "000000000" in open_indexed(path, print)


def test_the_index_is_made_anew_when_a_file_comes_or_changes(tmp_path: Path) -> None:
    said: list[str] = []
    folder = write(tmp_path / "f" / "a.h5", one=ramp(3)).parent
    first = open_indexed(folder, said.append)
    again = open_indexed(folder, said.append)
    assert first.state == again.state
    write(folder / "b.h5", two=ramp(2))
    both = open_indexed(folder, said.append)
    assert ["one" in both, "two" in both] == [True, True]
    assert said == ["the index of f no longer fitted and was made anew"]
    assert both.state != first.state
    assert open_indexed(folder, said.append, fps=5.0).state == both.state


def test_what_is_lost_after_indexing_is_one_sentence(tmp_path: Path) -> None:
    path = tar(tmp_path)
    indexed = open_indexed(path, print)
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match="cut short"):
        indexed.scene("000009999", None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("make", [films, film])
def test_other_processes_read_by_the_same_index(make: Callable[[Path], Path], tmp_path: Path) -> None:
    indexed = open_indexed(make(tmp_path), print)
    expected = indexed.scene("film", None, 4)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(indexed)).scene("film", None, 4), expected)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(indexed.scene, ("film", None, 4)), expected)
    indexed.close()
    np.testing.assert_array_equal(indexed.scene("film", None, 4), expected)


def test_many_files_are_not_open_at_once(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / "f" / f"{number:02d}.safetensors", **{f"film{number}": ramp(2, number)})
    indexed = open_indexed(tmp_path / "f", print)
    for number in [*range(40), 0]:
        assert indexed.scene(f"film{number}", None)[0, 0] == number
    assert len(indexed._open) == 32


def test_a_folder_of_nothing_usable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.h5").write_bytes(b"no feature file")
    with pytest.raises(CalvinError, match="holds no usable feature file"):
        open_indexed(tmp_path / "f", print)
