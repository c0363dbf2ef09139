"""Samples on disk, read one by one: what a source of millions has instead of a list.

A table is `records.bin`, a JSON list for each sample, and `offsets.bin`, uint64 [n + 1], where each begins. A process
holds none of it; the system keeps in memory what is asked for again, once for all processes.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, overload

import numpy as np

from calvin.core.errors import DataError
from calvin.core.files import read_record, write_json
from calvin.core.time import Span
from calvin.data.indexing import KeptIndex, RawFile, alone, fingerprint
from calvin.data.samples import DUPLICATE, DropReport, FilmName, Sample

_AT_ONCE = 4096
_RECORDS, _OFFSETS = "records.bin", "offsets.bin"
_FIELDS = 12  # of a record: those of a sample, its span as start and end
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class SampleDigest:
    """A hash of samples in their order, by which a run knows them again."""

    def __init__(self) -> None:
        self._digest = hashlib.blake2b(digest_size=8)

    def add(self, sample: Sample) -> None:
        line = f"{sample.id}\0{sample.media_id}\0{sample.span}\0{sample.context}\0{sample.caption}\n"
        self._digest.update(line.encode())

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def digest_of(samples: Iterable[Sample]) -> str:
    """`SampleDigest` of all; of a table it is computed once and kept beside it."""
    if isinstance(samples, SampleTable):
        return str(samples.kept("digest", lambda: {"digest": _digested(samples)})["digest"])
    return _digested(samples)


def _digested(samples: Iterable[Sample]) -> str:
    digest = SampleDigest()
    for sample in samples:
        digest.add(sample)
    return digest.hexdigest()


def write_table(folder: Path, samples: Iterable[Sample], note: Callable[[int], None]) -> dict[str, Any]:
    """Write a table's files to a folder; returns its facts, for JSON. `note` is told how many there are so far."""
    count, end, kinds = 0, 0, set[str]()
    offsets = array("Q", [0])
    with open(folder / _RECORDS, "wb") as records, open(folder / _OFFSETS, "wb") as places:
        for sample in samples:
            record = _packed(sample)
            records.write(record)
            count, end = count + 1, end + len(record)
            kinds.add(sample.kind)
            offsets.append(end)
            if len(offsets) >= _AT_ONCE:
                places.write(offsets.tobytes())
                offsets = array("Q")
                note(count)
        places.write(offsets.tobytes())
    return {"count": count, "kinds": sorted(kinds)}


def _packed(sample: Sample) -> bytes:
    span, said = sample.span, sample.references
    values: list[Any] = [
        sample.id,
        sample.source,
        None if sample.media_id == sample.id else sample.media_id,
        sample.kind,
        sample.caption,
        span and span.start_ms,
        span and span.end_ms,
        sample.question,
        sample.context,
        None if said == (sample.caption,) else said,
        sample.movie,
        sample.entities or None,
    ]
    while values[-1] is None:
        values.pop()
    return _encode(values).encode("utf-8", "surrogatepass")


def _unpacked(record: bytes) -> Sample:
    values = json.loads(record)
    values += [None] * (_FIELDS - len(values))
    name, source, media_id, kind, caption, start, end, question, context, references, movie, entities = values
    return Sample(
        id=name,
        source=source,
        media_id=name if media_id is None else media_id,
        kind=kind,
        caption=caption,
        span=None if start is None else Span(start, end),
        question=question,
        context=tuple(context or ()),
        references=(caption,) if references is None else tuple(references),
        movie=movie,
        entities=tuple(entities or ()),
    )


class SampleTable(Sequence[Sample]):
    """A table, or some of its rows in their order.

    Args:
        table: where it is on disk.
        count: only the first so many rows.
        without: int64, increasing: rows that are left out.
        only: int64, increasing: the rows that are taken; then neither `count` nor `without` says anything.
    """

    def __init__(
        self,
        table: KeptIndex,
        count: int | None = None,
        without: np.ndarray | None = None,
        only: np.ndarray | None = None,
    ) -> None:
        self.table = table
        self.kinds = frozenset(table.facts["facts"]["kinds"])
        everything = int(table.facts["facts"]["count"])
        self._end = everything if count is None else min(count, everything)
        self._without = np.zeros(0, np.int64) if without is None else without[without < self._end]
        self._only = only
        # Row i of what is left is row i + k of the table, k the rows before it that are left out.
        self._shift = self._without - np.arange(len(self._without))
        self._records, self._offsets = RawFile(table.folder / _RECORDS), RawFile(table.folder / _OFFSETS)

    def __len__(self) -> int:
        return self._end - len(self._without) if self._only is None else len(self._only)

    def rows(self, places: np.ndarray) -> np.ndarray:
        """The table's rows at places of this sequence, both int64 [k]."""
        if self._only is not None:
            return self._only[places]
        return places + np.searchsorted(self._shift, places, side="right")

    @overload
    def __getitem__(self, place: int) -> Sample: ...
    @overload
    def __getitem__(self, place: slice) -> SampleTable: ...
    def __getitem__(self, place: int | slice) -> Sample | SampleTable:
        if isinstance(place, slice):
            return self.only(np.arange(len(self))[place])
        number = range(len(self))[place]
        row = int(self.rows(np.array([number]))[0])
        start, end = np.frombuffer(self._offsets.read(8 * row, 16), np.uint64).tolist()
        return self._read(self._records.read(start, end - start))

    def __iter__(self) -> Iterator[Sample]:
        for first in range(0, len(self), _AT_ONCE):
            rows = self.rows(np.arange(first, min(len(self), first + _AT_ONCE)))
            low, high = int(rows[0]), int(rows[-1]) + 1
            if high - low > 4 * len(rows):  # few of many: each by itself
                yield from (self[place] for place in range(first, first + len(rows)))
                continue
            offsets = np.frombuffer(self._offsets.read(8 * low, 8 * (high - low + 1)), np.uint64).astype(np.int64)
            block = self._records.read(int(offsets[0]), int(offsets[-1] - offsets[0]))
            offsets -= offsets[0]
            for row in (rows - low).tolist():
                yield self._read(block[offsets[row] : offsets[row + 1]])

    def _read(self, record: bytes) -> Sample:
        try:
            return _unpacked(record)
        except (ValueError, TypeError) as error:
            folder = self.table.folder
            raise DataError(f"The index {folder} is damaged: delete that folder; it will be made anew.") from error

    def first(self, count: int) -> SampleTable:
        """The first `count` of them, or all there are."""
        return self if count >= len(self) else self.only(np.arange(count))

    def only(self, places: np.ndarray) -> SampleTable:
        """Those at `places`, int64, increasing."""
        if len(places) and self._only is None and len(places) == int(places[-1]) + 1:
            row = int(self.rows(places[-1:])[0])
            return SampleTable(self.table, row + 1, self._without)
        return SampleTable(self.table, only=self.rows(places.astype(np.int64)))

    def without(self, places: np.ndarray) -> SampleTable:
        """All but those at `places`, int64, increasing."""
        if not len(places):
            return self
        if self._only is not None:
            return SampleTable(self.table, only=np.delete(self._only, places))
        return SampleTable(self.table, self._end, np.union1d(self._without, self.rows(places.astype(np.int64))))

    @property
    def key(self) -> str:
        """Equal only for the same rows of the same data."""
        digest = hashlib.blake2b(digest_size=12)
        for part in (self._without, self._only):
            digest.update(b"/" if part is None else np.ascontiguousarray(part, np.int64).tobytes())
        return fingerprint(self.table.key, self._end if self._only is None else None, digest.hexdigest())[:24]

    def kept(self, what: str, make: Callable[[], dict[str, Any]], *beside: str) -> dict[str, Any]:
        """What was once found out of these samples (and of what `beside` names), for JSON; kept beside the table."""
        path = self.table.folder / f"{what}-{fingerprint(self.key, *beside)[:24]}.json"
        if found := read_record(path):
            return found
        with alone(path.with_suffix(".lock")):
            if not (found := read_record(path)):  # another process may have found it meanwhile
                found = make()
                with suppress(OSError):  # where the index cannot be written, it costs another reading
                    write_json(path, found)
        return found


def table_in(folder: Path, facts: dict[str, Any]) -> SampleTable:
    """The table in a folder whose index is still being made."""
    return SampleTable(KeptIndex(folder, {"facts": facts}))


class Repeats:
    """Tells which ids come more than once in a stream too long to remember: eight bytes of each are kept."""

    def __init__(self) -> None:
        self._hashes = array("Q")

    def add(self, name: str) -> None:
        self._hashes.append(hash_of(name))

    def through(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The same samples, each of whose ids is added."""
        for sample in samples:
            self.add(sample.id)
            yield sample

    def found(self) -> tuple[frozenset[int], int]:
        """Hashes that came more than once, and how often in all after their first time."""
        hashes = np.frombuffer(self._hashes, np.uint64)  # sorted where it lies
        hashes.sort()
        again = hashes[1:][hashes[1:] == hashes[:-1]]
        return frozenset(again.tolist()), len(again)


def note_repeats(repeats: Repeats, samples: Iterable[Sample], report: DropReport) -> None:
    """As `note_duplicates`, of a stream that has passed; `samples` are read again for examples if there are any."""
    hashes, count = repeats.found()
    if not count:
        return
    seen, named = set[int](), 0
    for sample in samples:
        if (value := hash_of(sample.id)) in hashes:
            if value in seen:
                report.note(DUPLICATE, sample.id)
                named += 1
            seen.add(value)
            if named == min(count, 5):
                break
    report.noted[DUPLICATE] += count - named


def hash_of(name: str) -> int:
    """64 bits of a name's hash, the same in every process."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def report_facts(report: DropReport, films: dict[str, FilmName]) -> dict[str, Any]:
    """A report and the names of films, for JSON."""
    counts = ("dropped", "repaired", "noted", "chosen")
    return {
        "read": report.read,
        **{name: dict(getattr(report, name)) for name in counts},
        "examples": report.examples,
        "films": {media_id: [film.imdb, film.title] for media_id, film in films.items()},
    }


def read_report(facts: dict[str, Any]) -> tuple[DropReport, dict[str, FilmName]]:
    """What `report_facts` made."""
    report = DropReport(facts["read"], examples={name: list(shown) for name, shown in facts["examples"].items()})
    for name in ("dropped", "repaired", "noted", "chosen"):
        getattr(report, name).update(facts[name])
    return report, {media_id: FilmName(*film) for media_id, film in facts["films"].items()}
