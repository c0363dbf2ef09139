"""Features of millions of ids: where the vectors of each lie is found in an index on disk, not in a dictionary.

For each id (`names`) and each row number of img2dataset's layout (`rows`) there are its hash, in order (`.hashes`,
uint64), and which file holds its vectors and where (`.places`). `.starts` says at which entry each of the parts begins
into which the hashes are cut by their first bits, so that one is found by two short reads.
"""

from __future__ import annotations

import hashlib
import os
import struct
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from calvin.core.errors import DataError, FeatureError
from calvin.core.files import temporary_folder
from calvin.core.time import Span
from calvin.core.types import FPS
from calvin.data.feature_facts import FeatureFacts, check_facts, settle_facts
from calvin.data.feature_reading import FACTS, MANIFEST, FeatureFile, TarOfVectors, each_name, open_file
from calvin.data.features import NO_FEATURES, PAST_END, Features, frames_in, read_frames, take_frames
from calvin.data.indexing import DataFiles, KeptIndex, RawFile, fingerprint, kept_index
from calvin.data.readers.shards import VECTORS, TarSample
from calvin.data.sample_table import read_report, report_facts
from calvin.data.samples import DropReport, RowNumbers

_ENTRY = struct.Struct("<QQIQQ")
_FIELDS = np.dtype([("hash", "<u8"), ("check", "<u8"), ("file", "<u4"), ("offset", "<u8"), ("size", "<u8")])
_COLUMNS = np.dtype([("check", "<u8"), ("file", "<u4"), ("offset", "<u8"), ("size", "<u8")])
_PLACE = struct.Struct("<QIQQ")
_PARTS, _BUFFER, _IN_A_PART = 6, 2**20, 64
_OPEN = 32
_NAMES = "names.txt"
TWICE = "features in two files, the first are taken"


class Place(NamedTuple):
    """Where vectors lie: in which file, and from where on how many bytes (in a tar) or under which name."""

    file: int
    offset: int
    size: int


def feature_data(path: Path) -> DataFiles:
    """The feature files of a path, and what says of tars what they hold."""
    found = DataFiles.of(path, ".h5", ".safetensors", ".tar")
    manifest = (path if path.is_dir() else path.parent) / MANIFEST
    tars = any(file.suffix == ".tar" for file in found.files)
    return replace(found, files=[*found.files, manifest]) if tars and manifest.is_file() else found


def open_indexed(
    path: Path,
    say: Callable[[str], None],
    note: Callable[[int], None] = lambda _: None,
    *,
    expect_encoder: tuple[str, str] | None = None,
    expect_dim: int | None = None,
    fps: float | None = None,
    stated_encoder: tuple[str, str] | None = None,
) -> IndexedFeatures:
    """As `open_features`, by an index that is made if there is none.

    Args:
        say: takes sentences for people.
        note: is told how many ids have been found, while the index is made.

    Raises:
        FeatureError: the file, or every file of a folder, is damaged, or not what is expected.
    """
    data = feature_data(path)
    files = [file for file in data.files if file.name != MANIFEST]
    index = kept_index(data, "features", [], lambda folder: _build(folder, files, note), say)
    report, notes = DropReport(len(files)), list[str]()
    facts: list[FeatureFacts | None] = []
    first: DataError | None = None
    for file, held in zip(files, index.facts["facts"]["files"], strict=True):
        try:
            if held["error"]:
                raise FeatureError(held["error"])
            found = settle_facts(file, held["facts"], fps, stated_encoder)
            found = replace(found, dim=held["dim"]) if found.dim is None else found
            check_facts(file, found, expect_encoder, expect_dim if held["count"] else None)
        except DataError as error:
            first = first or error
            report.drop("feature file that cannot be used", str(error))
            facts.append(None)
            continue
        report.merge(read_report(held["report"])[0])
        notes += found.notes
        facts.append(found)
    if first is not None and not any(facts):
        raise FeatureError(f"{path} holds no usable feature file. {first}") if path.is_dir() else first
    if twice := index.facts["facts"]["twice"]:
        report.note(TWICE, index.facts["facts"]["example"])
        report.noted[TWICE] += twice - 1
    return IndexedFeatures(path, index, files, facts, report, tuple(dict.fromkeys(notes)))


class IndexedFeatures(Features):
    """The features of a file or of all files in a folder, by an index. What is read does not stay in memory.

    Args:
        facts: of each file; None where it cannot be used.
    """

    def __init__(
        self,
        path: Path,
        index: KeptIndex,
        files: Sequence[Path],
        facts: Sequence[FeatureFacts | None],
        report: DropReport,
        notes: tuple[str, ...],
    ) -> None:
        self.path, self.index, self.report, self.notes = path, index, report, notes
        self._files, self._facts = files, facts
        names, rows = _Sorted(index.folder, "names"), _Sorted(index.folder, "rows")
        # As a folder and a file do: where a number is both, a folder means the row, and a file the id.
        self._lists = (rows, names) if path.is_dir() else (names, rows)
        self._names = RawFile(index.folder / _NAMES)
        self._open: OrderedDict[int, FeatureFile] = OrderedDict()
        self._owner = os.getpid()

    def __len__(self) -> int:
        facts = self.index.facts["facts"]
        refused = zip(self._facts, facts["files"], strict=True)
        return int(facts["count"]) - sum(held["count"] for found, held in refused if found is None)

    def __contains__(self, media_id: object) -> bool:
        return isinstance(media_id, str) and self._find(media_id) is not None

    @property
    def state(self) -> str:
        return fingerprint(self.index.key, list(map(str, self._facts)))

    def frames(self, media_id: str) -> int:
        """Number of stored frames of an id."""
        return self._stored(media_id)[1]

    def problem(self, media_id: str, span: Span | None) -> str:
        """As `FeatureStore.problem`."""
        place = self._find(media_id)
        if place is None:
            return NO_FEATURES
        if span is None:
            return ""
        try:
            past = span.middle_ms * self._fps(place) > 1000 * self.frames(media_id)
        except FeatureError as error:
            return str(error)
        return PAST_END if past else ""

    def scene(self, media_id: str, span: Span | None, max_frames: int = 32) -> np.ndarray:
        """float32 [k, D], 1 <= k <= max_frames.

        Raises:
            FeatureError: no such id, or its vectors cannot be used.
        """
        stored, count, place = self._stored(media_id)
        indices = take_frames(count, span, self._fps(place), max_frames)
        return read_frames(stored, indices, media_id, self._files[place.file])

    def close(self) -> None:
        """Close the files that are open."""
        while self._open:
            file = self._open.popitem()[1]
            if self._owner == os.getpid():
                file.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def _fps(self, place: Place) -> float:
        facts = self._facts[place.file]
        return FPS if facts is None else facts.fps

    def _find(self, media_id: str) -> Place | None:
        """The first place of an id in a file that can be used."""
        pair = _hashes(media_id)
        for entries in self._lists:
            for place in entries.find(*pair):
                if self._facts[place.file] is not None:
                    return place
        return None

    def _stored(self, media_id: str) -> tuple[Any, int, Place]:
        """The array of an id, not yet read, its number of frames, and where it is."""
        place = self._find(media_id)
        if place is None:
            raise FeatureError(f"{self.path} has no features of {media_id!r} among its {len(self)} ids.")
        path, facts = self._files[place.file], self._facts[place.file]
        if path.suffix == ".tar":
            item = TarSample(path, media_id, {VECTORS: (place.offset, place.size)})
            stored, shape = TarOfVectors.array_of(item, media_id)
        else:
            name = self._names.read(place.offset, place.size).decode("utf-8", "surrogatepass")
            stored, shape = self._file(place.file).array(name)
        return stored, frames_in(shape, -1 if facts is None or facts.dim is None else facts.dim, media_id, path), place

    def _file(self, number: int) -> FeatureFile:
        if self._owner != os.getpid():  # after a fork the files belong to the parent
            self._open, self._owner = OrderedDict(), os.getpid()
        if number not in self._open:
            while len(self._open) >= _OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[number] = open_file(self._files[number], listed=False)
        self._open.move_to_end(number)
        return self._open[number]


class _Sorted:
    """Places by hash, read in place."""

    def __init__(self, folder: Path, name: str) -> None:
        self._starts = np.fromfile(folder / f"{name}.starts", "<u8")
        self._hashes, self._places = RawFile(folder / f"{name}.hashes"), RawFile(folder / f"{name}.places")
        self._shift = 64 - (len(self._starts) - 2).bit_length()

    def find(self, value: int, check: int) -> Iterator[Place]:
        """All places of a pair of hashes, in order of their files."""
        part = value >> self._shift
        first, last = int(self._starts[part]), int(self._starts[part + 1])
        if first == last:
            return
        hashes = memoryview(self._hashes.read(8 * first, 8 * (last - first))).cast("Q")
        position = bisect_left(hashes, value)
        while position < len(hashes) and hashes[position] == value:
            entry = self._places.read(_PLACE.size * (first + position), _PLACE.size)
            found, file, offset, size = _PLACE.unpack(entry)
            if found == check:
                yield Place(file, offset, size)
            position += 1


class _Sorter:
    """Takes entries in any order and leaves them by hash; a part at a time is in memory."""

    def __init__(self, work: Path, stack: ExitStack) -> None:
        self._buffer, self.count = bytearray(), 0
        paths = [work / str(part) for part in range(2**_PARTS)]
        self._parts = [stack.enter_context(path.open("w+b")) for path in paths]

    def add(self, media_id: str, place: Place) -> None:
        self._buffer += _ENTRY.pack(*_hashes(media_id), *place)
        self.count += 1
        if len(self._buffer) >= _BUFFER * _ENTRY.size:
            self._spread()

    def _spread(self) -> None:
        entries = np.frombuffer(bytes(self._buffer), _FIELDS)
        self._buffer.clear()
        part = (entries["hash"] >> np.uint64(64 - _PARTS)).astype(np.uint8)
        entries = entries[np.argsort(part, kind="stable")]
        edges = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=2**_PARTS))])
        for number, file in enumerate(self._parts):
            file.write(entries[edges[number] : edges[number + 1]].tobytes())

    def finish(self, folder: Path, name: str) -> tuple[int, int, tuple[int, int, int] | None]:
        """Write the files of `_Sorted`; returns how many ids there are, how many places too many, and of such a place
        its hashes and file."""
        self._spread()
        bits = max(1, (self.count // _IN_A_PART).bit_length())
        counts = np.zeros(2**bits, np.int64)
        ids, twice, example = 0, 0, None
        with open(folder / f"{name}.hashes", "wb") as hashes, open(folder / f"{name}.places", "wb") as places:
            for file in self._parts:
                file.seek(0)
                entries = np.frombuffer(file.read(), _FIELDS)
                entries = entries[np.lexsort((entries["file"], entries["check"], entries["hash"]))]
                same_id = (entries["hash"][1:] == entries["hash"][:-1]) & (
                    entries["check"][1:] == entries["check"][:-1]
                )
                # Of one id in one file, the last counts.
                kept = np.append(
                    ~(same_id & (entries["file"][1:] == entries["file"][:-1])), [True] * bool(len(entries))
                )
                entries = entries[kept.astype(bool)]
                more = (entries["hash"][1:] == entries["hash"][:-1]) & (entries["check"][1:] == entries["check"][:-1])
                ids, twice = ids + len(entries) - int(more.sum()), twice + int(more.sum())
                if more.any() and example is None:
                    entry = entries[1:][more][0]
                    example = int(entry["hash"]), int(entry["check"]), int(entry["file"])
                counts += np.bincount((entries["hash"] >> np.uint64(64 - bits)).astype(np.int64), minlength=2**bits)
                hashes.write(entries["hash"].tobytes())
                columns = np.empty(len(entries), _COLUMNS)
                for column in ("check", "file", "offset", "size"):
                    columns[column] = entries[column]
                places.write(columns.tobytes())
        np.concatenate([[0], np.cumsum(counts)]).astype("<u8").tofile(folder / f"{name}.starts")
        return ids, twice, example


def _build(folder: Path, files: Sequence[Path], note: Callable[[int], None]) -> dict[str, Any]:
    """Fill an index's folder; returns its facts."""
    with temporary_folder(folder.parent) as work, ExitStack() as stack:
        for room in ("names", "rows", "none"):
            (work / room).mkdir()
        names, rows = _Sorter(work / "names", stack), _Sorter(work / "rows", stack)
        texts = stack.enter_context(open(folder / _NAMES, "wb"))
        numbers, told = RowNumbers(), []

        def take(media_id: str, place: Place) -> None:
            names.add(media_id, place)
            if (row := numbers.add(media_id)) is not None:
                rows.add(row, place)
            if names.count % 10_000 == 0:
                note(names.count)

        for number, path in enumerate(files):
            told.append(_list_file(number, path, texts, take))
        if not numbers.hold:
            rows = _Sorter(work / "none", stack)
        count, twice, example = names.finish(folder, "names")
        rows.finish(folder, "rows")
    shown = f"{_name_of(files[example[2]], example[:2])} in {files[example[2]]}" if example else ""
    return {"files": told, "count": count, "twice": twice, "example": shown}


def _list_file(number: int, path: Path, texts: Any, take: Callable[[str, Place], None]) -> dict[str, Any]:
    """Hand over where the vectors of a file lie; returns what it says of itself, or what is wrong with it."""
    count, first = 0, ""

    def take_name(media_id: str) -> None:
        nonlocal count, first
        count, first = count + 1, first or media_id
        text = media_id.encode("utf-8", "surrogatepass")
        take(media_id, Place(number, texts.tell(), len(text)))
        texts.write(text)

    try:
        file = open_file(path, listed=False)
        try:
            dim = None
            if isinstance(file, TarOfVectors):
                for item in file.items():
                    take(item.id, Place(number, *item.members[VECTORS]))
                    count += 1
            else:
                each_name(file, path, take_name)
                if count:
                    shape = file.array(first)[1]
                    dim = shape[1] if len(shape) == 2 else -1
            facts = {name: _plain(file.facts[name]) for name in FACTS if name in file.facts}
            report = report_facts(file.report, {})
        finally:
            file.close()
    except DataError as error:
        return {"error": str(error), "count": count}
    return {"error": "", "facts": facts, "dim": dim, "count": count, "report": report}


def _name_of(path: Path, wanted: tuple[int, int]) -> str:
    """The id in a file that has these hashes."""
    file, found = open_file(path, listed=False), [""]
    try:
        each_name(file, path, lambda name: found.append(name) if _hashes(name) == wanted else None)
    finally:
        file.close()
    return found[-1]


def _plain(value: Any) -> Any:
    """A fact as JSON can hold it; of what is no fact at all, its text, which is refused like it."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float) else str(value)


def _hashes(media_id: str) -> tuple[int, int]:
    digest = hashlib.blake2b(media_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")
