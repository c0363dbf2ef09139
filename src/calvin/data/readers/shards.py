"""Webdataset shards: tars of `key.jpg|key.mp4|key.npy` with `key.txt|key.json`, as img2dataset and video2dataset
write them. Nothing is unpacked to disk; members are read from where they lie."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calvin.core.errors import DataError
from calvin.core.types import IMAGE_SUFFIXES
from calvin.data.readers.text_files import NO_CHECKSUM, clean_text
from calvin.data.samples import DropReport, Kind, ReadResult, Sample, note_duplicates, printable

CUT_SHORT = "shard cut short or damaged, its rest is lost"
IMAGES = tuple(suffix[1:] for suffix in IMAGE_SUFFIXES)
CLIPS = ("mp4", "mkv", "webm", "mov", "avi")
VECTORS = "npy"
_MAX_TEXT = 1 << 20
_BLOCK = 512


@dataclass
class TarSample:
    """The members of one key: where each lies in the tar, by suffix. `id` is `shard/key`."""

    path: Path
    key: str
    members: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return printable(f"{self.path.stem}/{self.key}")[0]

    @property
    def media(self) -> str | None:
        """Suffix of the picture, the clip or the stored vectors."""
        return next((suffix for suffix in (VECTORS, *IMAGES, *CLIPS) if suffix in self.members), None)

    def read(self, suffix: str, limit: int | None = None) -> bytes:
        """
        Raises:
            DataError: the member is longer than `limit` bytes, or cut.
        """
        offset, size = self.members[suffix]
        if limit is not None and size > limit:
            raise DataError(f"{self.id}.{suffix} is {size} bytes long, more than the {limit} allowed.")
        with open(self.path, "rb") as stream:
            stream.seek(offset)
            data = stream.read(size)
        if len(data) < size:
            raise DataError(f"{self.id}.{suffix} in {self.path} is cut short.")
        return data

    def json(self) -> dict[str, Any]:
        """The sample's own JSON object; empty where there is none.

        Raises:
            DataError: it is not a JSON object.
        """
        if "json" not in self.members:
            return {}
        try:
            values = json.loads(self.read("json", _MAX_TEXT).decode("utf-8-sig", errors="surrogateescape"))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{self.id}.json is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise DataError(f"{self.id}.json is not a JSON object.")
        return values


def shard_paths(path: str | Path) -> list[Path]:
    """A tar, or the tars of a folder in order.

    Raises:
        DataError: there is none.
    """
    path = Path(path)
    paths = sorted(path.glob("*.tar")) if path.is_dir() else [path]
    if not paths:
        raise DataError(f"{path} cannot be read as shards: it holds no .tar file.")
    return paths


def iter_shard(path: Path, report: DropReport) -> Iterator[TarSample]:
    """The samples of one tar, neighbours of one key together; a tar that ends too early gives what it holds whole.

    Raises:
        DataError: not there, or not a tar at all.
    """
    try:
        with open(path, "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            yield from _group(path, tar, os.fstat(stream.fileno()).st_size, report)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except tarfile.TarError as error:
        raise DataError(f"{path} is not a tar file: {error}.") from error


def _group(path: Path, tar: tarfile.TarFile, size: int, report: DropReport) -> Iterator[TarSample]:
    current: TarSample | None = None
    whole = True
    while whole:
        try:
            member = tar.next()
        except (tarfile.TarError, ValueError, OverflowError):
            whole = False
            break
        if member is None:
            break
        if not member.isreg():
            continue
        if member.offset_data + member.size > size:
            whole = False
            break
        folder, _, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        key = f"{folder}/{stem}".lstrip("./") if folder else stem
        if current is not None and current.key != key:
            yield current
            current = None
        current = current or TarSample(path, key)
        current.members[suffix.lower()] = (member.offset_data, member.size)
    whole = whole and _ends_well(path, tar.offset)
    # What a cut leaves of the last sample may lack its picture or its text: it counts as lost.
    if current is not None and (whole or (current.media and {"txt", "json"} & set(current.members))):
        yield current
    if not whole:
        report.drop(CUT_SHORT, str(path))


def _ends_well(path: Path, offset: int) -> bool:
    """Whether a tar's end mark, a block of zeros, stands where its members end; tarfile takes garbage for an end."""
    with open(path, "rb") as stream:
        for start in {offset, max(0, offset - _BLOCK)}:
            stream.seek(start)
            if stream.read(_BLOCK) == bytes(_BLOCK):
                return True
    return False


def read_webdataset(path: str | Path) -> ReadResult:
    """One sample per key. The caption is the text file, else `caption` or `text` of the JSON; `report.read` counts
    keys.

    Stored vectors (`.npy`) are of an image where the JSON says `"kind": "image"`, else of a clip.

    Raises:
        DataError: no tar there, or not one of them is a tar.
    """
    report = DropReport()
    samples = list(stream_webdataset(path, report))
    note_duplicates(samples, report)
    return ReadResult(samples, report)


def stream_webdataset(path: str | Path, report: DropReport) -> Iterator[Sample]:
    """The samples of `read_webdataset` one by one."""
    failures = []
    paths = shard_paths(path)
    for shard in paths:
        try:
            for item in iter_shard(shard, report):
                report.read += 1
                if (sample := _sample(report, item)) is not None:
                    yield sample
        except DataError as error:
            failures.append(error)
            report.drop("shard that is not a tar", str(shard))
    if len(failures) == len(paths):
        raise failures[0]


def _sample(report: DropReport, item: TarSample) -> Sample | None:
    media = item.media
    if media is None:
        report.drop("no image, clip or vectors", item.id)
        return None
    try:
        values = item.json()
        text = (
            item.read("txt", _MAX_TEXT).decode("utf-8-sig", errors="surrogateescape") if "txt" in item.members else ""
        )
    except DataError as error:
        report.drop("text or JSON that cannot be read", str(error))
        return None
    given = text if text.strip() else next((values[name] for name in ("caption", "text") if values.get(name)), "")
    caption = clean_text(given, report) if isinstance(given, str) else ""
    if not caption:
        report.drop("no caption", item.id)
        return None
    if values.get("url") and not (values.get("sha256") or values.get("md5")):
        report.note(NO_CHECKSUM, str(values["url"]))
    image = media in IMAGES or (media == VECTORS and values.get("kind") == "image")
    kind: Kind = "image" if image else "video"
    question = values.get("question")
    asked = clean_text(question, report) if isinstance(question, str) else None
    return Sample(item.id, "webdataset", item.id, kind, caption, question=asked, references=(caption,))
