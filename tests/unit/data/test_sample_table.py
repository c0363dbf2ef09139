from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calvin.core.errors import DataError
from calvin.core.time import Span
from calvin.data.indexing import KeptIndex
from calvin.data.sample_table import (
    Repeats,
    SampleTable,
    digest_of,
    note_repeats,
    read_report,
    report_facts,
    table_in,
    write_table,
)
from calvin.data.samples import DropReport, FilmName, Sample, note_duplicates

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SAMPLES = st.builds(
    Sample,
    id=TEXT,
    source=TEXT,
    media_id=TEXT,
    kind=st.sampled_from(["image", "video", "text"]),
    caption=TEXT,
    span=st.none() | st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)).map(lambda ends: Span(*sorted(ends))),
    question=st.none() | TEXT,
    context=st.lists(TEXT, max_size=3).map(tuple),
    references=st.lists(TEXT, max_size=3).map(tuple),
    movie=st.none() | TEXT,
    entities=st.lists(TEXT, max_size=2).map(tuple),
)


def images(count: int) -> list[Sample]:
    return [Sample(f"{n:04d}", "cc", f"{n:04d}", "image", f"w{n}", references=(f"w{n}",)) for n in range(count)]


def table_of(folder: Path, samples: list[Sample]) -> SampleTable:
    return table_in(folder, write_table(folder, samples, lambda _: None))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Sample], SampleTable]:
    samples = images(9000)
    return samples, table_of(tmp_path_factory.mktemp("table"), samples)


@QUIET
@given(samples=st.lists(SAMPLES, max_size=5))
def test_samples_come_back_as_they_were(tmp_path: Path, samples: list[Sample]) -> None:
    table = table_of(tmp_path, samples)
    assert list(table) == samples
    assert [table[place] for place in range(-len(samples), len(samples))] == samples + samples
    assert table.kinds == {sample.kind for sample in samples}
    with pytest.raises(IndexError):
        table[len(samples)]


def test_the_digest_is_that_of_earlier_versions(tmp_path: Path) -> None:
    sample = Sample("a", "mad", "film", "video", "He waits.", Span(0, 1500), context=("A gate.",))
    samples = [sample, *images(2)]
    assert digest_of(samples) == digest_of(table_of(tmp_path, samples)) == "3876d01d303b1bee"


@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_parts_of_a_table_are_those_of_a_list(many: tuple[list[Sample], SampleTable], data: st.DataObject) -> None:
    samples, table = many
    for _ in range(data.draw(st.integers(1, 3))):
        if not samples:
            break
        how = data.draw(st.sampled_from(["first", "without", "only", "slice"]))
        seed, share = data.draw(st.integers(0, 99)), data.draw(st.sampled_from([0.0, 0.0004, 0.5, 0.999, 1.0]))
        places = np.flatnonzero(np.random.default_rng(seed).random(len(samples)) < share)
        chosen = set(places.tolist())
        if how == "first":
            samples, table = samples[: len(places)], table.first(len(places))
        elif how == "without":
            samples = [sample for place, sample in enumerate(samples) if place not in chosen]
            table = table.without(places)
        elif how == "only":
            samples, table = [samples[place] for place in places], table.only(places)
        else:
            samples, table = samples[seed : -seed or None : 3], table[seed : -seed or None : 3]
    assert len(table) == len(samples)
    assert list(table) == samples
    assert all(table[place] == samples[place] for place in range(0, len(samples), 501))


def test_what_is_found_out_once_is_kept_for_the_same_samples_alone(tmp_path: Path) -> None:
    table, asked = table_of(tmp_path, images(20)), list[str]()

    def kept(of: SampleTable, *beside: str) -> dict[str, object]:
        return of.kept("test", lambda: asked.append("") or {"number": len(asked)}, *beside)

    assert kept(table) == kept(SampleTable(table.table)) == kept(table.without(np.zeros(0, int))) == {"number": 1}
    assert kept(table, "state") == {"number": 2}
    assert kept(table.first(19)) == {"number": 3}
    assert kept(table.without(np.array([3]))) == {"number": 4}
    assert kept(table.without(np.array([4]))) == {"number": 5}
    other = KeptIndex(table.table.folder, {**table.table.facts, "state": "changed"})
    assert kept(SampleTable(other)) == {"number": 6}


def test_a_table_can_be_handed_to_another_process(tmp_path: Path) -> None:
    table = table_of(tmp_path, images(20)).without(np.array([0]))
    assert list(pickle.loads(pickle.dumps(table))) == images(20)[1:]


def test_a_spoilt_record_is_one_sentence(tmp_path: Path) -> None:
    table = table_of(tmp_path, images(3))
    records = (tmp_path / "records.bin").read_bytes()
    (tmp_path / "records.bin").write_bytes(records.replace(b"[", b"{", 1))
    assert table[1].caption == "w1"
    with pytest.raises(DataError, match=r"is damaged: delete that folder"):
        table[0]


@given(names=st.lists(st.sampled_from("abcdefgh"), max_size=30))
@settings(deadline=None)
def test_repeats_are_counted_as_by_a_memory_of_all(names: list[str]) -> None:
    samples = [Sample(name, "cc", name, "image", "A lamp.") for name in names]
    by_memory, by_hash, repeats = DropReport(), DropReport(), Repeats()
    note_duplicates(samples, by_memory)
    assert list(repeats.through(samples)) == samples
    note_repeats(repeats, samples, by_hash)
    assert by_hash == by_memory


def test_a_report_survives_json() -> None:
    report = DropReport(read=7)
    report.drop("no caption", "row 3")
    report.drop("credits", "Fin.", chosen=True)
    report.repair("numbers", "4k", 3)
    report.note("an id twice")
    films = {"film": FilmName("tt1", "A Film")}
    assert read_report(json.loads(json.dumps(report_facts(report, films)))) == (report, films)
